"""XPSNR, a PSNR whose weights follow what the eye sees, by FFmpeg's filter of that name in PyAV.

C. R. Helmrich et al., "XPSNR: A Low-Complexity Extension of the Perceptually Weighted Peak
Signal-to-Noise Ratio", ICASSP 2020. Errors count for less where the original is busy or moves, so
the figure of a frame depends on the frames before it. All is as FFmpeg computes it, also where
blocks at the border are one sample high or wide: such pictures come out several dB too low.
"""

from __future__ import annotations

from fractions import Fraction

from colorvid.errors import ColorvidError
from colorvid.evaluation.score.pair_filter import PairFilter, check_filter
from colorvid.frame import Frame
from colorvid.quality.metrics import QUALITY_CAP_DB

XPSNR_MIN_SIDE_PX = 64
"""Smallest side: in pictures of fewer than 2025 samples FFmpeg's filter divides by zero."""

_FILTER = "xpsnr"
_KEY = "lavfi.xpsnr.xpsnr."
_REMEDY = "pip install --upgrade av"


def check_xpsnr() -> None:
    """Refuse to begin what would fail.

    Raises:
        ColorvidError: PyAV, or the FFmpeg in it, is too old.
    """
    import av

    check_filter("xpsnr", _FILTER, _REMEDY)
    if not hasattr(av.VideoFrame, "metadata"):
        raise ColorvidError(
            f"xpsnr needs a PyAV that reads metadata of frames; PyAV {av.__version__} does not; "
            f"{_REMEDY}, or leave xpsnr out"
        )


class XpsnrScorer:
    """XPSNR of Y, U and V of the frames of a video, one after the other."""

    def __init__(self, rate: Fraction | None) -> None:
        """Prepare.

        Args:
            rate: frames per second; above 32, motion is judged over three frames. ``None`` = not
                known: taken as fewer.

        Raises:
            ColorvidError: see `check_xpsnr`.
        """
        check_xpsnr()
        self._filter = PairFilter(_FILTER, rate, {})

    def __call__(self, reference: Frame, decoded: Frame) -> tuple[float, float, float] | None:
        """XPSNR of Y, U and V in dB, cut at ``QUALITY_CAP_DB``; None where a side is too small."""
        if min(reference.size) < XPSNR_MIN_SIDE_PX:
            return None
        values = self._filter(reference, decoded).metadata  # the weights are those of the first
        y, u, v = (min(float(values[_KEY + plane]), QUALITY_CAP_DB) for plane in "yuv")
        return y, u, v
