"""Entropy parameters of a branch: hyperprior, conditions, context of the latents known so far.

Latents ``y`` are in units of the quantiser step; decoded ones are multiples of 1/16. The prior
says for each latent a mean and an index into a table of scales. Both leave it as integers in
exact arithmetic, so that encoder and decoder agree on every symbol on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import BranchConfig
from colorvid.entropy.tables import HYPER_LIMIT, SCALES
from colorvid.exact.arithmetic import Grid
from colorvid.exact.layers import Conv, ExactLayer, QualityBias
from colorvid.nn.blocks import blocks
from colorvid.nn.steps import Step, context_steps
from colorvid.nn.transforms import SYMBOL_STEPS

SMALLEST_SCALE = 0.12
LARGEST_SCALE = 64.0
SCALE_RATIO = math.log(LARGEST_SCALE / SMALLEST_SCALE) / (SCALES - 1)
HYPER_STRIDE = 4
"""Latent positions to a hyper-latent position in each direction."""

MEAN = Grid(steps=SYMBOL_STEPS, limit=2**13 - 1)
INDEX = Grid(steps=8, limit=2047)
HYPER = Grid(steps=1, limit=HYPER_LIMIT)


def scale_of(index: Tensor) -> Tensor:
    """Standard deviation, in quantiser steps, of a (real) scale index 0..63; 0.12 to 64."""
    return SMALLEST_SCALE * torch.exp(index * SCALE_RATIO)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Mean (or None for zero) and scale index of latents, each ``(B, C, H, W)``.

    Float arithmetic: mean in steps, index in units of 8. Exact: integers, mean in 1/16 steps, index
    still to be clamped to 0..63.
    """

    mean: Tensor | None
    index: Tensor


def _run(row: nn.Module, x: Tensor, active: Tensor | None) -> Tensor:
    """Send features through a row of `colorvid.nn.blocks.Block`."""
    for block in row.children():
        x = block(x, active)
    return x


class HyperAnalysis(ExactLayer):
    """Latents to hyper-latents at a quarter of their resolution (encoder only)."""

    def __init__(self, latents: int, width: int, hyper: int) -> None:
        """Make the networks."""
        super().__init__()
        self.enter = Conv(latents, width)
        self.down1 = Conv(4 * width, width)
        self.middle = blocks(width, 1)
        self.down2 = Conv(4 * width, hyper)

    def forward(self, y: Tensor) -> Tensor:
        """Scaled latents as features ``(B, C, H, W)`` to ``(B, Z, ceil(H/4), ceil(W/4))``.

        The result, features too, is not yet rounded to whole units.
        """
        h, w = y.shape[-2:]
        y = F.pad(y, (0, -w % HYPER_STRIDE, 0, -h % HYPER_STRIDE), mode="replicate")
        x = self.enter(y)
        x = F.pixel_unshuffle(self.arithmetic.leaky(x), 2)
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

    def forward(self, z: Tensor, grid: tuple[int, int]) -> Tensor:
        """Integers ``(B, Z, h, w)`` to features ``(B, width, *grid)``."""
        x = F.pixel_shuffle(self.up1(z), 2)
        x = F.pixel_shuffle(self.up2(self.middle(x)), 2)
        return x[:, :, : grid[0], : grid[1]]


class Prior(ExactLayer):
    """Parameters of the latents, step by step.

    Attributes:
        steps: the context steps.
        hyper: channels of the hyper-latents z.
        predict_mean: whether it gives a mean too; without it the mean is zero.
    """

    def __init__(self, config: BranchConfig) -> None:
        """Make the networks for a branch of ``config``."""
        super().__init__()
        latents, width, hyper = config.latents, config.prior_width, config.hyper
        conditions, kernel = config.prior_condition, config.prior_kernel
        self.hyper, self.predict_mean = hyper, config.predict_mean
        self.steps = context_steps(config.context_steps, config.block, config.planes)
        self.hyper_analysis = HyperAnalysis(latents, width, hyper)
        self.hyper_synthesis = HyperSynthesis(hyper, width)
        self.quality = QualityBias(width)
        self.condition = Conv(conditions, width) if conditions else None
        self.trunk = blocks(width, 2, kernel)
        later = [step.name for step in self.steps[1:]]
        self.context = nn.ModuleDict({name: Conv(latents, width) for name in later})
        self.refine = nn.ModuleDict({name: blocks(width, 1, kernel) for name in later})
        self.index_heads = self._heads(width, INDEX, 3.0)
        self.mean_heads = self._heads(width, MEAN, 0.0) if config.predict_mean else nn.ModuleDict()

    def _heads(self, width: int, target: Grid, start: float) -> nn.ModuleDict:
        heads = nn.ModuleDict()
        for step in self.steps:
            head = Conv(width, len(step.channels), gain=0.1, target=target)
            nn.init.constant_(head.bias, start)
            heads[step.name] = head
        return heads

    def features(
        self,
        z: Tensor,
        grid: tuple[int, int],
        quality: Tensor,
        condition: Tensor | None,
        active: Tensor | None,
    ) -> Tensor:
        """Features of the first step from hyper-latents, quality and conditions.

        Args:
            z: hyper-latents.
            grid: rows and columns of the latents.
            quality: ``(B,)`` int64.
            condition: at the resolution of the latents.
            active: 1 where there may be symbols, else 0, ``(B, 1, *grid)``; features mean nothing
                where it is 0. None = everywhere.
        """
        a = self.arithmetic
        x = a.add(self.hyper_synthesis(z, grid), self.quality(quality))
        if self.condition is not None and condition is not None:
            x = a.add(x, self.condition(condition))
        return _run(self.trunk, x, active)

    def hyper_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of z for latents of ``shape``: a quarter of the size, rounded up."""
        b, _, h, w = shape
        return torch.Size((b, self.hyper, -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE)))

    def advance(self, step: Step, features: Tensor, known: Tensor, active: Tensor | None) -> Tensor:
        """Features of ``step`` from those of the previous step; the first step's stay as they are.

        Args:
            step: one of ``steps``.
            features: those of the previous step; of the first step: result of `features`.
            known: scaled latents as features, zero where not yet decoded.
            active: see `features`.
        """
        if step.name not in self.context:
            return features
        x = self.arithmetic.add(features, self.context[step.name](known))
        return _run(self.refine[step.name], x, active)

    def parameters_of(self, step: Step, features: Tensor) -> Parameters:
        """Parameters of the channels of ``step``; they hold where its mask is true."""
        mean = self.mean_heads[step.name](features) if self.predict_mean else None
        return Parameters(mean, self.index_heads[step.name](features))
