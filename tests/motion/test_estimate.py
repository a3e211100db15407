"""Motion estimation: known motion at any distance, for every size, the same at every level."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from colorvid.errors import ConfigError
from colorvid.frame import BOTH, FUTURE, Motion, Plane, Vectors
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import compensate
from colorvid.motion.estimate import BIT_WEIGHT, MotionEstimator
from colorvid.motion.field import VECTOR_LIMIT, grid_shape
from colorvid.native.core import VARIABLE, at_level, levels
from colorvid.native.motion import MotionState, Reference
from tests.motion.frames import b_links, p_links, q_links, same_motion, started

LEVELS = [level.name.lower() for level in levels()]
SIZES = [
    (1, 1),
    (1, 40),
    (2, 2),
    (7, 15),
    (16, 16),
    (17, 9),
    (17, 33),
    (50, 18),
    (9, 100),
    (64, 80),
]


def texture(height: int, width: int, seed: int = 0) -> Plane:
    """A random picture with details of all sizes, u8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for side in (4, 8, 16, 32, 64):
        coarse = rng.random((height // side + 3, width // side + 3))
        full = coarse.repeat(side, 0).repeat(side, 1)
        steps = [n * side // 4 for n in range(4)]
        smooth = np.mean([np.roll(full, (y, x), (0, 1)) for y in steps for x in steps], axis=0)
        total += smooth[side : side + height, side : side + width]
    return np.asarray((total - total.min()) * (255 / max(np.ptp(total), 1))).astype(np.uint8)


def estimate(
    current: Plane,
    reference: Plane,
    step: float = 20.0,
    hint: Vectors | None = None,
    level: str = "1",
) -> Vectors:
    """Vectors of a P frame; ``hint``: how its reference moved."""
    shape = grid_shape(*current.shape)
    native = at_level(level)
    state, prepared = MotionState(native, shape, 3), Reference(native)
    state.start(0)
    if hint is not None:
        state.encode(p_links(0, 1), Motion(hint))
    prepared.fill(reference)
    links = p_links(0, 2) if hint is None else p_links(1, 2)
    weight = round(BIT_WEIGHT * step * 65536)
    motion, _ = state.estimate(links, current, (prepared, None), weight)
    return motion.past


@pytest.mark.parametrize("move", [(3, -5), (0, 29), (-40, 17), (48, 64), (-13, -90)])
def test_a_pan_is_found(move: tuple[int, int]) -> None:
    world = texture(420, 560)
    current = world[100:292, 120:376]
    reference = world[100 - move[0] : 292 - move[0], 120 - move[1] : 376 - move[1]]
    found = estimate(current, reference)
    assert found.dtype == np.int16 and found.shape == (24, 32, 2)
    rows, columns = np.indices(found.shape[:2]) * 8 + np.array(move).reshape(2, 1, 1)
    seen = (rows >= 8) & (rows < 176) & (columns >= 8) & (columns < 240)  # in the reference too
    assert seen.mean() > 0.4
    assert (found[seen] == 4 * np.array(move)).all(axis=1).mean() > 0.95


def test_two_objects_that_move_apart() -> None:
    """Sixteen frames apart: a square 44 samples to the right on a ground that moves 24 up."""
    ground, square = texture(300, 320, seed=1), texture(64, 64, seed=2)
    before, after = ground[60:252, 30:286].copy(), ground[84:276, 30:286].copy()
    before[64:128, 60:124] = square
    after[64:128, 104:168] = square
    found = estimate(after, before)
    assert (found[9:15, 14:20] == (0, -4 * 44)).all(axis=2).mean() > 0.9
    assert (found[9:15, 24:] == (4 * 24, 0)).all(axis=2).mean() > 0.9


def smooth_picture() -> torch.Tensor:
    noise = np.random.default_rng(7).integers(0, 256, (12, 15)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(noise)[None, None], (96, 120), mode="bicubic"
    )
    return large[0, 0].clamp(0, 255).round()


def test_quarter_samples_are_found() -> None:
    reference = smooth_picture()
    true = np.full((12, 15, 2), (9, -3), dtype=np.int16)
    half = reference[::2, ::2]
    current = compensate((reference, half, half), torch.from_numpy(true))[0].numpy()
    found = estimate(current.astype(np.uint8), reference.numpy().astype(np.uint8), step=2.0)
    assert (found == true).all(axis=2).mean() > 0.9


def test_a_still_picture_has_no_motion() -> None:
    picture = texture(40, 48)
    assert not estimate(picture, picture).any()


def test_noise_gives_a_cheap_field_where_bits_are_dear() -> None:
    rng = np.random.default_rng(3)
    current, reference = (rng.integers(100, 140, (96, 128)).astype(np.uint8) for _ in range(2))
    fields = [estimate(current, reference, step) for step in (1, 8, 4000)]
    coders = [started(MotionCoder((12, 16))) for _ in fields]
    costs = [
        len(coder.encode(p_links(0, 1), Motion(field)))
        for coder, field in zip(coders, fields, strict=True)
    ]
    assert costs[0] > costs[1] > costs[2] == 0


def test_a_hint_leads_where_the_search_does_not() -> None:
    """Noise has no coarse shape, no neighbour knows better; but the reference moved likewise."""
    reference = np.random.default_rng(4).integers(0, 256, (96, 128)).astype(np.uint8)
    current = np.roll(reference, (-9, 37), (0, 1))
    hint = np.full((*grid_shape(96, 128), 2), (4 * 9, -4 * 37), np.int16)
    plain, led = estimate(current, reference), estimate(current, reference, hint=hint)
    found = (led == hint).all(axis=2)[:-3, 6:]
    assert found.mean() > 0.95
    assert (plain == hint).all(axis=2)[:-3, 6:].mean() < found.mean()


@pytest.mark.parametrize("size", SIZES)
def test_odd_and_tiny_sizes_at_every_level(size: tuple[int, int]) -> None:
    current, reference = texture(*size), texture(*size, seed=1)
    hint = np.full((*grid_shape(*size), 2), VECTOR_LIMIT, np.int16)
    hint[::2] = -VECTOR_LIMIT
    for wild in (None, hint):
        fields = [estimate(current, reference, 3.0, wild, level) for level in LEVELS]
        assert fields[0].shape == (*grid_shape(*size), 2)
        assert np.abs(fields[0]).max() <= VECTOR_LIMIT
        assert all((field == fields[0]).all() for field in fields)


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_codes_the_same(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = texture(220, 260, seed=5)
    noise = np.random.default_rng(6).integers(0, 12, world.shape).astype(np.uint8)
    frames = [(world // 2 + noise)[n * 7 : n * 7 + 117, n * 9 : n * 9 + 139] for n in range(5)]

    def run(wanted: str) -> list[bytes]:
        monkeypatch.setenv(VARIABLE, wanted)
        estimator = MotionEstimator((117, 139), 4)
        estimator.start(0)
        estimator.keep(0, frames[0])
        coded = []
        for links, number in ((p_links(0, 1, 4), 4), (b_links(0, 1, 2, (2, 2)), 2)):
            coded.append(estimator.code(links, frames[number], 6.0)[1])
            estimator.keep(links.target, frames[number])
        coded.append(estimator.code(b_links(2, 1, 3), frames[3], 6.0)[1])
        return coded

    assert run(level) == run("plain")


def test_a_second_reference_of_a_p_frame_must_pay() -> None:
    rng = np.random.default_rng(3)
    world = texture(64, 80) // 2 + 40
    noisy = [(world + rng.integers(0, 30, world.shape)).astype(np.uint8) for _ in range(3)]
    links = q_links(1, 0, 2)

    def code(first: Plane, second: Plane) -> Motion:
        estimator, reader = MotionEstimator((64, 80), 3), started(MotionCoder((8, 10)))
        estimator.start(0)
        still = Motion(np.zeros((8, 10, 2), np.int16))
        estimator.keep(0, second)
        assert estimator.code(p_links(0, 1), second, 4.0)[1] == b""
        reader.encode(p_links(0, 1), still)
        estimator.keep(1, first)
        motion, data = estimator.code(links, noisy[2], 4.0)
        coded = links if motion.future is not None else links.alone
        assert same_motion(reader.decode(coded, data), motion)
        return motion

    two = code(noisy[0], noisy[1])
    assert two.uses is not None and (two.uses == BOTH).mean() > 0.5, "the mean has less noise"
    assert code(noisy[2], noisy[1]).future is None
    other = code(texture(64, 80, seed=8), noisy[0])
    assert other.uses is not None and (other.uses == FUTURE).mean() > 0.5


def test_what_is_chosen_is_what_is_coded() -> None:
    current, reference = texture(64, 80), texture(64, 80, seed=1)
    estimator, reader = MotionEstimator((64, 80), 3), started(MotionCoder((8, 10)))
    estimator.start(0)
    estimator.keep(0, reference)
    motion, data = estimator.code(p_links(0, 1), current, 2.0)
    assert motion.past.any()
    assert same_motion(reader.decode(p_links(0, 1), data), motion)
    estimator.keep(1, current)
    motion, data = estimator.code(b_links(0, 1, 2), (current // 2 + reference // 2), 2.0)
    assert same_motion(reader.decode(b_links(0, 1, 2), data), motion)


def test_wrong_use_is_refused() -> None:
    small, large = texture(64, 80), texture(64, 81)
    with pytest.raises(ConfigError, match=r"has shape \(64, 80\); it must be \(64, 81\) as its"):
        estimate(small, large)
    with pytest.raises(ConfigError, match="estimate refuses its arguments"):
        estimate(small, small, step=1e6)


def test_without_the_core_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    message = "^encoding needs the native core, and COLORVID_NATIVE=0 switches it off; decoding "
    with pytest.raises(ConfigError, match=message):
        MotionEstimator((16, 16), 2)


def test_estimation_does_not_load_torch() -> None:
    code = "import sys, colorvid.motion.estimate; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
