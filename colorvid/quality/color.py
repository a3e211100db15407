"""Colour of decoded frames: Y'CbCr 4:2:0 to CIELAB, and the CIEDE2000 colour difference.

The path, fixed so that figures can be compared:

1. chroma upsampled bilinearly to luma resolution at the positions that the siting names,
2. Y'CbCr to R'G'B' with the matrix and the range of the stream (ITU-R BT.601, BT.709, BT.2020
   non-constant luminance), clipped to 0..1,
3. R'G'B' to linear light with the curve of IEC 61966-2-1 (sRGB), through a table of 65,536 steps,
4. linear light to CIE XYZ relative to D65 with the primaries of BT.709, or of BT.2020 for its
   matrix (the primaries of the old BT.601 systems differ little and are taken as BT.709),
5. XYZ to CIELAB, 6. CIEDE2000 with kL = kC = kH = 1 (Sharma, Wu and Dalal 2005).

Arrays of colours have the channel first: ``(3, ...)`` holds L*, a*, b*. This module needs NumPy
only; the same measure as a loss with gradients is ``colorvid.training.tasks.delta_e``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame, Plane
from colorvid.quality.ciede2000 import FloatArray
from colorvid.quality.ciede2000 import delta_e as delta_e

Siting = Literal["left", "center", "topleft"]

LAB_KNEE = (6 / 29) ** 3  # X/Xn where CIELAB turns from a cube root into a line
LAB_SLOPE = (29 / 6) ** 2 / 3  # slope of that line
_STEPS = 65535  # R'G'B' 0..1 in the table of linear light
_STRIP_PX = 32768  # pixels worked on at a time, so that temporaries stay in the cache


class Matrix(IntEnum):
    """Matrix coefficients, numbered as in ITU-T H.273."""

    BT709 = 1
    UNSPECIFIED = 2
    BT470BG = 5
    BT601 = 6
    BT2020_NCL = 9


_LUMA_WEIGHTS = {  # Kr, Kb
    Matrix.BT709: (0.2126, 0.0722),
    Matrix.BT470BG: (0.299, 0.114),
    Matrix.BT601: (0.299, 0.114),
    Matrix.BT2020_NCL: (0.2627, 0.0593),
}
_D65 = (0.3127, 0.3290)
_PRIMARIES_BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_PRIMARIES_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))


def choose_matrix(info_matrix: int | None, height: int) -> Matrix:
    """Matrix to use for a stream: what it says, else BT.709 from 720 rows on, else BT.601.

    Args:
        info_matrix: code of ITU-T H.273 found in the stream; ``None`` or 2 = not stated.
        height: luma rows.

    Raises:
        InputError: the stream states a matrix that is not Y'CbCr of BT.601, BT.709 or BT.2020.
    """
    if info_matrix is None or info_matrix == Matrix.UNSPECIFIED:
        return Matrix.BT709 if height >= 720 else Matrix.BT601
    try:
        return Matrix(info_matrix)
    except ValueError:
        raise InputError(
            f"matrix coefficients {info_matrix} (ITU-T H.273) are not supported; use 1 (BT.709), "
            "5 or 6 (BT.601), 9 (BT.2020) or 2 (not stated)"
        ) from None


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """How the samples of a 4:2:0 frame stand for colours.

    Attributes:
        matrix: matrix coefficients; not ``Matrix.UNSPECIFIED`` (see :func:`choose_matrix`).
        full_range: Y 0..255 and chroma 1..255 instead of 16..235 and 16..240, of 8 bits.
        siting: place of chroma samples. ``left`` (H.264, H.265 and MPEG-2 default): on even luma
            columns, between rows. ``center`` (JPEG, MPEG-1): between columns and rows.
            ``topleft`` (BT.2020): on even columns and rows.

    Raises:
        ConfigError: the matrix is unspecified or the siting is unknown.
    """

    matrix: Matrix = Matrix.BT709
    full_range: bool = False
    siting: Siting = "left"

    def __post_init__(self) -> None:
        """Refuse what does not define a colour."""
        if self.matrix not in _LUMA_WEIGHTS:
            raise ConfigError(f"matrix {self.matrix!r} defines no colour; use choose_matrix()")
        if self.siting not in get_args(Siting):
            raise ConfigError(f"chroma siting {self.siting!r}; use one of {get_args(Siting)}")

    @property
    def luma_weights(self) -> tuple[float, float, float]:
        """Kr, Kg, Kb of the matrix; they sum to 1."""
        kr, kb = _LUMA_WEIGHTS[self.matrix]
        return kr, 1 - kr - kb, kb

    @property
    def scales(self) -> tuple[float, float, float]:
        """Code values of black, of one unit of Y' and of one unit of Cb or Cr (-0.5..0.5)."""
        return self.scales_at(8)

    def scales_at(self, depth: int) -> tuple[float, float, float]:
        """`scales` of samples of 8 or 10 bits."""
        if self.full_range:
            return 0.0, float((1 << depth) - 1), float((1 << depth) - 1)
        more = 1 << depth - 8
        return 16.0 * more, 219.0 * more, 224.0 * more

    @property
    def chroma_gains(self) -> tuple[float, float, float, float]:
        """R' = Y' + g0 Cr, G' = Y' + g1 Cb + g2 Cr, B' = Y' + g3 Cb, all in unit range."""
        kr, kg, kb = self.luma_weights
        to_r, to_b = 2 * (1 - kr), 2 * (1 - kb)
        return to_r, -to_b * kb / kg, -to_r * kr / kg, to_b


@lru_cache(maxsize=8)
def rgb_to_xyz(matrix: Matrix) -> NDArray[np.float64]:
    """Linear R, G, B to X/Xn, Y/Yn, Z/Zn of D65: a ``(3, 3)`` matrix whose rows sum to 1."""
    primaries = _PRIMARIES_BT2020 if matrix == Matrix.BT2020_NCL else _PRIMARIES_BT709
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    white = np.array([_D65[0] / _D65[1], 1.0, (1 - sum(_D65)) / _D65[1]])
    result: NDArray[np.float64] = columns * np.linalg.solve(columns, white) / white[:, None]
    return result


def srgb_to_linear(encoded: FloatArray) -> NDArray[np.float64]:
    """Linear light 0..1 of R'G'B' 0..1 by the curve of IEC 61966-2-1."""
    x = np.asarray(encoded, np.float64)
    return np.asarray(np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4))


@lru_cache(maxsize=16)
def upsampling_taps(
    size: int, co_sited: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Bilinear taps along one axis, from chroma to ``size`` luma samples, edges repeated.

    Args:
        size: luma samples along the axis, >= 1.
        co_sited: chroma samples lie on even luma samples; otherwise between two.

    Returns:
        ``first``, ``second``, ``weight``, each ``(size,)``: the luma-position value is
        ``c[first] + (c[second] - c[first]) * weight``. Shared and read-only.
    """
    last = (size + 1) // 2 - 1
    position = np.arange(size) / 2 - (0.0 if co_sited else 0.25)
    position = position.clip(0, last)
    first = np.floor(position).astype(np.intp)
    taps = first, np.minimum(first + 1, last), (position - first).astype(np.float32)
    for tap in taps:
        tap.setflags(write=False)
    return taps


@lru_cache(maxsize=8)
def _tables(
    spec: ColorSpec, depth: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], FloatArray]:
    """Luma code to steps of R'G'B' (rounding included), steps to linear light, XYZ matrix."""
    black, luma_scale, _ = spec.scales_at(depth)
    luma = (np.arange(1 << depth) - black) / luma_scale * _STEPS + 0.5
    linear = srgb_to_linear(np.arange(_STEPS + 1) / _STEPS)
    return luma.astype(np.float32), linear.astype(np.float32), rgb_to_xyz(spec.matrix)


def upsample_chroma(plane: Plane, rows: slice, size: tuple[int, int], siting: Siting) -> Any:
    """Chroma of some luma rows at luma resolution, centred on 0, float32.

    Args:
        plane: ``(ceil(H/2), ceil(W/2))``, of 8 bits as u8 or of 10 as u16.
        rows: luma rows wanted.
        size: luma height and width.
        siting: place of the chroma samples.
    """
    above, below, weight = (tap[rows] for tap in upsampling_taps(size[0], siting == "topleft"))
    upper = plane[above].astype(np.float32)
    neutral = 128.0 if plane.dtype == np.uint8 else 512.0
    mixed = upper + (plane[below] - upper) * weight[:, None] - neutral
    left, right, weight = upsampling_taps(size[1], siting != "center")
    value = mixed.take(left, axis=1)
    return value + (mixed.take(right, axis=1) - value) * weight


def _strip_to_lab(frame: Frame, spec: ColorSpec, rows: slice) -> NDArray[np.float32]:
    """CIELAB ``(3, rows, W)`` of some rows of a frame."""
    luma_table, linear_table, to_xyz = _tables(spec, frame.depth)
    size = frame.height, frame.width
    y = luma_table.take(frame.y[rows])
    cb = upsample_chroma(frame.u, rows, size, spec.siting)
    cr = upsample_chroma(frame.v, rows, size, spec.siting)
    step = _STEPS / spec.scales_at(frame.depth)[2]
    r_cr, g_cb, g_cr, b_cb = (gain * step for gain in spec.chroma_gains)
    encoded = (y + r_cr * cr, y + g_cb * cb + g_cr * cr, y + b_cb * cb)
    # mode="clip" clips R'G'B' to 0..1: the index is the step.
    r, g, b = (linear_table.take(e.astype(np.int32), mode="clip") for e in encoded)
    fx, fy, fz = (lab_curve(r * float(m[0]) + g * float(m[1]) + b * float(m[2])) for m in to_xyz)
    return np.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)))


def lab_curve(t: FloatArray) -> FloatArray:
    """The f(t) of CIELAB: cube root above the knee, its tangent below, without a branch."""
    root = np.cbrt(np.maximum(t, LAB_KNEE))
    return np.asarray(root + np.minimum(t - LAB_KNEE, 0) * LAB_SLOPE)


def strips(frame: Frame) -> list[slice]:
    """Rows of a frame cut into pieces small enough that temporaries stay in the cache."""
    step = max(1, _STRIP_PX // frame.width)
    return [slice(row, min(row + step, frame.height)) for row in range(0, frame.height, step)]


def frame_to_lab(frame: Frame, spec: ColorSpec) -> NDArray[np.float32]:
    """CIELAB of a frame at luma resolution, ``(3, H, W)`` float32: L* 0..100, a*, b*."""
    return np.concatenate([_strip_to_lab(frame, spec, rows) for rows in strips(frame)], axis=1)


def check_sizes(reference: Frame, decoded: Frame) -> None:
    """Refuse to compare frames of two sizes.

    Raises:
        InputError: the frames differ in size.
    """
    if reference.y.shape != decoded.y.shape:
        raise InputError(
            f"frames of {reference.width}x{reference.height} and {decoded.width}x{decoded.height} "
            "cannot be compared; both must have one size"
        )


def frame_delta_e(reference: Frame, decoded: Frame, spec: ColorSpec) -> NDArray[np.float32]:
    """CIEDE2000 of every pixel between two frames, ``(H, W)`` float32, >= 0.

    Raises:
        InputError: the frames differ in size.
    """
    check_sizes(reference, decoded)
    result = np.empty(reference.y.shape, np.float32)
    for rows in strips(reference):
        first = _strip_to_lab(reference, spec, rows)
        result[rows] = delta_e(first, _strip_to_lab(decoded, spec, rows))
    return result


def rgb_to_frame(rgb: NDArray[np.uint8], spec: ColorSpec) -> Frame:
    """R'G'B' picture to 4:2:0, in float64 and rounded once (half to even).

    Chroma is computed at full resolution and then filtered: ``1/4 1/2 1/4`` along an axis where
    chroma lies on luma samples, the mean of two where it lies between; edges repeated.

    Args:
        rgb: ``(H, W, 3)`` u8, full range 0..255.
        spec: matrix, range and siting of the result.
    """
    kr, kg, kb = spec.luma_weights
    black, luma_scale, chroma_scale = spec.scales
    r, g, b = np.moveaxis(rgb.astype(np.float64) / 255, -1, 0)
    y = kr * r + kg * g + kb * b
    planes = [black + luma_scale * y]
    for difference, weight in ((b - y, kb), (r - y, kr)):
        chroma = difference / (2 * (1 - weight))
        chroma = _halve(chroma, 0, spec.siting == "topleft")
        planes.append(128 + chroma_scale * _halve(chroma, 1, spec.siting != "center"))
    return Frame(*(np.rint(plane).clip(0, 255).astype(np.uint8, order="C") for plane in planes))


def frame_to_rgb(frame: Frame, spec: ColorSpec) -> NDArray[np.uint8]:
    """R'G'B' of a frame, ``(H, W, 3)`` u8: chroma upsampled bilinearly, clipped, rounded once."""
    black, luma_scale, chroma_scale = spec.scales_at(frame.depth)
    size = (frame.height, frame.width)
    y = (frame.y.astype(np.float32) - black) * (255 / luma_scale)
    cb, cr = (
        upsample_chroma(plane, slice(None), size, spec.siting) * (255 / chroma_scale)
        for plane in (frame.u, frame.v)
    )
    r_cr, g_cb, g_cr, b_cb = spec.chroma_gains
    rgb = np.stack((y + r_cr * cr, y + g_cb * cb + g_cr * cr, y + b_cb * cb), axis=-1)
    return np.asarray(np.rint(rgb).clip(0, 255), np.uint8)


def _halve(plane: NDArray[np.float64], axis: int, co_sited: bool) -> NDArray[np.float64]:
    """Filter and keep every other sample along one axis."""
    plane = np.moveaxis(plane, axis, 0)
    size = plane.shape[0]
    even = np.arange(0, size, 2)
    after = plane[np.minimum(even + 1, size - 1)]
    if co_sited:
        result = plane[even] / 2 + (plane[np.maximum(even - 1, 0)] + after) / 4
    else:
        result = (plane[even] + after) / 2
    return np.asarray(np.moveaxis(result, 0, axis))
