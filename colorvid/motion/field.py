"""The vector field: its block size, its limits and its shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.int16]

BLOCK = 8
"""Side of a motion block in luma samples."""

VECTOR_LIMIT = 2047
"""Largest magnitude of a vector component, in quarter luma samples."""


def grid_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of blocks that cover a frame of ``height`` x ``width`` luma samples."""
    return -(-height // BLOCK), -(-width // BLOCK)
