"""Motion of a frame: fields of vectors, their blocks and limits, and the guess for a vector."""

from __future__ import annotations

import numpy as np

from colorvid.config import INTER_BLOCK
from colorvid.errors import ConfigError
from colorvid.frame import BOTH, Motion, Vectors

Vector = tuple[int, int]
Quad = tuple[Vector, Vector, Vector, Vector]
ZERO: Vector = (0, 0)

BLOCK = INTER_BLOCK
"""Side of a motion block in luma samples."""

VECTOR_LIMIT = 2047
"""Largest magnitude of a vector component, in quarter luma samples."""

LUMA_TAPS = (
    (0, 0, 0, 64, 0, 0, 0, 0),
    (-1, 4, -10, 58, 17, -5, 1, 0),
    (-1, 4, -11, 40, 40, -11, 4, -1),
    (0, 1, -5, 17, 58, -10, 4, -1),
)
"""Interpolation filters of luma at 0, 1/4, 2/4 and 3/4 sample, sum 64; ITU-T H.265 8.5.3.3.3."""

LUMA_RAMP = (1, 3, 5, 7, 9, 11, 13, 15)
"""Weights of a block's luma prediction across its edge, outside to inside; half lie outside."""

LUMA_RAMP_BITS = 4
"""log2 of the full weight: what `LUMA_RAMP` gives a sample and its mirror image add up to it."""


def grid_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of blocks that cover a frame of ``height`` x ``width`` luma samples."""
    return -(-height // BLOCK), -(-width // BLOCK)


def median(left: Vector | None, above: Vector | None, right: Vector | None) -> Vector:
    """The guess of ITU-T H.264 8.4.1.3 from three neighbours, None where there is none."""
    if above is None and right is None:
        return ZERO if left is None else left
    if left is None or above is None or right is None:
        there = [vector for vector in (left, above, right) if vector is not None]
        if len(there) == 1:
            return there[0]
        left, above, right = left or ZERO, above or ZERO, right or ZERO
    if left == above:
        return left
    return (
        sorted((left[0], above[0], right[0]))[1],
        sorted((left[1], above[1], right[1]))[1],
    )


def check_field(vectors: Vectors, shape: tuple[int, int]) -> None:
    """Refuse a field that cannot be coded.

    Raises:
        ConfigError: the field has another shape than ``(*shape, 2)`` or a vector out of range.
    """
    if vectors.shape != (*shape, 2):
        raise ConfigError(f"vector field has shape {vectors.shape}; the grid needs {(*shape, 2)}")
    if np.abs(vectors.astype(np.int32)).max() > VECTOR_LIMIT:
        raise ConfigError(
            f"vector field reaches {np.abs(vectors.astype(np.int32)).max()} quarter samples; "
            f"components are within +-{VECTOR_LIMIT}"
        )


def check_motion(motion: Motion, shape: tuple[int, int]) -> None:
    """Refuse motion that cannot be coded.

    Raises:
        ConfigError: an array has a wrong shape, a vector is out of range, or a use is none.
    """
    check_field(motion.past, shape)
    if motion.future is None:
        return
    check_field(motion.future, shape)
    macroblocks = -(-shape[0] // 2), -(-shape[1] // 2)
    if motion.uses is None or motion.uses.shape != macroblocks or motion.uses.max() > BOTH:
        raise ConfigError(f"uses of a B frame are 0, 1 or 2 for each of {macroblocks} macroblocks")


def quads(vectors: Vectors, shape: tuple[int, int]) -> list[Quad]:
    """The vectors of each macroblock in raster order; odd edges repeat the last block."""
    check_field(vectors, shape)
    even = np.pad(vectors, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
    rows = [[(y, x) for y, x in row] for row in even.tolist()]
    return [
        (upper[at], upper[at + 1], lower[at], lower[at + 1])
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
        for at in range(0, len(upper), 2)
    ]
