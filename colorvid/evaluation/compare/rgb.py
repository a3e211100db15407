"""Quality in the RGB domain, where most work on still images publishes its curves.

colorvid codes 4:2:0. A decoded frame is converted back to R'G'B' and compared with the original
picture, so these figures hold what the conversion to 4:2:0 cost too: `limit` says how much.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec, frame_to_rgb, rgb_to_frame
from colorvid.quality.metrics import QUALITY_CAP_DB, Metric, ms_ssim, ms_ssim_possible, psnr

Picture = NDArray[np.uint8]

RGB_METRICS: dict[str, Metric] = {
    "psnr_rgb_db": Metric("dB", "higher", "PSNR of RGB [dB]"),
    "ms_ssim_rgb": Metric("1", "higher", "MS-SSIM of RGB"),
}


@dataclass(frozen=True, slots=True)
class RgbScores:
    """Quality of a decoded picture in RGB, or a mean of such figures.

    Attributes:
        psnr_rgb_db: PSNR over the samples of R, G and B together, dB, cut at ``QUALITY_CAP_DB``.
        ms_ssim_rgb: mean of the MS-SSIM of R, G and B, 0..1; None where a side is too small.
    """

    psnr_rgb_db: float
    ms_ssim_rgb: float | None

    def figure(self, metric: str) -> float | None:
        """A figure by its name in ``RGB_METRICS``.

        Raises:
            KeyError: there is no such figure.
        """
        value: float | None = asdict(self)[metric]
        return value


def score_rgb(original: Picture, decoded: Picture) -> RgbScores:
    """Compare two pictures.

    Args:
        original, decoded: ``(H, W, 3)`` u8 of one shape.

    Raises:
        InputError: the pictures differ in shape or are not uint8.
    """
    similarity = None
    if ms_ssim_possible(original[..., 0]):
        similarity = statistics.fmean(ms_ssim(original[..., c], decoded[..., c]) for c in range(3))
    return RgbScores(min(psnr(original, decoded), QUALITY_CAP_DB), similarity)


def score_frame_rgb(original: Picture, decoded: Frame, spec: ColorSpec) -> RgbScores:
    """`score_rgb` of a decoded 4:2:0 frame, converted back with bilinear chroma."""
    return score_rgb(original, frame_to_rgb(decoded, spec))


def limit(original: Picture, spec: ColorSpec) -> RgbScores:
    """Figures of a codec that loses nothing: only the conversion to 4:2:0 and back."""
    return score_frame_rgb(original, rgb_to_frame(original, spec), spec)


def mean_rgb(scores: Iterable[RgbScores]) -> RgbScores:
    """Arithmetic mean of each figure over at least one picture; None where any has none."""
    every = list(scores)
    known = [one.ms_ssim_rgb for one in every if one.ms_ssim_rgb is not None]
    return RgbScores(
        statistics.fmean(one.psnr_rgb_db for one in every),
        statistics.fmean(known) if len(known) == len(every) else None,
    )
