"""One branch (luma or chroma): transforms, gains, prior, and the coding of its latents.

`Branch.forward` is what training sees; `Branch.code` is the one traversal that encoder and
decoder both run, with a coder that writes symbols or reads them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from colorvid.config import BranchConfig, lambda_of_quality
from colorvid.exact.arithmetic import ExactArithmetic, Grid, straight_through
from colorvid.exact.layers import QUALITIES, ChannelScale, ExactLayer, Knots
from colorvid.nn.prior import INDEX, SCALES, Parameters, Prior
from colorvid.nn.steps import Step, coded, places
from colorvid.nn.transforms import (
    STEP_STEPS,
    SYMBOL_STEPS,
    UNIT,
    AnalysisNet,
    BlockTransform,
    SynthesisNet,
    latent_scale,
)

LATENT = Grid(steps=SYMBOL_STEPS, limit=2**15)
SYMBOL_LIMIT = 2**11 - 1
"""Symbols are clamped to +-2047; 2047 of the smallest steps exceed any coefficient."""
HYPER_LIMIT = 127
COSTED = 32
"""Magnitudes whose cost in bits the quantiser knows."""


class Coder(Protocol):
    """Writes symbols, or reads them: the same call in both directions."""

    def hyper(self, symbols: Tensor | None, shape: torch.Size) -> Tensor:
        """Code hyper-latents ``(1, Z, h, w)``, integers, with the table of their channel."""

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """Code 1-D symbols with the table of their scale index (1-D, 0 = not coded, zero)."""


class Gains(ExactLayer):
    """Quantiser steps for each channel and quality, learned in the log domain.

    Args:
        channels: latents.
        ratio: initial step over the step that suits lambda under high-rate theory.
    """

    table: Tensor

    def __init__(self, channels: int, ratio: float) -> None:
        """Start with the same step for all channels: ``ratio * sqrt(8.66 / lambda)``."""
        super().__init__()
        self.knots = Knots(channels)
        places = torch.linspace(0, QUALITIES - 1, self.knots.values.shape[0])
        steps = [ratio * math.sqrt(8.66 / lambda_of_quality(float(q))) for q in places]
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
class BranchOutput:
    """What training needs: planes, and what was coded with which parameters.

    Attributes:
        planes: of the linear path.
        y_hat: decoded latents.
        offsets: latents minus their means, real.
        symbols: the integers for them, with the gradients of the offsets.
        parameters: of the latents.
        z: hyper-latents, real.
    """

    planes: Tensor
    y_hat: Tensor
    offsets: Tensor
    symbols: Tensor
    parameters: Parameters
    z: Tensor


@dataclass(frozen=True, slots=True)
class FrameOutput:
    """Training view of a coded frame: planes in units and what each branch coded."""

    y: Tensor
    uv: Tensor
    luma: BranchOutput
    chroma: BranchOutput


class Branch(nn.Module):
    """Analysis, gains, prior and synthesis of the luma or of the chroma planes."""

    symbol_bits: Tensor

    def __init__(self, config: BranchConfig) -> None:
        """Make the networks that ``config`` describes."""
        super().__init__()
        c = config
        self.config = c
        self.register_buffer("symbol_bits", torch.zeros(SCALES, COSTED), persistent=False)
        self.transform = BlockTransform(c.block, c.planes, dct=c.dct)
        inputs = c.planes + c.reference_planes
        self.analysis = self.synthesis = None
        if c.analysis_widths is not None:
            self.analysis = AnalysisNet(
                inputs, c.block, c.latents, c.analysis_widths, c.analysis_blocks, c.attention
            )
        if c.synthesis_widths is not None:
            self.synthesis = SynthesisNet(
                c.planes,
                c.block,
                c.synthesis_widths,
                c.synthesis_blocks,
                c.synthesis_condition,
                c.attention,
            )
        self.gains = Gains(c.latents, c.step_ratio)
        natural = latent_scale(c.block, c.planes)
        if not c.dct:  # no channel of an unknown basis is known to be larger than another
            natural = torch.full_like(natural, 0.125)
        self.scale = ChannelScale(
            torch.ones_like(natural) if c.reference_planes else natural, LATENT
        )
        self.prior = Prior(
            c.block,
            c.planes,
            c.context_steps,
            c.prior_width,
            c.hyper,
            c.prior_condition,
            predict_mean=c.predict_mean,
        )

    def set_symbol_bits(self, bits: Tensor) -> None:
        """Tell what symbols cost, so that `quantise` weighs rate against distortion.

        ``bits`` are float32 ``(64, 32)``: cost by scale index and magnitude, the last one for all
        larger magnitudes.
        """
        self.symbol_bits = bits.to(self.symbol_bits)

    def bit_price(self, quality: Tensor, step: Tensor) -> Tensor:
        """What a bit is worth in squared steps, ``(B, C, 1, 1)``; ``step`` in sample values."""
        weight = lambda_of_quality(quality.to(torch.float32))[:, None, None, None]
        worth = self.config.rate_weight * 255**2 / (weight * self.config.sample_weight)
        return worth / step**2

    @torch.no_grad()
    def quantise(self, offset: Tensor, index: Tensor, price: Tensor) -> Tensor:
        """Integers for real latents around their mean, rate-distortion optimised one by one.

        Magnitudes are rounded with the branch's dead zone; then the next smaller integer and zero
        compete: squared error plus ``price`` times bits.

        Args:
            offset: latents minus mean, in steps.
            index: integer scale indices 0..63 of the same shape, any type.
            price: see `bit_price`; broadcast to the shape of ``offset``.
        """
        magnitude = offset.abs()
        best = torch.floor(magnitude + self.config.rounding)
        row = index.to(torch.int64) * self.symbol_bits.shape[1]
        table = self.symbol_bits.flatten()

        def cost(symbol: Tensor) -> Tensor:
            column = symbol.clamp(max=self.symbol_bits.shape[1] - 1).to(torch.int64)
            return (magnitude - symbol) ** 2 + price * table[row + column]

        lowest = cost(best)
        for symbol in ((best - 1).clamp(min=0), torch.zeros_like(best)):
            other = cost(symbol)
            better = other < lowest
            best, lowest = torch.where(better, symbol, best), torch.where(better, other, lowest)
        return torch.sign(offset) * best

    def forward(
        self,
        x: Tensor,
        quality: Tensor,
        *,
        reference: Tensor | None = None,
        prior_condition: Tensor | None = None,
    ) -> BranchOutput:
        """Analyse, quantise straight-through and predict; ``planes`` are the linear path's.

        Args:
            x: planes ``(B, P, H, W)`` in units (the residual for inter frames).
            quality: ``(B,)`` int64.
            reference: further planes for the analysis.
            prior_condition: features at the resolution of the latents.
        """
        step = self.gains(quality)
        price = self.bit_price(quality, step.detach() * UNIT)
        y = self._coefficients(x, quality, reference) / step
        z = self.prior.hyper_analysis(self.scale(y))
        z_hat = straight_through(torch.round(z).clamp(-HYPER_LIMIT, HYPER_LIMIT), z)
        size = (y.shape[-2], y.shape[-1])
        features = self.prior.features(z_hat, size, quality, prior_condition)
        y_hat, symbols, parameters = self._steps(y, features, price)
        offsets = y if parameters.mean is None else y - parameters.mean
        planes = self.transform(y_hat * step)
        return BranchOutput(planes, y_hat, offsets, symbols, parameters, z)

    def _steps(
        self, y: Tensor, features: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor, Parameters]:
        """All context steps as training sees them: decoded latents, symbols, parameters."""
        height, width = y.shape[-2:]
        y_hat, symbols, mean, index = (torch.zeros_like(y) for _ in range(4))
        for step in self.prior.steps:
            features = self.prior.advance(step, features, self.scale(y_hat))
            parameters = self.prior.parameters_of(step, features)
            channels, mask = coded(step, height, width, y.device)
            rows, prices = (t.index_select(1, channels) for t in (y, price))
            new = (*self._round(rows, parameters, prices), parameters.mean, parameters.index)
            symbols, y_hat, mean, index = (
                total if part is None else total.index_add(1, channels, part.float() * mask)
                for total, part in zip((symbols, y_hat, mean, index), new, strict=True)
            )
        return y_hat, symbols, Parameters(mean if self.prior.predict_mean else None, index)

    def _round(self, y: Tensor, parameters: Parameters, price: Tensor) -> tuple[Tensor, Tensor]:
        """Symbols and decoded latents, with straight-through gradients."""
        mean = 0.0 if parameters.mean is None else parameters.mean
        offset = y - mean
        index = torch.round(parameters.index.detach().float() * INDEX.steps).clamp(0, SCALES - 1)
        symbols = straight_through(self.quantise(offset, index, price), offset)
        return symbols, symbols + mean

    def _coefficients(self, x: Tensor, quality: Tensor, reference: Tensor | None) -> Tensor:
        """Linear and non-linear analysis, in units."""
        coefficients = self.transform.analyse(x)
        if self.analysis is None:
            return coefficients
        seen = x if reference is None else torch.cat((x, reference), dim=1)
        result: Tensor = coefficients + self.analysis(seen, quality)
        return result

    def correct(self, picture: Tensor, quality: Tensor, condition: Tensor | None = None) -> Tensor:
        """What the non-linear synthesis makes of the linear path's picture; see `SynthesisNet`."""
        if self.synthesis is None:
            return picture
        result: Tensor = self.synthesis(picture, quality, condition)
        return result

    @torch.no_grad()
    def analyse(self, x: Tensor, quality: Tensor, reference: Tensor | None) -> Tensor:
        """Latents of the encoder, float: coefficients over the exact steps of the decoder."""
        coefficients = self._coefficients(x, quality, reference)
        step = self.gains.table[quality][:, :, None, None].to(torch.float32)
        latents: Tensor = coefficients * (UNIT * STEP_STEPS) / step
        return latents

    @torch.no_grad()
    def code(
        self,
        coder: Coder,
        y: Tensor | None,
        shape: torch.Size,
        quality: Tensor,
        prior_condition: Tensor | None = None,
    ) -> Tensor:
        """Write the latents ``y``, or read them if ``y`` is None; exact arithmetic.

        Args:
            coder: writer or reader of symbols.
            y: float latents in steps, ``shape``, on the encoder's side.
            shape: ``(1, C, H, W)``.
            quality: ``(1,)`` int64.
            prior_condition: features at the resolution of the latents.

        Returns:
            Decoded latents in 1/16 steps, integers, ``shape``.
        """
        z = None
        if y is not None:
            z = torch.round(self.prior.hyper_analysis((y * self.scale.scale).clamp(-8, 8)))
            z = z.clamp(-HYPER_LIMIT, HYPER_LIMIT)
        arithmetic = self.prior.arithmetic
        assert isinstance(arithmetic, ExactArithmetic)
        z_hat = coder.hyper(z, self.prior.hyper_shape(shape))
        z_hat = z_hat.to(quality.device, arithmetic.carrier).clamp(-HYPER_LIMIT, HYPER_LIMIT)
        features = self.prior.features(z_hat, (shape[2], shape[3]), quality, prior_condition)
        y_hat = torch.zeros(shape, dtype=features.dtype, device=features.device)
        step = self.gains.table[quality][:, :, None, None].to(torch.float32) / STEP_STEPS
        price = self.bit_price(quality, step).expand(shape)
        for part in self.prior.steps:
            features = self.prior.advance(part, features, self.scale(y_hat))
            parameters = self.prior.parameters_of(part, features)
            self._code_step(coder, y, y_hat, part, parameters, price)
        return y_hat

    def _code_step(
        self,
        coder: Coder,
        y: Tensor | None,
        y_hat: Tensor,
        step: Step,
        parameters: Parameters,
        price: Tensor,
    ) -> None:
        """Code the latents of ``step`` and put them into ``y_hat``."""
        within, overall = places(step, y_hat.shape[2], y_hat.shape[3], y_hat.device)

        def pick(x: Tensor, indices: Tensor) -> Tensor:
            return x.reshape(-1).index_select(0, indices)

        index = pick(parameters.index, within).clamp_(0, SCALES - 1)
        mean = None if parameters.mean is None else pick(parameters.mean, within)
        symbols = None
        if y is not None:
            offset = pick(y, overall)
            offset = offset if mean is None else offset - mean / SYMBOL_STEPS
            symbols = self.quantise(offset, index, pick(price, overall))
            symbols = symbols.clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
        decoded = coder.latents(symbols, index) * SYMBOL_STEPS
        y_hat.view(-1).index_copy_(0, overall, decoded if mean is None else decoded + mean)

    def reconstruct(self, y_hat: Tensor, quality: Tensor) -> Tensor:
        """Planes of the linear path as exact features, from decoded latents in 1/16 steps."""
        step = self.gains.table[quality][:, :, None, None]
        planes: Tensor = self.transform(y_hat.to(torch.float64) * step.to(torch.float64))
        return planes
