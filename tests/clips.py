"""Small deterministic clips for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colorvid.frame import Frame, Plane, chroma_size


def moving_frames(
    count: int, height: int, width: int, seed: int = 0, depth: int = 8
) -> list[Frame]:
    """Return ``count`` frames of a texture that moves 1.5 samples right and 0.5 down per frame.

    Luma and chroma move together; another ``seed`` gives another texture. Values cover most of
    0..255, or 0..1023 where ``depth`` is 10, and repeat exactly for the same arguments.
    """
    chroma = chroma_size(height, width)
    frames = []
    for index in range(count):
        shift = 1.5 * index, 0.5 * index
        parts = (((height, width), 1.0), (chroma, 2.0), (chroma, 2.0))
        planes = [
            _texture(np.random.default_rng(seed + 1000 * number), *size, shift, scale)
            for number, (size, scale) in enumerate(parts)
        ]
        frames.append(Frame(*(_rounded(plane, depth) for plane in planes)))
    return frames


def grainy_frames(count: int, height: int, width: int, seed: int = 0) -> list[Frame]:
    """Return a moving texture of half the contrast under noise, less of which is in a mean."""
    random = np.random.default_rng(seed)
    return [
        Frame(*((p // 2 + random.integers(0, 40, p.shape)).astype(np.uint8) for p in frame.planes))
        for frame in moving_frames(count, height, width, seed)
    ]


def _texture(
    rng: np.random.Generator, height: int, width: int, shift: tuple[float, float], scale: float
) -> NDArray[np.float64]:
    """Return a sum of six waves, sampled every ``scale`` units and moved by ``shift`` (x, y)."""
    columns = np.arange(width) * scale - shift[0]
    rows = np.arange(height)[:, None] * scale - shift[1]
    total = np.zeros((height, width))
    for _ in range(6):
        across, down = rng.uniform(-0.5, 0.5, 2)
        total += rng.uniform(10, 30) * np.sin(across * columns + down * rows + rng.uniform(0, 6.3))
    return total + 128


def _rounded(plane: NDArray[np.float64], depth: int) -> Plane:
    """Samples of 8 or 10 bits of values 0..256."""
    samples = np.clip(np.rint(plane * (1 << depth - 8)), 0, (1 << depth) - 1)
    return samples.astype(np.uint8 if depth == 8 else np.uint16)
