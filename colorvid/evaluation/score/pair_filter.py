"""Filters of FFmpeg that compare two videos, run by PyAV."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from colorvid.errors import ColorvidError
from colorvid.frame import Frame

_USUAL_RATE = Fraction(25)  # where none is known; XPSNR asks whether there are more than 32


def check_filter(metric: str, name: str, remedy: str) -> None:
    """Refuse to begin what would fail.

    Args:
        metric: what the filter is for.
        name: of the filter.
        remedy: what to do where it is missing.

    Raises:
        ColorvidError: the FFmpeg in PyAV lacks the filter.
    """
    import av.filter

    if name not in av.filter.filters_available:
        raise ColorvidError(
            f"{metric} needs FFmpeg's filter {name}, which the FFmpeg in PyAV {av.__version__} "
            f"lacks; {remedy}, or leave {metric} out"
        )


class PairFilter:
    """A filter with two inputs, for one pair of frames after the other."""

    def __init__(self, name: str, rate: Fraction | None, options: dict[str, str]) -> None:
        """Prepare.

        Args:
            name: of a filter that FFmpeg has, see `check_filter`.
            rate: frames per second; ``None`` = not known.
            options: of the filter.
        """
        self._name, self._options = name, options
        self._rate = rate or _USUAL_RATE
        self._graph: Any = None
        self._sources: list[Any] = []
        self._sink: Any = None
        self._count = 0

    def __call__(self, first: Frame, second: Frame) -> Any:
        """Give the filter its next two inputs; its output, an ``av.VideoFrame``."""
        from colorvid.io.pyav_writer import as_picture

        if self._graph is None:
            self._open(first)
        for source, frame in zip(self._sources, (first, second), strict=True):
            picture = as_picture(frame)
            picture.pts, picture.time_base = self._count, 1 / self._rate
            source.push(picture)
        self._count += 1
        return self._sink.pull()

    def close(self) -> None:
        """End the filter: what it writes at the end is written."""
        self._graph = self._sink = None
        self._sources = []

    def _open(self, first: Frame) -> None:
        """Build the graph for frames like this one."""
        from av.filter import Graph

        from colorvid.io.pyav_writer import picture_format

        self._graph = Graph()
        rate = f"{self._rate.numerator}/{self._rate.denominator}"
        self._sources = [
            self._graph.add(
                "buffer",
                name=name,
                video_size=f"{first.width}x{first.height}",
                pix_fmt=picture_format(first.depth),
                time_base=f"{self._rate.denominator}/{self._rate.numerator}",
                frame_rate=rate,
                pixel_aspect="1/1",
            )
            for name in ("first", "second")
        ]
        compare = self._graph.add(self._name, **self._options)
        self._sink = self._graph.add("buffersink")
        for place, source in enumerate(self._sources):
            source.link_to(compare, 0, place)
        compare.link_to(self._sink)
        self._graph.configure()
