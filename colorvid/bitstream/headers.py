"""The stream header of ``.clv``; ``docs/bitstream.md`` is the specification.

Numbers are permanent: a value once given a meaning keeps it in every later version.
"""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any

from colorvid.bitstream.fields import Buffer, Field, FieldTable, constant, fields_of, item
from colorvid.colors import Color, Light
from colorvid.config import MAX_SIDE
from colorvid.errors import HeaderError, UnsupportedVersion
from colorvid.frame import DEPTHS, Size, chroma_size

MAGIC = b"\x89CLV\r\n\x1a\n"
VERSION = 2
STREAM_HEADER_BYTES = 62
"""Of a stream of 8 bits, which no header is shorter than."""
LIGHT_BYTES = 28
"""How much longer the header of a stream of 10 bits is."""
MOST_REORDER = 15
MOST_REFERENCES = 16
MAX_PAYLOAD_BYTES = 2**26
MODEL_ID_BYTES = 16

_PIXEL_FORMATS = {0: "8-bit 4:2:0", 1: "10-bit 4:2:0"}
_UNSPECIFIED = {2: "unspecified"}
_COLOR_RANGES = {0: "unspecified", 1: "limited", 2: "full"}
_MATRICES = _UNSPECIFIED | {
    0: "identity", 1: "BT.709", 4: "FCC", 5: "BT.470BG", 6: "SMPTE 170M", 7: "SMPTE 240M",
    8: "YCgCo", 9: "BT.2020 non-constant", 10: "BT.2020 constant",
}  # fmt: skip
_PRIMARIES = _UNSPECIFIED | {
    1: "BT.709", 4: "BT.470M", 5: "BT.470BG", 6: "SMPTE 170M", 7: "SMPTE 240M", 8: "film",
    9: "BT.2020", 11: "SMPTE RP 431", 12: "SMPTE EG 432",
}  # fmt: skip
_TRANSFERS = _UNSPECIFIED | {
    1: "BT.709", 4: "gamma 2.2", 5: "gamma 2.8", 6: "SMPTE 170M", 7: "SMPTE 240M", 8: "linear",
    13: "sRGB", 14: "BT.2020 10 bit", 15: "BT.2020 12 bit", 16: "PQ", 18: "HLG",
}  # fmt: skip
_CHROMA_LOCATIONS = {
    0: "unspecified", 1: "left", 2: "center", 3: "top left", 4: "top", 5: "bottom left",
    6: "bottom",
}  # fmt: skip


class Tune(IntEnum):
    """What the encoder was tuned for; the numbers are those of the file."""

    DEFAULT = 0
    COLOR = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeader:
    """What holds for the whole stream; the comment of each field is its ``meaning``.

    Raises:
        HeaderError: a value is out of its limits.
    """

    width: int = item("u16", "luma columns, px", 1, MAX_SIDE)
    height: int = item("u16", "luma rows, px", 1, MAX_SIDE)
    rate_num: int = item("u32", "frame rate numerator, frames", 1)
    rate_den: int = item("u32", "frame rate denominator, seconds", 1)
    sar_num: int = item("u32", "sample aspect ratio, horizontal; 0/1 = unknown", default=0)
    sar_den: int = item("u32", "sample aspect ratio, vertical", 1, default=1)
    gop_length: int = item("u32", "most frames from key frame to key frame; 0 = not said")
    reorder: int = item(
        "u8", "most frames coded before a frame and shown after it", 0, MOST_REORDER, default=0
    )
    references: int = item("u8", "pictures that a decoder keeps", 1, MOST_REFERENCES, default=1)
    pixel_format: int = item(
        "u8", "4:2:0 planes of 8 or 10 bits", 0, 1, labels=_PIXEL_FORMATS, default=0
    )
    color_range: int = item("u8", "colour range, FFmpeg", 0, 2, labels=_COLOR_RANGES, default=0)
    matrix: int = item("u8", "matrix coefficients, H.273", 0, 255, labels=_MATRICES, default=2)
    primaries: int = item("u8", "colour primaries, H.273", 0, 255, labels=_PRIMARIES, default=2)
    transfer: int = item("u8", "transfer function, H.273", 0, 255, labels=_TRANSFERS, default=2)
    chroma_location: int = item(
        "u8", "chroma siting, FFmpeg", 0, 6, labels=_CHROMA_LOCATIONS, default=0
    )
    tune: int = item(
        "u8", "encoder tuning", 0, 1, labels={0: "default", 1: "color"}, default=Tune.DEFAULT
    )
    model_id: bytes = item("bytes", "start of the model's SHA-256", high=MODEL_ID_BYTES)
    light: Light = Light()

    @property
    def depth(self) -> int:
        """Bits of a sample, 8 or 10."""
        return DEPTHS[self.pixel_format]

    @property
    def size_bytes(self) -> int:
        """Of the header itself."""
        return header_bytes(self.depth)

    @property
    def size(self) -> Size:
        """Of the pictures, in luma samples."""
        return Size(self.width, self.height)

    @property
    def fps(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.rate_num, self.rate_den)

    @property
    def color(self) -> Color:
        """What the samples mean, by name."""
        return Color.of(self)

    def __repr__(self) -> str:
        """Size, rate, colour and model; `describe` gives every field."""
        return (
            f"StreamHeader({self.size}, {self.fps} fps, {self.color}, "
            f"model {self.model_id.hex()[:8]})"
        )

    def __post_init__(self) -> None:
        """Refuse values out of their limits."""
        STREAM_HEADER.check(_values(self), HeaderError)
        if self.sar_num == 0 and self.sar_den != 1:
            raise HeaderError(
                f"stream header: sample aspect ratio is 0/{self.sar_den}; "
                "an unknown ratio is written 0/1"
            )
        if self.light != Light():
            if self.depth == 8:
                raise HeaderError(
                    "stream header: a stream of 8 bits has no place for the light of its display"
                )
            LIGHT.check(_values(self.light), HeaderError)

    @property
    def payload_limit(self) -> int:
        """Most payload bytes of one packet: twice its samples plus 4096, at most 2^26."""
        rows, columns = chroma_size(*self.size.shape)
        raw = self.size.pixels + 2 * rows * columns
        return min(2 * raw + 4096, MAX_PAYLOAD_BYTES)

    def to_bytes(self) -> bytes:
        """The bytes of the header, CRC included: 62, or 90 for 10 bits."""
        body = STREAM_HEADER.pack({**_values(self), "header_crc": 0}, HeaderError)[:-4]
        if self.depth > 8:
            body += LIGHT.pack(_values(self.light), HeaderError)
        return body + zlib.crc32(body).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> StreamHeader:
        """Read a header from as many bytes as `header_size` says; fewer if the file is shorter.

        Raises:
            HeaderError: not a ``.clv`` stream, cut, damaged, or a field out of its limits.
            UnsupportedVersion: the stream has another format version.
        """
        _check_start(data)
        size = header_size(data)
        if len(data) < size:
            raise HeaderError(
                f"stream header is cut: {len(data)} of {size} bytes are there; get the whole file"
            )
        stored = int.from_bytes(data[-4:], "little")
        computed = zlib.crc32(data[:-4])
        if stored != computed:
            raise HeaderError(
                f"stream header is damaged: its CRC is {stored:08x}, its bytes give "
                f"{computed:08x}; get the file again"
            )
        values, end = STREAM_HEADER.unpack(data, 0, HeaderError)
        del values["header_crc"]
        if size > STREAM_HEADER_BYTES:
            light, _ = LIGHT.unpack(data, end - 4, HeaderError)
            values["light"] = Light(**light)
        return cls(**values)


def header_bytes(depth: int) -> int:
    """Size of the header of a stream of 8 or 10 bits."""
    return STREAM_HEADER_BYTES if depth == 8 else STREAM_HEADER_BYTES + LIGHT_BYTES


def header_size(data: Buffer) -> int:
    """Size of the header that begins with these bytes, as far as they say."""
    wide = data[_PIXEL_FORMAT_AT : _PIXEL_FORMAT_AT + 1] == b"\x01"
    return header_bytes(10 if wide else 8)


LIGHT = FieldTable(
    "stream header",
    (
        *(
            Field(f"{name}_{axis}", "u16", f"display's {what}, {axis} in 0.00002", high=50000)
            for name, what in (
                ("red", "red"), ("green", "green"), ("blue", "blue"), ("white", "white point"),
            )
            for axis in "xy"
        ),
        Field("brightest", "u32", "most luminance of the display, 0.0001 cd/m2"),
        Field("darkest", "u32", "least luminance of the display, 0.0001 cd/m2"),
        Field("max_cll", "u16", "content light level, most of a pixel, cd/m2", high=65535),
        Field("max_fall", "u16", "content light level, most of a frame's mean, cd/m2", high=65535),
    ),
)  # fmt: skip
"""What stands before the CRC in the header of a stream of 10 bits."""

STREAM_HEADER = FieldTable(
    "stream header",
    (
        constant("magic", "bytes", MAGIC, "marks a .clv stream and betrays text-mode transfer"),
        constant("version", "u8", VERSION, "format version"),
        *fields_of(StreamHeader),
        Field("header_crc", "u32", "CRC-32 of all bytes before this field"),
    ),
)


_PIXEL_FORMAT_AT = STREAM_HEADER.offset_of("pixel_format")


def describe(header: StreamHeader) -> str:
    """The header as text: one line per field with name, value and meaning."""
    text = STREAM_HEADER.describe(_values(header))
    if header.light == Light():
        return text
    return f"{text}\n{LIGHT.describe(_values(header.light))}"


def _check_start(data: bytes) -> None:
    """Refuse what is not a ``.clv`` stream of this version, before its size is believed."""
    if not data:
        raise HeaderError("not a .clv stream: it is empty; check the file")
    if not MAGIC.startswith(data[: len(MAGIC)]):
        if data[:4] == MAGIC[:4] and len(data) > len(MAGIC):
            raise HeaderError("stream header: line ends were changed; transfer the file as binary")
        shown = data[: len(MAGIC)].hex(" ")
        raise HeaderError(
            f"not a .clv stream: it starts with {shown}, not {MAGIC.hex(' ')}; check the file"
        )
    version = data[len(MAGIC)] if len(data) > len(MAGIC) else VERSION
    if version not in (0, VERSION):  # 0 never was one: the header is damaged
        newer = version > VERSION
        raise UnsupportedVersion(
            f"stream has format version {version}, this colorvid reads version {VERSION}; "
            + ("update colorvid" if newer else "decode it with the colorvid that made it")
        )


def _values(header: Any) -> dict[str, Any]:
    """Values of a flat header by field name."""
    return {f.name: getattr(header, f.name) for f in dataclasses.fields(header)}
