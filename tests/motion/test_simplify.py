"""Simplified fields are cheaper, stay accurate, and leave the coder alone."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from colorvid.errors import ConfigError
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import compensate
from colorvid.motion.field import Vectors
from colorvid.motion.native import AnyMotionCoder
from colorvid.motion.simplify import simplify

Make = Callable[[], AnyMotionCoder]

RNG = np.random.default_rng(5)
WORLD = np.kron(RNG.integers(0, 256, (30, 34)), np.ones((4, 4))).astype(np.uint8)


def cost(field: Vectors) -> int:
    return len(MotionCoder().encode(field))


def noisy_pan(shape: tuple[int, int], wrong: float) -> Vectors:
    """A pan of 2 rows and -1 column with some vectors off by a little."""
    rng = np.random.default_rng(6)
    field = np.full((*shape, 2), (8, -4), dtype=np.int16)
    hit = rng.random(shape) < wrong
    field[hit] += rng.integers(-9, 10, (int(hit.sum()), 2)).astype(np.int16)
    return field


@pytest.mark.parametrize("size", [(64, 80), (61, 83), (1, 1), (9, 100)])
def test_a_noisy_pan_becomes_a_pan(make: Make, size: tuple[int, int]) -> None:
    current = WORLD[10 : 10 + size[0], 10 : 10 + size[1]]
    previous = WORLD[8 : 8 + size[0], 11 : 11 + size[1]]
    field = noisy_pan((-(-size[0] // 8), -(-size[1] // 8)), 0.3)
    field[0, 0] = (8, -4)
    better = simplify(field, current, previous, 4.0, make())
    assert better.shape == field.shape and better.dtype == np.int16
    assert cost(better) <= min(cost(field), 12)


def test_a_free_bit_never_makes_the_prediction_worse(make: Make) -> None:
    current, previous = WORLD[10:74, 10:90], WORLD[8:72, 11:91]
    field = noisy_pan((8, 10), 0.5)
    better = simplify(field, current, previous, 0.0, make())
    right = (field == (8, -4)).all(axis=2).mean()
    assert (better == (8, -4)).all(axis=2).mean() > right


def smooth_picture() -> torch.Tensor:
    noise = np.random.default_rng(7).integers(0, 256, (12, 15)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(noise)[None, None], (96, 120), mode="bicubic"
    )
    return large[0, 0].clamp(0, 255).round()


def predict(previous: torch.Tensor, field: Vectors) -> torch.Tensor:
    half = previous[::2, ::2]
    return compensate((previous, half, half), torch.from_numpy(field))[0]


def test_vectors_a_quarter_sample_off_are_mended(make: Make) -> None:
    previous = smooth_picture()
    true = np.full((12, 15, 2), (9, -3), dtype=np.int16)
    current = predict(previous, true).numpy()
    near = np.full((12, 15, 2), (8, -4), dtype=np.int16)
    found = simplify(near, current, previous.numpy().astype(np.uint8), 0.5, make())
    assert (found == true).all(axis=2).mean() > 0.9


def test_what_counts_is_all_that_a_vector_predicts(make: Make) -> None:
    """Inside the macroblock any vector will do; just outside, where it is blended, only one."""
    current = np.random.default_rng(8).integers(0, 256, (48, 48)).astype(np.uint8)
    current[16:32, 14:34] = 128
    previous = np.roll(current, 1, axis=1)
    field = np.full((6, 6, 2), (0, 4), dtype=np.int16)
    field[2:4, 2:4] = 0
    found = simplify(field, current, previous, 0.0, make())
    assert (found[2:4, 2:4] == (0, 4)).all()


def test_vectors_far_outside_are_handled(make: Make) -> None:
    field = np.full((8, 10, 2), 2047, dtype=np.int16)
    field[::2] = -2047
    assert simplify(field, WORLD[:64, :80], WORLD[:64, :80], 1.0, make()).shape == (8, 10, 2)


def test_the_coder_is_left_alone(make: Make) -> None:
    used, twin = make(), make()
    field = noisy_pan((8, 10), 0.5)
    simplify(field, WORLD[:64, :80], WORLD[:64, :80], 1.0, used)
    assert used.encode(field) == twin.encode(field)


def test_fields_of_another_size_are_refused(make: Make) -> None:
    field = np.zeros((8, 10, 2), dtype=np.int16)
    with pytest.raises(ConfigError, match=r"shape \(8, 10, 2\); the grid needs \(8, 11, 2\)"):
        simplify(field, WORLD[:64, :81], WORLD[:64, :81], 1.0, make())
    with pytest.raises(ConfigError, match=r"reference has shape \(64, 80\); it must be \(64, 81\)"):
        simplify(field, WORLD[:64, :81], WORLD[:64, :80], 1.0, make())
