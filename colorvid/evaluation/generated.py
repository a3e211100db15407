"""A generated clip that moves, for measurements and tests that need no data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from colorvid.frame import Frame, Plane, chroma_size

Samples = NDArray[np.float64]


def generated_frames(count: int, width: int, height: int, seed: int = 7) -> Iterator[Frame]:
    """A textured background that pans, a square that moves the other way, and a little noise."""
    random = np.random.default_rng(seed)
    background = _texture(random, height + count, width + 2 * count)
    square = _texture(random, height // 3 + 1, width // 3 + 1)
    for index in range(count):
        y = background[index : index + height, 2 * index : 2 * index + width].copy()
        rows, columns = square.shape
        left = (width - columns) * (count - index) // count
        y[rows : 2 * rows, left : left + columns] = square[: height - rows]
        y = y + random.normal(0, 1.5, y.shape)
        chroma = chroma_size(height, width)
        u = 128 + (y[::2, ::2][: chroma[0], : chroma[1]] - 128) / 4
        yield Frame(_samples(y), _samples(u), _samples(256 - u))


def _texture(random: np.random.Generator, rows: int, columns: int) -> Samples:
    """Smooth noise around 128, float64."""
    noise = random.normal(0, 1, (rows + 16, columns + 16)).cumsum(0).cumsum(1)
    box = noise[16:, 16:] - noise[:-16, 16:] - noise[16:, :-16] + noise[:-16, :-16]
    smooth: Samples = 128 + box * 2.5
    return smooth


def _samples(values: Samples) -> Plane:
    samples: Plane = np.clip(np.rint(values), 0, 255).astype(np.uint8, order="C")
    return samples
