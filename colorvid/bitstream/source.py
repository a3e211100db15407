"""Bytes in and out of binary files and pipes, with bounded memory."""

from __future__ import annotations

from typing import BinaryIO

from colorvid.errors import InputError, OutputError

CHUNK_BYTES = 1 << 16


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
