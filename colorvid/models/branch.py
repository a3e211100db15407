"""One branch (luma or chroma): transforms, gains, prior, and the coding of its latents.

`Branch.forward` is what training sees. `Branch.code` is what the encoder and the decoder run, with
a coder that writes symbols or reads them. Both walk through the latents by the same loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import BranchConfig
from colorvid.entropy.tables import COSTED, MAX_SYMBOL, SCALES
from colorvid.exact.arithmetic import FEATURE, ExactArithmetic, Grid, straight_through
from colorvid.exact.layers import ChannelScale
from colorvid.nn.prior import HYPER, HYPER_STRIDE, INDEX, Parameters, Prior
from colorvid.nn.steps import Step, coded, places
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
steps; without trials it is coded where they reach the second."""
_LEAST_WORTH = 2 << 8
"""With trials it is coded if that is worth more, in 1/256 bit; its hyper-latents and its flag take
some."""
_LEAST_PRICE, _MOST_WORTH = 1e-6, 2.0**40
"""Bits may be free: what a symbol is worth stays a number, and so do sums."""


class Coder(Protocol):
    """Writes symbols, or reads them: the same call in both directions."""

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """Code the flags of all areas: bool, ``grid``; see `colorvid.entropy.flags`."""

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """Code hyper-latents ``(1, Z, h, w)``, integers, with the table of their channel.

        Where ``flags``, bool ``(h, w)``, are false they are not coded, and zero.
        """

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """Code 1-D symbols with the table of their scale index (1-D, 0 = not coded, zero)."""


class Trial:
    """A coder that writes nothing: the encoder's trial of which symbols are zero."""

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `Coder.flags`."""
        assert flags is not None and flags.shape == grid
        return flags

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `Coder.hyper`."""
        assert symbols is not None and symbols.shape == shape
        return symbols

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `Coder.latents`."""
        assert symbols is not None
        return torch.where(index > 0, symbols.to(index.dtype), 0.0)


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
        active: where anything was coded: float 0 or 1, ``(B, 1, h, w)`` as ``z``.
    """

    planes: Tensor
    y_hat: Tensor
    offsets: Tensor
    symbols: Tensor
    parameters: Parameters
    z: Tensor
    active: Tensor


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
    hyper_costs: Tensor

    def __init__(self, config: BranchConfig) -> None:
        """Make the networks that ``config`` describes."""
        super().__init__()
        c = config
        self.config = c
        self.register_buffer("symbol_bits", torch.zeros(SCALES, COSTED), persistent=False)
        values = 2 * HYPER.limit + 1
        costs = torch.zeros(c.hyper, values, dtype=torch.int64)
        self.register_buffer("hyper_costs", costs, persistent=False)
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

    def set_hyper_costs(self, costs: Tensor) -> None:
        """Set what hyper-latents cost, for the encoder's trials: 1/256 bits, int ``(Z, 255)``."""
        self.hyper_costs = costs.to(self.hyper_costs)

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
                trial = _Training(self, y, price, active)
                tried = self._traverse(trial, y.shape, quality, prior_condition)
            active = self.occupied(tried != 0)
        work = _Training(self, y, price, active)
        y_hat = self._traverse(work, y.shape, quality, prior_condition)
        return work.output(self.transform(y_hat * step), y_hat)

    def _traverse(
        self, work: _Pass, shape: torch.Size, quality: Tensor, condition: Tensor | None
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
        active = self._spread(work.active, shape).to(work.dtype) if self.sparse else None
        grid = (shape[2], shape[3])
        features = self.prior.features(work.hyper(), grid, quality, condition, active)
        y_hat = torch.zeros(shape, dtype=work.dtype, device=features.device)
        for step in self.prior.steps:
            features = self.prior.advance(step, features, self.scale(y_hat), active)
            y_hat = work.latents(step, self.prior.parameters_of(step, features), y_hat)
        return y_hat

    @staticmethod
    def _spread(active: Tensor, shape: torch.Size) -> Tensor:
        """Flags ``(B, 1, h, w)`` of hyper-latents as ``(B, 1, H, W)`` of latents of ``shape``."""
        tall = active.repeat_interleave(HYPER_STRIDE, 2).repeat_interleave(HYPER_STRIDE, 3)
        return tall[:, :, : shape[2], : shape[3]]

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
        trials: int = 1,
    ) -> Tensor:
        """Write the latents ``y``, or read them if ``y`` is None; exact arithmetic.

        Args:
            coder: writer or reader of symbols.
            y: latents in steps, float32, ``shape``, on the encoder's side.
            shape: ``(1, C, H, W)``.
            quality: ``(1,)`` int64.
            prior_condition: features at the resolution of the latents.
            trials: of a sparse branch, without writing: to leave out areas that are not worth their
                bits and, from the second on, to find cheaper hyper-latents.

        Returns:
            Decoded latents in 1/16 steps, integers, ``shape``.
        """
        step = self.gains.table[quality][:, :, None, None].to(torch.float32) / STEP_STEPS
        price = self.bit_price(quality, step).expand(shape)

        def run(work: _Coding) -> Tensor:
            if not bool(work.active.any()):
                return torch.zeros(shape, dtype=work.dtype, device=quality.device)
            return self._traverse(work, shape, quality, prior_condition)

        def attempt(wanted: _Wanted) -> Tensor:
            work = _Coding(self, Trial(), wanted, price)
            run(work)
            return work.worth

        wanted = None
        if y is not None:
            active = self._may_hold(y, _DOUBTFUL if trials else _CLEAR)
            wanted = _Wanted(y, self._hyper_latents(y), active)
            if self.sparse and trials:
                wanted = self._tried(wanted, trials, attempt)
        return run(_Coding(self, coder, wanted, price))

    def _hyper_latents(self, y: Tensor) -> Tensor:
        """Hyper-latents of real latents in steps: integers ``(1, Z, h, w)``."""
        arithmetic = self.prior.hyper_analysis.arithmetic
        assert isinstance(arithmetic, ExactArithmetic)
        scaled = arithmetic.requantise(y, self.scale.scale * FEATURE.steps, FEATURE.limit)
        z = torch.round(self.prior.hyper_analysis(scaled) / FEATURE.steps)
        return z.clamp(-HYPER.limit, HYPER.limit)

    def _tried(self, wanted: _Wanted, trials: int, attempt: Callable[[_Wanted], Tensor]) -> _Wanted:
        """What to write after trials; each area keeps what is worth most.

        The first trial codes with the hyper-latents that the analysis gives, each further one with
        the best so far, all nearer to zero by one. Hyper-latents are paid for.
        """
        worth = attempt(wanted)
        for _ in range(1, trials):
            other = replace(wanted, z=wanted.z - torch.sign(wanted.z))
            others = attempt(other)
            gain = others - self._cost_of(other.z) - (worth - self._cost_of(wanted.z))
            better = wanted.active & (gain > 0)
            wanted = replace(wanted, z=torch.where(better, other.z, wanted.z))
            worth = torch.where(better, others, worth)
        return replace(wanted, active=worth > _LEAST_WORTH)

    def _cost_of(self, z: Tensor) -> Tensor:
        """Bits of hyper-latents at each place, 1/256: int64 ``(1, 1, h, w)``."""
        channel = torch.arange(z.shape[1], device=z.device)[:, None, None]
        bits = self.hyper_costs[channel, z.to(torch.int64) + HYPER.limit]
        return bits.sum(dim=1, keepdim=True)

    def reconstruct(self, y_hat: Tensor, quality: Tensor) -> Tensor:
        """Planes of the linear path as exact features, from decoded latents in 1/16 steps."""
        step = self.gains.table[quality][:, :, None, None]
        planes: Tensor = self.transform(y_hat.to(torch.float64) * step.to(torch.float64))
        return planes


class _Pass(Protocol):
    """What one pass over a branch does where symbols arise; see `Branch._traverse`."""

    dtype: torch.dtype
    """Of the decoded latents."""

    active: Tensor
    """Where there may be symbols: bool ``(B, 1, h, w)`` at the hyper-latent positions."""

    def hyper(self) -> Tensor:
        """Decoded hyper-latents ``(B, Z, h, w)``."""

    def latents(self, step: Step, parameters: Parameters, y_hat: Tensor) -> Tensor:
        """``y_hat`` with the latents of ``step`` decoded too; ``parameters`` are theirs."""


class _Training:
    """A pass that rounds, with straight-through gradients, and keeps what a loss needs."""

    def __init__(self, branch: Branch, y: Tensor, price: Tensor, active: Tensor) -> None:
        """Take real latents ``(B, C, H, W)`` in steps, and the price of a bit for each channel."""
        self._branch, self._y, self._price, self.active = branch, y, price, active
        self._mask = Branch._spread(active, y.shape).float()
        self._z = branch.prior.hyper_analysis(branch.scale(y))
        self._symbols, self._mean, self._index = (torch.zeros_like(y) for _ in range(3))
        self.dtype = y.dtype

    def hyper(self) -> Tensor:
        """See `_Pass.hyper`."""
        z = self._z
        z_hat = straight_through(torch.round(z).clamp(-HYPER.limit, HYPER.limit), z)
        return z_hat * self.active.float()

    def latents(self, step: Step, parameters: Parameters, y_hat: Tensor) -> Tensor:
        """See `_Pass.latents`."""
        height, width = y_hat.shape[-2:]
        channels, mask = coded(step, height, width, y_hat.device)
        mask = mask * self._mask

        def put(total: Tensor, part: Tensor) -> Tensor:
            return total.index_add(1, channels, part.float() * mask)

        y, price = (t.index_select(1, channels) for t in (self._y, self._price))
        mean = 0.0 if parameters.mean is None else parameters.mean
        offset = y - mean
        index = torch.round(parameters.index.detach().float() * INDEX.steps).clamp(0, SCALES - 1)
        symbols = straight_through(self._branch.quantise(offset, index, price), offset)
        self._symbols = put(self._symbols, symbols)
        if parameters.mean is not None:
            self._mean = put(self._mean, parameters.mean)
        self._index = put(self._index, parameters.index)
        return put(y_hat, symbols + mean)

    def output(self, planes: Tensor, y_hat: Tensor) -> BranchOutput:
        """What the pass has found, with the ``planes`` of the decoded latents ``y_hat``."""
        mean = self._mean if self._branch.prior.predict_mean else None
        offsets = self._y if mean is None else self._y - mean
        parameters = Parameters(mean, self._index)
        active = self.active.float()
        return BranchOutput(planes, y_hat, offsets, self._symbols, parameters, self._z, active)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an encoder writes.

    Attributes:
        y: latents in steps, float32, ``(1, C, H, W)``.
        z: hyper-latents, integers, ``(1, Z, h, w)``.
        active: where to write: bool ``(1, 1, h, w)``.
    """

    y: Tensor
    z: Tensor
    active: Tensor


class _Coding:
    """A pass that writes symbols, or reads them; integers in exact arithmetic.

    Attributes:
        worth: what writing each hyper-latent position was worth, 1/256 bit: squared error that its
            symbols saved over their price, less their bits; int64, as ``active``.
    """

    def __init__(self, branch: Branch, coder: Coder, wanted: _Wanted | None, price: Tensor) -> None:
        """Take what the encoder wants, or None to read, and the price of a bit for each latent."""
        arithmetic = branch.prior.arithmetic
        assert isinstance(arithmetic, ExactArithmetic)
        self._branch, self._coder, self._wanted, self._price = branch, coder, wanted, price
        self._shape = branch.prior.hyper_shape(price.shape)
        self.dtype = arithmetic.carrier
        if branch.sparse:
            flags = None if wanted is None else wanted.active[0, 0]
            found = coder.flags(flags, (self._shape[2], self._shape[3]))
        else:
            found = torch.ones(self._shape[2:], dtype=torch.bool, device=price.device)
        self.active = found.to(price.device)[None, None]
        self.worth = torch.zeros(self.active.shape, dtype=torch.int64, device=price.device)

    def hyper(self) -> Tensor:
        """See `_Pass.hyper`."""
        z = None if self._wanted is None else self._wanted.z * self.active
        z_hat = self._coder.hyper(z, self._shape, self.active[0, 0])
        return z_hat.to(self._price.device, self.dtype).clamp(-HYPER.limit, HYPER.limit)

    def latents(self, step: Step, parameters: Parameters, y_hat: Tensor) -> Tensor:
        """See `_Pass.latents`; changes ``y_hat`` in place."""
        within, overall = places(step, y_hat.shape[2], y_hat.shape[3], y_hat.device)

        def pick(x: Tensor, indices: Tensor) -> Tensor:
            return x.reshape(-1).index_select(0, indices)

        mask = Branch._spread(self.active, y_hat.shape).expand(y_hat.shape)
        index = pick(parameters.index, within).clamp_(0, SCALES - 1) * pick(mask, overall)
        mean = None if parameters.mean is None else pick(parameters.mean, within)
        symbols = None
        if self._wanted is not None:
            offset = pick(self._wanted.y, overall)
            if mean is not None:  # float32 whatever carries the mean
                offset = offset - mean.to(torch.float32) / SYMBOL_STEPS
            price = pick(self._price, overall)
            symbols = self._branch.quantise(offset, index, price)
            symbols = symbols.clamp(-MAX_SYMBOL, MAX_SYMBOL)
            worth = self._branch.worth_of(offset, symbols, index, price)
            self._count(overall, torch.where(index > 0, worth, 0), y_hat.shape)
        decoded = self._coder.latents(symbols, index) * SYMBOL_STEPS
        y_hat.view(-1).index_copy_(0, overall, decoded if mean is None else decoded + mean)
        return y_hat

    def _count(self, places: Tensor, worth: Tensor, shape: torch.Size) -> None:
        """Add what symbols at flat ``places`` of latents of ``shape`` are worth to their areas."""
        rows = places // shape[3] % shape[2] // HYPER_STRIDE
        areas = rows * self._shape[3] + places % shape[3] // HYPER_STRIDE
        self.worth.view(-1).index_add_(0, areas, worth)
