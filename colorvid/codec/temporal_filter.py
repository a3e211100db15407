"""Temporal filter of key frames: what later frames do not show again is not worth its bits.

The luma of a key frame is averaged with that of the frames behind it, along motion and where they
agree, before it is coded. Noise then costs fewer bits, and later frames inherit less of it: the GOP
based temporal filter of JVET-O0549, with integer weights, so that every machine codes the same
pictures. Chroma stays: a mean that is wrong by one is a colour that people see.
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
_REACH = 30.0
"""Squared difference, over the quantiser step, at which a sample has a quarter of that weight."""
_BLOCK_ERROR = 12
"""Mean squared difference of a block above which its weight falls: there motion fails."""
_BLOCK = 8
_AGREES = 64  # of a block
_LINKS = Links(past=0, future=None, inherits=0, target=1, past_distance=1, future_distance=0)

Integers = NDArray[np.int32]


def filtered(
    frame: Frame, behind: Sequence[Frame], step: float, effort: SearchEffort = MEDIUM.search
) -> Frame:
    """A frame whose luma is averaged with that of the frames behind it.

    Args:
        frame: of 8 or 10 bits.
        behind: frames that follow it, of its size and depth; as many count as there are `SHARES`.
        step: of its quantiser, in sample values of 8 bits: what differs by less may be noise.
        effort: of the search for motion.

    Raises:
        ConfigError: there is no native core to search for motion.
    """
    if not behind:
        return frame
    core, reach = core_for_encoding(), round(_REACH * step)
    reference = Reference(core)
    own = frame.y.astype(np.int32)
    total, weights = _OWN * own, np.full(own.shape, _OWN, np.int32)
    for share, other in zip(SHARES, behind, strict=False):
        reference.fill(other.search_luma())
        seen = _moved(core, frame, other, reference, step, effort).astype(np.int32)
        differences = np.abs(seen - own) >> (frame.depth - 8)
        weight = _by_difference(share, reach)[differences] * _agreement(differences) // _AGREES
        total += weight * seen
        weights += weight
    luma = (total + weights // 2) // weights
    return Frame(luma.astype(frame.y.dtype), frame.u, frame.v)


def _moved(
    core: Core,
    frame: Frame,
    other: Frame,
    reference: Reference,
    step: float,
    effort: SearchEffort,
) -> Plane:
    """The luma of ``other``, which is in ``reference`` too, as a prediction of ``frame``."""
    state = MotionState(core, grid_shape(*frame.size.shape), 2)
    state.start(_LINKS.past)
    weight = round(BIT_WEIGHT * step * WEIGHT_UNIT)
    motion, _ = state.estimate(_LINKS, frame.search_luma(), (reference, None), weight, effort)
    return compensate(core, motion, other.planes)[0]


def _by_difference(share: int, reach: int) -> Integers:
    """Weight of a sample by its difference, 0..255; ``share`` where there is none."""
    squares = (reach + d * d for d in range(256))
    return np.array([share * reach * reach // max(1, s * s) for s in squares], np.int32)


def _agreement(differences: Integers) -> Integers:
    """How far the block around each sample agrees, 0..64: the less, the more it errs."""
    height, width = differences.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    around = ((0, rows * _BLOCK - height), (0, columns * _BLOCK - width))
    squares = np.pad(differences**2, around, mode="edge")
    sums = squares.reshape(rows, _BLOCK, columns, _BLOCK).sum(axis=(1, 3))
    near = np.pad(sums, 1, mode="edge")
    error = 2 * sums + near[:-2, 1:-1] + near[2:, 1:-1] + near[1:-1, :-2] + near[1:-1, 2:]
    most = _BLOCK_ERROR * 6 * _BLOCK * _BLOCK  # of six blocks, the middle one twice
    agreement = (_AGREES * most // np.maximum(error, most)).astype(np.int32)
    spread: Integers = agreement.repeat(_BLOCK, axis=0)[:height].repeat(_BLOCK, axis=1)[:, :width]
    return spread
