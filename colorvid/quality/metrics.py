"""Quality and rate of decoded pictures, and BD-rate between rate-quality curves.

Everything is computed from integer planes as they come out of a decoder, never from floats that
were not rounded. ``METRICS`` names every figure of a frame with its unit and direction;
`colorvid.quality.scores` computes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from colorvid.errors import ConfigError, InputError
from colorvid.frame import Plane
from colorvid.system.packages import needed_for

QUALITY_CAP_DB = 100.0
"""Decibels that an exact copy (infinite PSNR) counts for in an average; higher values are cut."""

MS_SSIM_MIN_SIDE_PX = 161
"""Smallest plane side for MS-SSIM: an 11-sample window after four halvings."""

PSNR_WEIGHTS: dict[str, tuple[int, int, int]] = {
    "yuv611": (6, 1, 1),  # default; by sample count with luma favoured, as most learned codecs
    "yuv411": (4, 1, 1),  # by sample count of 4:2:0
    "yuv111": (1, 1, 1),
}
"""Weights of the PSNR of Y, U and V in a weighted PSNR, divided by their sum."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of merit.

    Attributes:
        unit: as printed.
        better: which direction is better.
        label: of the axis of a plot.
        curves: whether BD-rates are taken over it, and rate-quality curves are drawn.
        absent: why a video may have none; empty = every video has one.
    """

    unit: str
    better: Literal["higher", "lower"]
    label: str
    curves: bool = False
    absent: str = ""


_TOO_SMALL = f"a side of luma is below {MS_SSIM_MIN_SIDE_PX} samples"

METRICS: dict[str, Metric] = {
    "psnr_y_db": Metric("dB", "higher", "PSNR of Y [dB]", curves=True),
    "psnr_u_db": Metric("dB", "higher", "PSNR of U [dB]"),
    "psnr_v_db": Metric("dB", "higher", "PSNR of V [dB]"),
    "psnr_yuv611_db": Metric("dB", "higher", "PSNR of YUV, 6:1:1 [dB]", curves=True),
    "ms_ssim_y": Metric("1", "higher", "MS-SSIM of Y", absent=_TOO_SMALL),
    "ms_ssim_y_db": Metric("dB", "higher", "MS-SSIM of Y [dB]", curves=True, absent=_TOO_SMALL),
    "de00_mean": Metric("CIEDE2000", "lower", "CIEDE2000, mean (lower is better)", curves=True),
    "de00_p95": Metric("CIEDE2000", "lower", "CIEDE2000, 95th percentile (lower is better)"),
}


def psnr(reference: Plane, decoded: Plane) -> float:
    """PSNR of a plane in dB, with a peak of 255, or of 1023; ``math.inf`` for equal planes.

    Args:
        reference, decoded: planes ``(H, W)`` of one shape, u8, or u16 for 10 bits; the error is
            taken in float64.

    Raises:
        InputError: the planes differ in shape or type, or are of another type.
    """
    _check_planes(reference, decoded)
    error = np.mean((reference.astype(np.float64) - decoded.astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(_peak(reference) ** 2 / float(error))


def weighted_psnr(planes_db: Sequence[float], weights: str = "yuv611") -> float:
    """Weighted mean of the PSNRs of Y, U and V, in dB; each is cut at ``QUALITY_CAP_DB`` first.

    Args:
        planes_db: PSNR of Y, U and V.
        weights: a name in ``PSNR_WEIGHTS``; ``yuv611`` is ``(6 Y + U + V) / 8``.

    Raises:
        ConfigError: the name is unknown.
    """
    if weights not in PSNR_WEIGHTS:
        raise ConfigError(f"PSNR weights {weights!r}; use one of {', '.join(PSNR_WEIGHTS)}")
    factors = PSNR_WEIGHTS[weights]
    capped = (min(value, QUALITY_CAP_DB) for value in planes_db)
    return sum(f * v for f, v in zip(factors, capped, strict=True)) / sum(factors)


def ms_ssim(reference: Plane, decoded: Plane) -> float:
    """MS-SSIM of a plane, 0..1 (Wang, Simoncelli and Bovik 2003; 5 scales, window 11).

    Raises:
        InputError: the planes differ, or a side is below ``MS_SSIM_MIN_SIDE_PX``.
        ColorvidError: the package ``pytorch_msssim`` is missing.
    """
    _check_planes(reference, decoded)
    if not ms_ssim_possible(reference):
        height, width = reference.shape
        raise InputError(
            f"plane of {width}x{height} is too small for MS-SSIM; "
            f"both sides must be {MS_SSIM_MIN_SIDE_PX} samples or more"
        )
    with needed_for("MS-SSIM"):
        from pytorch_msssim import ms_ssim as compute
    import torch  # which the package of the other brings

    one, two = (
        torch.from_numpy(plane.astype(np.float32))[None, None] for plane in (reference, decoded)
    )
    return float(compute(one, two, data_range=_peak(reference)))


def _peak(plane: Plane) -> int:
    """The largest sample of a plane of 8 or 10 bits."""
    return 255 if plane.dtype == np.uint8 else 1023


def ms_ssim_possible(plane: Plane) -> bool:
    """Whether a plane is large enough for MS-SSIM."""
    return min(plane.shape) >= MS_SSIM_MIN_SIDE_PX


def ms_ssim_db(value: float) -> float:
    """MS-SSIM as ``-10 log10(1 - value)`` dB, cut at ``QUALITY_CAP_DB``."""
    return QUALITY_CAP_DB if value >= 1 else min(-10 * math.log10(1 - value), QUALITY_CAP_DB)


def bits_per_pixel(size_bytes: int, frames: int, height: int, width: int) -> float:
    """Rate in bits per luma sample: all bytes of the file over all pixels of all frames."""
    return 8 * size_bytes / (frames * height * width)


def kbit_per_second(size_bytes: int, frames: int, rate: Fraction) -> float:
    """Rate in kbit/s (1000 bits) at ``rate`` frames per second."""
    return float(8 * size_bytes * rate / frames / 1000)


@dataclass(frozen=True, slots=True)
class BdRate:
    """Result of :func:`bd_rate`.

    Attributes:
        percent: mean rate change of the test curve at equal quality; negative = fewer bits.
            ``None`` if refused.
        overlap: share of the test curve's quality range that the anchor covers too, 0..1.
        reason: why ``percent`` is ``None``; empty otherwise.
    """

    percent: float | None
    overlap: float
    reason: str = ""


def bd_rate(
    anchor: Sequence[tuple[float, float]],
    test: Sequence[tuple[float, float]],
    *,
    min_overlap: float = 0.5,
    method: Literal["pchip", "akima"] = "pchip",
) -> BdRate:
    """Bjontegaard delta rate on log10 of the rate, by piecewise interpolation.

    Args:
        anchor, test: points ``(rate, quality)`` in any order; rate > 0 in one unit for both,
            quality rising with the rate (negate a figure where lower is better).
        min_overlap: smallest ``overlap`` accepted, 0..1.
        method: ``pchip`` (as the JVET sheet) or ``akima``.

    Returns:
        The figure, or ``percent=None`` with the reason if a curve has fewer than four points or
        does not rise, or if the curves share too little of the quality range.
    """
    curves = [sorted(anchor), sorted(test)]
    for name, curve in zip(("anchor", "test"), curves, strict=True):
        if len(curve) < 4:
            return BdRate(None, 0.0, f"{name} curve has {len(curve)} points; 4 or more are needed")
        if not all(a[0] < b[0] and a[1] < b[1] for a, b in zip(curve, curve[1:], strict=False)):
            return BdRate(None, 0.0, f"{name} curve does not rise with the rate")
    lowest, highest = max(c[0][1] for c in curves), min(c[-1][1] for c in curves)
    overlap = max(0.0, highest - lowest) / (curves[1][-1][1] - curves[1][0][1])
    if overlap == 0 or overlap < min_overlap:
        return BdRate(
            None, overlap, f"curves overlap by {overlap:.0%}; {min_overlap:.0%} is needed"
        )
    with needed_for("a BD-rate"):
        from bjontegaard import bd_rate as compute

    (rates, quality), (test_rates, test_quality) = (zip(*curve, strict=True) for curve in curves)
    percent = compute(
        rates,
        quality,
        test_rates,
        test_quality,
        method=method,
        require_matching_points=False,
        min_overlap=0,
    )
    return BdRate(float(percent), overlap)


def _check_planes(reference: Plane, decoded: Plane) -> None:
    for plane in (reference, decoded):
        if plane.dtype not in (np.uint8, np.uint16):
            raise InputError(f"plane is {plane.dtype}; it must be uint8, or uint16 for 10 bits")
    if reference.dtype != decoded.dtype:
        raise InputError(f"planes are {reference.dtype} and {decoded.dtype}; both must be the same")
    if reference.shape != decoded.shape:
        raise InputError(
            f"planes have shapes {reference.shape} and {decoded.shape}; both must be the same"
        )
