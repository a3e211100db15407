"""Finds packets in a stream: reads the next one, or the next valid one behind damage.

The stream is read through a window of bytes, so memory is bounded and a pipe will do.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from colorvid.bitstream import index as idx
from colorvid.bitstream.fields import FieldTable
from colorvid.bitstream.headers import STREAM_HEADER_BYTES, StreamHeader, header_size
from colorvid.bitstream.index import KeyFrame, StreamIndex
from colorvid.bitstream.packets import (
    PACKET_MARKER,
    Packet,
    header_is_complete,
    parse_header,
    parse_packet,
)
from colorvid.errors import DamagedStream, InputError

CHUNK_BYTES = 1 << 16
# Effort is counted in bytes over which a CRC is computed. A false packet start costs that of its
# bytes, and a fixed price for the try, as does each entry of a false index. Together they may cost
# the free effort plus a number of bytes for each byte read. By chance a marker stands once in
# 64 KiB, far below that; a hostile file cannot keep the reader busy for long.
_EFFORT_OF_TRY_BYTES = 2**13
_FREE_EFFORT_BYTES = 2**28
_EFFORT_PER_BYTE = 64

_MARKERS = re.compile(re.escape(PACKET_MARKER) + b"|" + re.escape(idx.INDEX_MARKER))


class ByteWindow:
    """The bytes of a file from ``offset`` on, read as they are needed and dropped when done.

    Attributes:
        data: the bytes read and not yet dropped.
        offset: position of ``data[0]``, bytes from where the file stood at the start.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Start at the current position of ``file``; a pipe will do."""
        self._file = file
        # read1 returns what a pipe holds now; read would wait for a whole chunk.
        self._read = getattr(file, "read1", file.read)
        self._start = file.tell() if file.seekable() else None
        self.data = bytearray()
        self.offset = 0
        self._stopped = False

    def fill(self, count: int) -> bool:
        """Read until the window holds ``count`` bytes; False if the file ends before that.

        Raises:
            InputError: the file cannot be read.
        """
        while len(self.data) < count:
            if self._stopped:
                return False
            try:
                chunk = self._read(CHUNK_BYTES)
            except OSError as error:
                raise InputError(f"cannot read the stream: {error.strerror or error}") from error
            if not chunk:
                return False
            self.data += chunk
        return True

    def drop(self, count: int) -> None:
        """Forget the first ``count`` bytes, all of which are in the window."""
        del self.data[:count]
        self.offset += count

    def stop(self) -> None:
        """Drop everything and behave as at the end of the file, until the next ``seek``."""
        self.drop(len(self.data))
        self._stopped = True

    def seek(self, offset: int) -> None:
        """Continue at ``offset``.

        Raises:
            InputError: the file is a pipe.
        """
        if self._start is None:
            raise InputError("cannot seek in a pipe; give the stream as a file")
        self._seek(self._start + offset, 0)
        self.data.clear()
        self.offset = offset
        self._stopped = False

    def size(self) -> int:
        """Size of the stream in bytes; moves to its end.

        Raises:
            InputError: the file is a pipe.
        """
        self.seek(0)
        return self._seek(0, 2) - (self._start or 0)

    def _seek(self, offset: int, whence: int) -> int:
        """As ``file.seek``, with its errors translated."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            raise InputError(f"cannot seek in the stream: {error.strerror or error}") from error


class Scanner:
    """Position in a stream, and what starts there.

    Attributes:
        header: the stream header.
        packet_offset: where the last packet taken starts, bytes from the start of the stream.
        packet_bytes: its size, bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the stream header from the present position of ``file``.

        Raises:
            HeaderError: not a ``.clv`` stream, or its header is damaged.
            UnsupportedVersion: of another format version.
            InputError: the file cannot be read.
        """
        self._window = ByteWindow(file)
        self._window.fill(STREAM_HEADER_BYTES)
        size = header_size(self._window.data)
        self._window.fill(size)
        self.header = StreamHeader.from_bytes(bytes(self._window.data[:size]))
        self._window.drop(size)
        self.packet_offset = 0
        self.packet_bytes = 0
        self._effort = 0

    @property
    def offset(self) -> int:
        """Present position, bytes from the start of the stream."""
        return self._window.offset

    def seek(self, offset: int) -> None:
        """Go to ``offset``; ``InputError`` if the stream is a pipe."""
        self._window.seek(offset)

    def at_end(self) -> bool:
        """Whether no byte follows."""
        return not self._window.fill(1)

    def marker(self) -> bytes:
        """The marker that stands here; nothing at the end of the file.

        Raises:
            DamagedStream: neither a packet nor an index starts here.
        """
        # The longer marker is waited for only where it can follow: a pipe may be late.
        self._window.fill(len(PACKET_MARKER))
        if self._window.data.startswith(PACKET_MARKER):
            return PACKET_MARKER
        self._window.fill(len(idx.INDEX_MARKER))
        found = bytes(self._window.data[: len(idx.INDEX_MARKER)])
        if found in (idx.INDEX_MARKER, b""):
            return found
        if idx.INDEX_MARKER.startswith(found):
            raise DamagedStream("stream is cut inside a marker")
        raise DamagedStream(f"neither packet nor index starts with {found.hex(' ')}")

    def take_packet(self) -> Packet:
        """The packet that starts here; the position moves behind it.

        Raises:
            DamagedStream: it is cut or corrupt; the position stays.
        """
        packet, size = self._peek_packet()
        self.packet_offset, self.packet_bytes = self.offset, size
        self._window.drop(size)
        return packet

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes of the index; ``DamagedStream`` if the file ends before."""
        if not self._window.fill(count):
            raise DamagedStream("stream is cut inside the index")
        return bytes(self._window.data[:count])

    def peek_fields(self, table: FieldTable) -> tuple[dict[str, Any], int]:
        """The values of the part of the index that starts here, and its size in bytes.

        Raises:
            DamagedStream: cut, or a value out of its limits.
        """
        self._window.fill(table.size)  # the end of the stream may come earlier
        return table.unpack(self._window.data, 0, DamagedStream)

    def take(self, count: int) -> bytes:
        """As ``peek``; the position moves behind the bytes."""
        data = self.peek(count)
        self._window.drop(count)
        return data

    def is_key_packet(self, key: KeyFrame) -> bool:
        """Whether the packet of this key frame starts where the index says; moves there."""
        self.seek(key.offset)
        try:
            if self.marker() != PACKET_MARKER:
                return False
            packet, _ = self._peek_packet()
        except DamagedStream:
            return False
        return packet.is_key and packet.frame_number == key.number

    def find_marker(self, failed_at: int) -> bool:
        """Move to the next possible marker behind ``failed_at``, or to the end of the file.

        Returns:
            False if there were too many false packets: the search ends here.
        """
        window = self._window
        if self._effort > _FREE_EFFORT_BYTES + _EFFORT_PER_BYTE * window.offset:
            window.stop()
            return False
        if window.offset == failed_at:
            window.drop(1)
        while (found := _MARKERS.search(window.data)) is None:
            window.drop(max(len(window.data) - len(idx.INDEX_MARKER) + 1, 0))
            if not window.fill(len(window.data) + 1):
                window.drop(len(window.data))
                return True
        window.drop(found.start())
        self._effort += _EFFORT_OF_TRY_BYTES
        return True

    def spend(self, tries: int) -> None:
        """Count the effort of ``tries`` entries of a false index; below 0 takes it back."""
        self._effort += tries * _EFFORT_OF_TRY_BYTES

    def _peek_packet(self) -> tuple[Packet, int]:
        """The packet at the window and its size in bytes; it stays in the window."""
        window = self._window
        # Not one byte more than the header is waited for: the next packet of a pipe may be late.
        while not header_is_complete(window.data) and window.fill(len(window.data) + 1):
            pass
        parsed = parse_header(window.data, self.header.payload_limit, self.header.reorder)
        size = parsed.packet_bytes
        if not window.fill(size):
            raise DamagedStream(
                f"stream is cut inside the packet of frame {parsed.header.frame_number}: "
                f"{len(window.data)} of {size} bytes are there"
            )
        self._effort += size
        packet = parse_packet(window.data, parsed)
        self._effort -= size
        return packet, size

    def index_at_end(self) -> StreamIndex | None:
        """The index found from the end of a seekable stream; None if no end marker stands there.

        Raises:
            DamagedStream: the index is malformed.
            InputError: the file is a pipe.
        """
        head = self.index_header_at_end()
        if head is None:
            return None
        start = self.offset
        index = StreamIndex.from_bytes(self.peek(head["index_size"]))
        if index.keys and index.keys[-1].offset >= start:
            raise DamagedStream(
                f"index is wrong: key frame {index.keys[-1].number} starts at byte "
                f"{index.keys[-1].offset}, behind the packets"
            )
        return index

    def index_header_at_end(self) -> dict[str, int] | None:
        """The counts of the index and its size, as they stand at the end of a seekable stream.

        The position is at the index then. None if no end marker stands there.

        Raises:
            DamagedStream: they contradict each other or the size of the stream.
            InputError: the file is a pipe.
        """
        window = self._window
        size = window.size()
        if size < STREAM_HEADER_BYTES + idx.MIN_INDEX_BYTES:
            return None
        window.seek(size - idx.INDEX_TAIL.size)
        window.fill(idx.INDEX_TAIL.size)
        if not window.data.endswith(idx.END_MARKER):
            return None
        tail, _ = idx.INDEX_TAIL.unpack(window.data, 0, DamagedStream)
        if tail["index_size"] > size - STREAM_HEADER_BYTES:
            raise DamagedStream(
                f"index tail: index_size is {tail['index_size']}; the stream has {size} bytes"
            )
        window.seek(size - tail["index_size"])
        head, _ = self.peek_fields(idx.INDEX_HEADER)
        idx.check_counts(head)
        idx.check_room(head["key_frames"], window.offset)
        idx.check_claim(tail["index_size"], head["key_frames"])
        return {**head, **tail}
