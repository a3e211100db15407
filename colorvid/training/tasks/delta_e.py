"""CIEDE2000 as a loss: differentiable, batched, and finite at greys and black.

The same path and the same formula as :mod:`colorvid.quality.color`, in torch. Every square root is
taken of a value that is kept above zero, hues are unit vectors instead of angles (nothing wraps),
and both branches of a choice stay finite, so no gradient is ever infinite or NaN. Where CIEDE2000
itself jumps (hues exactly opposite) the gradient is that of one side.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from colorvid.quality.color import (
    LAB_KNEE,
    LAB_SLOPE,
    ColorSpec,
    rgb_to_xyz,
    upsampling_taps,
)

_GUARD = 1e-12  # added below square roots: shifts a chroma or a difference by 1e-6 at most


def yuv420_to_lab(y: Tensor, u: Tensor, v: Tensor, spec: ColorSpec) -> Tensor:
    """CIELAB of 4:2:0 planes, as :func:`colorvid.quality.color.frame_to_lab`, with gradients.

    R'G'B' outside 0..1 is clipped as a display does; the clipped component passes no gradient.

    Args:
        y, u, v, spec: see `yuv420_to_rgb`.

    Returns:
        ``(..., 3, H, W)``: L* 0..100, a*, b*.
    """
    return linear_rgb_to_lab(_srgb_to_linear(yuv420_to_rgb(y, u, v, spec).clamp(0, 1)), spec)


def yuv420_to_rgb(y: Tensor, u: Tensor, v: Tensor, spec: ColorSpec) -> Tensor:
    """R'G'B' of 4:2:0 planes, as :func:`colorvid.quality.color.frame_to_rgb`, with gradients.

    Args:
        y: luma ``(..., H, W)``, code values / 255 (unit range 0..1, not rounded).
        u, v: chroma ``(..., ceil(H/2), ceil(W/2))``, code values / 255.
        spec: matrix, range and siting of the samples.

    Returns:
        ``(..., 3, H, W)``, 0..1 and beyond: not clipped.
    """
    height, width = y.shape[-2:]
    black, luma_scale, chroma_scale = spec.scales
    luma = (y * 255 - black) / luma_scale
    cb, cr = (
        (_upsample(plane, height, width, spec) * 255 - 128) / chroma_scale for plane in (u, v)
    )
    r_cr, g_cb, g_cr, b_cb = spec.chroma_gains
    return torch.stack((luma + r_cr * cr, luma + g_cb * cb + g_cr * cr, luma + b_cb * cb), dim=-3)


def linear_rgb_to_lab(rgb: Tensor, spec: ColorSpec) -> Tensor:
    """CIELAB ``(..., 3, H, W)`` of linear light ``(..., 3, H, W)``, 0..1, relative to D65."""
    t = torch.einsum("ij,...jhw->...ihw", _to_xyz(spec, rgb.dtype, rgb.device), rgb)
    # Cube root above the knee and its tangent below; both stay finite on either side.
    f = t.clamp(min=LAB_KNEE) ** (1 / 3) + (t - LAB_KNEE).clamp(max=0) * LAB_SLOPE
    fx, fy, fz = f.unbind(-3)
    return torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)), dim=-3)


def delta_e(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 (kL = kC = kH = 1) between colours, with finite gradients everywhere.

    Args:
        first, second: CIELAB ``(..., 3, H, W)`` of one shape, float32 or float64.

    Returns:
        The difference ``(..., H, W)``; between equal colours 0 within 1e-12, with gradient 0.
    """
    l1, a1, b1 = first.unbind(-3)
    l2, a2, b2 = second.unbind(-3)
    stretch = 1.5 - 0.5 * _root_saturation(0.5 * (_length(a1, b1) + _length(a2, b2)))  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    hue_diff, cos_h, sin_h = _hues(a1, b1, c1, a2, b2, c2)
    mean = 0.5 * (c1 + c2)
    lightness = (0.5 * (l1 + l2) - 50) ** 2
    dl = (l2 - l1) / (1 + 0.015 * lightness / (20 + lightness).sqrt())
    dc = (c2 - c1) / (1 + 0.045 * mean)
    dh = hue_diff / (1 + 0.015 * mean * _hue_weight(cos_h, sin_h))
    rotation = _rotation(mean, cos_h, sin_h) * _far_from_grey(c1) * _far_from_grey(c2)
    squares = dl * dl + dc * dc + dh * dh + rotation * dc * dh
    return _root(squares.clamp(min=0))


def _upsample(plane: Tensor, height: int, width: int, spec: ColorSpec) -> Tensor:
    """Chroma at luma resolution, bilinear at the siting of ``spec``."""
    sited = {-2: spec.siting == "topleft", -1: spec.siting != "center"}
    for dim, size in ((-2, height), (-1, width)):
        first, second, weight = _taps(size, sited[dim], plane.dtype, plane.device)
        low, high = plane.index_select(dim, first), plane.index_select(dim, second)
        plane = low + (high - low) * (weight[:, None] if dim == -2 else weight)
    return plane


# Constants are kept: a step of training that a GPU has recorded cannot copy anything to it.


@lru_cache(maxsize=16)
def _to_xyz(spec: ColorSpec, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The matrix from linear light to XYZ, ``(3, 3)``."""
    return torch.as_tensor(rgb_to_xyz(spec.matrix), dtype=dtype, device=device)


@lru_cache(maxsize=16)
def _taps(
    size: int, co_sited: bool, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """`upsampling_taps` as tensors."""
    first, second, weight = (
        torch.tensor(t, device=device) for t in upsampling_taps(size, co_sited)
    )
    return first, second, weight.to(dtype)


def _srgb_to_linear(encoded: Tensor) -> Tensor:
    """Linear light of R'G'B' 0..1, IEC 61966-2-1."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _root(square: Tensor) -> Tensor:
    """Square root of a value >= 0, exact at 0 and with the gradient 0 there."""
    return (square + _GUARD).sqrt() - math.sqrt(_GUARD)


def _length(a: Tensor, b: Tensor) -> Tensor:
    """Chroma, kept above zero so that its gradient exists at greys."""
    return (a * a + b * b + _GUARD).sqrt()


def _far_from_grey(chroma: Tensor) -> Tensor:
    """0 at greys and 1 elsewhere: fades out R_T, whose slope is infinite at a grey.

    Only differences between a saturated blue and a colour of chroma below 0.1 notice, by 2.5 %
    at most; in return no gradient of the difference exceeds about 100 per unit of L*, a*, b*.
    """
    square = chroma * chroma
    return square / (square + 1e-4)


def _root_saturation(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7)), as a power of the chroma that is never 0 under the root."""
    x = chroma / 25
    return x**3.5 / (x**7 + 1).sqrt()


def _hues(
    a1: Tensor, b1: Tensor, c1: Tensor, a2: Tensor, b2: Tensor, c2: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Delta H' and the cosine and sine of the mean hue."""
    ua1, ub1, ua2, ub2 = a1 / c1, b1 / c1, a2 / c2, b2 / c2
    chord_a, chord_b = ua2 - ua1, ub2 - ub1
    # Exactly opposite hues count upwards from the hue below 180 degrees, as in the standard.
    cross, dot = a1 * b2 - a2 * b1, a1 * a2 + b1 * b2
    upper = (b1 > 0) | ((b1 == 0) & (a1 > 0))
    sign = torch.where(torch.where(cross == 0, upper, cross > 0), 1.0, -1.0).to(a1.dtype)
    hue_diff = sign * _root(c1 * c2 * (chord_a * chord_a + chord_b * chord_b))
    # The mean hue bisects the unit vectors: along their sum, or across their difference where
    # the sum would be short.
    cos_h = torch.where(dot >= 0, ua1 + ua2, sign * chord_b)
    sin_h = torch.where(dot >= 0, ub1 + ub2, -sign * chord_a)
    length = _length(cos_h, sin_h)
    return hue_diff, cos_h / length, sin_h / length


def _hue_weight(c: Tensor, s: Tensor) -> Tensor:
    """T of the mean hue, from its cosine and sine by the formulas for multiples of an angle."""
    c2, s2 = 2 * c * c - 1, 2 * c * s
    c3, s3 = c * c2 - s * s2, s * c2 + c * s2
    c4, s4 = 2 * c2 * c2 - 1, 2 * c2 * s2
    t = 1 - 0.17 * _shifted(c, s, 30) + 0.24 * c2
    return t + 0.32 * _shifted(c3, s3, -6) - 0.20 * _shifted(c4, s4, 63)


def _shifted(c: Tensor, s: Tensor, degrees: float) -> Tensor:
    """cos(angle - degrees) from the cosine and sine of an angle."""
    return c * math.cos(math.radians(degrees)) + s * math.sin(math.radians(degrees))


def _rotation(mean: Tensor, c: Tensor, s: Tensor) -> Tensor:
    """R_T, the interaction of chroma and hue in the blues (around a hue of 275 degrees)."""
    along, across = _shifted(c, s, 275), _shifted(c, s, 275 + 90)
    # At a grey there is no hue: any direction does, as R_T is then 0; (1, 0) keeps atan2 finite.
    along = torch.where((along == 0) & (across == 0), 1.0, along)
    angle = torch.atan2(across, along) * (180 / math.pi)  # hue - 275 degrees, in -180..180
    angle = torch.where(angle > 85, angle - 360, angle)  # hues are counted 0..360
    twice = (math.pi / 3) * torch.exp(-((angle / 25) ** 2))  # 2 * 30 degrees
    return -2 * _root_saturation(mean) * torch.sin(twice)
