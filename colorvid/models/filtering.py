"""The loop filters of an inter frame at work: where they act, as the encoder chooses.

Each area of 32x32 luma samples has a flag for luma and one for chroma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from colorvid.config import INTER_BLOCK
from colorvid.entropy.flags import Flags, cost_of
from colorvid.models.passes import Coder
from colorvid.models.planes import FrameTensors, depth_of
from colorvid.nn.loop_filter import LoopFilter
from colorvid.nn.prior import HYPER_STRIDE

MARGINS = (-8, -2, -1, 0, 1, 2, 4)
"""Bits that an area may have to be worth; the encoder tries one after the other."""


def choose_areas(gains: NDArray[np.int64], price: float) -> Flags:
    """The flags that pay most, after none at all.

    Args:
        gains: squared error that filtering saves in each area.
        price: of a bit, in squared error.
    """
    best, most = np.zeros(gains.shape, np.bool_), 0.0
    none = cost_of(best)
    for margin in MARGINS:
        flags = gains > margin * price
        worth = float(gains[flags].sum()) - price * (cost_of(flags) - none) / 256
        if worth > most:
            best, most = flags, worth
    return best


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a filter sees of an inter frame.

    Attributes:
        decoded: before the filter.
        predicted: its prediction.
        source: what was to be coded; None on the decoder's side.
    """

    decoded: FrameTensors
    predicted: FrameTensors
    source: FrameTensors | None

    def planes(self, numbers: tuple[int, ...]) -> list[tuple[Tensor, Tensor, Tensor | None]]:
        """Decoded, predicted and source samples of some planes."""
        source = (None,) * 3 if self.source is None else self.source.planes
        every = list(zip(self.decoded.planes, self.predicted.planes, source, strict=True))
        return [every[number] for number in numbers]


def _sums(values: Tensor, side: int, grid: tuple[int, int]) -> Tensor:
    """Sums of a plane over areas of ``side`` samples; beyond the plane are zeros."""
    height, width = values.shape
    whole = F.pad(values, (0, grid[1] * side - width, 0, grid[0] * side - height))
    return whole.reshape(grid[0], side, grid[1], side).sum((1, 3))


def _gain(source: Tensor, decoded: Tensor, filtered: Tensor) -> Tensor:
    """By how much each sample's squared error falls, int64."""
    before, after = (source.long() - plane.long() for plane in (decoded, filtered))
    return before * before - after * after


class LoopFilters(nn.Module):
    """The filters of luma and of chroma planes, switched for each area."""

    def __init__(self) -> None:
        """Make filters that do nothing."""
        super().__init__()
        self.luma = LoopFilter(INTER_BLOCK)
        self.chroma = LoopFilter(INTER_BLOCK // 2)

    @torch.no_grad()
    def code(
        self,
        coders: tuple[Coder, Coder],
        pictures: Pictures,
        quality: int,
        prices: tuple[float, float],
    ) -> FrameTensors:
        """Filter a decoded picture, and write where, or read it.

        Args:
            coders: of luma and of chroma.
            pictures: with a source to write; without one flags are read.
            quality: of the frame, 0..63.
            prices: of a bit in squared error of 8-bit samples, for luma and for chroma.
        """
        planes: list[Tensor] = []
        parts = ((self.luma, (0,)), (self.chroma, (1, 2)))
        for coder, (part, numbers), price in zip(coders, parts, prices, strict=True):
            planes += _Pass(part, pictures.planes(numbers), quality).code(coder, price)
        return FrameTensors(*planes)


class _Pass:
    """The filter of luma or of chroma on the planes of a frame."""

    def __init__(
        self,
        part: LoopFilter,
        planes: list[tuple[Tensor, Tensor, Tensor | None]],
        quality: int,
    ) -> None:
        self._part, self._planes, self._quality = part, planes, quality
        self._side = part.block * HYPER_STRIDE
        height, width = planes[0][0].shape
        self._grid = (-(-height // self._side), -(-width // self._side))

    def code(self, coder: Coder, price: float) -> list[Tensor]:
        """Planes with the areas filtered that the coder says."""
        if self._planes[0][2] is not None:
            filtered = self._filtered()
            gains = sum(
                _sums(_gain(source, decoded, new), self._side, self._grid)
                for (decoded, _, source), new in zip(self._planes, filtered, strict=True)
                if source is not None
            )
            assert isinstance(gains, Tensor)
            worth = price * (1 << 2 * (depth_of(self._planes[0][0]) - 8))
            chosen = torch.from_numpy(choose_areas(gains.cpu().numpy(), worth))
            return self._mixed(coder.flags(chosen, self._grid), filtered)
        flags = coder.flags(None, self._grid)
        if not bool(flags.any()):
            return [decoded for decoded, _, _ in self._planes]
        return self._mixed(flags, self._filtered())

    def _filtered(self) -> list[Tensor]:
        return [self._part(decoded, by, self._quality) for decoded, by, _ in self._planes]

    def _mixed(self, flags: Tensor, filtered: list[Tensor]) -> list[Tensor]:
        """Filtered where a flag is set, decoded elsewhere."""
        results = []
        for (decoded, _, _), new in zip(self._planes, filtered, strict=True):
            wide = flags.to(decoded.device).repeat_interleave(self._side, 0)
            wide = wide.repeat_interleave(self._side, 1)
            results.append(torch.where(wide[: decoded.shape[0], : decoded.shape[1]], new, decoded))
        return results
