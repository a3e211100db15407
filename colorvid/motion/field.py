"""The vector field: its block size, its limits and its shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.int16]

BLOCK = 8
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
