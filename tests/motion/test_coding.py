"""Vector fields come back exactly, cheaply, and damage never crashes."""

import random
import re
from collections.abc import Callable

import numpy as np
import pytest

from colorvid.entropy.binary import BinaryEncoder
from colorvid.errors import ConfigError, DamagedStream
from colorvid.motion.coding import MotionCoder
from colorvid.motion.field import VECTOR_LIMIT, Vectors, median
from colorvid.motion.native import AnyMotionCoder

SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (5, 3), (18, 22), (9, 16)]


def fields(shape: tuple[int, int], seed: int) -> list[Vectors]:
    """Still, smooth, blocky, noisy and extreme fields."""
    rng = np.random.default_rng(seed)
    zero = np.zeros((*shape, 2), dtype=np.int16)
    smooth = zero + np.arange(shape[1])[None, :, None] + 3 * np.arange(shape[0])[:, None, None]
    patches = rng.integers(-9, 9, ((shape[0] + 2) // 3, (shape[1] + 1) // 2, 2))
    blocky = patches.repeat(3, 0).repeat(2, 1)[: shape[0], : shape[1]]
    noise = rng.integers(-40, 41, (*shape, 2))
    far = rng.choice([-VECTOR_LIMIT, 0, VECTOR_LIMIT], (*shape, 2))
    mixed = np.where(rng.random((*shape, 1)) < 0.2, noise, smooth)
    every = (zero, smooth, zero, blocky, noise, mixed, far, blocky)
    return [field.astype(np.int16) for field in every]


Make = Callable[[], AnyMotionCoder]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_round_trip_over_a_group_of_pictures(make: Make, shape: tuple[int, int], seed: int) -> None:
    there, back = make(), make()
    for field in fields(shape, seed):
        decoded = back.decode(there.encode(field), shape)
        assert decoded.dtype == np.int16
        np.testing.assert_array_equal(decoded, field)


def test_reset_forgets_what_was_coded(make: Make) -> None:
    used, field = make(), fields((9, 16), 1)[5]
    used.encode(field)
    again = used.encode(field)
    used.reset()
    assert used.encode(field) == make().encode(field) != again


def test_the_size_may_change_within_a_group(make: Make) -> None:
    there, back = make(), make()
    for shape in ((4, 6), (7, 3), (4, 6)):
        field = fields(shape, 4)[5]
        decoded = back.decode(there.encode(field), shape)
        np.testing.assert_array_equal(decoded, field)


def test_a_still_picture_costs_almost_nothing(make: Make) -> None:
    coder, still = make(), np.zeros((36, 44, 2), dtype=np.int16)
    sizes = [len(coder.encode(still)) for _ in range(8)]
    assert sizes[0] <= 4
    assert sum(sizes) <= 10


def test_a_pan_costs_almost_nothing(make: Make) -> None:
    coder = make()
    pan = np.full((36, 44, 2), (3, -17), dtype=np.int16)
    assert max(len(coder.encode(pan)) for _ in range(4)) <= 16


def test_golden_bytes() -> None:
    coder, parts = MotionCoder(), []
    for field in fields((3, 5), 7)[:4]:
        encoder = BinaryEncoder()
        coder.code(encoder, field, (3, 5))
        parts.append(encoder.finish())
    data = b"|".join(parts)
    assert data.hex() == "7ceb7a22ae348c06c4b1b3f6da17c8327c7c4334553bcd3a19"


@pytest.mark.parametrize("seed", range(40))
def test_damage_gives_a_field_or_a_named_error(make: Make, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(make().encode(fields((9, 16), seed)[4]))
    for _ in range(3):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    damaged = bytes(data[: rng.randrange(len(data) + 1)])
    try:
        field = make().decode(damaged, (9, 16))
    except DamagedStream as error:
        assert re.search(r"components are within \+-2047|range-coded data is damaged", str(error))
    else:
        assert field.shape == (9, 16, 2)
        assert np.abs(field).max() <= VECTOR_LIMIT


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"shape \(2, 3, 2\); the grid needs \(3, 2, 2\)"):
        MotionCoder().code(BinaryEncoder(), np.zeros((2, 3, 2), dtype=np.int16), (3, 2))
    wild = np.full((1, 1, 2), -2048, dtype=np.int16)
    with pytest.raises(ConfigError, match="reaches 2048 quarter samples"):
        MotionCoder().code(BinaryEncoder(), wild, (1, 1))


def test_vectors_out_of_range_are_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match="reaches 2048 quarter samples"):
        make().encode(np.full((1, 1, 2), -2048, dtype=np.int16))


def test_median_follows_the_rules_of_h264() -> None:
    assert median(None, None, None) == (0, 0)
    assert median((4, 5), None, None) == (4, 5)
    assert median(None, (4, 5), None) == (4, 5)
    assert median(None, (4, 5), (6, 1)) == (4, 1)
    assert median((1, 9), (2, -8), (3, 0)) == (2, 0)
