"""The loop filter: what it leaves alone, its classes, its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.nn.loop_filter import PAIRS, LoopFilter


def made(block: int = 8, seed: int = 0) -> LoopFilter:
    """A random filter."""
    torch.manual_seed(seed)
    result = LoopFilter(block)
    result.weights.random_(-40, 41)
    result.clips.random_(1, 60)
    result.activity.copy_(torch.randint(4000, result.activity.shape).sort(1).values)
    return result


def picture(height: int = 24, width: int = 40, seed: int = 1) -> Tensor:
    """Noise."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (height, width)).astype(np.uint8))


def waves(dy: float, dx: float) -> Tensor:
    """A wave that goes on along a direction."""
    y, x = np.mgrid[0:8, 0:8]
    return torch.from_numpy(np.rint(128 + 60 * np.sin(2 * (dy * y + dx * x))).astype(np.uint8))


def test_a_fresh_filter_leaves_all_as_it_is() -> None:
    plane = picture()
    assert torch.equal(LoopFilter(8)(plane, picture(seed=2), 30), plane)


def test_a_flat_plane_stays_flat() -> None:
    plane = torch.full((16, 16), 90, dtype=torch.uint8)
    assert torch.equal(made()(plane, picture(16, 16), 30), plane)


@pytest.mark.parametrize(
    ("wave", "direction"),
    [((0, 1), 1), ((1, 0), 2), ((1, 1), 3), ((1, -1), 4)],
    ids=["across", "down", "falling", "rising"],
)
def test_directions(wave: tuple[float, float], direction: int) -> None:
    plane = waves(*wave).repeat(3, 3)
    plain = LoopFilter(8)
    found, _ = plain.blocks(plane, plane, 40)
    assert int(found[1, 1]) // 7 == direction
    assert int(found[1, 1]) % 7 == 6  # all bounds are 0


def test_only_blocks_that_differ_from_the_prediction_are_coded() -> None:
    plane = picture(16, 24)
    predicted = plane.clone()
    predicted[9, 17] += 1
    found, _ = LoopFilter(8).blocks(plane, predicted, 40)
    assert (found >= 35).tolist() == [[False, False, False], [False, False, True]]


def test_levels_follow_the_bounds_of_the_quality() -> None:
    plane = torch.zeros(8, 8, dtype=torch.uint8)
    plane[4, 4] = 10  # bends of 2*10 + 10 + 10 along each direction
    result = LoopFilter(8)
    result.activity[7] = torch.tensor([1, 80, 81, 200, 300, 400])
    found, _ = result.blocks(plane, plane, 7)
    assert int(found[0, 0]) % 7 == 2


@pytest.mark.parametrize("block", [4, 8])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (17, 30)])
def test_each_sample_by_hand(block: int, size: tuple[int, int]) -> None:
    part, plane, predicted, quality = made(block), picture(*size), picture(*size, seed=2), 45
    found, _ = part.blocks(plane, predicted, quality)
    got = part(plane, predicted, quality)
    at = plane.long().numpy()
    for y, x in np.ndindex(*size):
        weights = part.weights[5, int(found[y // block, x // block])].tolist()
        total = 128
        for t, (dy, dx) in enumerate(PAIRS):
            for sign in (1, -1):
                near = at[
                    np.clip(y + sign * dy, 0, size[0] - 1), np.clip(x + sign * dx, 0, size[1] - 1)
                ]
                for i, clip in enumerate(part.clips[quality].tolist()):
                    total += weights[2 * t + i] * int(np.clip(near - at[y, x], -clip, clip))
        assert got[y, x] == min(255, max(0, int(at[y, x]) + (total >> 8)))
