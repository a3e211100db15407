"""One coded frame: packet header, its two sections, and the bytes of both."""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass
from enum import IntEnum

from colorvid.bitstream.fields import U32_MAX, Buffer, Field, FieldTable, constant, fields_of, item
from colorvid.bitstream.headers import MAX_PAYLOAD_BYTES
from colorvid.config import QUALITIES
from colorvid.errors import DamagedStream, HeaderError

PACKET_MARKER = b"\xf5P"
MAX_FRAME_NUMBER = U32_MAX - 1  # so that the number of frames fits 32 bits
SECTIONS = ("motion", "latents")
_CRC_START = 6  # the packet CRC covers everything behind itself


class FrameType(IntEnum):
    """How a frame is coded; the numbers are those of the file."""

    INTRA = 0
    INTER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketHeader:
    """What stands before the payload of a packet; values are those of ``PACKET_HEADER``."""

    quality: int = item("u6", "quality index", 0, QUALITIES - 1)
    frame_type: int = item("u1", "0 = intra (key frame), 1 = inter", 0, 1)
    frame_crc: int = item("u32", "CRC-32 of the decoded rows of Y, U and V")
    frame_number: int = item("varint", "frames since the start of the stream", 0, MAX_FRAME_NUMBER)
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


_QUALITY, _FRAME_TYPE, *_REST = fields_of(PacketHeader)
PACKET_HEADER = FieldTable(
    "packet header",
    (
        constant("packet_marker", "bytes", PACKET_MARKER, "start of a packet"),
        Field("packet_crc", "u32", "CRC-32 of all bytes of the packet after this field"),
        _QUALITY,
        dataclasses.replace(_FRAME_TYPE, bit=6),
        constant("reserved", "u1", 0, "for later versions", bit=7),
        *_REST,
    ),
)


_FIXED_BYTES = sum(f.size or 0 for f in PACKET_HEADER.fields)
_VARINTS = sum(f.size is None for f in PACKET_HEADER.fields)
MIN_PACKET_BYTES = _FIXED_BYTES + _VARINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One coded frame.

    Attributes:
        frame_type: ``FrameType``; an intra frame is a key frame and resets all state.
        quality: quality index, 0..63.
        frame_number: display order, from 0, one more for each packet.
        frame_crc: ``Frame.crc32()`` of the decoded picture.
        motion: coded motion. Empty in a key frame; empty in an inter frame means that every
            vector is zero.
        latents: hyper-latents and the symbols of luma and chroma, one entropy-coded stream. Empty
            means that every symbol of the frame is zero.

    Raises:
        HeaderError: a value is out of its limits.
    """

    frame_type: int
    quality: int
    frame_number: int
    frame_crc: int
    motion: bytes = b""
    latents: bytes = b""

    def __post_init__(self) -> None:
        """Refuse values out of their limits.

        Empty sections are within them: no motion stands for zero vectors, no latents for zero
        symbols, so a frame that repeats the previous one has no payload.
        """
        PACKET_HEADER.check(dataclasses.asdict(self.header), HeaderError)
        if self.is_key and self.motion:
            raise HeaderError(
                f"packet header: motion_bytes is {len(self.motion)} in a key frame; allowed is 0"
            )

    @property
    def is_key(self) -> bool:
        """Whether decoding can start here."""
        return self.frame_type == FrameType.INTRA

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
        return PACKET_MARKER + zlib.crc32(covered).to_bytes(4, "little") + covered

    def _head(self) -> bytes:
        """The packed header, still without its CRC."""
        return PACKET_HEADER.pack({**dataclasses.asdict(self.header), "packet_crc": 0}, HeaderError)


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """A packet header read from bytes.

    Attributes:
        header: its values, within their limits.
        packet_crc: CRC-32 that the packet must have.
        size: bytes of the header; the payload follows.
    """

    header: PacketHeader
    packet_crc: int
    size: int

    @property
    def packet_bytes(self) -> int:
        """Size of header and payload, bytes."""
        return self.size + self.header.payload_bytes


def parse_header(data: Buffer, payload_limit: int) -> ParsedHeader:
    """Read the packet header at the start of ``data``; the payload need not be there.

    Args:
        data: at least ``PACKET_HEADER.size`` bytes, fewer only at the end of the stream.
        payload_limit: most payload bytes that the stream header allows.

    Raises:
        DamagedStream: cut, a field out of its limits, or a payload above the limit.
    """
    values, size = PACKET_HEADER.unpack(data, 0, DamagedStream)
    crc = values.pop("packet_crc")
    header = PacketHeader(**values)
    if header.payload_bytes > payload_limit:
        raise DamagedStream(
            f"packet header: payload has {header.payload_bytes} bytes; "
            f"at most {payload_limit} are allowed for this picture size"
        )
    if header.frame_type == FrameType.INTRA and header.motion_bytes:
        raise DamagedStream(
            f"packet header: motion_bytes is {header.motion_bytes} in a key frame; allowed is 0"
        )
    return ParsedHeader(header, crc, size)


def parse_packet(data: Buffer, parsed: ParsedHeader) -> Packet:
    """The packet at the start of ``data``, which holds all of its bytes.

    Raises:
        DamagedStream: the CRC of the bytes differs from that in the header.
    """
    with memoryview(data)[: parsed.packet_bytes] as view:
        crc = zlib.crc32(view[_CRC_START:])
        if crc != parsed.packet_crc:
            raise DamagedStream(
                f"packet is corrupt: its CRC is {parsed.packet_crc:08x}, its bytes give {crc:08x}"
            )
        header = parsed.header
        split = parsed.size + header.motion_bytes
        motion, latents = bytes(view[parsed.size : split]), bytes(view[split:])
    return Packet(
        frame_type=FrameType(header.frame_type),
        quality=header.quality,
        frame_number=header.frame_number,
        frame_crc=header.frame_crc,
        motion=motion,
        latents=latents,
    )


def header_is_complete(data: Buffer) -> bool:
    """Whether ``data``, which starts with a packet header, holds all of it."""
    ends = sum(byte < 0x80 for byte in data[_FIXED_BYTES : PACKET_HEADER.size])
    return ends >= _VARINTS or len(data) >= PACKET_HEADER.size
