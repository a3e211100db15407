"""Small generated clips."""

from fractions import Fraction

import numpy as np

from colorvid.color import ColorSpec, Matrix
from colorvid.evaluation.clips import Clip
from colorvid.frame import Frame, chroma_size


def moving_frames(count: int, height: int = 72, width: int = 96) -> list[Frame]:
    """A smooth coloured texture that moves by one sample per frame."""
    rng = np.random.default_rng(4)
    frames = []
    coarse = rng.integers(40, 200, (height // 8 + 3, width // 8 + 3))
    large = np.kron(coarse, np.ones((8, 8)))
    kernel = np.ones(5) / 5
    for axis in (0, 1):
        large = np.apply_along_axis(np.convolve, axis, large, kernel, "same")
    large = large.astype(np.uint8)
    rows, columns = chroma_size(height, width)
    for i in range(count):
        y = large[4 : 4 + height, i % 8 : i % 8 + width].copy()
        u = np.full((rows, columns), 110, np.uint8)
        u[: rows // 2] = 140
        v = (255 - large[:rows, i % 8 : i % 8 + columns]).astype(np.uint8)
        frames.append(Frame(y, u, v))
    return frames


def moving_clip(count: int, height: int = 72, width: int = 96, name: str = "moving") -> Clip:
    """The same as a clip at 25 frames per second, BT.601 limited range."""
    return Clip(name, moving_frames(count, height, width), Fraction(25), ColorSpec(Matrix.BT601))
