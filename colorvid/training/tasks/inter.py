"""Training of the inter codec on closed-loop samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.config import InterConfig
from colorvid.models.inter import InterModel
from colorvid.training.data.sequences import Crops, SequenceStore, sequence_batch
from colorvid.training.tasks.loss import Figures, LossConfig, figures
from colorvid.training.tasks.rate import BranchRate


def inter_networks(config: InterConfig, rate_weight: float | None = None) -> nn.ModuleDict:
    """The inter model and its rate models; quantiser steps stay as they are.

    The model quantises as the encoder does, with the bits that the rate models say; at the price
    ``rate_weight`` of a bit, if one is given.
    """
    if rate_weight is not None:
        config = replace(config, rate_weight=rate_weight)
    model = InterModel(config)
    networks = nn.ModuleDict({"model": model})
    for name, branch in (("luma", model.luma), ("chroma", model.chroma)):
        rate = BranchRate(branch.config.hyper, means=False)
        branch.gains.requires_grad_(False)
        branch.set_symbol_bits(rate.symbol_bits())
        networks[name] = rate
    return networks


class InterTask:
    """Random crops of inter frames at the quality at which their clip was coded."""

    def __init__(self, config: InterConfig, loss: LossConfig, sequences: SequenceStore) -> None:
        """Make the model and its rate models."""
        self.config, self.loss_config, self.sequences = config, loss, sequences
        self.networks = inter_networks(config, loss.rate_weight).to(
            memory_format=torch.channels_last
        )

    def draw(self, generator: np.random.Generator, batch: int, crop: int) -> list[Tensor]:
        """See `colorvid.training.loop.gradients.Task.draw`: the tensors of `Crops`."""
        return sequence_batch(self.sequences, generator, batch, crop).tensors()

    def loss(self, drawn: list[Tensor]) -> Figures:
        """See `colorvid.training.loop.gradients.Task.loss`."""
        crops = Crops(*drawn)
        source = (crops.y, crops.uv)
        output = self.networks["model"](*source, crops.context(), crops.quality)
        bits = [b for k in ("luma", "chroma") for b in self.networks[k](getattr(output, k))]
        return figures(self.loss_config, (output.y, output.uv), source, bits, crops.quality)
