"""YUV4MPEG2 streams (``yuv4mpeg(5)`` of MJPEG tools) of 8-bit 4:2:0 frames, both directions.

The stream header is one line of ASCII tokens: ``YUV4MPEG2 W<width> H<height> F<n>:<d>
I<interlacing> A<n>:<d> C<sampling> X<comment>``. Used comments::

    XYSCSS=420JPEG              sampling, where the C token is missing
    XCOLORRANGE=LIMITED|FULL    as FFmpeg writes it
    XCLV_MATRIX=<n>             matrix coefficients, ITU-T H.273; written unless unspecified
    XCLV_PRIMARIES=<n>          colour primaries, ITU-T H.273; written unless unspecified
    XCLV_TRANSFER=<n>           transfer characteristics, ITU-T H.273; written unless unspecified
    XCLV_CHROMALOC=<n>          chroma location with C420, which itself names none (AVCHROMA_LOC)

The ``XCLV_`` comments are colorvid's own: YUV4MPEG2 has no field for them, and other programs
skip comments that they do not know.
"""

from __future__ import annotations

import re
from fractions import Fraction
from os import SEEK_CUR
from typing import BinaryIO

from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.io.base import (
    RANGE_FULL,
    RANGE_LIMITED,
    RANGE_UNKNOWN,
    UNSPECIFIED,
    FrameReader,
    VideoInfo,
)
from colorvid.io.files import (
    StreamWriter,
    frame_bytes,
    os_errors,
    read_packed_frame,
    write_packed_frame,
)

MAGIC = "YUV4MPEG2"
LINE_LIMIT = 1024
"""Longest header or FRAME line in bytes."""

_SITING = {"420": 0, "420mpeg2": 1, "420jpeg": 2, "420paldv": 3}
_SAMPLING = {location: token for token, location in _SITING.items()}
_RANGES = {"LIMITED": RANGE_LIMITED, "FULL": RANGE_FULL}
_COLOR_COMMENTS = {
    "matrix": "XCLV_MATRIX",
    "primaries": "XCLV_PRIMARIES",
    "transfer": "XCLV_TRANSFER",
}


def read_header_line(stream: BinaryIO, name: str) -> bytes:
    """Read the header line, with its line feed.

    Raises:
        InputError: not a YUV4MPEG2 stream, or the line is longer than ``LINE_LIMIT``.
    """
    line = stream.readline(LINE_LIMIT + 1)
    if line.split(b" ", 1)[0].rstrip(b"\n") != MAGIC.encode():
        raise InputError(f"{name}: not a y4m stream; its first bytes are not {MAGIC}")
    if not line.endswith(b"\n"):
        raise InputError(f"{name}: y4m header is cut or longer than {LINE_LIMIT} bytes")
    return line


class Y4mHeader:
    """The tokens of a header line, checked one by one.

    Attributes:
        sampling: the C token in lower case, "420jpeg" if there is none.

    Raises:
        InputError: a token is not ASCII, unknown or given twice, or the video is interlaced.
    """

    def __init__(self, line: bytes, name: str) -> None:
        """Split the line and refuse what cannot be carried on."""
        self._name = name
        self._tokens = _split(line, name)
        legacy = self._tokens.get("XYSCSS", "420JPEG")
        self.sampling = self._tokens.get("C", legacy).lower()
        interlacing = self._tokens.get("I", "p")
        if interlacing not in ("p", "?"):
            raise InputError(
                f"{name}: interlaced video (I{interlacing}); only progressive video is taken, "
                "so deinterlace it first"
            )

    @property
    def is_420(self) -> bool:
        """Whether the frames are 8-bit 4:2:0."""
        return self.sampling in _SITING

    def info(self, rate: Fraction | None = None, frames: int | None = None) -> VideoInfo:
        """Describe the video; ``rate`` replaces the stream's own frame rate.

        Raises:
            InputError: a field is missing or out of its range.
        """
        try:
            codes = {
                field: self._integer(token, UNSPECIFIED) for field, token in _COLOR_COMMENTS.items()
            }
            return VideoInfo(
                width=self._integer("W"),
                height=self._integer("H"),
                rate=rate or self._rate(),
                sample_aspect=self._ratio("A"),
                color_range=self._range(),
                chroma_location=self._chroma_location(),
                frames=frames,
                **codes,
            )
        except InputError as error:
            raise InputError(f"{self._name}: {error}") from None

    def _integer(self, token: str, default: int | None = None) -> int:
        text = self._tokens.get(token)
        if text is None:
            if default is None:
                raise InputError(f"y4m header has no {token} field")
            return default
        if not re.fullmatch(r"[0-9]{1,10}", text):
            raise InputError(f"y4m field {token} is {text!r}; it must be a whole number")
        return int(text)

    def _ratio(self, token: str) -> Fraction:
        """Return ``n:d`` as a fraction; 0 where it is missing or unknown (0:0)."""
        text = self._tokens.get(token, "0:0")
        match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})", text)
        if not match:
            raise InputError(f"y4m field {token} is {text!r}; it must be a ratio, as in 30000:1001")
        top, bottom = int(match[1]), int(match[2])
        return Fraction(top, bottom) if bottom else Fraction(0)

    def _rate(self) -> Fraction:
        rate = self._ratio("F")
        if rate == 0:
            raise InputError("frame rate unknown; pass rate=30000/1001")
        return rate

    def _range(self) -> int:
        text = self._tokens.get("XCOLORRANGE")
        if text is None:
            return RANGE_UNKNOWN
        if text not in _RANGES:
            raise InputError(f"y4m field XCOLORRANGE is {text!r}; it must be LIMITED or FULL")
        return _RANGES[text]

    def _chroma_location(self) -> int:
        return _SITING.get(self.sampling) or self._integer("XCLV_CHROMALOC", 0)


def _split(line: bytes, name: str) -> dict[str, str]:
    """Map the letter of each token, or the name of each comment, to its value."""
    try:
        words = line.decode("ascii").split()[1:]
    except UnicodeDecodeError:
        raise InputError(f"{name}: y4m header is not ASCII text") from None
    tokens: dict[str, str] = {}
    for word in words:
        if word[0] == "X":
            key, _, value = word.partition("=")
        else:
            key, value = word[0], word[1:]
        if key[0] not in "WHFIACX":
            raise InputError(
                f"{name}: unknown y4m field {word!r}; W, H, F, I, A, C and X are known"
            )
        if key[0] != "X" and key in tokens:
            raise InputError(f"{name}: y4m field {key} is given twice")
        tokens[key] = value
    return tokens


def format_header(info: VideoInfo) -> bytes:
    """Return the header line for ``info``, with its line feed."""
    aspect = info.sample_aspect
    words = [
        MAGIC,
        f"W{info.width}",
        f"H{info.height}",
        f"F{info.rate.numerator}:{info.rate.denominator}",
        "Ip",
        f"A{aspect.numerator}:{aspect.denominator if aspect else 0}",
        f"C{_SAMPLING.get(info.chroma_location, '420')}",
    ]
    words += [f"XCOLORRANGE={word}" for word, code in _RANGES.items() if code == info.color_range]
    for field, token in _COLOR_COMMENTS.items():
        if getattr(info, field) != UNSPECIFIED:
            words.append(f"{token}={getattr(info, field)}")
    if info.chroma_location not in _SAMPLING:
        words.append(f"XCLV_CHROMALOC={info.chroma_location}")
    return " ".join(words).encode("ascii") + b"\n"


FRAME_LINE = b"FRAME\n"
COUNTED = 100_000


def count_frames(info: VideoInfo, stream: BinaryIO, file_bytes: int) -> int | None:
    """Frames in a y4m file of ``file_bytes``, read as far as its header line; None if not known.

    Every FRAME line is looked at, as one with parameters makes a frame longer; files of more than
    `COUNTED` frames are left alone.
    """
    start = stream.tell()
    step = frame_bytes(info.size) + len(FRAME_LINE)
    count, rest = divmod(file_bytes - start, step)
    if rest or count > COUNTED:
        return None
    try:
        for number in range(count):
            stream.seek(start + number * step)
            if stream.read(len(FRAME_LINE)) != FRAME_LINE:
                return None
    finally:
        stream.seek(start)
    return count


class Y4mReader(FrameReader):
    """Frames of a y4m stream whose header line has been read already.

    Parameters of FRAME lines are skipped, as the format allows, but for ``Ixyz`` with y = i:
    the two fields of the frame are of different times.
    """

    def __init__(self, stream: BinaryIO, name: str, info: VideoInfo, *, owned: bool) -> None:
        """Read frames of ``info`` from ``stream``, which ``close`` closes if it is ``owned``."""
        self.info = info
        self._stream = stream
        self._name = name
        self._owned = owned
        self._index = 0

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            InputError: the stream has no frame, is cut within one, or loses its FRAME lines.
        """
        with os_errors(self._name, InputError):
            if not self._next_frame_line():
                raise StopIteration
            frame, count = read_packed_frame(self._stream, self.info.size)
        if frame is None:
            expected = frame_bytes(self.info.size)
            raise InputError(
                f"{self._name}: frame {self._index} is cut: {count} of {expected} bytes"
            )
        self._index += 1
        return frame

    def _next_frame_line(self) -> bool:
        """Read a FRAME line; False at the end of the stream."""
        line = self._stream.readline(LINE_LIMIT + 1)
        if not line:
            if self._index == 0:
                raise InputError(f"{self._name}: holds no frame")
            return False
        if line != FRAME_LINE and not (line.startswith(b"FRAME ") and line.endswith(b"\n")):
            raise InputError(
                f"{self._name}: frame {self._index} does not begin with a FRAME line; "
                "the stream is damaged or its header states a wrong size"
            )
        if any(word[:1] == b"I" and word[2:3] == b"i" for word in line.split()[1:]):
            raise InputError(
                f"{self._name}: frame {self._index} is interlaced; only progressive video is "
                "taken, so deinterlace it first"
            )
        return True

    def skip(self, count: int) -> None:
        """Leave out frames without reading them where that can be; see ``FrameReader.skip``."""
        if self.info.frames is None:  # a pipe, or FRAME lines of several lengths
            super().skip(count)
            return
        count = min(count, self.info.frames - self._index)
        with os_errors(self._name, InputError):
            self._stream.seek(count * (len(FRAME_LINE) + frame_bytes(self.info.size)), SEEK_CUR)
        self._index += count

    def close(self) -> None:
        """Close the stream if it is owned."""
        if self._owned:
            self._stream.close()


class Y4mWriter(StreamWriter):
    """Writes a header and then FRAME lines with packed frames."""

    def _begin(self, stream: BinaryIO) -> None:
        stream.write(format_header(self.info))

    def _append(self, stream: BinaryIO, frame: Frame) -> None:
        stream.write(FRAME_LINE)
        write_packed_frame(stream, frame)
