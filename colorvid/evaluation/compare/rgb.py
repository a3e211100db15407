"""Quality in the RGB domain, where most work on still images publishes its curves.

colorvid codes 4:2:0. A decoded frame is converted back to R'G'B' and compared with the original
picture, so these figures hold what the conversion to 4:2:0 cost too: `limit` tells how much.
"""

from __future__ import annotations

import statistics

import numpy as np
from numpy.typing import NDArray

from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec, frame_to_rgb, rgb_to_frame
from colorvid.quality.metrics import QUALITY_CAP_DB, Metric, ms_ssim, ms_ssim_possible, psnr

Picture = NDArray[np.uint8]
Scores = dict[str, float | None]

RGB_METRICS: dict[str, Metric] = {
    "psnr_rgb_db": Metric("dB", "higher"),
    "ms_ssim_rgb": Metric("1", "higher"),
}


def score_rgb(original: Picture, decoded: Picture) -> Scores:
    """Every figure of ``RGB_METRICS`` for a decoded picture.

    PSNR is that over the samples of R, G and B together, cut at ``QUALITY_CAP_DB``. MS-SSIM is
    the mean of those of R, G and B, and ``None`` where a side is too small for it.

    Args:
        original, decoded: ``(H, W, 3)`` u8 of one shape.

    Raises:
        InputError: the pictures differ in shape or are not uint8.
    """
    similarity = None
    if ms_ssim_possible(original[..., 0]):
        similarity = statistics.fmean(ms_ssim(original[..., c], decoded[..., c]) for c in range(3))
    return {
        "psnr_rgb_db": min(psnr(original, decoded), QUALITY_CAP_DB),
        "ms_ssim_rgb": similarity,
    }


def score_frame_rgb(original: Picture, decoded: Frame, spec: ColorSpec) -> Scores:
    """`score_rgb` of a decoded 4:2:0 frame, converted back with bilinear chroma."""
    return score_rgb(original, frame_to_rgb(decoded, spec))


def limit(original: Picture, spec: ColorSpec) -> Scores:
    """Figures of a codec that loses nothing: only the conversion to 4:2:0 and back."""
    return score_frame_rgb(original, rgb_to_frame(original, spec), spec)
