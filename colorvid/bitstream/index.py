"""The trailing index: where each key frame starts, and how many frames there are.

It closes a finished stream. Its last eight bytes let a seekable reader find it from the end.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from colorvid.bitstream.fields import U32_MAX, Buffer, Field, FieldTable, constant
from colorvid.bitstream.packets import MARKER_PREFIX, MAX_FRAME_NUMBER
from colorvid.errors import DamagedStream, HeaderError

INDEX_MARKER = MARKER_PREFIX + b"I"
END_MARKER = MARKER_PREFIX + b"E"
INDEX_CRC_START = 8  # the index CRC covers everything behind itself

_MAX_KEYS = (U32_MAX - 24) // 12  # the size of the index must fit 32 bits

INDEX_HEADER = FieldTable(
    "index header",
    (
        constant("index_marker", "bytes", INDEX_MARKER, "start of the index"),
        Field("index_crc", "u32", "CRC-32 of all bytes of the index after this field"),
        Field("total_frames", "u32", "number of frames in the stream"),
        Field("key_frames", "u32", "number of entries that follow", high=_MAX_KEYS),
    ),
)
INDEX_ENTRY = FieldTable(
    "index entry",
    (
        Field("key_number", "u32", "frame number of the key frame", high=MAX_FRAME_NUMBER),
        Field("key_offset", "u64", "start of its packet, bytes from the start", 64, 2**63 - 1),
    ),
)
INDEX_TAIL = FieldTable(
    "index tail",
    (
        Field("index_size", "u32", "size of the index with this tail, bytes", 24),
        constant("end_marker", "bytes", END_MARKER, "end of the stream"),
    ),
)


class KeyFrame(NamedTuple):
    """A key frame: its frame number, and the byte offset of its packet in the stream."""

    number: int
    offset: int

    def to_bytes(self) -> bytes:
        """The index entry."""
        return INDEX_ENTRY.pack({"key_number": self.number, "key_offset": self.offset}, HeaderError)


def index_size(key_frames: int) -> int:
    """Size in bytes of an index with this many entries."""
    return INDEX_HEADER.size + key_frames * INDEX_ENTRY.size + INDEX_TAIL.size


def build_index(total_frames: int, entries: bytes) -> bytes:
    """The bytes of an index.

    Args:
        total_frames: number of frames in the stream.
        entries: the entries of all key frames, in order.
    """
    count = len(entries) // INDEX_ENTRY.size
    head = {"index_crc": 0, "total_frames": total_frames, "key_frames": count}
    body = INDEX_HEADER.pack(head, HeaderError)[INDEX_CRC_START:] + entries
    body += INDEX_TAIL.pack({"index_size": index_size(count)}, HeaderError)
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
            DamagedStream: cut, corrupt, or its entries are not in order.
        """
        head, pos = INDEX_HEADER.unpack(data, 0, DamagedStream)
        check_counts(head)
        check_size(len(data), head["key_frames"])
        check_index_crc(zlib.crc32(data[INDEX_CRC_START:]), head["index_crc"])
        keys = []
        for _ in range(head["key_frames"]):
            entry, pos = INDEX_ENTRY.unpack(data, pos, DamagedStream)
            keys.append(KeyFrame(entry["key_number"], entry["key_offset"]))
        check_tail(data[pos:], head["key_frames"])
        _check_order(keys, head["total_frames"])
        return cls(head["total_frames"], tuple(keys))


def check_index_crc(computed: int, stored: int) -> None:
    """Raise ``DamagedStream`` if the CRC of the bytes differs from that in the index."""
    if computed != stored:
        raise DamagedStream(
            f"index is corrupt: its CRC is {stored:08x}, its bytes give {computed:08x}"
        )


def check_tail(data: Buffer, key_frames: int) -> None:
    """Raise ``DamagedStream`` if the tail is malformed or gives another size than the header."""
    tail, _ = INDEX_TAIL.unpack(data, 0, DamagedStream)
    check_size(tail["index_size"], key_frames)


def check_size(size: int, key_frames: int) -> None:
    """Raise ``DamagedStream`` if an index of ``size`` bytes cannot hold this many key frames."""
    if size != index_size(key_frames):
        raise DamagedStream(
            f"index has {size} bytes; {key_frames} key frames need {index_size(key_frames)}"
        )


def _check_order(keys: list[KeyFrame], total_frames: int) -> None:
    """Frame numbers and offsets must both ascend, and end within the stream."""
    previous = KeyFrame(-1, -1)
    for key in keys:
        if key.number <= previous.number or key.offset <= previous.offset:
            raise DamagedStream(f"index is out of order at key frame {key.number}")
        previous = key
    if previous.number >= total_frames:
        raise DamagedStream(f"index lists key frame {previous.number} of {total_frames} frames")
