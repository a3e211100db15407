"""Small deterministic clips for tests."""

from __future__ import annotations

import numpy as np

from colorvid.frame import Frame, Plane, chroma_size


def moving_frames(count: int, height: int, width: int, seed: int = 0) -> list[Frame]:
    """Return ``count`` frames of a texture that moves 1.5 samples right and 0.5 down per frame.

    Luma and chroma move together; another ``seed`` gives another texture. Values cover most of
    0..255 and repeat exactly for the same arguments.
    """
    chroma = chroma_size(height, width)
    frames = []
    for index in range(count):
        shift = 1.5 * index, 0.5 * index
        y = _texture(np.random.default_rng(seed), height, width, shift, scale=1.0)
        u = _texture(np.random.default_rng(seed + 1000), *chroma, shift, scale=2.0)
        v = _texture(np.random.default_rng(seed + 2000), *chroma, shift, scale=2.0)
        frames.append(Frame(y, u, v))
    return frames


def _texture(
    rng: np.random.Generator, height: int, width: int, shift: tuple[float, float], scale: float
) -> Plane:
    """Return a sum of six waves, sampled every ``scale`` units and moved by ``shift`` (x, y)."""
    columns = np.arange(width) * scale - shift[0]
    rows = np.arange(height)[:, None] * scale - shift[1]
    total = np.zeros((height, width))
    for _ in range(6):
        across, down = rng.uniform(-0.5, 0.5, 2)
        total += rng.uniform(10, 30) * np.sin(across * columns + down * rows + rng.uniform(0, 6.3))
    return np.clip(np.rint(total + 128), 0, 255).astype(np.uint8)
