"""Reads a ``.clv`` stream: header, packets, index; finds damage and the next packet after it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from colorvid.bitstream import index as idx
from colorvid.bitstream.index import KeyFrame, StreamIndex
from colorvid.bitstream.order import GroupNumbers
from colorvid.bitstream.packets import PACKET_MARKER, Packet
from colorvid.bitstream.scanner import Scanner
from colorvid.errors import ConfigError, DamagedStream

OnDamage = Literal["raise", "resync"]

_NONE_LOST = range(0)


@dataclass(frozen=True, slots=True)
class Damage:
    """Something wrong in a stream.

    Attributes:
        what: one line.
        offset: where it was noticed, bytes from the start of the stream.
        lost: frame numbers, in decoding order, of the frames that are missing because of it;
            empty if there are none, None if the stream ends here and nothing says how many frames
            it had.
    """

    what: str
    offset: int
    lost: range | None

    def __str__(self) -> str:
        """One line with position and lost frames."""
        if self.lost is None:
            frames = "; how many frames follow is not known"
        elif len(self.lost) == 0:
            frames = ""
        elif len(self.lost) == 1:
            frames = f"; frame {self.lost[0]} is lost"
        else:
            frames = f"; frames {self.lost[0]} to {self.lost[-1]} are lost"
        return f"byte {self.offset}: {self.what}{frames}"


@dataclass(frozen=True, slots=True)
class _End:
    """End of the stream; ``total_frames`` is None if it has no index."""

    total_frames: int | None


class ClvReader:
    """Iterates over the packets of a stream, from a file or a pipe, in bounded memory.

    With ``on_damage="raise"`` the first damage raises ``DamagedStream``. With ``"resync"`` the
    iterator yields a ``Damage`` and goes on at the next packet with a valid CRC; frames that refer
    to lost ones cannot be decoded.

    Attributes:
        header: the stream header.
        index_bytes: size of the index once it was read, bytes; 0 before and without it.
        total_frames: number of frames by the index once it was read, else None.
    """

    def __init__(self, file: BinaryIO, on_damage: OnDamage = "raise") -> None:
        """Read the stream header from the present position of ``file``.

        Raises:
            ConfigError: ``on_damage`` is neither of the two.
            HeaderError: not a ``.clv`` stream, or its header is damaged.
            UnsupportedVersion: of another format version.
            InputError: the file cannot be read.
        """
        if on_damage not in ("raise", "resync"):
            raise ConfigError(f"on_damage is {on_damage!r}; allowed are 'raise' and 'resync'")
        self._file = file
        self._strict = on_damage == "raise"
        self._scanner = Scanner(file)
        self.header = self._scanner.header
        self.index_bytes = 0
        self.total_frames: int | None = None
        self._restart_at(0, whole=True)

    @property
    def packet_offset(self) -> int:
        """Where the last packet starts, bytes from the start of the stream."""
        return self._scanner.packet_offset

    @property
    def packet_bytes(self) -> int:
        """Size of the last packet with its header, bytes."""
        return self._scanner.packet_bytes

    def __iter__(self) -> Iterator[Packet | Damage]:
        """Yield the packets from here on, and in resync mode each damage where it is.

        Raises:
            DamagedStream: at the first damage, in strict mode.
            InputError: the file cannot be read.
        """
        for record in self._records():
            if isinstance(record, Damage):
                self._whole = False
                if self._strict:
                    self._ended = True
                    raise DamagedStream(str(record))
            yield record

    def seek_to_key(self, frame_number: int) -> int:
        """Go to the last key frame at or before ``frame_number`` and return its number.

        Iterating then starts there. In resync mode a missing, damaged or wrong index is replaced
        by a scan of the packets; in strict mode only a missing one is.

        Raises:
            ConfigError: the stream has no such frame.
            DamagedStream: the index is damaged or wrong (strict), or no key frame is readable.
            InputError: the file is a pipe.
        """
        index = self.load_index()
        key = self._key_for(frame_number, index)
        if key is not None and not self._scanner.is_key_packet(key):
            if self._strict:
                raise DamagedStream(
                    f"index says that key frame {key.number} starts at byte {key.offset}, "
                    "but no such packet is there"
                )
            key = self._key_for(frame_number, self._scan())
        if key is None:
            raise DamagedStream(f"no key frame at or before frame {frame_number} is readable")
        self._scanner.seek(key.offset)
        self._restart_at(key.number, whole=False)
        return key.number

    def load_index(self) -> StreamIndex:
        """The index of a seekable stream, by a scan if it has none; the position is kept.

        Raises:
            DamagedStream: the index is damaged, in strict mode; else a scan replaces it.
            InputError: the file is a pipe.
        """
        position = self._scanner.offset
        try:
            index = self._scanner.index_at_end()
        except DamagedStream:
            if self._strict:
                raise
            index = None
        finally:
            self._scanner.seek(position)
        if index is None:
            index = self._scan()
            self._scanner.seek(position)
        return index

    def stated_frames(self) -> int | None:
        """How many frames the index of a seekable stream says there are; the position is kept.

        None without an index, or with one that contradicts itself. The packets may differ from it.

        Raises:
            InputError: the file is a pipe.
        """
        position = self._scanner.offset
        try:
            head = self._scanner.index_header_at_end()
        except DamagedStream:
            head = None
        finally:
            self._scanner.seek(position)
        return None if head is None else head["total_frames"]

    def _scan(self) -> StreamIndex:
        """The index as the packets give it."""
        self._scanner.seek(0)
        return rebuild_index(self._file)

    @staticmethod
    def _key_for(frame_number: int, index: StreamIndex) -> KeyFrame | None:
        """The key frame to start from; refuses a frame that the stream does not have."""
        if not 0 <= frame_number < index.total_frames:
            raise ConfigError(
                f"frame {frame_number} is not in the stream; it has {index.total_frames} frames, "
                "counted from 0"
            )
        return index.key_at(frame_number)

    def _restart_at(self, frame_number: int, whole: bool) -> None:
        """Expect this frame next; ``whole`` if all packets before it were read."""
        self._expected = frame_number
        self._whole = whole
        self._ended = False
        self._keys = 0
        self._last_key = idx.NO_KEY
        self._numbers = GroupNumbers()
        self._keys_digest = hashlib.sha256()

    def _records(self) -> Iterator[Packet | Damage]:
        """Packets and damage; damage waits for the packet that shows which frames are lost."""
        problem: Damage | None = None
        while not self._ended:
            offset = self._scanner.offset
            try:
                item = self._next_item()
            except DamagedStream as error:
                problem = problem or Damage(str(error), offset, _NONE_LOST)
                self._whole = False
                if self._strict:
                    yield problem
                if not self._scanner.find_marker(offset):
                    what = f"{problem.what}; too many false packets follow, gave up"
                    problem = Damage(what, problem.offset, None)
                continue
            if isinstance(item, _End):
                yield from self._finish(item, problem)
            else:
                yield from self._account(item, problem)
            problem = None

    def _next_item(self) -> Packet | _End:
        """The packet or the end that comes next; ``DamagedStream`` if neither does."""
        marker = self._scanner.marker()
        if marker == PACKET_MARKER:
            return self._scanner.take_packet()
        return self._read_index() if marker else _End(None)

    def _account(self, packet: Packet, problem: Damage | None) -> Iterator[Packet | Damage]:
        """Check both numbers of the packet; yield damage, then the packet unless it is to blame."""
        number, due, offset = packet.frame_number, self._expected, self.packet_offset
        if problem is not None:
            yield Damage(problem.what, problem.offset, range(due, max(number, due)))
        elif number > due:
            yield Damage(
                f"frame {number} comes where frame {due} is due", offset, range(due, number)
            )
        if number < due:
            what = f"frame {number} is repeated or out of order; frame {due} is due"
            yield Damage(what, offset, _NONE_LOST)
            return
        if number == 0 and not packet.is_key:
            yield Damage("the first frame is not a key frame", offset, _NONE_LOST)
        self._expected = number + 1
        if packet.is_key:
            self._keys += 1
            key = KeyFrame(number, offset)
            self._keys_digest.update(key.to_bytes(self._last_key))
            self._last_key = key
            if (wrong := self._numbers.end(number)) is not None:
                yield Damage(wrong, offset, _NONE_LOST)
            self._numbers.start(number)
        elif (wrong := self._numbers.add(number, packet.display_number)) is not None:
            yield Damage(wrong, offset, range(number, number + 1))
            return
        yield packet

    def _finish(self, end: _End, problem: Damage | None) -> Iterator[Damage]:
        """Yield what is wrong at the end: lost frames, no index, bytes after it."""
        self._ended = True
        offset, due, total = self._scanner.offset, self._expected, end.total_frames
        if total is None:
            cut = Damage("stream is cut: it ends without its index", offset, None)
            yield Damage(problem.what, problem.offset, None) if problem else cut
            return
        self.total_frames = total
        if problem is not None:
            yield Damage(problem.what, problem.offset, range(due, total))
        elif total > due:
            what = f"the index says {total} frames, the packets end before frame {due}"
            yield Damage(what, offset - self.index_bytes, range(due, total))
        if (wrong := self._numbers.end(total)) is not None:
            yield Damage(wrong, offset - self.index_bytes, _NONE_LOST)
        if not self._scanner.at_end():
            yield Damage("bytes follow the end of the stream", offset, _NONE_LOST)

    def _read_index(self) -> _End:
        """Read the index entry by entry, and compare it with the packets that were read."""
        start = self._scanner.offset
        head, size = self._scanner.peek_fields(idx.INDEX_HEADER)
        self._check_counts(head)
        idx.check_room(head["key_frames"], start)
        crc = zlib.crc32(self._scanner.take(size)[idx.INDEX_CRC_START :])
        digest = hashlib.sha256()
        for _ in range(head["key_frames"]):
            _, size = self._scanner.peek_fields(idx.INDEX_ENTRY)
            entry = self._scanner.take(size)
            digest.update(entry)
            crc = zlib.crc32(entry, crc)
            self._scanner.spend(1)
        tail, size = self._scanner.peek_fields(idx.INDEX_TAIL)
        crc = zlib.crc32(self._scanner.take(size), crc)
        idx.check_index_crc(crc, head["index_crc"])
        index_bytes = self._scanner.offset - start
        idx.check_size(tail["index_size"], index_bytes)
        complete = self._whole and head["total_frames"] == self._expected
        if complete and digest.digest() != self._keys_digest.digest():
            raise DamagedStream("index is wrong: its key frames are not where the packets are")
        self._scanner.spend(-head["key_frames"])
        self.index_bytes = index_bytes
        return _End(head["total_frames"])

    def _check_counts(self, head: dict[str, Any]) -> None:
        """Refuse an index that contradicts itself or the packets that were read."""
        idx.check_counts(head)
        total, keys = head["total_frames"], head["key_frames"]
        if total < self._expected:
            raise DamagedStream(
                f"index is wrong: it says {total} frames, {self._expected} were read"
            )
        complete = self._whole and total == self._expected
        if keys < self._keys or (complete and keys != self._keys):
            raise DamagedStream(
                f"index is wrong: it lists {keys} key frames, {self._keys} were read"
            )


def rebuild_index(file: BinaryIO) -> StreamIndex:
    """The index that the packets of a stream give, whatever its own index says.

    Args:
        file: stands at the start of the stream; it is read to its end. Damage is skipped.

    Raises:
        HeaderError: not a ``.clv`` stream, or its header is damaged.
        InputError: the file cannot be read.
    """
    reader = ClvReader(file, on_damage="resync")
    keys, frames = [], 0
    for record in reader:
        if isinstance(record, Packet):
            frames = record.frame_number + 1
            if record.is_key:
                keys.append(KeyFrame(record.frame_number, reader.packet_offset))
    return StreamIndex(reader.total_frames or frames, tuple(keys))
