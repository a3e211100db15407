"""What a pass over a branch does where symbols arise: in training, and in coding.

`colorvid.models.branch.Branch` walks through the latents in the one order that there is, and asks
its pass for hyper-latents and latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from colorvid.entropy.tables import MAX_SYMBOL, SCALES
from colorvid.exact.arithmetic import ExactArithmetic, straight_through
from colorvid.exact.layers import ChannelScale
from colorvid.nn.prior import HYPER, HYPER_STRIDE, INDEX, Parameters, Prior
from colorvid.nn.steps import Step, coded, places
from colorvid.nn.transforms import SYMBOL_STEPS


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


class Quantiser(Protocol):
    """What passes need of their branch, see `colorvid.models.branch.Branch`."""

    prior: Prior
    scale: ChannelScale

    @property
    def sparse(self) -> bool:
        """Whether nothing is coded where all symbols are zero."""

    def quantise(self, offset: Tensor, index: Tensor, price: Tensor) -> Tensor:
        """Integers for real latents around their mean."""

    def worth_of(self, offset: Tensor, symbols: Tensor, index: Tensor, price: Tensor) -> Tensor:
        """What symbols are worth, 1/256 bit."""


class Pass(Protocol):
    """What one pass over a branch does where symbols arise; see `Branch._traverse`."""

    dtype: torch.dtype
    """Of the decoded latents."""

    active: Tensor
    """Where there may be symbols: bool ``(B, 1, h, w)`` at the hyper-latent positions."""

    def hyper(self) -> Tensor:
        """Decoded hyper-latents ``(B, Z, h, w)``."""

    def latents(self, step: Step, parameters: Parameters, y_hat: Tensor) -> Tensor:
        """``y_hat`` with the latents of ``step`` decoded too; ``parameters`` are theirs."""


class TrainingPass:
    """A pass that rounds, with straight-through gradients, and keeps what a loss needs."""

    def __init__(self, branch: Quantiser, y: Tensor, price: Tensor, active: Tensor) -> None:
        """Take real latents ``(B, C, H, W)`` in steps, and the price of a bit for each channel."""
        self._branch, self._y, self._price, self.active = branch, y, price, active
        self._mask = spread(active, y.shape).float()
        self._z = branch.prior.hyper_analysis(branch.scale(y))
        self._symbols, self._mean, self._index = (torch.zeros_like(y) for _ in range(3))
        self.dtype = y.dtype

    def hyper(self) -> Tensor:
        """See `Pass.hyper`."""
        z = self._z
        z_hat = straight_through(torch.round(z).clamp(-HYPER.limit, HYPER.limit), z)
        return z_hat * self.active.float()

    def latents(self, step: Step, parameters: Parameters, y_hat: Tensor) -> Tensor:
        """See `Pass.latents`."""
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
class Wanted:
    """What an encoder writes.

    Attributes:
        y: latents in steps, float32, ``(1, C, H, W)``.
        z: hyper-latents, integers, ``(1, Z, h, w)``.
        active: where to write: bool ``(1, 1, h, w)``.
    """

    y: Tensor
    z: Tensor
    active: Tensor


class CodingPass:
    """A pass that writes symbols, or reads them; integers in exact arithmetic.

    Attributes:
        worth: what writing each hyper-latent position was worth, 1/256 bit: squared error that its
            symbols saved over their price, less their bits; int64, as ``active``.
    """

    def __init__(
        self, branch: Quantiser, coder: Coder, wanted: Wanted | None, price: Tensor
    ) -> None:
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
        """See `Pass.hyper`."""
        z = None if self._wanted is None else self._wanted.z * self.active
        z_hat = self._coder.hyper(z, self._shape, self.active[0, 0])
        return z_hat.to(self._price.device, self.dtype).clamp(-HYPER.limit, HYPER.limit)

    def latents(self, step: Step, parameters: Parameters, y_hat: Tensor) -> Tensor:
        """See `Pass.latents`; changes ``y_hat`` in place."""
        within, overall = places(step, y_hat.shape[2], y_hat.shape[3], y_hat.device)

        def pick(x: Tensor, indices: Tensor) -> Tensor:
            return x.reshape(-1).index_select(0, indices)

        mask = spread(self.active, y_hat.shape).expand(y_hat.shape)
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


def spread(active: Tensor, shape: torch.Size) -> Tensor:
    """Flags ``(B, 1, h, w)`` of hyper-latents as ``(B, 1, H, W)`` of latents of ``shape``."""
    tall = active.repeat_interleave(HYPER_STRIDE, 2).repeat_interleave(HYPER_STRIDE, 3)
    return tall[:, :, : shape[2], : shape[3]]
