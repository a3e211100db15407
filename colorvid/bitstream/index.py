"""The trailing index: where each key frame starts, and how many frames there are.

It closes a finished stream. Its last eight bytes let a seekable reader find it from the end.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from colorvid.bitstream.fields import Buffer, Field, FieldTable, constant
from colorvid.bitstream.headers import STREAM_HEADER_BYTES
from colorvid.bitstream.packets import MIN_PACKET_BYTES
from colorvid.errors import DamagedStream, HeaderError

INDEX_MARKER = b"\xf5CVI"
END_MARKER = b"\xf5CVE"
INDEX_CRC_START = 8  # the index CRC covers everything behind itself

_MAX_KEYS = 2**28  # with entries of 14 bytes at most, the size of the index fits 32 bits

MIN_INDEX_BYTES = 18  # that of a stream without frames

INDEX_HEADER = FieldTable(
    "index header",
    (
        constant("index_marker", "bytes", INDEX_MARKER, "start of the index"),
        Field("index_crc", "u32", "CRC-32 of all bytes of the index after this field"),
        Field("total_frames", "varint", "number of frames in the stream"),
        Field("key_frames", "varint", "number of entries that follow", high=_MAX_KEYS),
    ),
)
INDEX_ENTRY = FieldTable(
    "index entry",
    (
        Field("number_step", "varint", "frames since the key frame before", 1),
        Field(
            "offset_step",
            "varint",
            "bytes since the start of its packet",
            MIN_PACKET_BYTES,
            2**63 - 1,
        ),
    ),
)
INDEX_TAIL = FieldTable(
    "index tail",
    (
        Field("index_size", "u32", "size of the index with this tail, bytes", MIN_INDEX_BYTES),
        constant("end_marker", "bytes", END_MARKER, "end of the stream"),
    ),
)


class KeyFrame(NamedTuple):
    """A key frame: its frame number, and the byte offset of its packet in the stream."""

    number: int
    offset: int

    def to_bytes(self, before: KeyFrame) -> bytes:
        """The index entry, given the key frame of the entry before; ``NO_KEY`` for the first."""
        steps = {
            "number_step": self.number - before.number,
            "offset_step": self.offset - before.offset,
        }
        return INDEX_ENTRY.pack(steps, HeaderError)


NO_KEY = KeyFrame(-1, 0)


def build_index(total_frames: int, key_frames: int, entries: bytes) -> bytes:
    """The bytes of an index.

    Args:
        total_frames: number of frames in the stream.
        key_frames: how many of them are key frames.
        entries: the entries of all key frames, in order.
    """
    head = {"index_crc": 0, "total_frames": total_frames, "key_frames": key_frames}
    body = INDEX_HEADER.pack(head, HeaderError)[INDEX_CRC_START:] + entries
    size = INDEX_CRC_START + len(body) + INDEX_TAIL.size
    body += INDEX_TAIL.pack({"index_size": size}, HeaderError)
    return INDEX_MARKER + zlib.crc32(body).to_bytes(4, "little") + body


def check_counts(head: Mapping[str, int]) -> None:
    """Refuse an index header that contradicts itself, before its size is believed.

    Raises:
        DamagedStream: more key frames than frames, or frames without a key frame.
    """
    total, keys = head["total_frames"], head["key_frames"]
    if keys > total or (total > 0) != (keys > 0):
        raise DamagedStream(f"index lists {keys} key frames for {total} frames")


@dataclass(frozen=True, slots=True)
class StreamIndex:
    """The index in memory.

    Attributes:
        total_frames: number of frames in the stream.
        keys: its key frames, in order.
    """

    total_frames: int
    keys: tuple[KeyFrame, ...]

    def key_at(self, frame_number: int) -> KeyFrame | None:
        """The last key frame at or before ``frame_number``; None if there is none."""
        after = bisect.bisect_right(self.keys, frame_number, key=lambda key: key.number)
        return self.keys[after - 1] if after else None

    @classmethod
    def from_bytes(cls, data: Buffer) -> StreamIndex:
        """Read a whole index.

        Raises:
            DamagedStream: cut, corrupt, or its entries contradict the header.
        """
        head, pos = INDEX_HEADER.unpack(data, 0, DamagedStream)
        check_counts(head)
        check_index_crc(zlib.crc32(data[INDEX_CRC_START:]), head["index_crc"])
        keys, key = [], NO_KEY
        for _ in range(head["key_frames"]):
            entry, pos = INDEX_ENTRY.unpack(data, pos, DamagedStream)
            key = KeyFrame(key.number + entry["number_step"], key.offset + entry["offset_step"])
            keys.append(key)
        tail, pos = INDEX_TAIL.unpack(data, pos, DamagedStream)
        check_size(len(data), pos)
        check_size(tail["index_size"], pos)
        if keys:
            _check_ends(keys[0], keys[-1], head["total_frames"])
        return cls(head["total_frames"], tuple(keys))


def check_index_crc(computed: int, stored: int) -> None:
    """Raise ``DamagedStream`` if the CRC of the bytes differs from that in the index."""
    if computed != stored:
        raise DamagedStream(
            f"index is corrupt: its CRC is {stored:08x}, its bytes give {computed:08x}"
        )


def check_room(key_frames: int, offset: int) -> None:
    """Raise ``DamagedStream`` if there is no room for the packets before an index at ``offset``.

    Thus a false count cannot keep a reader busy with entries, nor fill its memory with them.
    """
    if key_frames * MIN_PACKET_BYTES > offset - STREAM_HEADER_BYTES:
        raise DamagedStream(
            f"index is wrong: {key_frames} key frames do not fit into the {offset} bytes before it"
        )


def check_claim(size: int, key_frames: int) -> None:
    """Raise ``DamagedStream`` if this many entries cannot fill ``size`` bytes, before any is read.

    Thus a false size cannot make a reader load a large file.
    """
    most = INDEX_HEADER.size + key_frames * INDEX_ENTRY.size + INDEX_TAIL.size
    if size > most:
        raise DamagedStream(
            f"index should have {size} bytes; {key_frames} key frames fill at most {most}"
        )


def check_size(claimed: int, read: int) -> None:
    """Raise ``DamagedStream`` if an index is not as long, in bytes, as its entries make it."""
    if claimed != read:
        raise DamagedStream(f"index should have {claimed} bytes; its entries end after {read}")


def _check_ends(first: KeyFrame, last: KeyFrame, total_frames: int) -> None:
    """The first key frame must lie behind the stream header, the last within the stream."""
    if first.offset < STREAM_HEADER_BYTES:
        raise DamagedStream(
            f"index is wrong: key frame {first.number} starts at byte {first.offset}, "
            "inside the stream header"
        )
    if last.number >= total_frames:
        raise DamagedStream(f"index lists key frame {last.number} of {total_frames} frames")
