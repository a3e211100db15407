"""One coded frame: packet header, its two sections, and the bytes of both."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from colorvid.bitstream.fields import (
    U16_MAX,
    U32_MAX,
    Buffer,
    Field,
    FieldTable,
    bits,
    constant,
    fields_of,
    item,
)
from colorvid.bitstream.headers import MAX_PAYLOAD_BYTES
from colorvid.config import QUALITIES
from colorvid.errors import ColorvidError, DamagedStream, HeaderError

PACKET_MARKER = b"\xf5P"
MAX_FRAME_NUMBER = U32_MAX - 1  # so that the number of frames fits 32 bits
LEAST_SHIFT, MOST_SHIFT = -8, 16
MOST_LEVEL = 7
MOST_DISTANCE = 16
SECTIONS = ("motion", "latents")
_CRC_START = 4  # the packet CRC covers everything behind itself


def short_crc(crc: int) -> int:
    """The half of a picture's CRC-32 that packets keep, 0..65535.

    With the CRC of a packet's bytes these are 32 bits. Frames of small pictures have few bytes more
    than their header.
    """
    return crc & U16_MAX


def _crc16(data: Buffer) -> int:
    """CRC-16 of ITU-T V.41, from 0xFFFF: unlike a part of a CRC-32, it sees every changed byte."""
    return binascii.crc_hqx(data, U16_MAX)


class FrameType(IntEnum):
    """How a frame is coded; the numbers are those of the file, where `I` is stored as `KEY`."""

    KEY = 0
    P = 1
    B = 2
    B_UNKEPT = 3
    I = 4  # noqa: E741  # as the field calls it

    @property
    def label(self) -> str:
        """As people see it: ``key``, ``P``, ``B``, ``b`` for a B frame that is not kept, ``I``."""
        return ("key", "P", "B", "b", "I")[self]


class Ordered:
    """What follows from the type of a frame and from its distances to its references."""

    __slots__ = ()
    frame_type: int
    frame_number: int
    shift: int
    level: int
    past: int
    future: int

    @property
    def is_key(self) -> bool:
        """Whether decoding can start here."""
        return self.frame_type == FrameType.KEY

    @property
    def is_intra(self) -> bool:
        """Whether it is coded by itself: a key frame, or an I frame inside a group."""
        return self.frame_type in (FrameType.KEY, FrameType.I)

    @property
    def is_kept(self) -> bool:
        """Whether later frames may refer to this one."""
        return self.frame_type != FrameType.B_UNKEPT

    @property
    def display_number(self) -> int:
        """Place in the order of display, from 0."""
        return self.frame_number + self.shift

    @property
    def past_number(self) -> int | None:
        """Display number of the earlier reference; None in a key or I frame."""
        return self.display_number - self.past if self.past else None

    @property
    def future_number(self) -> int | None:
        """Display number of the later, or of a P frame's second reference; None without one."""
        return self.display_number + self.future if self.future else None

    @property
    def references(self) -> tuple[int, ...]:
        """Display numbers of all references; a second one comes behind `past_number`."""
        return tuple(n for n in (self.past_number, self.future_number) if n is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketHeader(Ordered):
    """What stands before the payload of a packet; values are those of ``PACKET_HEADER``.

    ``past`` and ``future`` are 0 where the frame has no such reference. The second reference of a P
    frame lies before the first; ``future`` is below 0 then, and stored as frames between both. An I
    frame is stored as a key frame with another ``past``.
    """

    quality: int = bits("u6", "quality index", 0, QUALITIES - 1)
    frame_type: int = bits("u2", "0 = key or I, 1 = P, 2 = B, 3 = B that is not kept", 0, 3, bit=6)
    level: int = bits("u3", "temporal level", 0, MOST_LEVEL)
    shift: int = bits(
        "u5", "display number less frame number; stored with 8 added", LEAST_SHIFT, MOST_SHIFT,
        bit=3, bias=-LEAST_SHIFT,
    )  # fmt: skip
    past: int = bits(
        "u4", "frames from the earlier reference; stored less 1", 1, MOST_DISTANCE, bias=-1
    )
    future: int = bits(
        "u4", "frames to the later reference; stored less 1", 1, MOST_DISTANCE, bit=4, bias=-1
    )
    frame_crc: int = item(
        "u16", "low half of the CRC-32 of the decoded rows of Y, U and V", 0, U16_MAX
    )
    frame_number: int = item("varint", "packets since the start of the stream", 0, MAX_FRAME_NUMBER)
    motion_bytes: int = item("varint", "size of the motion section, bytes", 0, MAX_PAYLOAD_BYTES)
    latents_bytes: int = item("varint", "size of the latents section, bytes", 0, MAX_PAYLOAD_BYTES)

    @property
    def section_bytes(self) -> tuple[int, int]:
        """Sizes of motion and latents, bytes."""
        return self.motion_bytes, self.latents_bytes

    @property
    def payload_bytes(self) -> int:
        """Size of both sections together, bytes."""
        return sum(self.section_bytes)


_CRC_MEANING = "CRC-16 of all bytes of the packet after this field"
PACKET_HEADER = FieldTable(
    "packet header",
    (
        constant("packet_marker", "bytes", PACKET_MARKER, "start of a packet"),
        Field("packet_crc", "u16", _CRC_MEANING, high=U16_MAX),
        *fields_of(PacketHeader),
    ),
)


_STORED = tuple(f.name for f in fields_of(PacketHeader))
_DISTANCES = ("past", "future")
_NONE = (0, 0)
_DISTANCE = (1, MOST_DISTANCE)
_B_LIMITS = {"level": (1, MOST_LEVEL), "past": _DISTANCE, "future": _DISTANCE}
# What a field may be in a frame of a type, beyond the limits of the table.
_LIMITS: Mapping[int, Mapping[str, tuple[int, int]]] = {
    FrameType.KEY: dict.fromkeys(("level", "shift", "past", "future", "motion_bytes"), _NONE),
    FrameType.I: dict.fromkeys(("past", "future", "motion_bytes"), _NONE),
    FrameType.P: {"past": _DISTANCE, "future": (-MOST_DISTANCE, 0)},
    FrameType.B: _B_LIMITS,
    FrameType.B_UNKEPT: _B_LIMITS,
}
_STORED_PAST_OF_I = 2  # a key frame has the shortest one, 1
_FIXED_BYTES = sum(f.size or 0 for f in PACKET_HEADER.fields)
_VARINTS = sum(f.size is None for f in PACKET_HEADER.fields)
MIN_PACKET_BYTES = _FIXED_BYTES + _VARINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet(Ordered):
    """One coded frame.

    Attributes:
        frame_type: ``FrameType``; a key frame resets all state.
        quality: quality index, 0..63.
        frame_number: decoding order, from 0, one more for each packet.
        shift: what the display number is above the frame number, -8..16; 0 in a key frame.
        level: temporal level; 0 in key frames, 1..7 in B frames.
        past: frames from the earlier reference, in display order, 1..16; 0 in a key or I frame.
        future: frames to the later reference, likewise; 0 in a key or I frame. In a P frame 0, or
            below ``-past`` the distance of a second reference, down to -16.
        frame_crc: `short_crc` of ``Frame.crc32()`` of the decoded picture.
        motion: coded motion. Empty in a key or I frame; empty elsewhere means that every vector is
            zero.
        latents: hyper-latents and the symbols of luma and chroma, one entropy-coded stream. Empty
            means that every symbol of the frame is zero.

    Raises:
        HeaderError: a value is out of its limits.
    """

    frame_type: int
    quality: int
    frame_number: int
    shift: int = 0
    level: int = 0
    past: int = 0
    future: int = 0
    frame_crc: int
    motion: bytes = b""
    latents: bytes = b""

    def __post_init__(self) -> None:
        """Refuse values out of their limits.

        Empty sections are within them: no motion stands for zero vectors, no latents for zero
        symbols, so a frame that repeats the previous one has no payload.
        """
        header, most = self.header, max(FrameType)
        if not 0 <= header.frame_type <= most:
            raise HeaderError(
                f"packet header: frame_type is {header.frame_type}; allowed is 0..{most}"
            )
        PACKET_HEADER.check(_stored(header), HeaderError)
        _check_type(header, HeaderError)

    def __len__(self) -> int:
        """Size in the file, bytes."""
        return self.size_bytes

    def __repr__(self) -> str:
        """In a few words, without the bytes of the sections."""
        kind = FrameType(self.frame_type).label
        frame, size = self.display_number, len(self)
        return f"Packet({kind}, frame {frame}, quality {self.quality}, {size} bytes)"

    @property
    def sections(self) -> tuple[bytes, bytes]:
        """Motion and latents, in the order of the file."""
        return self.motion, self.latents

    @property
    def header(self) -> PacketHeader:
        """The header of this packet."""
        return PacketHeader(
            quality=self.quality,
            frame_type=self.frame_type,
            level=self.level,
            shift=self.shift,
            past=self.past,
            future=self.future,
            frame_crc=self.frame_crc,
            frame_number=self.frame_number,
            motion_bytes=len(self.motion),
            latents_bytes=len(self.latents),
        )

    @property
    def size_bytes(self) -> int:
        """Size in the file: header and sections."""
        return len(self._head()) + self.header.payload_bytes

    def to_bytes(self) -> bytes:
        """The packet as it lies in the file."""
        covered = b"".join((self._head()[_CRC_START:], *self.sections))
        crc = _crc16(covered)
        return PACKET_MARKER + crc.to_bytes(2, "little") + covered

    def _head(self) -> bytes:
        """The packed header, still without its CRC."""
        return PACKET_HEADER.pack({**_stored(self.header), "packet_crc": 0}, HeaderError)


def _stored(header: PacketHeader) -> dict[str, int]:
    """Values for the field table: the shortest distance, of zero bits, where there is none."""
    values = {name: getattr(header, name) for name in _STORED}
    if header.frame_type == FrameType.I:
        values |= {"frame_type": FrameType.KEY, "past": header.past or _STORED_PAST_OF_I}
    if header.frame_type == FrameType.P and header.future < 0:
        between = -header.future - header.past
        values["future"] = (
            between + 1 if 0 < between < MOST_DISTANCE else 1
        )  # else see `_check_type`
    return values | {name: 1 for name in _DISTANCES if values[name] == 0}


def _read(values: dict[str, int]) -> PacketHeader:
    """The header of values from the field table."""
    if values["frame_type"] == FrameType.KEY and values["past"] == _STORED_PAST_OF_I:
        values = values | {"frame_type": FrameType.I, "past": 1}
    limits = _LIMITS[values["frame_type"]]
    none = {name: 0 for name in _DISTANCES if limits[name] == _NONE and values[name] == 1}
    if values["frame_type"] == FrameType.P:
        between = values["future"] - 1
        none["future"] = -values["past"] - between if between else 0
    return PacketHeader(**values | none)


def _named(kind: FrameType) -> str:
    return f"{'an' if kind is FrameType.I else 'a'} {kind.label} frame"


def _check_type(header: PacketHeader, error: type[ColorvidError]) -> None:
    """Raise ``error`` if a field must not have its value in a frame of this type."""
    kind = FrameType(header.frame_type)
    for name, (low, high) in _LIMITS[kind].items():
        value = getattr(header, name)
        if not low <= value <= high:
            allowed = low if low == high else f"{low}..{high}"
            raise error(f"packet header: {name} is {value} in {_named(kind)}; allowed is {allowed}")
    if kind is FrameType.P and -header.past <= header.future < 0:
        raise error(
            f"packet header: future is {header.future} in a P frame; a second reference is more "
            f"than past, {header.past} frames, before"
        )
    if not 0 <= header.display_number <= MAX_FRAME_NUMBER:
        raise error(
            f"packet header: the display number is {header.display_number}; "
            f"allowed is 0..{MAX_FRAME_NUMBER}"
        )


def check_limits(
    header: PacketHeader, payload_limit: int, reorder: int, error: type[ColorvidError]
) -> None:
    """Raise ``error`` if a packet breaks a limit of its stream.

    Args:
        header: of the packet.
        payload_limit: most payload bytes that the stream header allows.
        reorder: of the stream header.
        error: what to raise.
    """
    if header.payload_bytes > payload_limit:
        raise error(
            f"packet header: payload has {header.payload_bytes} bytes; "
            f"at most {payload_limit} are allowed for this picture size"
        )
    if header.shift < -reorder:
        raise error(
            f"packet header: shift is {header.shift}; the stream header says that it is at "
            f"least {-reorder}"
        )


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """A packet header read from bytes.

    Attributes:
        header: its values, within their limits.
        packet_crc: CRC-16 that the packet must have.
        size: bytes of the header; the payload follows.
    """

    header: PacketHeader
    packet_crc: int
    size: int

    @property
    def packet_bytes(self) -> int:
        """Size of header and payload, bytes."""
        return self.size + self.header.payload_bytes


def parse_header(data: Buffer, payload_limit: int, reorder: int) -> ParsedHeader:
    """Read the packet header at the start of ``data``; the payload need not be there.

    Args:
        data: at least ``PACKET_HEADER.size`` bytes, fewer only at the end of the stream.
        payload_limit, reorder: see `check_limits`.

    Raises:
        DamagedStream: cut, a field out of its limits, or above a limit of the stream.
    """
    values, size = PACKET_HEADER.unpack(data, 0, DamagedStream)
    crc = values.pop("packet_crc")
    header = _read(values)
    _check_type(header, DamagedStream)
    check_limits(header, payload_limit, reorder, DamagedStream)
    return ParsedHeader(header, crc, size)


def parse_packet(data: Buffer, parsed: ParsedHeader) -> Packet:
    """The packet at the start of ``data``, which holds all of its bytes.

    Raises:
        DamagedStream: the CRC of the bytes differs from that in the header.
    """
    with memoryview(data)[: parsed.packet_bytes] as view:
        crc = _crc16(view[_CRC_START:])
        if crc != parsed.packet_crc:
            raise DamagedStream(
                f"packet is corrupt: its CRC is {parsed.packet_crc:04x}, its bytes give {crc:04x}"
            )
        header = parsed.header
        split = parsed.size + header.motion_bytes
        motion, latents = bytes(view[parsed.size : split]), bytes(view[split:])
    return Packet(
        frame_type=FrameType(header.frame_type),
        quality=header.quality,
        frame_number=header.frame_number,
        shift=header.shift,
        level=header.level,
        past=header.past,
        future=header.future,
        frame_crc=header.frame_crc,
        motion=motion,
        latents=latents,
    )


def header_is_complete(data: Buffer) -> bool:
    """Whether ``data``, which starts with a packet header, holds all of it."""
    ends = sum(byte < 0x80 for byte in data[_FIXED_BYTES : PACKET_HEADER.size])
    return ends >= _VARINTS or len(data) >= PACKET_HEADER.size
