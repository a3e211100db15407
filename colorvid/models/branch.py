"""One branch (luma or chroma): transforms, gains, prior, and the coding of its latents.

`Branch.forward` is what training sees. `Branch.code` is what the encoder and the decoder run, with
a coder that writes symbols or reads them. Both walk through the latents by the same loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import BranchConfig
from colorvid.entropy.tables import COSTED, SCALES
from colorvid.exact.arithmetic import FEATURE, ExactArithmetic, Grid
from colorvid.exact.layers import ChannelScale
from colorvid.models.passes import (
    BranchOutput,
    Coder,
    CodingPass,
    Pass,
    TrainingPass,
    Trial,
    Wanted,
    spread,
)
from colorvid.nn.prior import HYPER, HYPER_STRIDE, Prior
from colorvid.nn.transforms import (
    STEP_STEPS,
    SYMBOL_STEPS,
    UNIT,
    AnalysisNet,
    BlockTransform,
    Gains,
    PathShape,
    SynthesisNet,
    latent_scale,
)

LATENT = Grid(steps=SYMBOL_STEPS, limit=2**15)
_STEPS_OF_FEATURE = UNIT * STEP_STEPS / FEATURE.steps
"""Units of the table of quantiser steps in a feature."""
_DOUBTFUL, _CLEAR = 1.45, 1.8
"""An area of a sparse branch is tried where a latent and the rounding reach the first of these, in
steps; where nothing is tried it is coded where they reach the second."""
_LEAST_WORTH = 2 << 8
"""Where it is tried it is coded if that is worth more, in 1/256 bit: hyper-latents and flag take
some."""
_LEAST_PRICE, _MOST_WORTH = 1e-6, 2.0**40
"""Bits may be free: what a symbol is worth stays a number, and so do sums."""


@dataclass(frozen=True, slots=True)
class FrameOutput:
    """Training view of a coded frame: planes in units and what each branch coded."""

    y: Tensor
    uv: Tensor
    luma: BranchOutput
    chroma: BranchOutput


class Branch(nn.Module):
    """Analysis, gains, prior and synthesis of the luma or of the chroma planes.

    The encoder runs everything; the decoder starts from the symbols. ``═`` is what the stream
    holds::

              x        reference
              │            │
        ┌─────┴─────┐      │
        ▼           ▼      ▼
    ┌─────────┐   ┌──────────┐
    │transform│   │ analysis │                   encoder only, down to the symbols
    └───┬─────┘   └────┬─────┘
        └────►(+)◄─────┘
               │
              (÷)◄──── gains(quality)
               │
               y ────────────────────┐
               │            ┌────────▼───────┐
               │            │ hyper analysis │
               │            └────────┬───────┘
               │                  round(z)
               │                     ║                     hyper-latents ẑ
               │                     ▼
               │          ┌─────────────────────┐
               │          │  prior: features    │◄──── quality, condition
               │          └──────────┬──────────┘
               │     ┌───────────────▼───────────────────┐
               │     │ for each context step             │
               │     │  ┌─────────┐      ┌────────────┐  │
               │     │  │ advance │─────►│ parameters │  │
               │     │  └────▲────┘      └─────┬──────┘  │
               │     │       │            mean, index    │
               │     │       │                 ▼         │
               └─────┼───────┼──►round(y - mean)         │
                     │       │            ║              │  symbols of the step
                     │     scale          ▼              │
                     │       └──── ŷ ◄── symbols + mean  │
                     └─────────────┬─────────────────────┘
                                   ŷ
                                  (×)◄──── gains(quality)
                            ┌──────▼──────┐
                            │  transform⁻¹│              `reconstruct`: the linear path
                            └──────┬──────┘
                                   ▼
                            ┌─────────────┐
                            │  synthesis  │◄──── quality, condition      `correct`
                            └──────┬──────┘
                                   ▼
                                 planes
    """

    symbol_bits: Tensor
    bit_worth: Tensor

    def __init__(self, config: BranchConfig) -> None:
        """Make the networks that ``config`` describes."""
        super().__init__()
        c = config
        self.config = c
        self.register_buffer("symbol_bits", torch.zeros(SCALES, COSTED), persistent=False)
        worth = torch.tensor(c.bit_worth(), dtype=torch.float32)
        self.register_buffer("bit_worth", worth, persistent=False)
        self.transform = BlockTransform(c.block, c.planes, dct=c.dct)
        inputs = c.planes + c.reference_planes
        self.analysis = self.synthesis = None
        if c.analysis_widths is not None:
            shape = PathShape(
                c.analysis_widths,
                c.analysis_blocks,
                kernel=c.analysis_kernel,
                attention=c.attention,
            )
            self.analysis = AnalysisNet(inputs, c.block, c.latents, shape)
        if c.synthesis_widths is not None:
            shape = PathShape(
                c.synthesis_widths,
                c.synthesis_blocks,
                c.synthesis_fine,
                c.synthesis_kernel,
                c.attention,
            )
            self.synthesis = SynthesisNet(c.planes, c.block, shape, c.synthesis_condition)
        self.gains = Gains(c.latents, c.step_ratio)
        natural = latent_scale(c.block, c.planes)
        if not c.dct:  # no channel of an unknown basis is known to be larger than another
            natural = torch.full_like(natural, 0.125)
        self.scale = ChannelScale(
            torch.ones_like(natural) if c.reference_planes else natural, LATENT
        )
        self.prior = Prior(c)

    def shape_of(self, grid: tuple[int, int]) -> torch.Size:
        """Shape of the latents of one picture with ``grid`` rows and columns of blocks."""
        return torch.Size((1, self.config.latents, *grid))

    def set_symbol_bits(self, bits: Tensor) -> None:
        """Set what symbols cost, so that `quantise` weighs rate against distortion.

        ``bits`` are float32 ``(64, 32)``: cost by scale index and magnitude, the last one for all
        larger magnitudes.
        """
        self.symbol_bits = bits.to(self.symbol_bits)

    def bit_price(self, quality: Tensor, step: Tensor) -> Tensor:
        """What a bit is worth in squared steps, ``(B, C, 1, 1)``; ``step`` in sample values."""
        return self.bit_worth[quality][:, None, None, None] / (step * step)

    @property
    def sparse(self) -> bool:
        """Whether it codes nothing at hyper-latent positions all of whose symbols are zero."""
        return not self.config.predict_mean

    def occupied(self, latents: Tensor) -> Tensor:
        """Which hyper-latent positions have a latent that is true: bool ``(B, 1, h, w)``."""
        rows = latents.any(dim=1, keepdim=True).float()
        return F.max_pool2d(rows, HYPER_STRIDE, ceil_mode=True) > 0

    def _may_hold(self, y: Tensor, least: float = 1.0) -> Tensor:
        """Which hyper-latent positions have a latent that reaches ``least``; as `occupied`.

        With 1 these are all that may hold a symbol that is not zero.
        """
        if not self.sparse:
            return torch.ones_like(self.occupied(y > 0))
        return self.occupied(y.abs() + self.config.rounding >= least)

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

    def worth_of(self, offset: Tensor, symbols: Tensor, index: Tensor, price: Tensor) -> Tensor:
        """What symbols are worth: error saved over its price, less bits; 1/256 bit, int64.

        Arguments as for `quantise`, and the ``symbols`` that it gave.
        """
        magnitude, size = offset.abs(), symbols.abs()
        left = magnitude - size
        column = size.clamp(max=self.symbol_bits.shape[1] - 1).to(torch.int64)
        row = index.to(torch.int64) * self.symbol_bits.shape[1]
        bits = self.symbol_bits.flatten()[row + column]
        saved = (magnitude * magnitude - left * left) / price.clamp(min=_LEAST_PRICE)
        worth = torch.floor(256 * (saved - bits) + 0.5)
        return worth.clamp(-_MOST_WORTH, _MOST_WORTH).to(torch.int64)

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
        y = self._coefficients(x, quality, reference) / step
        price = self.bit_price(quality, step.detach() * UNIT)
        active = self._may_hold(y.detach())
        if self.sparse:
            with torch.no_grad():
                trial = TrainingPass(self, y, price, active)
                tried = self._traverse(trial, y.shape, quality, prior_condition)
            active = self.occupied(tried != 0)
        work = TrainingPass(self, y, price, active)
        y_hat = self._traverse(work, y.shape, quality, prior_condition)
        return work.output(self.transform(y_hat * step), y_hat)

    def _traverse(
        self, work: Pass, shape: torch.Size, quality: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Hyper-latents, then the context steps in their order: the one loop for all passes.

        Args:
            work: what happens where symbols arise.
            shape: of the latents, ``(B, C, H, W)``.
            quality: ``(B,)`` int64.
            condition: features at the resolution of the latents.

        Returns:
            Decoded latents, ``shape``, as the arithmetic has them; zero where nothing is active.
        """
        active = spread(work.active, shape).to(work.dtype) if self.sparse else None
        grid = (shape[2], shape[3])
        features = self.prior.features(work.hyper(), grid, quality, condition, active)
        y_hat = torch.zeros(shape, dtype=work.dtype, device=features.device)
        for step in self.prior.steps:
            features = self.prior.advance(step, features, self.scale(y_hat), active)
            y_hat = work.latents(step, self.prior.parameters_of(step, features), y_hat)
        return y_hat

    def _coefficients(self, x: Tensor, quality: Tensor, reference: Tensor | None) -> Tensor:
        """Linear and non-linear analysis: units, or exact multiples of 2^-15 feature in float64."""
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
        """Latents of the encoder: coefficients over the steps of the decoder.

        Exact up to the coefficients; then each is rounded to float32 and divided once, so that the
        latents are the same on every machine.

        Args:
            x: planes ``(B, P, H, W)`` as features, or differences of such.
            quality: ``(B,)`` int64.
            reference: further planes for the analysis, features.

        Returns:
            float32 ``(B, C, H / block, W / block)``, in steps.
        """
        double = None if reference is None else reference.to(torch.float64)
        coefficients = self._coefficients(x.to(torch.float64), quality, double)
        step = self.gains.table[quality][:, :, None, None].to(torch.float32)
        latents: Tensor = coefficients.to(torch.float32) * _STEPS_OF_FEATURE / step
        return latents

    @torch.no_grad()
    def code(
        self,
        coder: Coder,
        y: Tensor | None,
        shape: torch.Size,
        quality: Tensor,
        prior_condition: Tensor | None = None,
        *,
        tries: bool = True,
    ) -> Tensor:
        """Write the latents ``y``, or read them if ``y`` is None; exact arithmetic.

        Args:
            coder: writer or reader of symbols.
            y: latents in steps, float32, ``shape``, on the encoder's side.
            shape: ``(1, C, H, W)``.
            quality: ``(1,)`` int64.
            prior_condition: features at the resolution of the latents.
            tries: whether a sparse branch codes once without writing, to leave out areas that are
                not worth their bits.

        Returns:
            Decoded latents in 1/16 steps, integers, ``shape``.
        """
        step = self.gains.table[quality][:, :, None, None].to(torch.float32) / STEP_STEPS
        price = self.bit_price(quality, step).expand(shape)

        def run(work: CodingPass) -> Tensor:
            if not bool(work.active.any()):
                return torch.zeros(shape, dtype=work.dtype, device=quality.device)
            return self._traverse(work, shape, quality, prior_condition)

        wanted = None
        if y is not None:
            active = self._may_hold(y, _DOUBTFUL if tries else _CLEAR)
            wanted = Wanted(y, self._hyper_latents(y), active)
            if self.sparse and tries:
                trial = CodingPass(self, Trial(), wanted, price)
                run(trial)
                wanted = replace(wanted, active=trial.worth > _LEAST_WORTH)
        return run(CodingPass(self, coder, wanted, price))

    def _hyper_latents(self, y: Tensor) -> Tensor:
        """Hyper-latents of real latents in steps: integers ``(1, Z, h, w)``."""
        arithmetic = self.prior.hyper_analysis.arithmetic
        assert isinstance(arithmetic, ExactArithmetic)
        scaled = arithmetic.requantise(y, self.scale.scale * FEATURE.steps, FEATURE.limit)
        z = torch.round(self.prior.hyper_analysis(scaled) / FEATURE.steps)
        return z.clamp(-HYPER.limit, HYPER.limit)

    def reconstruct(self, y_hat: Tensor, quality: Tensor) -> Tensor:
        """Planes of the linear path as exact features, from decoded latents in 1/16 steps."""
        step = self.gains.table[quality][:, :, None, None]
        planes: Tensor = self.transform(y_hat.to(torch.float64) * step.to(torch.float64))
        return planes
