"""XPSNR, a PSNR whose weights follow what the eye sees, by FFmpeg's filter of that name in PyAV.

C. R. Helmrich et al., "XPSNR: A Low-Complexity Extension of the Perceptually Weighted Peak
Signal-to-Noise Ratio", ICASSP 2020. Errors count for less where the original is busy or moves, so
the figure of a frame depends on the frames before it. All is as FFmpeg computes it, also where
blocks at the border are one sample high or wide: such pictures come out several dB too low.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from colorvid.errors import ColorvidError
from colorvid.frame import Frame, Size
from colorvid.quality.metrics import QUALITY_CAP_DB

XPSNR_MIN_SIDE_PX = 64
"""Smallest side: in pictures of fewer than 2025 samples FFmpeg's filter divides by zero."""

_FILTER = "xpsnr"
_KEY = "lavfi.xpsnr.xpsnr."
_USUAL_RATE = Fraction(25)  # the filter asks whether there are more than 32 frames a second


def check_xpsnr() -> None:
    """Refuse to begin what would fail.

    Raises:
        ColorvidError: PyAV, or the FFmpeg in it, is too old.
    """
    import av.filter

    if _FILTER not in av.filter.filters_available or not hasattr(av.VideoFrame, "metadata"):
        raise ColorvidError(
            f"xpsnr needs a PyAV that reads metadata of frames, with FFmpeg's filter {_FILTER}; "
            f"PyAV {av.__version__} is not; pip install --upgrade av, or leave xpsnr out"
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
        self._rate = rate or _USUAL_RATE
        self._graph: Any = None
        self._count = 0

    def __call__(self, reference: Frame, decoded: Frame) -> tuple[float, float, float] | None:
        """XPSNR of Y, U and V in dB, cut at ``QUALITY_CAP_DB``; None where a side is too small."""
        from colorvid.io.pyav_writer import as_picture

        if min(reference.size) < XPSNR_MIN_SIDE_PX:
            return None
        if self._graph is None:
            self._open(reference.size)
        for source, frame in zip(self._sources, (reference, decoded), strict=True):
            picture = as_picture(frame)
            picture.pts, picture.time_base = self._count, 1 / self._rate
            source.push(picture)
        self._count += 1
        values = self._sink.pull().metadata
        y, u, v = (min(float(values[_KEY + plane]), QUALITY_CAP_DB) for plane in "yuv")
        return y, u, v

    def _open(self, size: Size) -> None:
        """Build the graph: the original is the first input, whose weights count."""
        from av.filter import Graph

        self._graph = Graph()
        rate = f"{self._rate.numerator}/{self._rate.denominator}"
        self._sources = [
            self._graph.add(
                "buffer",
                name=name,
                video_size=f"{size.width}x{size.height}",
                pix_fmt="yuv420p",
                time_base=f"{self._rate.denominator}/{self._rate.numerator}",
                frame_rate=rate,
                pixel_aspect="1/1",
            )
            for name in ("original", "decoded")
        ]
        compare, self._sink = self._graph.add(_FILTER), self._graph.add("buffersink")
        for place, source in enumerate(self._sources):
            source.link_to(compare, 0, place)
        compare.link_to(self._sink)
        self._graph.configure()
