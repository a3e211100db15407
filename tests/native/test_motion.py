"""The native core against the Python path: the same bytes, motion, samples and errors."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest

from colorvid.errors import ConfigError, DamagedStream
from colorvid.frame import FUTURE, PAST, Links, Motion
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import predict_in_torch
from colorvid.motion.field import check_motion, grid_shape
from colorvid.motion.native import AnyMotionCoder, NativeMotionCoder
from colorvid.native.core import Core, at_level, levels
from colorvid.native.motion import MotionState, Reference, compensate
from tests.motion.frames import (
    SHAPES,
    SLOTS,
    b_frames,
    b_links,
    p_frames,
    p_links,
    q_frames,
    q_links,
    started,
    uses_of,
)
from tests.motion.test_compensate import moves, picture

LEVELS = [level.name.lower() for level in levels()]
SIZES = [(1, 1), (2, 2), (5, 9), (8, 8), (17, 33), (24, 16), (61, 83), (144, 176)]


def native(shape: tuple[int, int]) -> AnyMotionCoder:
    return started(NativeMotionCoder(at_level("1"), shape, SLOTS))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("frames", [p_frames, b_frames, q_frames])
def test_bytes_of_motion_are_the_same(shape: tuple[int, int], seed: int, frames: object) -> None:
    assert callable(frames)
    reference, core = started(MotionCoder(shape)), native(shape)
    for links, motion in frames(shape, seed):
        assert core.encode(links, motion) == reference.encode(links, motion)


@pytest.mark.parametrize("seed", range(300))
def test_damage_gives_the_same_motion_or_the_same_error(seed: int) -> None:
    rng = random.Random(seed)
    shape = (rng.randrange(1, 12), rng.randrange(1, 20))
    group = rng.choice((p_frames, b_frames, q_frames))(shape, seed)
    links, motion = group[place := rng.randrange(1, len(group))]
    before = group[:place]
    writer = started(MotionCoder(shape))
    data = bytearray([writer.encode(*frame) for frame in [*before, (links, motion)]][-1] or b"\0")
    for _ in range(rng.randrange(4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    damaged = bytes(data[: rng.randrange(len(data) + 1)]) + rng.randbytes(rng.choice((0, 0, 9)))
    answers = []
    for coder in (started(MotionCoder(shape)), native(shape)):
        for frame in before:
            coder.encode(*frame)
        try:
            answers.append((as_lists(coder.decode(links, damaged)), ""))
        except DamagedStream as error:
            answers.append(([], str(error)))
    assert answers[0] == answers[1]


def as_lists(motion: Motion) -> list[object]:
    arrays = (motion.past, motion.future, motion.uses)
    return [None if array is None else array.tolist() for array in arrays]


def scene(size: tuple[int, int], seed: int) -> list[np.ndarray]:
    """Three pictures of a moving texture with noise, in order of display."""
    rng = np.random.default_rng(seed)
    world = np.kron(rng.integers(0, 240, (60, 60)), np.ones((4, 4))).astype(np.uint8)
    world += rng.integers(0, 16, world.shape).astype(np.uint8)
    places = ((8, 11), (10, 10), (13, 10))
    return [world[y : y + size[0], x : x + size[1]].copy() for y, x in places]


def filled(core: Core, luma: np.ndarray) -> Reference:
    reference = Reference(core)
    reference.fill(luma)
    return reference


def estimated(level: str, size: tuple[int, int], seed: int, weight: int) -> list[Motion]:
    """The motion of a P frame, of a B frame, and of a P frame with two references of a scene."""
    core = at_level(level)
    first, middle, last = scene(size, seed)
    coder = MotionState(core, grid_shape(*size), 4)
    coder.start(0)
    references = [filled(core, luma) for luma in (first, last)]
    p, _ = coder.estimate(p_links(0, 1, 2), last, (references[0], None), weight)
    coder.encode(p_links(0, 1, 2), p)
    pair = references[0], references[1]
    b, _ = coder.estimate(b_links(0, 1, 2), middle, pair, weight)
    coder.encode(b_links(0, 1, 2), b)
    q, _ = coder.estimate(q_links(1, 0, 3), first, (pair[1], pair[0]), weight)
    return [p, b, q]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", SIZES)
def test_every_level_chooses_the_same_motion(size: tuple[int, int], level: str) -> None:
    for seed, weight in enumerate((0, 20_000, 110_000, 260_000)):
        wanted = estimated("plain", size, seed, weight)
        for motion, plain in zip(estimated(level, size, seed, weight), wanted, strict=True):
            check_motion(motion, grid_shape(*size))
            assert as_lists(motion) == as_lists(plain)


def test_the_motion_of_both_references_is_found() -> None:
    p, *_ = estimated("1", (96, 128), 0, 20_000)
    assert np.median(p.past[2:-2, 2:-2], axis=(0, 1)).tolist() == [20, -4]
    # Each reference shows one half of the picture alone.
    core, size = at_level("1"), (96, 128)
    first, middle, last = scene(size, 0)
    first[:, 64:], last[:, :64] = 255, 0
    coder = MotionState(core, grid_shape(*size), 4)
    coder.start(0)
    coder.encode(p_links(0, 1, 2), Motion(np.zeros((*grid_shape(*size), 2), np.int16)))
    references = filled(core, first), filled(core, last)
    b, _ = coder.estimate(b_links(0, 1, 2), middle, references, 20_000)
    assert b.future is not None and b.uses is not None
    assert (b.uses[1:-1, 1:3] == PAST).all() and (b.uses[1:-1, 5:7] == FUTURE).all()
    assert np.median(b.past[2:-2, 2:6], axis=(0, 1)).tolist() == [8, -4]
    assert np.median(b.future[2:-2, 10:14], axis=(0, 1)).tolist() == [-12, 0]


def test_what_does_not_fit_is_refused() -> None:
    core = at_level("1")
    coder = MotionState(core, (2, 2), 3)
    coder.start(0)
    luma = np.zeros((16, 16), np.uint8)
    right, wrong = filled(core, luma), filled(core, luma[:8])
    wanted: list[tuple[Links, np.ndarray, tuple[Reference, Reference | None], int]] = [
        (p_links(0, 1), luma[:8], (right, None), 0),
        (p_links(0, 1), luma[:8], (wrong, None), 0),
        (p_links(0, 1), luma, (right, right), 0),
        (b_links(0, 0, 1), luma, (right, None), 0),
        (b_links(0, 0, 1), luma, (right, wrong), 0),
        (p_links(0, 1), luma, (right, None), -1),
        (p_links(0, 1), luma, (right, None), 2**30 + 1),
        (p_links(1, 2), luma, (right, None), 0),
        (p_links(0, 3), luma, (right, None), 0),
        (p_links(0, 0), luma, (right, None), 0),
        (p_links(0, 1, 17), luma, (right, None), 0),
    ]
    for links, current, references, weight in wanted:
        with pytest.raises(ConfigError):
            coder.estimate(links, current, references, weight)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("reach", [0, 9, 60, 2047])
@pytest.mark.parametrize("size", SIZES)
def test_the_same_samples_are_predicted(size: tuple[int, int], reach: int, level: str) -> None:
    past, future = picture(*size, reach), picture(*size, reach + 1)
    one = Motion(moves(*size, reach, reach))
    shape = grid_shape(*size)
    two = Motion(one.past, moves(*size, reach, reach + 1), uses_of(shape, reach))
    for motion, later in ((one, None), (two, future)):
        wanted = predict_in_torch(motion, past, later)
        sources = [tuple(p.numpy() for p in planes) for planes in (past, later) if planes]
        for got, plane in zip(compensate(at_level(level), motion, *sources), wanted, strict=True):
            np.testing.assert_array_equal(got, plane.numpy())


def test_threads_do_not_disturb_each_other() -> None:
    shape = (18, 22)
    every = [b_frames(shape, seed) for seed in range(4)]

    def coded(coder: AnyMotionCoder, group: list[tuple[Links, Motion]]) -> list[bytes]:
        return [coder.encode(links, motion) for links, motion in group]

    wanted = [coded(started(MotionCoder(shape)), group) for group in every]
    got: list[list[bytes]] = [[] for _ in every]

    def work(number: int) -> None:
        for _ in range(20):
            got[number] = coded(native(shape), every[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(every))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == wanted
