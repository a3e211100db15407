"""The feature ``ciede2000`` of libvmaf, to compare figures with other work.

It is CIEDE2000 with weights of its own, on a path to CIELAB of its own:

1. chroma repeated to luma resolution (nearest neighbour), whatever its siting,
2. limited range and BT.709 whatever the stream says, with the gains of analogue Y'UV, whose U and
   V span 0.436 and 0.615 each way, applied to digital chroma, which spans 0.5: colours come out
   with red differences 19 % too small and blue ones 15 % too large; no clipping to 0..1,
3. the sRGB curve, the primaries of BT.709 and the white (0.95047, 1, 1.08883),
4. CIEDE2000 with kL = 0.65, kC = 1 and kH = 4, and ``45 - 20 log10`` of its mean over pixels.

Higher is better. `colorvid.quality.color` is the measure to judge colours by.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from colorvid.frame import Frame, Plane
from colorvid.quality.ciede2000 import delta_e
from colorvid.quality.color import check_sizes, lab_curve, strips
from colorvid.quality.metrics import QUALITY_CAP_DB

WEIGHTS = (0.65, 1.0, 4.0)
"""kL, kC, kH."""

_KR, _KB = 0.2126, 0.0722
_U_MAX, _V_MAX = 0.436, 0.615
_R_V, _B_U = (1 - _KR) / _V_MAX, (1 - _KB) / _U_MAX
_G_V, _G_U = -_KR * _R_V / (1 - _KR - _KB), -_KB * _B_U / (1 - _KR - _KB)
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])


def ciede_vmaf(reference: Frame, decoded: Frame) -> float:
    """libvmaf's score of the colour difference of two frames, in dB, cut at ``QUALITY_CAP_DB``.

    Raises:
        InputError: the frames differ in size.
    """
    check_sizes(reference, decoded)
    total = math.fsum(
        delta_e(_lab(reference, rows), _lab(decoded, rows), WEIGHTS).sum(dtype=np.float64)
        for rows in strips(reference)
    )
    mean = total / reference.y.size
    return QUALITY_CAP_DB if mean == 0 else min(45 - 20 * math.log10(mean), QUALITY_CAP_DB)


def _lab(frame: Frame, rows: slice) -> NDArray[np.float32]:
    """CIELAB ``(3, rows, W)`` of some rows, as libvmaf takes it."""
    y = (frame.y[rows].astype(np.float32) - 16) / 219
    u, v = (_repeat(plane, rows, frame.width) for plane in (frame.u, frame.v))
    encoded = np.stack((y + _R_V * v, y + _G_U * u + _G_V * v, y + _B_U * u))
    bent = (np.maximum(encoded, 0) + 0.055) / 1.055
    linear = np.where(encoded > 10 / 255, bent**2.4, encoded / 12.92)
    fx, fy, fz = lab_curve(np.tensordot(_TO_XYZ.astype(np.float32), linear, 1))
    return np.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)))


def _repeat(plane: Plane, rows: slice, width: int) -> NDArray[np.float32]:
    """Chroma -0.5..0.5 of some luma rows; each sample stands for two rows and two columns."""
    down, across = np.arange(rows.start, rows.stop) // 2, np.arange(width) // 2
    value: NDArray[np.float32] = plane[down].take(across, axis=1).astype(np.float32)
    return (value - 128) / 224
