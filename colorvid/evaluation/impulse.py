"""What each latent channel of the intra codec costs, and what it paints into the picture.

The impulse response of a channel is what the decoder makes of one latent in that channel alone,
minus what it makes of none: through the very functions that decode a stream, in exact arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.config import INTRA_BLOCK
from colorvid.entropy.tables import Tables
from colorvid.errors import ConfigError
from colorvid.exact.guard import exact_torch, prove
from colorvid.frame import Frame
from colorvid.models.loading import Model
from colorvid.models.passes import Trial
from colorvid.models.planes import FEATURES_PER_SAMPLE, FrameTensors, padded
from colorvid.nn.steps import Step, places
from colorvid.nn.transforms import SYMBOL_STEPS

BranchName = Literal["luma", "chroma"]
PATCH = 9
"""Latent positions along a side of the patch that an impulse is decoded in; odd."""
MOST_STEPS = 255
"""Largest impulse: no symbol of a picture needs more than a few."""
_BATCH = 32  # impulses decoded at a time: bounds the memory


@dataclass
class ChannelCounter(Trial):
    """`colorvid.models.passes.Coder` that writes nothing and counts the bits of each channel.

    Attributes:
        tables: frequency tables of the latents.
        steps: context steps of the branch.
        shape: of the latents, ``(1, C, h, w)``.
        bits: information of the latents so far, float64 ``(C,)``; without hyper-latents.
    """

    tables: Tables
    steps: tuple[Step, ...]
    shape: torch.Size
    bits: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Start at zero, with all steps to come."""
        self.bits = np.zeros(self.shape[1])
        self._to_come = iter(self.steps)

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.latents`."""
        assert symbols is not None
        height, width = self.shape[2:]
        _, overall = places(next(self._to_come), height, width, torch.device("cpu"))
        channel = overall.numpy() // (height * width)
        tables, values = (t.to("cpu", torch.int32).numpy() for t in (index, symbols))
        coded = np.flatnonzero(tables)
        information = self.tables.information(values[coded], tables[coded])
        self.bits += np.bincount(channel[coded], information, len(self.bits))
        return super().latents(symbols, index)


def channel_bits(
    model: Model, frame: Frame, quality: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bits that each latent channel takes in a key frame, by the codec's own frequency tables.

    Args:
        model: as `colorvid.models.modelfile.load_model` gives it.
        frame: the picture to code.
        quality: 0..63.

    Returns:
        Bits of the luma channels ``(256,)`` and of the chroma channels ``(128,)``; hyper-latents
        belong to no channel and are left out.
    """
    prove(str(model.network.device), model.network.carrier)
    size = (frame.height, frame.width)
    grid = [padded(s) // INTRA_BLOCK for s in size]
    intra = model.network.intra
    luma, chroma = (
        ChannelCounter(
            book.latents, branch.prior.steps, torch.Size((1, branch.config.latents, *grid))
        )
        for branch, book in zip((intra.luma, intra.chroma), model.pair("intra"), strict=True)
    )
    picture = FrameTensors.of(frame, model.network.device)
    with exact_torch():
        model.network.code_key((luma, chroma), picture, size, quality)
    return luma.bits, chroma.bits


def impulse_responses(
    model: Model, branch: BranchName, quality: int, steps: int
) -> NDArray[np.float64]:
    """Decoder's answer to one latent in each channel of a branch, all other latents zero.

    The impulse stands in the middle of a patch of 9x9 latent positions.

    Args:
        model: as `colorvid.models.modelfile.load_model` gives it.
        branch: ``luma`` or ``chroma``.
        quality: 0..63.
        steps: size of the impulse in quantiser steps, 1..255.

    Returns:
        Response minus that of zero latents, in sample values (multiples of 1/8): Y
        ``(256, 1, 144, 144)``, or U and V ``(128, 2, 72, 72)``.

    Raises:
        ConfigError: an argument is out of its range.
    """
    if branch not in get_args(BranchName):
        raise ConfigError(f"branch {branch!r}; use one of {', '.join(get_args(BranchName))}")
    if not 1 <= steps <= MOST_STEPS:
        raise ConfigError(f"impulse of {steps} steps is not allowed; it must be 1..{MOST_STEPS}")
    prove(str(model.network.device), model.network.carrier)
    intra = model.network.intra
    part = intra.luma if branch == "luma" else intra.chroma
    impulses = torch.zeros(
        (part.config.latents, part.config.latents, PATCH, PATCH), dtype=model.network.carrier
    )
    channel = torch.arange(part.config.latents)
    impulses[channel, channel, PATCH // 2, PATCH // 2] = steps * SYMBOL_STEPS
    nothing = torch.zeros_like(impulses[:1])
    at_rest = _decode(model, branch, nothing, quality)
    batches = torch.split(impulses, _BATCH)
    parts = [_decode(model, branch, i, quality) - at_rest for i in batches]
    result: NDArray[np.float64] = torch.cat(parts).to(torch.float64).numpy()
    return result / FEATURES_PER_SAMPLE


def _decode(model: Model, branch: BranchName, latents: Tensor, quality: int) -> Tensor:
    """Planes of one branch from its latents ``(B, C, h, w)``, the other branch's being zero."""
    intra, device = model.network.intra, model.network.device
    other = intra.chroma if branch == "luma" else intra.luma
    shape = (len(latents), other.config.latents, *latents.shape[2:])
    zeros = torch.zeros(shape, dtype=latents.dtype, device=device)
    latents, q = latents.to(device), torch.tensor([quality], device=device)
    with exact_torch():
        if branch == "luma":
            return intra.synthesise(latents, zeros, q)[0].cpu()
        return intra.synthesise(zeros, latents, q)[1].cpu()
