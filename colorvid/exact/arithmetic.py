"""One network, three arithmetics: floats to train, rounded floats to fine-tune, integers to code.

A tensor inside a network lives on a `Grid`: integers ``n`` that stand for ``n / steps``, with
``|n| <= limit``. In float arithmetic the tensor holds ``n / steps`` without rounding, in exact
arithmetic it holds the integers ``n`` themselves, carried by float32 or float64.

Why integers in floats are exact: a float32 sum of integers is exact in any order, with or without
fused multiply-add, as long as no partial sum exceeds 2^24; float64 allows 2^53. `export` proves
this for every layer of the decoder; sums of the encoder's own networks stay below 2^31, see
`colorvid.exact.wide`. Between layers there is one float32 multiplication by a constant, rounding
half to even and clamping: IEEE 754 operations with one possible result each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from colorvid.exact.wide import FEATURE_LIMIT, FEATURE_STEPS

SUM_LIMIT = 2**24
"""No partial sum of a float32 layer may exceed this."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Fixed-point grid of a tensor: ``steps`` integers to a unit, integers within ``+-limit``."""

    steps: int
    limit: int

    @property
    def bound(self) -> float:
        """Largest magnitude in units."""
        return self.limit / self.steps


SLOPE = 1 / 8
"""Slope of the leaky ReLU below zero."""
FEATURE = Grid(steps=FEATURE_STEPS, limit=FEATURE_LIMIT)
"""Activations inside the networks: 12 bits, +-8."""


def straight_through(value: Tensor, x: Tensor) -> Tensor:
    """``value`` with the gradient of ``x``."""
    return x + (value - x).detach()


class Convolution(Protocol):
    """What an arithmetic needs to know of a convolution; `colorvid.exact.layers.Conv` is one."""

    padding: int
    groups: int
    target: Grid

    def floats(self, x: Tensor, *, rounding: bool) -> tuple[Tensor, Tensor]:
        """Weight and bias in real numbers for the input ``x``, on their grids if ``rounding``."""

    def integers(self, carrier: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Integer weight and bias carried by ``carrier``, and the float32 factor of the result."""

    def wide_integers(self) -> tuple[Tensor, Tensor, Tensor]:
        """The encoder's integer weight and bias, float64, and the float32 factor of the result."""


class Scaling(Protocol):
    """What an arithmetic needs to know of a factor for each channel."""

    scale: Tensor

    def factor(self) -> Tensor:
        """float32 factor between the integers of input and result, ``(C, 1, 1)``."""


class QualityTable(Protocol):
    """What an arithmetic needs to know of features that depend on the quality index alone."""

    table: Tensor

    def curve(self, quality: Tensor) -> Tensor:
        """Real values ``(B, C, 1, 1)`` for int64 qualities ``(B,)``."""

    def wide_table(self) -> Tensor:
        """The encoder's table: int16 features ``(64, C)``."""


class Arithmetic(Protocol):
    """What a network computes with; all tensors are ``(B, C, H, W)``."""

    def conv(self, layer: Convolution, x: Tensor) -> Tensor:
        """Convolution, bias, rounding to ``layer.target``."""

    def leaky(self, x: Tensor) -> Tensor:
        """Leaky ReLU with `SLOPE` below zero."""

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two feature tensors, clamped."""

    def gate(self, u: Tensor, v: Tensor) -> Tensor:
        """``u * clamp(v / 4 + 1 / 2, 0, 1)``."""

    def channel_scale(self, layer: Scaling, x: Tensor) -> Tensor:
        """``x`` times a constant per channel, as features."""

    def quality_bias(self, layer: QualityTable, quality: Tensor) -> Tensor:
        """Features ``(B, C, 1, 1)`` of the quality index, ``quality`` int64 ``(B,)``."""


class FloatArithmetic:
    """Real numbers, for training; with ``rounding`` every grid and weight is rounded as in export.

    Rounding passes gradients straight through, so a network trained with it meets the errors of
    the exact arithmetic while it can still learn from them. Values are limited by `F.hardtanh`: the
    same as `torch.clamp`, but its gradient is one pass over the tensor and not four.
    """

    def __init__(self, rounding: bool = False) -> None:
        """Clamp to the grids only, or round to them too."""
        self.rounding = rounding

    def on_grid(self, x: Tensor, grid: Grid) -> Tensor:
        """Clamp ``x`` to ``grid`` and, if asked, round it (straight-through)."""
        x = F.hardtanh(x, -grid.bound, grid.bound)
        if self.rounding:
            x = x + (torch.round(x.detach() * grid.steps) / grid.steps - x.detach())
        return x

    def conv(self, layer: Convolution, x: Tensor) -> Tensor:
        """See `Arithmetic.conv`."""
        weight, bias = layer.floats(x, rounding=self.rounding)
        y = F.conv2d(x, weight, bias, padding=layer.padding, groups=layer.groups)
        return self.on_grid(y, layer.target)

    def leaky(self, x: Tensor) -> Tensor:
        """See `Arithmetic.leaky`."""
        return F.leaky_relu(x, SLOPE)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """See `Arithmetic.add`."""
        return F.hardtanh(a + b, -FEATURE.bound, FEATURE.bound)

    def gate(self, u: Tensor, v: Tensor) -> Tensor:
        """See `Arithmetic.gate`."""
        return u * F.hardtanh(v * 0.25 + 0.5, 0.0, 1.0)

    def channel_scale(self, layer: Scaling, x: Tensor) -> Tensor:
        """See `Arithmetic.channel_scale`."""
        return self.on_grid(x * layer.scale, FEATURE)

    def quality_bias(self, layer: QualityTable, quality: Tensor) -> Tensor:
        """See `Arithmetic.quality_bias`."""
        return self.on_grid(layer.curve(quality), FEATURE)


class ExactArithmetic:
    """Integers in floats; results are the same bits on every device and for every carrier."""

    def __init__(self, carrier: torch.dtype = torch.float32) -> None:
        """Choose what carries the integers: float32, or float64 to check."""
        self.carrier = carrier

    def requantise(self, x: Tensor, factor: Tensor | float, limit: int) -> Tensor:
        """``clamp(round_half_even(x * factor), -limit, limit)``, the product in float32."""
        product = x.to(torch.float32) * factor
        return product.round_().clamp_(-limit, limit).to(self.carrier)

    def conv(self, layer: Convolution, x: Tensor) -> Tensor:
        """See `Arithmetic.conv`."""
        weight, bias, factor = self.integers_of(layer)
        total = F.conv2d(x, weight, bias, padding=layer.padding, groups=layer.groups)
        return self.requantise(total, factor, layer.target.limit)

    def integers_of(self, layer: Convolution) -> tuple[Tensor, Tensor, Tensor]:
        """Weight, bias and factor that `conv` takes of ``layer``."""
        return layer.integers(self.carrier)

    def leaky(self, x: Tensor) -> Tensor:
        """See `Arithmetic.leaky`."""
        return F.leaky_relu(x, SLOPE).round_()

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """See `Arithmetic.add`."""
        return (a + b).clamp_(-FEATURE.limit, FEATURE.limit)

    def gate(self, u: Tensor, v: Tensor) -> Tensor:
        """See `Arithmetic.gate`; |u| < 2^11 and the gate <= 2^10, so the product is exact."""
        quarter = 4 * FEATURE.steps
        opening = (v + quarter // 2).clamp_(0, quarter)
        return opening.mul_(u).mul_(1.0 / quarter).round_()

    def channel_scale(self, layer: Scaling, x: Tensor) -> Tensor:
        """See `Arithmetic.channel_scale`."""
        return self.requantise(x, layer.factor(), FEATURE.limit)

    def quality_bias(self, layer: QualityTable, quality: Tensor) -> Tensor:
        """See `Arithmetic.quality_bias`."""
        return layer.table[quality].to(self.carrier)[:, :, None, None]


class WideArithmetic(ExactArithmetic):
    """Integers in float64 for networks that only the encoder runs: 16-bit weights."""

    def __init__(self) -> None:
        """Sums stay below 2^31: more than float32 carries."""
        super().__init__(torch.float64)

    def integers_of(self, layer: Convolution) -> tuple[Tensor, Tensor, Tensor]:
        """See `ExactArithmetic.integers_of`."""
        return layer.wide_integers()

    def quality_bias(self, layer: QualityTable, quality: Tensor) -> Tensor:
        """See `Arithmetic.quality_bias`."""
        return layer.wide_table()[quality].to(self.carrier)[:, :, None, None]
