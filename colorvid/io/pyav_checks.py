"""What FFmpeg passes over in silence: cover art, text, alpha, rotation, uneven times, cut files."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from typing import Any

from av.stream import Disposition

from colorvid.errors import InputError

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
        raise InputError(f"{name}: has an alpha channel; pass --convert to drop it")


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
        if frame.pts is None or frame.time_base is None:
            return
        time = frame.pts * frame.time_base
        if self._first is None:
            self._first = time - number / self._rate
        length = (getattr(frame, "duration", 0) or 0) * frame.time_base
        self._end = max(self._end, time + max(length, 1 / self._rate))
        away = abs(time - self._first - number / self._rate)
        if away > Fraction(1, 2) / self._rate + frame.time_base:
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
                f"{name}: {self._uneven} of {self._count} frames are not where a constant "
                f"{self._rate} frames per second puts them (frame {number} by {float(away):.3f} s),"
                " and .clv streams have no other; make the rate constant first, or state one with "
                "--fps"
            ]
        return []


def _stated_end(container: Any, stream: Any) -> Fraction | None:
    """Seconds at which the last frame ends by the header; None if it says nothing."""
    if not container.format.name.startswith(_STATES_DURATION):
        return None
    if stream.duration is not None:
        return Fraction((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)
    tag = re.match(r"(\d+):(\d\d):(\d\d)(\.\d{1,9})?", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = (int(tag[i]) for i in (1, 2, 3))
        return hours * 3600 + minutes * 60 + seconds + Fraction(tag[4] or 0)
    if len(container.streams) == 1 and container.duration is not None:
        return Fraction(container.duration, 1_000_000)  # FFmpeg's AV_TIME_BASE
    return None
