"""Writes a ``.clv`` stream: header, packets, index. The output may be a pipe."""

from __future__ import annotations

from typing import BinaryIO

from colorvid.bitstream.headers import StreamHeader
from colorvid.bitstream.index import NO_KEY, KeyFrame, build_index
from colorvid.bitstream.order import GroupNumbers, PictureBuffer
from colorvid.bitstream.packets import Packet, check_limits
from colorvid.errors import ConfigError, HeaderError, OutputError


class ClvWriter:
    """Writes one stream to a binary file, in order and without seeking.

    Call ``write_header`` once, ``write_packet`` per frame, ``finish`` at the end. A stream without
    its end, from an encoder that stopped, reads as cut.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Write to ``file`` from its present position; the caller closes it."""
        self._file = file
        self._header: StreamHeader | None = None
        self._entries = bytearray()
        self._frames = 0
        self._keys = 0
        self._last_key = NO_KEY
        self._numbers = GroupNumbers()
        self._pictures = PictureBuffer(1)
        self._finished = False
        self.bytes_written = 0

    def write_header(self, header: StreamHeader) -> int:
        """Write the stream header and return its size in bytes.

        Raises:
            ConfigError: there is a header already.
            OutputError: the file cannot be written.
        """
        if self._header is not None:
            raise ConfigError("stream header is written already; a stream has one")
        self._header = header
        self._pictures = PictureBuffer(header.references)
        return self._write(header.to_bytes())

    def write_packet(self, packet: Packet) -> int:
        """Write the packet that is next in decoding order and return its size in bytes.

        Raises:
            ConfigError: no header yet, finished already, or the packet cannot follow: frame number
                not the next one, first frame not a key frame, a key frame overdue by the GOP
                length of the header, a display number that another frame of the group has or that
                lies before its key frame, a key frame before all numbers of the group before it
                are shown, or a reference that a decoder no longer keeps.
            HeaderError: the payload is above the limit for this picture size, or the frame comes
                later than the header says.
            OutputError: the file cannot be written.
        """
        header = self._open_header()
        check_limits(packet.header, header.payload_limit, header.reorder, HeaderError)
        self._check_order(packet, header.gop_length)
        self._pictures.follow(packet)
        if packet.is_key:
            key = KeyFrame(packet.frame_number, self.bytes_written)
            self._entries += key.to_bytes(self._last_key)
            self._keys += 1
            self._last_key = key
        self._frames += 1
        return self._write(packet.to_bytes())

    def finish(self) -> int:
        """Write the index, which ends the stream, and return its size in bytes.

        Raises:
            ConfigError: no header yet, finished already, or the last group does not show all of
                its numbers.
            OutputError: the file cannot be written.
        """
        self._open_header()
        self._check_group()
        self._finished = True
        return self._write(build_index(self._frames, self._keys, bytes(self._entries)))

    def _open_header(self) -> StreamHeader:
        """The header of a stream that is begun and not finished."""
        if self._header is None:
            raise ConfigError("no stream header yet; call write_header first")
        if self._finished:
            raise ConfigError("the stream is finished; write another one")
        return self._header

    def _check_order(self, packet: Packet, gop_length: int) -> None:
        """Refuse a packet that cannot follow the previous one."""
        if packet.frame_number != self._frames:
            raise ConfigError(f"frame number is {packet.frame_number}; the next is {self._frames}")
        if packet.is_key:
            self._check_group()
            self._numbers.start(packet.frame_number)
            return
        if self._frames == 0:
            raise ConfigError("the first frame is not a key frame; start with one")
        if gop_length and packet.frame_number - self._last_key.number >= gop_length:
            raise ConfigError(
                f"frame {packet.frame_number} must be a key frame: the last is "
                f"{self._last_key.number} and the GOP length is {gop_length}"
            )
        self._check_references(packet)
        if (wrong := self._numbers.add(packet.frame_number, packet.display_number)) is not None:
            raise ConfigError(wrong)

    def _check_group(self) -> None:
        """Refuse to end a group some of whose numbers nobody shows."""
        if (wrong := self._numbers.end(self._frames)) is not None:
            raise ConfigError(wrong)

    def _check_references(self, packet: Packet) -> None:
        """Refuse a frame that refers to what a decoder does not have."""
        missing = self._pictures.missing(packet)
        if missing is not None:
            kept = ", ".join(map(str, self._pictures.numbers))
            raise ConfigError(
                f"frame {packet.frame_number} refers to what shows at {missing}; a decoder keeps "
                f"only {kept}"
            )

    def _write(self, data: bytes) -> int:
        """Write and count."""
        write_all(self._file, data)
        self.bytes_written += len(data)
        return len(data)


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of ``data`` at once, also where the file takes less at a time.

    Raises:
        OutputError: the file cannot be written.
    """
    view = memoryview(data)
    try:
        while view:
            written = file.write(view)
            if not written:
                raise OutputError("cannot write the stream: the file takes no bytes")
            view = view[written:]
        file.flush()  # whoever reads a pipe may be waiting for this packet
    except OSError as error:
        raise OutputError(f"cannot write the stream: {error.strerror or error}") from error
