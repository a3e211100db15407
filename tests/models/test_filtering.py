"""Where the encoder lets the loop filters act."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorvid.entropy.flags import Flags, cost_of
from colorvid.models.filtering import LoopFilters, Pictures, choose_areas
from colorvid.models.planes import FrameTensors
from tests import tiny
from tests.clips import moving_frames


def test_nothing_is_chosen_where_nothing_is_gained() -> None:
    assert not choose_areas(np.zeros((3, 4), np.int64), 10.0).any()
    assert not choose_areas(np.full((3, 4), -5), 10.0).any()


def test_what_is_gained_must_be_worth_its_bits() -> None:
    gains = np.full((6, 6), -30)
    gains[2, 3] = 50
    assert choose_areas(gains, 1.0).tolist() == (gains > 0).tolist()
    assert not choose_areas(gains, 20.0).any()


def test_flags_that_say_little_may_be_dropped_or_set() -> None:
    gains = np.full((8, 8), 1000)
    gains[3, 3] = -1
    assert choose_areas(gains, 10.0).all()
    assert not choose_areas(gains, 0.01)[3, 3]


def worth(flags: Flags, gains: NDArray[np.int64], price: float) -> float:
    """What flags gain, less what they cost."""
    return float(gains[flags].sum()) - price * cost_of(flags) / 256


def test_the_choice_pays_more_than_all_or_none() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        gains, price = rng.integers(-400, 400, (5, 7)), float(rng.integers(1, 60))

        chosen = worth(choose_areas(gains, price), gains, price)
        assert chosen >= worth(gains > 0, gains, price)
        assert chosen >= worth(np.zeros(gains.shape, np.bool_), gains, price)


class Given(tiny.SilentCoder):
    """A coder that gives set flags."""

    def __init__(self, flags: torch.Tensor) -> None:
        super().__init__()
        self.given = flags

    def flags(self, flags: torch.Tensor | None, grid: tuple[int, int]) -> torch.Tensor:
        assert self.given.shape == grid
        return self.given


@pytest.mark.parametrize("size", [(33, 64), (70, 31)])
def test_only_areas_with_a_flag_change(size: tuple[int, int]) -> None:
    filters = tiny.network(seed=3).inter.filter
    assert isinstance(filters, LoopFilters)
    height, width = size
    first, second = moving_frames(2, height, width, seed=5)
    decoded, predicted = FrameTensors.of(first), FrameTensors.of(second)
    grid = (-(-height // 32), -(-width // 32))
    luma, chroma = torch.zeros(grid, dtype=torch.bool), torch.zeros(grid, dtype=torch.bool)
    luma[0, 0] = chroma[1, 0] = True
    coders = (Given(luma), Given(chroma))
    shown = filters.code(coders, Pictures(decoded, predicted, None), 40, (1.0, 1.0))
    whole = [filters.luma(decoded.y, predicted.y, 40), filters.chroma(decoded.u, predicted.u, 40)]
    assert torch.equal(shown.y[:32, :32], whole[0][:32, :32])
    assert not torch.equal(shown.y[:32, :32], decoded.y[:32, :32])
    assert torch.equal(shown.y[32:], decoded.y[32:])
    assert torch.equal(shown.u[16:32, :16], whole[1][16:32, :16])
    assert torch.equal(shown.u[:16], decoded.u[:16])


def test_the_encoder_filters_where_that_brings_the_source() -> None:
    filters = tiny.network(seed=3).inter.filter
    first, second = moving_frames(2, 64, 96, seed=5)
    decoded, predicted = FrameTensors.of(first), FrameTensors.of(second)
    y = filters.luma(decoded.y, predicted.y, 40)
    source = FrameTensors(torch.cat((y[:32], decoded.y[32:])), decoded.u, decoded.v)
    pictures = Pictures(decoded, predicted, source)
    shown = filters.code((tiny.SilentCoder(), tiny.SilentCoder()), pictures, 40, (1.0, 1.0))
    for got, wanted in zip(shown.planes, source.planes, strict=True):
        assert torch.equal(got, wanted)
