"""What every video source and sink has in common: the description of a video, and two protocols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from colorvid.colors import Color, Light
from colorvid.config import MAX_SIDE, is_whole
from colorvid.errors import InputError, OutputError
from colorvid.frame import DEPTHS, Frame, Size

MAX_RATIO_TERM = 2**31 - 1
"""Largest numerator and denominator of a frame rate or an aspect ratio (FFmpeg's AVRational)."""

RANGE_UNKNOWN, RANGE_LIMITED, RANGE_FULL = 0, 1, 2
UNSPECIFIED = 2
"""Code point "unspecified" of matrix, primaries and transfer in ITU-T H.273."""

CHROMA_LOCATIONS = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")
"""FFmpeg's names of the chroma sample locations; the index is the code point."""


FFV1_SUFFIXES, H264_SUFFIXES = (".mkv", ".avi"), (".mp4", ".mov")
"""Names of outputs by the codec that they get."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Size, timing and colour description of a video.

    Attributes:
        width, height: luma samples, 1..8192.
        rate: frames per second, exact, more than 0.
        sample_aspect: width of a sample divided by its height; 0 = unknown.
        color_range: 0 unknown, 1 limited (16..235), 2 full (0..255); FFmpeg's AVCOL_RANGE.
        matrix, primaries, transfer: code points of ITU-T H.273, 0..255; 2 = unspecified.
        chroma_location: FFmpeg's AVCHROMA_LOC, 0..6, an index into ``CHROMA_LOCATIONS``.
        frames: number of frames as the source states it; None = unknown.
        depth: bits of a sample, 8 or 10.
        light: of the display and the content, of 10 bits.

    Raises:
        InputError: a value is out of its range.
    """

    width: int
    height: int
    rate: Fraction
    sample_aspect: Fraction = Fraction(0)
    color_range: int = RANGE_UNKNOWN
    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    chroma_location: int = 0
    frames: int | None = None
    depth: int = 8
    light: Light = Light()

    def __post_init__(self) -> None:
        """Check every field against its range."""
        _check_int("width", self.width, 1, MAX_SIDE)
        _check_int("height", self.height, 1, MAX_SIDE)
        _check_ratio("frame rate", self.rate)
        if self.rate == 0:
            raise InputError("frame rate is 0; it must be more than 0, as in 30000/1001")
        _check_ratio("sample aspect ratio", self.sample_aspect)
        _check_int("color range", self.color_range, 0, RANGE_FULL)
        for name in ("matrix", "primaries", "transfer"):
            _check_int(name, getattr(self, name), 0, 255)
        _check_int("chroma location", self.chroma_location, 0, len(CHROMA_LOCATIONS) - 1)
        if self.depth not in DEPTHS:
            raise InputError(f"depth is {self.depth!r}; it must be 8 or 10")
        if self.frames is not None:
            _check_int("number of frames", self.frames, 0, 2**63 - 1)

    @property
    def size(self) -> Size:
        """Of the pictures, in luma samples."""
        return Size(self.width, self.height)

    @property
    def color(self) -> Color:
        """What the samples mean, by name."""
        return Color.of(self)

    def with_color(self, color: Color) -> VideoInfo:
        """The same video with samples of another meaning."""
        codes: dict[str, Any] = {**color.codes}
        return replace(self, **codes)


def _check_int(name: str, value: object, low: int, high: int) -> None:
    """Refuse anything but a plain integer from ``low`` to ``high``."""
    if not is_whole(value, low, high):
        raise InputError(f"{name} is {value!r}; it must be an integer from {low} to {high}")


def _check_ratio(name: str, value: object) -> None:
    """Refuse anything but a Fraction from 0 up whose terms fit in 31 bits."""
    if not isinstance(value, Fraction):
        raise InputError(f"{name} is {value!r}; it must be a Fraction, as in Fraction(30000, 1001)")
    if value < 0 or max(value.numerator, value.denominator) > MAX_RATIO_TERM:
        raise InputError(f"{name} is {value}; both terms must be from 0 to {MAX_RATIO_TERM}")


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound and subtitles that go with a video.

    Attributes:
        path: file that has them.
        start: where in it the video begins, seconds after the first frame of its own video.
    """

    path: str | Path
    start: Fraction = Fraction(0)


class FrameReader(Protocol):
    """A video source, read once from front to back; also a context manager.

    Iteration yields frames of the size and depth in ``info`` and raises ``InputError`` where the
    source is cut, damaged or holds no frame. One frame is held at a time, whatever the length of
    the video.
    """

    info: VideoInfo

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the source, a line each; complete when it is read to its end."""
        return ()

    def __iter__(self) -> Iterator[Frame]:
        """Return the reader itself: a second loop goes on where the first one stopped."""
        return self

    def __next__(self) -> Frame:
        """Return the next frame."""
        ...

    def skip(self, count: int) -> None:
        """Leave out the next frames; fewer if there are fewer. Decodes them, unless overridden."""
        for _ in islice(self, count):
            pass

    def close(self) -> None:
        """Release the source; more calls do nothing."""
        ...

    def __enter__(self) -> FrameReader:
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close the source."""
        self.close()


class FrameWriter(Protocol):
    """A video sink; also a context manager.

    A file gets its final name in ``close``. When the ``with`` block is left by an exception,
    ``abort`` is called instead and nothing appears under that name.
    """

    info: VideoInfo

    def write(self, frame: Frame) -> None:
        """Append a frame of the size in ``info``; raises ``OutputError`` if that fails."""
        ...

    def close(self) -> None:
        """Finish the output; raises ``OutputError``, also if no frame was written."""
        ...

    def abort(self) -> None:
        """Throw the output away; does nothing after ``close``."""
        ...

    def __enter__(self) -> FrameWriter:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Finish the output, or throw it away if the block failed."""
        if kind is None:
            self.close()
        else:
            self.abort()


def check_frame_size(name: str, info: VideoInfo, frame: Frame, index: int) -> None:
    """Refuse frame number ``index`` unless it has size and depth of the output called ``name``.

    Raises:
        OutputError: they differ.
    """
    if frame.depth != info.depth:
        raise OutputError(
            f"{name}: frame {index} has {frame.depth} bits a sample; all must have {info.depth}"
        )
    if frame.size != info.size:
        raise OutputError(f"{name}: frame {index} is {frame.size}; all frames must be {info.size}")
