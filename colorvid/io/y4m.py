"""YUV4MPEG2 streams (``yuv4mpeg(5)`` of MJPEG tools) of 4:2:0 frames, both directions.

Frames have 8 bits, or 10 as FFmpeg writes them (``C420p10``).

The stream header is one line of ASCII tokens: ``YUV4MPEG2 W<width> H<height> F<n>:<d>
I<interlacing> A<n>:<d> C<sampling> X<comment>``. Used comments::

    XYSCSS=420JPEG                  sampling, where the C token is missing
    XCOLORRANGE=LIMITED|FULL        as FFmpeg writes it
    XCLV=<m>:<p>:<t>[:<l>]          matrix, primaries and transfer, code points of ITU-T H.273
                                    (2 = unspecified), and the chroma location (AVCHROMA_LOC)
                                    where the C token names none
    XCLV_MATRIX=<n>, XCLV_PRIMARIES=<n>, XCLV_TRANSFER=<n>, XCLV_CHROMALOC=<n>
                                    the same one by one, as colorvid once wrote them

The ``XCLV`` comments are colorvid's own: YUV4MPEG2 has no field for them, and other programs
skip comments that they do not know. FFmpeg before version 6 takes a header line of at most 96
bytes, so a longer one is not written.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import BinaryIO, Protocol

from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.io.base import (
    CHROMA_LOCATIONS,
    RANGE_FULL,
    RANGE_LIMITED,
    RANGE_UNKNOWN,
    UNSPECIFIED,
    FrameReader,
    VideoInfo,
)
from colorvid.io.files import (
    Readable,
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
_TEN_BITS = "420p10"
_RANGES = {"LIMITED": RANGE_LIMITED, "FULL": RANGE_FULL}
_OWN = "XCLV"
_OWN_FIELDS = ("matrix", "primaries", "transfer", "chroma_location")
_OWN_COMMENTS = ("XCLV_MATRIX", "XCLV_PRIMARIES", "XCLV_TRANSFER", "XCLV_CHROMALOC")
_UNKNOWN = (UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, 0)
_HIGHEST = (255, 255, 255, len(CHROMA_LOCATIONS) - 1)


def is_y4m(start: bytes) -> bool:
    """Whether these are the first bytes of a YUV4MPEG2 stream, ten or more."""
    magic = MAGIC.encode()
    return start[: len(magic)] == magic and start[len(magic) : len(magic) + 1] in (b" ", b"\n")


class Lines(Readable, Protocol):
    """What a stream is read from."""

    def readline(self, size: int, /) -> bytes:
        """Return a line with its line feed, at most ``size`` bytes of it."""
        ...


class Seekable(Lines, Protocol):
    """A file."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""
        ...

    def tell(self) -> int:
        """The place."""
        ...


class Source(Seekable, Protocol):
    """What frames are read from; a pipe has no places to go to."""

    def close(self) -> None:
        """Let go of it."""
        ...


def read_header_line(stream: Lines, name: str) -> bytes:
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

    What the format does not know is passed over, as other programs do: fields of another letter,
    comments of another name or with values that mean nothing, and bytes that are not ASCII.

    Attributes:
        sampling: the C token in lower case, "420jpeg" if there is none.

    Raises:
        InputError: a field is given twice with two values, or the video is interlaced.
    """

    def __init__(self, line: bytes, name: str) -> None:
        """Split the line and refuse what cannot be carried on."""
        self._name = name
        self._tokens = _split(line, name)
        legacy = self._tokens.get("XYSCSS", "420JPEG")
        self.sampling = self._tokens.get("C", legacy).lower()
        interlacing = self._tokens.get("I", "p")
        if interlacing in ("t", "b", "m"):
            raise InputError(
                f"{name}: interlaced video (I{interlacing}); only progressive video is taken, "
                "so deinterlace it first"
            )

    @property
    def depth(self) -> int | None:
        """Bits of a sample, 8 or 10; None if the frames are not 4:2:0 of these."""
        if self.sampling == _TEN_BITS:
            return 10
        return 8 if self.sampling in _SITING else None

    def info(self, rate: Fraction | None = None, frames: int | None = None) -> VideoInfo:
        """Describe the video; ``rate`` replaces the stream's own frame rate.

        Raises:
            InputError: a field is missing or out of its range.
        """
        matrix, primaries, transfer, location = self.codes()
        try:
            return VideoInfo(
                width=self._integer("W"),
                height=self._integer("H"),
                rate=rate or self._rate(),
                sample_aspect=self._ratio("A") or Fraction(0),
                color_range=_RANGES.get(self._tokens.get("XCOLORRANGE", ""), RANGE_UNKNOWN),
                matrix=matrix,
                primaries=primaries,
                transfer=transfer,
                chroma_location=_SITING.get(self.sampling) or location,
                frames=frames,
                depth=self.depth or 8,
            )
        except InputError as error:
            raise InputError(f"{self._name}: {error}") from None

    def plain(self) -> bytes:
        """The line without what other programs may stumble over; colours but for the range."""
        info = self.info(rate=Fraction(1))
        words = [MAGIC, f"W{info.width}", f"H{info.height}", "F1:1", "Ip", f"C{self.sampling}"]
        words += [f"XCOLORRANGE={w}" for w, code in _RANGES.items() if code == info.color_range]
        return " ".join(words).encode("ascii", "replace") + b"\n"

    def codes(self) -> tuple[int, int, int, int]:
        """Matrix, primaries, transfer and chroma location of the comments; unspecified if none."""
        texts = self._tokens.get(_OWN, "").split(":")
        if len(texts) == 1:
            texts = [self._tokens.get(name, "") for name in _OWN_COMMENTS]
        texts += [""] * (len(_UNKNOWN) - len(texts))
        fields = zip(texts, _UNKNOWN, _HIGHEST, strict=False)
        matrix, primaries, transfer, location = (_code(*field) for field in fields)
        return matrix, primaries, transfer, location

    def _integer(self, token: str) -> int:
        text = self._tokens.get(token)
        if text is None:
            raise InputError(f"y4m header has no {token} field")
        if not re.fullmatch(r"[0-9]{1,10}", text):
            raise InputError(f"y4m field {token} is {text!r}; it must be a whole number")
        return int(text)

    def _ratio(self, token: str) -> Fraction | None:
        """Return ``n:d`` as a fraction, 0 where it is unknown (0:0); None if it is no ratio."""
        match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})", self._tokens.get(token, "0:0"))
        if not match:
            return None
        top, bottom = int(match[1]), int(match[2])
        return Fraction(top, bottom) if bottom else Fraction(0)

    def _rate(self) -> Fraction:
        rate = self._ratio("F")
        if rate is None:
            text = self._tokens["F"]
            raise InputError(f"y4m field F is {text!r}; it must be a ratio, as in 30000:1001")
        if rate == 0:
            raise InputError("frame rate unknown; pass rate=30000/1001")
        return rate


def _code(text: str, unknown: int, highest: int) -> int:
    """A code point of a comment; ``unknown`` where the text is none."""
    code = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else unknown
    return code if code <= highest else unknown


def _split(line: bytes, name: str) -> dict[str, str]:
    """Map the letter of each token, or the name of each comment, to its value."""
    tokens: dict[str, str] = {}
    for word in line.decode("ascii", "replace").split()[1:]:
        if word[0] == "X":
            key, _, value = word.partition("=")
        else:
            key, value = word[0], word[1:]
        if key[0] != "X" and tokens.get(key, value) != value:
            raise InputError(f"{name}: y4m field {key} is given twice, with two values")
        tokens[key] = value
    return tokens


HEADER_LIMIT = 96
"""Longest header line that is written, in bytes with its line feed."""


def format_header(info: VideoInfo) -> bytes:
    """Return the header line for ``info``, with its line feed.

    What has no room in ``HEADER_LIMIT`` bytes is left out, the least needed first: the comment of
    colorvid, then the range, then the sample aspect ratio. Only frame rates and aspect ratios of
    many digits come to that.
    """
    aspect, deep = info.sample_aspect, info.depth > 8
    ratio = f"A{aspect.numerator}:{aspect.denominator if aspect else 0}"
    needed = [
        MAGIC,
        f"W{info.width}",
        f"H{info.height}",
        f"F{info.rate.numerator}:{info.rate.denominator}",
        "Ip",
        "A0:0",
        f"C{_TEN_BITS if deep else _SAMPLING.get(info.chroma_location, '420')}",
    ]
    more = [f"XCOLORRANGE={word}" for word, code in _RANGES.items() if code == info.color_range]
    codes = [getattr(info, field) for field in _OWN_FIELDS]
    if info.chroma_location in _SAMPLING and not deep:
        codes[-1] = 0  # the C token names it
    while codes and codes[-1] == _UNKNOWN[len(codes) - 1]:
        codes.pop()
    if codes:
        codes += _UNKNOWN[len(codes) : 2]  # one code alone would have no colon
        more.append(f"{_OWN}={':'.join(map(str, codes))}")
    room = HEADER_LIMIT - len(" ".join(needed)) - 1
    if len(ratio) - len("A0:0") <= room:
        room -= len(ratio) - len("A0:0")
        needed[needed.index("A0:0")] = ratio
    for comment in more:
        if len(comment) < room:
            room -= len(comment) + 1
            needed.append(comment)
    return " ".join(needed).encode("ascii") + b"\n"


FRAME_LINE = b"FRAME\n"
COUNTED = 100_000


def count_frames(info: VideoInfo, stream: Seekable, file_bytes: int) -> int | None:
    """Frames in a y4m file of ``file_bytes``, read as far as its header line; None if not known.

    Every FRAME line is looked at, as one with parameters makes a frame longer; files of more than
    `COUNTED` frames are left alone.
    """
    start = stream.tell()
    step = frame_bytes(info.size, info.depth) + len(FRAME_LINE)
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

    def __init__(self, stream: Source, name: str, info: VideoInfo) -> None:
        """Read frames of ``info`` from ``stream``, which ``close`` closes."""
        self.info = info
        self._stream = stream
        self._name = name
        self._index = 0

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            InputError: the stream has no frame, is cut within one, or loses its FRAME lines.
        """
        with os_errors(self._name, InputError):
            if not self._next_frame_line():
                raise StopIteration
            frame, count = self._read_frame()
        if frame is None:
            expected = frame_bytes(self.info.size, self.info.depth)
            raise InputError(
                f"{self._name}: frame {self._index} is cut: {count} of {expected} bytes"
            )
        self._index += 1
        return frame

    def _read_frame(self) -> tuple[Frame | None, int]:
        try:
            return read_packed_frame(self._stream, self.info.size, self.info.depth)
        except InputError as error:
            raise InputError(f"{self._name}: frame {self._index}: {error}") from None

    def _next_frame_line(self) -> bool:
        """Read a FRAME line; False at the end of the stream."""
        line = self._stream.readline(LINE_LIMIT + 1)
        if self._index and line in (b"\n", b"\r\n") and not self._stream.read(1):
            return False  # an editor, or a copy in text mode, has put it at the end
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
            step = len(FRAME_LINE) + frame_bytes(self.info.size, self.info.depth)
            self._stream.seek(self._stream.tell() + count * step)
        self._index += count

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class Y4mWriter(StreamWriter):
    """Writes a header and then FRAME lines with packed frames."""

    def _begin(self, stream: BinaryIO) -> None:
        stream.write(format_header(self.info))

    def _append(self, stream: BinaryIO, frame: Frame) -> None:
        stream.write(FRAME_LINE)
        write_packed_frame(stream, frame)
