"""Analysis and synthesis of one branch: a fixed DCT and networks that improve on it.

The unit of a picture inside the networks is 32 sample values: ``x = (sample - 128) / 32`` for
pictures, ``x = difference / 32`` for residuals. On the feature grid one step is 1/8 sample value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from colorvid.config import QUALITIES, unit_step
from colorvid.exact.arithmetic import FEATURE, ExactArithmetic
from colorvid.exact.layers import Conv, ExactLayer, Knots, QualityBias
from colorvid.nn.blocks import Block, GatedAttention, blocks

UNIT = 32
"""Sample values in a unit of the networks."""
SYMBOL_STEPS = 16
"""Decoded latents are multiples of 1/16 of the quantiser step (means are fixed-point)."""
STEP_STEPS = 64
"""Quantiser steps are multiples of 1/64 sample value."""
BASIS_BITS = 15
"""Fractional bits of the integers of a basis."""
_SYNTHESIS_FACTOR = FEATURE.steps / UNIT / (2**BASIS_BITS * SYMBOL_STEPS * STEP_STEPS)  # 2^-22


def dct_basis(block: int) -> Tensor:
    """Orthonormal DCT-II basis, float64 ``(block^2 coefficients, block^2 samples)``.

    Coefficients are ordered by rising frequency ``u + v``; samples as `pixel_unshuffle` has them.
    """
    n = torch.arange(block, dtype=torch.float64)
    rows = torch.cos((2 * n[None, :] + 1) * n[:, None] * math.pi / (2 * block))
    rows = rows * math.sqrt(2 / block)
    rows[0] /= math.sqrt(2)
    basis = torch.einsum("uy,vx->uvyx", rows, rows).reshape(block**2, block**2)
    order = sorted(range(block**2), key=lambda k: (k // block + k % block, k))
    return basis[order]


def latent_scale(block: int, planes: int) -> Tensor:
    """Factors (powers of two) that bring latents, in steps, near unit variance; ``(C,)``.

    Natural pictures have coefficients that fall about as the inverse square of the frequency.
    """
    frequency = torch.tensor([k // block + k % block for k in range(block**2)])
    frequency = frequency.sort().values.to(torch.float32)
    spread = 1 + 24 * (block / 16) / (1 + frequency) ** 2
    return torch.exp2(-torch.round(torch.log2(spread))).repeat(planes)


def _basis_integers(basis: Tensor) -> Tensor:
    """int16 integers in steps of 2^-15 of a basis with entries within +-1."""
    largest = 2**BASIS_BITS - 1
    return torch.round(basis * 2**BASIS_BITS).clamp(-largest, largest).to(torch.int16)


class BlockTransform(ExactLayer):
    """The linear path: a block transform of each plane, fixed to the DCT or learned.

    Latents are ordered plane by plane. Both directions are exact as float64 products of integers,
    below 2^53 in synthesis and below 2^31 in analysis. A learned basis starts as a random
    orthogonal one; synthesis is by the transposed basis.
    """

    basis: Tensor | None
    basis_int: Tensor

    def __init__(self, block: int, planes: int, *, dct: bool = True) -> None:
        """Make the transform of ``planes`` planes in blocks of ``block`` x ``block`` samples."""
        super().__init__()
        self.block, self.planes = block, planes
        if dct:
            basis = dct_basis(block)
            self.register_buffer("basis", basis.to(torch.float32), persistent=False)
        else:
            basis = torch.linalg.qr(torch.randn(block**2, block**2)).Q
            self.basis = nn.Parameter(basis.to(torch.float32))
        self.register_buffer("basis_int", _basis_integers(basis))

    @torch.no_grad()
    def finalise(self) -> None:
        """See `ExactLayer.finalise`; the integers of the DCT never change."""
        if isinstance(self.basis, nn.Parameter):
            self.basis_int.copy_(_basis_integers(self.basis))

    @torch.no_grad()
    def restore(self) -> None:
        """See `ExactLayer.restore`."""
        if isinstance(self.basis, nn.Parameter):
            self.basis.copy_(self.basis_int * 2.0**-BASIS_BITS)

    def analyse(self, x: Tensor) -> Tensor:
        """Planes ``(B, P, H, W)`` to coefficients ``(B, P * block^2, H / block, W / block)``.

        Exact: features to multiples of 2^-15 feature, float64.
        """
        if isinstance(self.arithmetic, ExactArithmetic):
            basis = self.basis_int.to(torch.float64) * 2.0**-BASIS_BITS
            return self._apply_blocks(basis, F.pixel_unshuffle(x.to(torch.float64), self.block))
        assert self.basis is not None
        with torch.autocast(x.device.type, enabled=False):
            return self._apply_blocks(self.basis, F.pixel_unshuffle(x.float(), self.block))

    def forward(self, coefficients: Tensor) -> Tensor:
        """Coefficients to planes; exact: steps of 2^-10 sample values to features."""
        arithmetic = self.arithmetic
        if not isinstance(arithmetic, ExactArithmetic):
            assert self.basis is not None
            with torch.autocast(coefficients.device.type, enabled=False):
                x = self._apply_blocks(self.basis.T, coefficients.float())
            return F.pixel_shuffle(x, self.block).clamp(-FEATURE.bound, FEATURE.bound)
        total = self._apply_blocks(self.basis_int.T.to(torch.float64), coefficients)
        x = torch.round(total * _SYNTHESIS_FACTOR).clamp_(-FEATURE.limit, FEATURE.limit)
        return F.pixel_shuffle(x.to(arithmetic.carrier), self.block)

    def _apply_blocks(self, matrix: Tensor, x: Tensor) -> Tensor:
        """Multiply the channels of each plane by ``matrix``."""
        h = x.shape[-2]
        columns = rearrange(x, "b (p c) h w -> (b p) c (h w)", p=self.planes)
        product = torch.matmul(matrix, columns)
        return rearrange(product, "(b p) c (h w) -> b (p c) h w", p=self.planes, h=h)


class Gains(ExactLayer):
    """Quantiser steps for each channel and quality, learned in the log domain.

    Args:
        channels: latents.
        ratio: initial step over the step that suits lambda under high-rate theory.
    """

    table: Tensor

    def __init__(self, channels: int, ratio: float) -> None:
        """Start with the same step for all channels: ``ratio * unit_step(quality)``."""
        super().__init__()
        self.knots = Knots(channels)
        places = torch.linspace(0, QUALITIES - 1, self.knots.values.shape[0])
        steps = [ratio * unit_step(float(q)) for q in places]
        with torch.no_grad():
            self.knots.values.copy_(torch.tensor(steps).log()[:, None] + math.log(255 / UNIT))
        self.register_buffer("table", torch.ones(QUALITIES, channels, dtype=torch.int32))

    def forward(self, quality: Tensor) -> Tensor:
        """Steps ``(B, C, 1, 1)`` in units of 32 sample values, to train with."""
        return self.knots.at(quality).exp()

    @torch.no_grad()
    def finalise(self) -> None:
        """See `ExactLayer.finalise`."""
        steps = torch.round(self.knots.table().exp() * (UNIT * STEP_STEPS))
        self.table.copy_(steps.clamp(1, 2**15))

    @torch.no_grad()
    def restore(self) -> None:
        """See `ExactLayer.restore`."""
        self.knots.fit(torch.log(self.table / (UNIT * STEP_STEPS)))


@dataclass(frozen=True, slots=True)
class PathShape:
    """Sizes of a non-linear path of either kind.

    Attributes:
        widths: channels at ``2 / block`` and at ``1 / block`` of the resolution.
        deep: residual blocks at ``1 / block`` of the resolution.
        fine: residual blocks at ``2 / block``, between that part and the samples.
        kernel: odd side of the depthwise filters of all blocks.
        attention: attend at ``1 / block`` of the resolution, or have one more plain block.
    """

    widths: tuple[int, int]
    deep: int
    fine: int = 2
    kernel: int = 3
    attention: bool = True

    def deepest(self) -> nn.Module:
        """What comes after the residual blocks at ``1 / block``."""
        make = GatedAttention if self.attention else Block
        return make(self.widths[1], kernel=self.kernel)


class AnalysisNet(ExactLayer):
    """The non-linear analysis path; adds to the coefficients of the linear path, from zero.

    Args:
        planes: input planes (the picture, and the prediction for inter frames).
        block: samples to a latent position, a power of two >= 4.
        latents: output channels.
        shape: of the path.
    """

    def __init__(self, planes: int, block: int, latents: int, shape: PathShape) -> None:
        """Make the networks."""
        super().__init__()
        fine, coarse = shape.widths
        self.stride = block // 2
        self.enter = Conv(planes * self.stride**2, fine)
        self.quality = QualityBias(fine)
        self.fine = blocks(fine, shape.fine, shape.kernel)
        self.down = Conv(4 * fine, coarse)
        self.deep = blocks(coarse, shape.deep, shape.kernel)
        self.coarse = shape.deepest()
        self.leave = Conv(coarse, latents, gain=0.0)

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        """Planes ``(B, P, H, W)``, qualities ``(B,)`` to ``(B, latents, H/block, W/block)``."""
        x = self.enter(F.pixel_unshuffle(x, self.stride))
        x = self.arithmetic.add(x, self.quality(quality))
        x = self.down(F.pixel_unshuffle(self.fine(x), 2))
        result: Tensor = self.leave(self.coarse(self.deep(x)))
        return result


class SynthesisNet(ExactLayer):
    """The non-linear synthesis path: sees the linear path's picture, adds a correction from zero.

    It works at ``2 / block`` of the resolution with a deeper, attending path at ``1 / block``.

    Args:
        planes: planes of the branch.
        block: samples to a latent position, a power of two >= 4.
        shape: of the path.
        conditions: channels of further inputs at ``2 / block`` of the resolution.
    """

    def __init__(self, planes: int, block: int, shape: PathShape, conditions: int = 0) -> None:
        """Make the networks."""
        super().__init__()
        fine, coarse = shape.widths
        self.stride = block // 2
        self.enter = Conv(planes * self.stride**2 + conditions, fine)
        self.quality = QualityBias(fine)
        self.first = blocks(fine, 1, shape.kernel)
        self.down = Conv(4 * fine, coarse)
        self.deep = blocks(coarse, shape.deep, shape.kernel)
        self.coarse = shape.deepest()
        self.up = Conv(coarse, 4 * fine)
        self.last = blocks(fine, shape.fine, shape.kernel)
        self.leave = Conv(fine, planes * self.stride**2, gain=0.0)

    def forward(self, picture: Tensor, quality: Tensor, condition: Tensor | None = None) -> Tensor:
        """Planes ``(B, P, H, W)`` as features to corrected planes of the same shape."""
        a = self.arithmetic
        x = F.pixel_unshuffle(picture, self.stride)
        x = self.enter(x if condition is None else torch.cat((x, condition), dim=1))
        x = self.first(a.add(x, self.quality(quality)))
        deep = self.up(self.coarse(self.deep(self.down(F.pixel_unshuffle(x, 2)))))
        x = self.last(a.add(x, F.pixel_shuffle(deep, 2)))
        return a.add(picture, F.pixel_shuffle(self.leave(x), self.stride))
