"""Motion comes back exactly, cheaply, and damage never crashes."""

import random
import re
from collections.abc import Callable

import numpy as np
import pytest

from colorvid.errors import ConfigError, DamagedStream
from colorvid.frame import BOTH, Links, Motion
from colorvid.motion.coding import MotionCoder
from colorvid.motion.field import VECTOR_LIMIT, check_motion, median
from colorvid.motion.native import AnyMotionCoder
from colorvid.motion.pair import over_frames
from tests.motion.frames import (
    SHAPES,
    b_frames,
    b_links,
    fields,
    p_frames,
    p_links,
    q_frames,
    same_motion,
    started,
)

Make = Callable[[tuple[int, int]], AnyMotionCoder]
Frames = Callable[[tuple[int, int], int], list[tuple[Links, Motion]]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("frames", [p_frames, b_frames, q_frames])
def test_round_trip_over_a_group_of_pictures(
    make: Make, shape: tuple[int, int], seed: int, frames: Frames
) -> None:
    there, back = started(make(shape)), started(make(shape))
    for links, motion in frames(shape, seed):
        decoded = back.decode(links, there.encode(links, motion))
        check_motion(decoded, shape)
        assert decoded.past.dtype == np.int16
        assert same_motion(decoded, motion)


def test_a_frame_needs_its_references_alone(make: Make) -> None:
    shape = (9, 16)
    frames = b_frames(shape, 3)
    coder, partly = started(make(shape)), started(make(shape))
    data = [coder.encode(links, motion) for links, motion in frames]
    for (links, motion), part in list(zip(frames, data, strict=True)):
        if links.target not in (3, 5, 6):  # frames that no other of the rest refers to
            assert same_motion(partly.decode(links, part), motion)


def test_a_key_frame_forgets_what_was_coded(make: Make) -> None:
    shape = (9, 16)
    coder, motion = started(make(shape)), Motion(fields(shape, 1)[5])
    coder.encode(p_links(0, 1), motion)
    again = coder.encode(p_links(1, 2), motion)
    coder.start(3)
    fresh = started(make(shape)).encode(p_links(0, 1), motion)
    assert coder.encode(p_links(3, 4), motion) == fresh != again


def test_what_is_not_there_is_refused(make: Make) -> None:
    coder, still = started(make((2, 2))), Motion(np.zeros((2, 2, 2), np.int16))
    pair = Motion(still.past, still.past, np.full((1, 1), BOTH, np.uint8))
    for links, motion in ((p_links(5, 1), still), (b_links(0, 5, 1), pair)):
        with pytest.raises(ConfigError, match="needs its references"):
            coder.encode(links, motion)
        with pytest.raises(ConfigError, match="needs its references"):
            coder.decode(links, b"")


def test_a_still_picture_costs_almost_nothing(make: Make) -> None:
    coder, still = started(make((36, 44))), np.zeros((36, 44, 2), dtype=np.int16)
    sizes = [len(coder.encode(p_links(n, n + 1), Motion(still))) for n in range(8)]
    assert sum(sizes) == 0


def test_a_pan_costs_almost_nothing(make: Make) -> None:
    coder = started(make((36, 44)))
    pan = Motion(np.full((36, 44, 2), (3, -17), dtype=np.int16))
    assert max(len(coder.encode(p_links(n, n + 1), pan)) for n in range(4)) <= 16


def test_what_moves_on_costs_almost_nothing(make: Make) -> None:
    shape = (36, 44)
    coder, moves = started(make(shape)), fields(shape, 5)[3]
    whole = len(coder.encode(p_links(0, 1, 8), Motion(moves * 2)))
    both = np.full((18, 22), BOTH, np.uint8)
    half = len(coder.encode(b_links(0, 1, 2, (4, 4)), Motion(moves, -moves, both)))
    assert whole > 300 > 30 > half


def test_golden_bytes() -> None:
    coder = started(MotionCoder((3, 5)))
    data = [coder.encode(*frame) for frame in p_frames((3, 5), 7)[:4] + b_frames((3, 5), 7)[1:4]]
    assert b"|".join(data).hex() == GOLDEN


GOLDEN = (
    "7cf892a9e00464acb5a8b1b003a475017c7ca72f06ba8edb6f7cbade7a46ddefe26ceb047fa5afa6f968c252"
    "b852787ced7d945ad870ec6f5c24984e505861b1ca735ed784a804c0856a222efad16eec55527ca462fd0881"
    "e81e980b8c4c117c811cf6995e39e8da96ff17ea8e221c"
)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("frames", [p_frames, b_frames, q_frames])
def test_damage_gives_motion_or_a_named_error(make: Make, seed: int, frames: Frames) -> None:
    rng = random.Random(seed)
    shape = (9, 16)
    group = frames(shape, seed)[:5]
    there, back = started(make(shape)), started(make(shape))
    for links, motion in group[:-1]:
        back.decode(links, there.encode(links, motion))
    links, motion = group[-1]
    data = bytearray(there.encode(links, motion))
    for _ in range(3):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    damaged = bytes(data[: rng.randrange(len(data) + 1)])
    try:
        check_motion(back.decode(links, damaged), shape)
    except DamagedStream as error:
        assert re.search(r"components are within \+-2047|range-coded data is damaged", str(error))


def test_wrong_motion_is_refused(make: Make) -> None:
    still, wild = np.zeros((3, 2, 2), np.int16), np.full((3, 2, 2), -2048, np.int16)
    uses = np.full((2, 1), BOTH, np.uint8)
    wrong = [
        (p_links(0, 1), Motion(np.zeros((2, 3, 2), np.int16)), r"shape \(2, 3, 2\); the grid"),
        (p_links(0, 1), Motion(wild), "reaches 2048 quarter samples"),
        (b_links(0, 0, 1), Motion(still, wild, uses), "reaches 2048 quarter samples"),
        (b_links(0, 0, 1), Motion(still, still, uses + np.uint8(1)), "0, 1 or 2"),
        (b_links(0, 0, 1), Motion(still, still, uses[:1]), "0, 1 or 2"),
    ]
    for links, motion, message in wrong:
        with pytest.raises(ConfigError, match=message):
            started(make((3, 2))).encode(links, motion)


def test_median_follows_the_rules_of_h264() -> None:
    assert median(None, None, None) == (0, 0)
    assert median((4, 5), None, None) == (4, 5)
    assert median(None, (4, 5), None) == (4, 5)
    assert median(None, (4, 5), (6, 1)) == (4, 1)
    assert median((1, 9), (2, -8), (3, 0)) == (2, 0)


def test_vectors_over_other_distances() -> None:
    assert over_frames((8, -12), 2, 4) == (4, -6)
    assert over_frames((8, -12), -2, 4) == (-4, 6)
    assert over_frames((8, -12), 3, -4) == (-6, 9)
    assert over_frames((9, 7), 1, 3) == (3, 2)
    assert over_frames((1000, -1000), 16, 1) == (VECTOR_LIMIT, -VECTOR_LIMIT)
    assert over_frames((5, 5), 4, 0) == (0, 0)
    assert all(
        over_frames((x, -x), n, n) == (x, -x) for x in range(0, 2048, 7) for n in range(1, 17)
    )
