"""What PyAV says about a stream, and what FFmpeg passes over in silence."""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.error
import av.filter
import av.logging
from av.stream import Disposition

from colorvid.errors import InputError
from colorvid.io.base import (
    CHROMA_LOCATIONS,
    RANGE_FULL,
    RANGE_LIMITED,
    RANGE_UNKNOWN,
    UNSPECIFIED,
    VideoInfo,
)


@contextmanager
def av_errors(name: str, kind: type[InputError]) -> Iterator[None]:
    """Turn every PyAV or system error of the block into ``kind``: ``name: reason``, in one line.

    PyAV also raises plain ``ValueError`` (an option or a format it does not know) and
    ``RuntimeError`` (an object in the wrong state).
    """
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise kind(f"{name}: {' '.join(str(reason).split())}") from error


class OneFilter:
    """Sends frames of one size and pixel format through one filter of FFmpeg."""

    def __init__(self, like: Any, name: str, options: str) -> None:
        """Prepare filter ``name`` for frames of the size and format of ``like``."""
        self._graph = av.filter.Graph()
        # Graph.add_buffer states square samples in some versions of PyAV, so it is not used; the
        # filters that are chained here do not look at the time base.
        source = self._graph.add(
            "buffer",
            f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}"
            ":time_base=1/1000:pixel_aspect=0/1",
        )
        middle = self._graph.add(name, options)
        source.link_to(middle)
        middle.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def __call__(self, frame: Any) -> Any:
        """Return the ``av.VideoFrame`` that comes out for ``frame``; its time base is 1/1000."""
        self._graph.push(frame)
        return self._graph.pull()


ASPECT_TAG = "SAMPLE_ASPECT_RATIO"
"""Stream tag that holds the sample aspect ratio in Matroska files of colorvid, as in ``4/3``."""

_LOG_LEVEL = threading.Lock()  # the log level belongs to the whole process


def describe(stream: Any, frame: Any, *, matches_420: bool, rate: Fraction | None) -> VideoInfo:
    """Describe a video by its stream and first decoded frame.

    Args:
        stream: an ``av.VideoStream``.
        frame: the first ``av.VideoFrame``, before any conversion.
        matches_420: False if the frames will be converted from another chroma sampling, so that
            the chroma location of the source does not hold.
        rate: replaces the frame rate of the stream.

    Raises:
        InputError: no frame rate is known, or a value is out of its range.
    """
    rate = rate or _exact_rate(stream)
    if not rate:
        raise InputError("frame rate unknown; pass rate=30000/1001")
    location, frame_aspect = _location_and_aspect(frame)
    color_range, matrix = _range_and_matrix(stream.codec_context, frame)
    return VideoInfo(
        width=frame.width,
        height=frame.height,
        rate=rate,
        sample_aspect=exact(stream.sample_aspect_ratio) or frame_aspect or _tagged_aspect(stream),
        color_range=color_range,
        matrix=matrix,
        primaries=_code_point(stream.codec_context.color_primaries),
        transfer=_code_point(stream.codec_context.color_trc),
        chroma_location=location if matches_420 else 0,
        frames=stream.frames or None,
    )


def is_full_range(frame: Any) -> bool:
    """Whether samples span 0..255: tagged so, or in one of FFmpeg's old ``yuvj`` formats."""
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == RANGE_FULL


def is_rgb(frame: Any) -> bool:
    """Whether the frame holds colours other than luma and chroma, so that a matrix is needed."""
    return bool(frame.format.is_rgb) or frame.format.name in ("pal8", "xyz12le", "xyz12be")


def rgb_matrix(height: int) -> int:
    """H.273 matrix for pictures converted from RGB: BT.709 from 720 rows up, else BT.601."""
    return 1 if height >= 720 else 6


def _range_and_matrix(codec: Any, frame: Any) -> tuple[int, int]:
    if is_rgb(frame):
        return RANGE_LIMITED, rgb_matrix(frame.height)
    if is_full_range(frame):
        return RANGE_FULL, _code_point(frame.colorspace)
    color_range = int(frame.color_range) or int(codec.color_range)
    if color_range > RANGE_FULL:
        color_range = RANGE_UNKNOWN
    return color_range, _code_point(frame.colorspace)


def _code_point(value: Any) -> int:
    """Return the H.273 code point; FFmpeg's private ones above 255 become "unspecified"."""
    return int(value) if 0 <= int(value) <= 255 else UNSPECIFIED


def exact(ratio: Any) -> Fraction | None:
    """A ratio of PyAV, whose class depends on its version; None if it is unknown or 0."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def _exact_rate(stream: Any) -> Fraction | None:
    """Return the frame rate, preferring whole numbers and multiples of 1/1001.

    The average is derived from timestamps in some containers and the guess from a table of usual
    rates in others, so the plainer one of the two is the true one.
    """
    known = [exact(stream.average_rate), exact(stream.guessed_rate)]
    rates = [rate for rate in known if rate]
    if "matroska" in stream.container.format.name:
        rates = [_undo_nanoseconds(rate) for rate in rates]
    plain = [rate for rate in rates if rate.denominator in (1, 1001)]
    return next(iter(plain or rates[::-1]), None)


def _undo_nanoseconds(rate: Fraction) -> Fraction:
    """Return n * 1000/1001 if ``rate`` is that but for rounding.

    Matroska stores the duration of a frame in nanoseconds, and FFmpeg returns the nearest
    fraction with small terms: 19001/317 for 60000/1001.
    """
    nearest = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    if rate.denominator != 1 and abs(nearest - rate) < rate / 2_000_000:
        return nearest
    return rate


def _location_and_aspect(frame: Any) -> tuple[int, Fraction]:
    """Chroma location and sample aspect ratio of a frame; 0 = unknown.

    PyAV has no attribute for either. FFmpeg's ``showinfo`` filter logs both, so one frame is sent
    through it.
    """
    text = _showinfo(frame)
    location = re.search(r"\bcl:([a-z]+)", text)
    aspect = re.search(r"\bsar:([0-9]+)/([0-9]+)", text)
    index = 0
    if location and location[1] in CHROMA_LOCATIONS:
        index = CHROMA_LOCATIONS.index(location[1])
    if not aspect or int(aspect[2]) == 0:
        return index, Fraction(0)
    return index, Fraction(int(aspect[1]), int(aspect[2]))


def _tagged_aspect(stream: Any) -> Fraction:
    """Return the aspect ratio of our own Matroska tag; 0 = none. FFmpeg before 8.1 needs it."""
    match = re.fullmatch(r"([0-9]{1,10})(?:/([0-9]{1,10}))?", stream.metadata.get(ASPECT_TAG, ""))
    if not match or int(match[2] or 1) == 0:
        return Fraction(0)
    return Fraction(int(match[1]), int(match[2] or 1))


def _showinfo(frame: Any) -> str:
    """Return what ``showinfo`` logs about the frame."""
    with _LOG_LEVEL:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            with av.logging.Capture() as lines:
                OneFilter(frame, "showinfo", "checksum=0")(frame)
        finally:
            av.logging.set_level(level)
    return "".join(text for _, source_name, text in lines if "showinfo" in source_name)


_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}
"""FFmpeg's demuxers that draw text as pictures; the first takes any file whose name ends so."""
_STATES_DURATION = ("matroska", "mov")
"""Containers whose header states the duration; FFmpeg estimates that of others from what it finds.
"""


def video_stream(container: Any, name: str) -> tuple[Any, int]:
    """Choose the first video stream that is no cover picture.

    Returns:
        The ``av.VideoStream``, and the number of such streams.

    Raises:
        InputError: there is none, or the file is text.
    """
    if container.format.name in _TEXT_FORMATS:
        raise InputError(f"{name}: is text, not a video; give a video")
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not films:
        covers = " but a cover picture" if container.streams.video else ""
        raise InputError(f"{name}: has no video stream{covers}; give a video")
    return films[0], len(films)


def refuse_hidden_alpha(stream: Any, name: str) -> None:
    """Refuse a stream with alpha beside its pictures (WebM), which FFmpeg does not decode.

    Raises:
        InputError: the stream is marked so.
    """
    if stream.metadata.get("alpha_mode") == "1":
        raise InputError(f"{name}: has an alpha channel; pass convert=True to drop it")


def refuse_orientation(frame: Any, name: str) -> None:
    """Refuse a frame that is to be turned or mirrored for display; ``.clv`` has no field for it.

    Raises:
        InputError: its display matrix (ISO/IEC 14496-12, 6.2.2) is more than a scale.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    if b or c or a < 0 or d < 0:
        degrees = f"turned by {-frame.rotation % 360} degrees" if a * d >= b * c else "mirrored"
        raise InputError(
            f"{name}: is to be shown {degrees}, which a .clv stream cannot say; turn the pictures "
            "first, as ffmpeg -i IN -c:v ffv1 OUT.mkv does"
        )


class Clock:
    """Compares the times of frames with a constant rate, and the end with the stated duration."""

    def __init__(self, container: Any, stream: Any, rate: Fraction, *, constant: bool) -> None:
        """Watch a stream of ``rate`` frames per second; ``constant``: its times do not matter."""
        self._rate = rate
        self._constant = constant
        self._stated_end = _stated_end(container, stream)
        self._first: Fraction | None = None
        self._end = Fraction(0)
        self._count = 0
        self._uneven = 0
        self._worst = (Fraction(0), 0)  # seconds, number of the frame
        self._cut = False

    def see(self, frame: Any) -> None:
        """Take note of the next ``av.VideoFrame``; one without a time counts as in its place."""
        number = self._count
        self._count += 1
        unit = exact(frame.time_base)
        if frame.pts is None or unit is None:
            return
        time = frame.pts * unit
        if self._first is None:
            self._first = time - number / self._rate
        length = (getattr(frame, "duration", 0) or 0) * unit
        self._end = max(self._end, time + max(length, 1 / self._rate))
        away = abs(time - self._first - number / self._rate)
        if away > Fraction(1, 2) / self._rate + unit:
            self._uneven += 1
            self._worst = max(self._worst, (away, number))

    def finish(self) -> None:
        """The source has ended: compare with its header."""
        missing = 0 if self._stated_end is None else self._stated_end - self._end
        self._cut = self._first is not None and missing * self._rate > Fraction(3, 4)

    def warnings(self, name: str) -> list[str]:
        """One line for a file that is cut, or else for times that are not even."""
        if self._cut and self._stated_end is not None:
            return [
                f"{name}: ends at {float(self._end):.3f} s, but its header says "
                f"{float(self._stated_end):.3f} s; {self._count} frames were read: it is cut short"
            ]
        if self._uneven and not self._constant:
            away, number = self._worst
            return [
                f"{name}: the frame rate varies: {self._uneven} of {self._count} frames are off "
                f"the times of {self._rate} frames per second (frame {number} by "
                f"{float(away):.3f} s); a .clv stream has a constant rate, so make the rate "
                f"constant first, or pass rate={self._rate} to take the frames at that rate"
            ]
        return []


def _stated_end(container: Any, stream: Any) -> Fraction | None:
    """Seconds at which the last frame ends by the header; None if it says nothing."""
    if not container.format.name.startswith(_STATES_DURATION):
        return None
    unit = exact(stream.time_base)
    if stream.duration is not None and unit is not None:
        return Fraction((stream.start_time or 0) + stream.duration) * unit
    tag = re.match(r"(\d+):(\d\d):(\d\d)(\.\d{1,9})?", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = (int(tag[i]) for i in (1, 2, 3))
        return hours * 3600 + minutes * 60 + seconds + Fraction(tag[4] or 0)
    if len(container.streams) == 1 and container.duration is not None:
        return Fraction(container.duration, 1_000_000)  # FFmpeg's AV_TIME_BASE
    return None
