"""Training of the inter codec on closed-loop samples."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.config import InterConfig
from colorvid.models.inter import Context, InterModel
from colorvid.training.loss import LossConfig, figures
from colorvid.training.rate import BranchRate
from colorvid.training.sequences import SequenceStore, sequence_batch


class InterTask:
    """Random crops of inter frames at the quality at which their clip was coded."""

    def __init__(self, config: InterConfig, loss: LossConfig, sequences: SequenceStore) -> None:
        """Make the model and its rate models; quantiser steps stay as they are."""
        self.config, self.loss_config, self.sequences = config, loss, sequences
        self.networks = nn.ModuleDict(
            {
                "model": InterModel(config),
                "luma": BranchRate(config.luma_hyper, means=False),
                "chroma": BranchRate(config.chroma_hyper, means=False),
            }
        ).to(memory_format=torch.channels_last)
        for branch in ("luma", "chroma"):
            part = getattr(self.networks["model"], branch)
            part.gains.requires_grad_(False)
            rate = self.networks[branch]
            assert isinstance(rate, BranchRate)
            part.set_symbol_bits(rate.symbol_bits())

    def loss(self, generator: np.random.Generator, batch: int, crop: int) -> dict[str, Tensor]:
        """See `colorvid.training.loop.Task.loss`."""
        y, uv, context, quality = sequence_batch(self.sequences, generator, batch, crop)
        device = next(self.networks.parameters()).device
        y, uv, quality = (t.to(device) for t in (y, uv, quality))
        context = Context(*(getattr(context, f.name).to(device) for f in fields(Context)))
        output = self.networks["model"](y, uv, context, quality)
        bits = [b for k in ("luma", "chroma") for b in self.networks[k](getattr(output, k))]
        decoded = (output.y, output.uv)
        return figures(self.loss_config, decoded, (y, uv), bits, quality)
