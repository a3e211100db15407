"""Tasks of single frames: key frames of pictures, inter frames of closed-loop samples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from colorvid.config import InterConfig, IntraConfig
from colorvid.training import group
from colorvid.training.data.pictures import PictureStore, draw_qualities, picture_batch, to_units
from colorvid.training.data.sequences import Crops, SequenceStore, sequence_batch
from colorvid.training.tasks.loss import Figures, LossConfig, figures
from colorvid.training.tasks.rate import inter_networks, intra_networks


class IntraTask:
    """Random crops of pictures, a random quality for each.

    Latents are plainly rounded unless the loss has a ``rate_weight``: with the encoder's
    rate-distortion optimised quantiser learned steps drift and chroma starves. A decoder behind a
    frozen analysis and frozen steps can be trained on what the encoder writes.
    """

    def __init__(self, config: IntraConfig, loss: LossConfig, pictures: PictureStore) -> None:
        """Make the model and its rate models."""
        self.config, self.loss_config, self.pictures = config, loss, pictures
        self.networks = intra_networks(config, loss.rate_weight).to(
            memory_format=torch.channels_last
        )

    def draw(self, generator: np.random.Generator, batch: int, crop: int) -> list[Tensor]:
        """See `colorvid.training.loop.gradients.Task.draw`: Y, UV and the quality."""
        y, uv = picture_batch(self.pictures, generator, batch, crop)
        even = self.pictures.config.even_qualities
        drawn = torch.from_numpy(draw_qualities(generator, batch, even=even))
        return [y, uv, group.share(drawn)]

    def loss(self, drawn: list[Tensor]) -> Figures:
        """See `colorvid.training.loop.gradients.Task.loss`."""
        y, uv = (to_units(t).contiguous(memory_format=torch.channels_last) for t in drawn[:2])
        quality = drawn[2]
        output = self.networks["model"](y, uv, quality)
        bits = [b for k in ("luma", "chroma") for b in self.networks[k](getattr(output, k))]
        decoded = (output.y, output.uv)
        return figures(self.loss_config, decoded, (y, uv), bits, quality)


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
