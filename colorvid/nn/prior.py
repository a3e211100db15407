"""Entropy parameters of a branch: hyperprior, conditions, two-step checkerboard context.

Latents ``y`` are in units of the quantiser step; decoded ones are multiples of 1/16. The prior
says for each latent a mean and an index into a table of scales. Both leave it as integers in
exact arithmetic, so that encoder and decoder agree on every symbol on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.exact.arithmetic import Grid
from colorvid.exact.layers import Conv, ExactLayer, QualityBias
from colorvid.nn.blocks import blocks
from colorvid.nn.transforms import SYMBOL_STEPS

SCALES = 64
SMALLEST_SCALE = 0.12
LARGEST_SCALE = 64.0
SCALE_RATIO = math.log(LARGEST_SCALE / SMALLEST_SCALE) / (SCALES - 1)
HYPER_STRIDE = 4
"""Latent positions to a hyper-latent position in each direction."""

MEAN = Grid(steps=SYMBOL_STEPS, limit=2047)
INDEX = Grid(steps=8, limit=2047)
HYPER = Grid(steps=1, limit=127)


def scale_of(index: Tensor) -> Tensor:
    """Standard deviation, in quantiser steps, of a (real) scale index 0..63; 0.12 to 64."""
    return SMALLEST_SCALE * torch.exp(index * SCALE_RATIO)


def checkerboard(shape: torch.Size, device: torch.device) -> Tensor:
    """First step's mask ``(C, H, W)``, bool: positions of even ``channel + row + column``."""
    _, c, h, w = shape
    parity = torch.arange(c, device=device)[:, None, None]
    parity = parity + torch.arange(h, device=device)[:, None] + torch.arange(w, device=device)
    return parity % 2 == 0


@lru_cache(maxsize=64)
def checkerboard_places(shape: torch.Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """Flat indices, int64, of the two steps of `checkerboard` in a tensor ``(1, C, H, W)``."""
    mask = checkerboard(shape, device).flatten()
    return mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Mean (or None for zero) and scale index of every latent, each ``(B, C, H, W)``.

    Float arithmetic: mean in steps, index in units of 8. Exact: integers, mean in 1/16 steps, index
    still to be clamped to 0..63.
    """

    mean: Tensor | None
    index: Tensor

    def where(self, mask: Tensor, other: Parameters) -> Parameters:
        """These parameters where ``mask``, the other ones elsewhere."""
        mean = None
        if self.mean is not None and other.mean is not None:
            mean = torch.where(mask, self.mean, other.mean)
        return Parameters(mean, torch.where(mask, self.index, other.index))


class HyperAnalysis(nn.Module):
    """Latents to hyper-latents at a quarter of their resolution (encoder only)."""

    def __init__(self, latents: int, width: int, hyper: int) -> None:
        """Make the networks."""
        super().__init__()
        self.enter = Conv(latents, width)
        self.down1 = Conv(4 * width, width)
        self.middle = blocks(width, 1)
        self.down2 = Conv(4 * width, hyper)

    def forward(self, y: Tensor) -> Tensor:
        """Scaled latents ``(B, C, H, W)`` to ``(B, Z, ceil(H/4), ceil(W/4))``, real values."""
        h, w = y.shape[-2:]
        y = F.pad(y, (0, -w % HYPER_STRIDE, 0, -h % HYPER_STRIDE), mode="replicate")
        x = self.enter(y)
        x = F.pixel_unshuffle(torch.maximum(x, x * 0.125), 2)
        x = F.pixel_unshuffle(self.middle(self.down1(x)), 2)
        result: Tensor = self.down2(x)
        return result


class HyperSynthesis(ExactLayer):
    """Decoded hyper-latents to features at the resolution of the latents."""

    def __init__(self, hyper: int, width: int) -> None:
        """Make the networks."""
        super().__init__()
        middle = width // 2
        self.up1 = Conv(hyper, 4 * middle, source=HYPER)
        self.middle = blocks(middle, 1)
        self.up2 = Conv(middle, 4 * width)

    def forward(self, z: Tensor, size: tuple[int, int]) -> Tensor:
        """Integers ``(B, Z, h, w)`` to features ``(B, width, *size)``."""
        x = F.pixel_shuffle(self.up1(z), 2)
        x = F.pixel_shuffle(self.up2(self.middle(x)), 2)
        return x[:, :, : size[0], : size[1]]


class Prior(ExactLayer):
    """Parameters of the latents in two steps over a checkerboard.

    Args:
        latents: channels of y.
        width: channels of the features.
        hyper: channels of the hyper-latents z.
        conditions: channels of the condition features at the resolution of the latents.
        predict_mean: say a mean too; without it the mean is zero.
    """

    def __init__(
        self, latents: int, width: int, hyper: int, conditions: int, *, predict_mean: bool
    ) -> None:
        """Make the networks."""
        super().__init__()
        self.latents, self.hyper, self.predict_mean = latents, hyper, predict_mean
        self.hyper_analysis = HyperAnalysis(latents, width, hyper)
        self.hyper_synthesis = HyperSynthesis(hyper, width)
        self.quality = QualityBias(width)
        self.condition = Conv(conditions, width) if conditions else None
        self.first = blocks(width, 2)
        self.context = Conv(latents, width)
        self.second = blocks(width, 1)
        heads = ("first", "second")
        self.index_heads = nn.ModuleDict({k: self._head(width, INDEX, 3.0) for k in heads})
        self.mean_heads = nn.ModuleDict(
            {k: self._head(width, MEAN, 0.0) for k in heads if predict_mean}
        )

    def _head(self, width: int, target: Grid, start: float) -> Conv:
        head = Conv(width, self.latents, gain=0.1, target=target)
        nn.init.constant_(head.bias, start)
        return head

    def features(
        self, z: Tensor, size: tuple[int, int], quality: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Features of the first step from hyper-latents, quality and conditions."""
        a = self.arithmetic
        x = a.add(self.hyper_synthesis(z, size), self.quality(quality))
        if self.condition is not None and condition is not None:
            x = a.add(x, self.condition(condition))
        result: Tensor = self.first(x)
        return result

    def hyper_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of z for latents of ``shape``: a quarter of the size, rounded up."""
        b, _, h, w = shape
        return torch.Size((b, self.hyper, -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE)))

    def first_step(self, features: Tensor) -> Parameters:
        """Parameters that hold where the checkerboard is true."""
        return self._heads(features, "first")

    def second_step(self, features: Tensor, known: Tensor) -> Parameters:
        """Parameters for the other positions.

        Args:
            features: result of `features`.
            known: scaled latents as features, zero where not yet decoded.
        """
        x = self.arithmetic.add(features, self.context(known))
        return self._heads(self.second(x), "second")

    def _heads(self, features: Tensor, step: str) -> Parameters:
        mean = self.mean_heads[step](features) if self.predict_mean else None
        return Parameters(mean, self.index_heads[step](features))
