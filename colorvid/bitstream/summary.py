"""What a stream holds, by its headers alone: nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from colorvid.bitstream.headers import StreamHeader
from colorvid.bitstream.packets import SECTIONS, PacketHeader
from colorvid.bitstream.reader import ClvReader, Damage

DAMAGE_LINES = 100
"""Most places of damage that are kept; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class FrameSummary:
    """One packet of a stream.

    Attributes:
        header: its header: type, quality index, place, references, CRC of the picture, sizes.
        offset: where it starts, bytes from the start of the stream.
        packet_bytes: its size with header, bytes.
    """

    header: PacketHeader
    offset: int
    packet_bytes: int

    @property
    def is_key(self) -> bool:
        """Whether decoding can start here."""
        return self.header.is_key


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What ``colorvid info`` shows of a stream.

    Attributes:
        header: the stream header.
        frames: the readable packets, in decoding order.
        damage: what is wrong with the stream, the first ``DAMAGE_LINES`` places; empty if
            nothing is.
        damages: number of places.
        total_frames: number of frames by the index; None if the stream has no valid index.
        index_bytes: size of the index, bytes; 0 without a valid one.
    """

    header: StreamHeader
    frames: tuple[FrameSummary, ...]
    damage: tuple[Damage, ...]
    damages: int
    total_frames: int | None
    index_bytes: int

    @property
    def key_frames(self) -> int:
        """Number of readable key frames, which is the number of groups of pictures."""
        return sum(frame.is_key for frame in self.frames)

    @property
    def section_bytes(self) -> dict[str, int]:
        """Payload bytes of all frames, by section: motion and latents."""
        sums = dict.fromkeys(SECTIONS, 0)
        for frame in self.frames:
            for name, size in zip(SECTIONS, frame.header.section_bytes, strict=True):
                sums[name] += size
        return sums

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the headers and the index: all readable bytes that are not payload."""
        packet_headers = sum(f.packet_bytes - f.header.payload_bytes for f in self.frames)
        return self.header.size_bytes + packet_headers + self.index_bytes

    @property
    def total_bytes(self) -> int:
        """Readable bytes: the size of the file if nothing is damaged."""
        return self.overhead_bytes + sum(self.section_bytes.values())


def summarise(file: BinaryIO) -> StreamSummary:
    """Read a stream from a file or a pipe to its end; damage is listed, not raised.

    Raises:
        HeaderError: not a ``.clv`` stream, or its header is damaged.
        UnsupportedVersion: of another format version.
        InputError: the file cannot be read.
    """
    reader = ClvReader(file, on_damage="resync")
    frames: list[FrameSummary] = []
    damage: list[Damage] = []
    damages = 0
    for record in reader:
        if isinstance(record, Damage):
            damages += 1
            damage += [record] if damages <= DAMAGE_LINES else []
        else:
            frames.append(FrameSummary(record.header, reader.packet_offset, reader.packet_bytes))
    return StreamSummary(
        reader.header,
        tuple(frames),
        tuple(damage),
        damages,
        reader.total_frames,
        reader.index_bytes,
    )
