"""Temporal filter of key frames: what later frames do not show again is not worth its bits.

A key frame is averaged with the frames behind it, along motion and where they agree, before it is
coded. Noise then costs fewer bits, and later frames inherit less of it: the GOP based temporal
filter of JVET-O0549, with integer weights, so that every machine codes the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colorvid.effort import MEDIUM, SearchEffort
from colorvid.frame import Frame, Links, Plane
from colorvid.motion.estimate import BIT_WEIGHT, WEIGHT_UNIT
from colorvid.motion.field import grid_shape
from colorvid.native.core import Core, core_for_encoding
from colorvid.native.motion import MotionState, Reference, compensate

SHARES = (184, 154, 123, 92)
"""Most weight of a sample of the first, second... frame behind, where the frame's own has 256."""
_OWN = 256
LUMA_REACH, CHROMA_REACH = 30.0, 7.5
"""Squared difference, over the quantiser step, at which a sample has a quarter of that weight."""
BLOCK_ERROR = 12
"""Mean squared difference of a block above which its weight falls: there motion fails."""
_BLOCK = 8
_GATE = 64  # of a block that agrees
_LINKS = Links(past=0, future=None, inherits=0, target=1, past_distance=1, future_distance=0)

Integers = NDArray[np.int32]


def filtered(
    frame: Frame,
    behind: Sequence[Frame],
    step: float,
    effort: SearchEffort = MEDIUM.search,
) -> Frame:
    """A frame averaged with those behind it.

    Args:
        frame: any frame.
        behind: up to ``len(SHARES)`` frames that follow it, of its size and depth.
        step: of its quantiser, in sample values of 8 bits: what it takes to be noise.
        effort: of the search for motion.

    Raises:
        ConfigError: there is no native core to search for motion.
    """
    if not behind:
        return frame
    core, more = core_for_encoding(), frame.depth - 8
    sums = [plane.astype(np.int32) * _OWN for plane in frame.planes]
    totals = [np.full(plane.shape, _OWN, np.int32) for plane in frame.planes]
    reference = Reference(core)
    for share, other in zip(SHARES, behind, strict=False):
        reference.fill(other.search_luma())
        moved = _moved(core, frame, other, reference, step, effort)
        gate = _agreement(frame.search_luma(), Frame(*moved).search_luma())
        for number, (own, seen) in enumerate(zip(frame.planes, moved, strict=True)):
            reach = round((CHROMA_REACH if number else LUMA_REACH) * step)
            difference = np.abs(seen.astype(np.int32) - own) >> more
            weight = _weights(share, reach)[difference] * _spread(gate, own, number > 0) // _GATE
            sums[number] += weight * seen
            totals[number] += weight
    pairs = zip(sums, totals, frame.planes, strict=True)
    y, u, v = (((s + t // 2) // t).astype(plane.dtype) for s, t, plane in pairs)
    return Frame(y, u, v)


def _moved(
    core: Core,
    frame: Frame,
    other: Frame,
    reference: Reference,
    step: float,
    effort: SearchEffort,
) -> tuple[Plane, Plane, Plane]:
    """``other``, whose luma is in ``reference``, as a prediction of ``frame``."""
    state = MotionState(core, grid_shape(*frame.size.shape), 2)
    state.start(_LINKS.past)
    weight = round(BIT_WEIGHT * step * WEIGHT_UNIT)
    motion, _ = state.estimate(_LINKS, frame.search_luma(), (reference, None), weight, effort)
    return compensate(core, motion, other.planes)


def _agreement(own: Plane, seen: Plane) -> Integers:
    """How far blocks of luma agree, 0..64: full up to `BLOCK_ERROR`, less with more error."""
    height, width = own.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    squares = (own.astype(np.int32) - seen) ** 2
    around = ((0, rows * _BLOCK - height), (0, columns * _BLOCK - width))
    blocks = np.pad(squares, around, mode="edge").reshape(rows, _BLOCK, columns, _BLOCK)
    sums = np.pad(blocks.sum(axis=(1, 3)), 1, mode="edge")
    cross = sums[:-2, 1:-1] + sums[2:, 1:-1] + sums[1:-1, :-2] + sums[1:-1, 2:]
    error = 2 * sums[1:-1, 1:-1] + cross  # of six blocks
    most = BLOCK_ERROR * 6 * _BLOCK * _BLOCK
    gate: Integers = (_GATE * most // np.maximum(error, most)).astype(np.int32)
    return gate


def _weights(share: int, reach: int) -> Integers:
    """Weight of a sample by the difference, 0..255: ``share`` where there is none."""
    squares = (reach + d * d for d in range(256))
    return np.array([share * reach * reach // max(1, s * s) for s in squares], np.int32)


def _spread(gate: Integers, plane: Plane, is_chroma: bool) -> Integers:
    """Values of luma blocks at the samples of a plane."""
    side = _BLOCK // 2 if is_chroma else _BLOCK
    height, width = plane.shape
    spread: Integers = gate.repeat(side, axis=0)[:height].repeat(side, axis=1)[:, :width]
    return spread
