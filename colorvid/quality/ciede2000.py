"""The CIEDE2000 colour difference (Sharma, Wu and Dalal 2005) of CIELAB arrays, in NumPy.

Arrays of colours have the channel first: ``(3, ...)`` holds L*, a*, b*. The same measure as a loss
with gradients is ``colorvid.training.tasks.delta_e``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[Any]  # float32 or float64

_TINY = 1e-30  # keeps 0 / 0 out; far below any chroma


def delta_e(
    first: FloatArray, second: FloatArray, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> FloatArray:
    """CIEDE2000 between colours.

    Hues enter as unit vectors instead of angles: their difference gives the hue difference and
    their sum the mean hue, so nothing wraps and no precision is lost at small differences.

    Args:
        first, second: CIELAB, ``(3, ...)`` of one shape, float32 or float64.
        weights: kL, kC and kH, which divide the differences; 1 in plain CIEDE2000.

    Returns:
        The difference, shape ``(...)``, of the same type.
    """
    l1, a1, b1 = first
    l2, a2, b2 = second
    mean = 0.5 * (np.sqrt(a1 * a1 + b1 * b1) + np.sqrt(a2 * a2 + b2 * b2))
    stretch = 1.5 - 0.5 * np.sqrt(_saturation(mean))  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.sqrt(a1 * a1 + b1 * b1), np.sqrt(a2 * a2 + b2 * b2)
    hue_diff, cos_h, sin_h = _hues(np.stack((a1, b1)), np.stack((a2, b2)), c1, c2)
    mean = 0.5 * (c1 + c2)
    lightness = (0.5 * (l1 + l2) - 50) ** 2
    k_l, k_c, k_h = weights
    dl = (l2 - l1) / (k_l + k_l * 0.015 * lightness / np.sqrt(20 + lightness))
    dc = (c2 - c1) / (k_c + k_c * 0.045 * mean)
    dh = hue_diff / (k_h + k_h * 0.015 * mean * _hue_weight(cos_h, sin_h))
    squares = dl * dl + dc * dc + dh * dh + _rotation(mean, cos_h, sin_h) * dc * dh
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _saturation(chroma: FloatArray) -> FloatArray:
    """C^7 / (C^7 + 25^7)."""
    x = chroma * (1 / 25)
    square = x * x
    power = square * square * square * x
    return np.asarray(power / (power + 1))


def _hues(
    first: FloatArray, second: FloatArray, c1: FloatArray, c2: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Delta H' and the cosine and sine of the mean hue; ``first`` and ``second`` are (2, ...)."""
    u1, u2 = first / np.maximum(c1, _TINY), second / np.maximum(c2, _TINY)
    between, total = u2 - u1, u1 + u2
    size = np.sqrt(c1 * c2 * (between * between).sum(0))
    hue_diff = np.copysign(size, first[0] * second[1] - second[0] * first[1])
    tied = (total[0] == 0) & (total[1] == 0)
    if tied.any():  # opposite hues: 180 degrees apart is counted upwards from the hue below 180
        upper = (u1[1] > 0) | ((u1[1] == 0) & (u1[0] > 0))
        sign = np.where(upper, 1, -1).astype(size.dtype)
        hue_diff = np.where(tied, sign * size, hue_diff)
        total = np.where(tied, np.stack((-sign * u1[1], sign * u1[0])), total)
    length = np.maximum(np.sqrt((total * total).sum(0)), _TINY)
    return hue_diff, total[0] / length, total[1] / length


def _hue_weight(c: FloatArray, s: FloatArray) -> FloatArray:
    """T of the mean hue h, from its cosine and sine by the formulas for multiples of an angle."""
    c2, s2 = 2 * c * c - 1, 2 * c * s
    c3, s3 = c * c2 - s * s2, s * c2 + c * s2
    c4, s4 = 2 * c2 * c2 - 1, 2 * c2 * s2
    t = 1 - 0.17 * (_COS[30] * c + _SIN[30] * s) + 0.24 * c2
    return np.asarray(
        t + 0.32 * (_COS[6] * c3 - _SIN[6] * s3) - 0.20 * (_COS[63] * c4 + _SIN[63] * s4)
    )


def _rotation(mean: FloatArray, c: FloatArray, s: FloatArray) -> FloatArray:
    """R_T, the interaction of chroma and hue in the blues (around a hue of 275 degrees)."""
    angle = np.arctan2(_COS[275] * s - _SIN[275] * c, _COS[275] * c + _SIN[275] * s)
    angle = angle * (180 / np.pi)  # hue - 275 degrees, in -180..180
    angle = (
        angle - (angle > 85).astype(angle.dtype) * 360
    )  # hues are counted 0..360, so hue - 275 is -275..85
    twice = (np.pi / 3) * np.exp(-((angle * (1 / 25)) ** 2))  # 2 * 30 degrees
    return np.asarray(-2 * np.sqrt(_saturation(mean)) * np.sin(twice))


_COS = {degrees: float(np.cos(np.radians(degrees))) for degrees in (6, 30, 63, 275)}
_SIN = {degrees: float(np.sin(np.radians(degrees))) for degrees in (6, 30, 63, 275)}
