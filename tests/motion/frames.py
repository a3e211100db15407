"""Made-up motion of the frames of a group of pictures."""

from __future__ import annotations

import numpy as np

from colorvid.frame import BOTH, FUTURE, PAST, Links, Motion, Vectors
from colorvid.motion.field import VECTOR_LIMIT
from colorvid.motion.native import AnyMotionCoder

SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (5, 3), (18, 22), (9, 16)]
SLOTS = 16


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


def p_links(past: int, target: int, distance: int = 1) -> Links:
    """Links of a P frame."""
    return Links(past=past, future=None, inherits=past, target=target, past_distance=distance)


def b_links(past: int, future: int, target: int, distances: tuple[int, int] = (1, 1)) -> Links:
    """Links of a B frame that goes on with the contexts of its later reference."""
    return Links(past, future, future, target, *distances)


def q_links(past: int, second: int, target: int, distances: tuple[int, int] = (1, 2)) -> Links:
    """Links of a P frame with two references."""
    return Links(past, second, past, target, distances[0], -distances[1])


def q_frames(shape: tuple[int, int], seed: int) -> list[tuple[Links, Motion]]:
    """P frames with one and with two references in turn, each behind the one before."""
    every = fields(shape, seed)
    both = np.full_like(uses_of(shape, 0), BOTH)
    frames = [(p_links(0, 1), Motion(every[1]))]
    for n in range(1, 6):
        motion = Motion(every[n], every[-n], uses_of(shape, seed + n))
        frames.append((q_links(n, n // 2, n + 1, (1, 1 + n - n // 2)), motion))
    frames.append((p_links(6, 7, 3), Motion(every[2])))
    still = np.zeros((*shape, 2), np.int16)
    frames.append((q_links(7, 6, 8, (3, 16)), Motion(still, still, both)))
    # As the first reference moved: direct from its motion.
    frames.append((q_links(7, 6, 9, (3, 6)), Motion(every[2], 2 * every[2], both)))
    return frames


def p_frames(shape: tuple[int, int], seed: int) -> list[tuple[Links, Motion]]:
    """P frames, each behind the one before; slot 0 has the key frame."""
    return [(p_links(n, n + 1), Motion(f)) for n, f in enumerate(fields(shape, seed))]


def uses_of(shape: tuple[int, int], seed: int) -> np.ndarray:
    """What macroblocks use: whole areas of each kind, and noise."""
    rng = np.random.default_rng(seed)
    size = -(-shape[0] // 2), -(-shape[1] // 2)
    areas = rng.integers(0, 3, (-(-size[0] // 2), -(-size[1] // 3))).repeat(2, 0).repeat(3, 1)
    noise = rng.integers(0, 3, size)
    return np.where(rng.random(size) < 0.7, areas[: size[0], : size[1]], noise).astype(np.uint8)


def b_frames(shape: tuple[int, int], seed: int) -> list[tuple[Links, Motion]]:
    """A P frame 16 frames behind the key frame, then B frames between and beside."""
    every = fields(shape, seed)
    frames = [(p_links(0, 1, 16), Motion(every[3]))]
    places = ((0, 1, 2, 8, 8), (0, 2, 3, 4, 4), (2, 1, 4, 3, 5), (3, 2, 5, 1, 3), (5, 4, 6, 16, 2))
    for number, (past, future, target, before, behind) in enumerate(places):
        motion = Motion(every[number + 1], every[-1 - number], uses_of(shape, seed + number))
        frames.append((b_links(past, future, target, (before, behind)), motion))
    still = np.zeros((*shape, 2), np.int16)
    both = np.full_like(uses_of(shape, 0), BOTH)
    frames.append((b_links(2, 4, 7), Motion(still, still, both)))
    # As the earlier frame moved on: direct from the motion of the later reference.
    frames.append((b_links(0, 1, 8, (8, 8)), Motion(every[3] // 2, -(every[3] // 2), both)))
    return frames


def started(coder: AnyMotionCoder) -> AnyMotionCoder:
    """With a key frame in slot 0."""
    coder.start(0)
    return coder


def same_motion(a: Motion, b: Motion) -> bool:
    """Whether two motions predict the same; vectors that a macroblock does not use may differ."""
    if a.future is None or b.future is None or a.uses is None or b.uses is None:
        return a.future is b.future and np.array_equal(a.past, b.past)
    blocks = b.uses.repeat(2, 0).repeat(2, 1)[: b.past.shape[0], : b.past.shape[1], None]
    past = np.where(blocks == FUTURE, 0, a.past - b.past)
    future = np.where(blocks == PAST, 0, a.future - b.future)
    return np.array_equal(a.uses, b.uses) and not past.any() and not future.any()
