"""Bytes of inputs: files, named pipes and standard input, whose first bytes tell what they are."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from colorvid.errors import InputError
from colorvid.io.files import os_errors
from colorvid.io.places import PIPE, stdin_bytes

START_BYTES = 512
"""Bytes of a file that are looked at to tell what it is."""
PIPE_BYTES = 10
"""The same of a pipe, whose next bytes may be long in coming."""


class ByteSource:
    """An input that is read from front to back, and again from the front if it is a file.

    It has the methods of a binary file that its readers need; also a context manager.

    Attributes:
        label: what messages call it.
        start: its first bytes, which are still to be read.
        name: what FFmpeg takes for its name, a hint at the format; never that of a file.
    """

    def __init__(self, stream: BinaryIO, label: str, *, owned: bool = True) -> None:
        """Look at the first bytes of ``stream``, which `close` closes if it is ``owned``.

        Args:
            stream: an open binary file or pipe.
            label: what messages call it.
            owned: whether it is closed with the source.

        Raises:
            InputError: it cannot be read.
        """
        self.label, self.name = label, ""
        self._stream, self._owned = stream, owned
        self._count = 0
        self._tail = b""
        with os_errors(label, InputError):
            self._seekable = stream.seekable()
            wanted = START_BYTES if self._seekable else PIPE_BYTES
            self._first = stream.tell() if self._seekable else 0
            self.start = b""
            while len(self.start) < wanted:
                piece = stream.read(wanted - len(self.start))
                if not piece:
                    break
                self.start += piece
            if self._seekable:
                stream.seek(self._first)
        self._waiting = b"" if self._seekable else self.start

    def seekable(self) -> bool:
        """Whether it can be read again."""
        return self._seekable

    def fileno(self) -> int:
        """Number of the descriptor; raises ``OSError`` where there is none."""
        return self._stream.fileno()

    @property
    def file_bytes(self) -> int | None:
        """Size of the file; None if it is none."""
        try:
            status = os.fstat(self._stream.fileno())
        except (OSError, ValueError):  # in memory
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        piece, self._waiting = self._waiting[:size], self._waiting[size:]
        if len(piece) < size:
            piece += self._stream.read(size - len(piece))
        self._count += len(piece)
        self._tail = (self._tail + piece)[-2:]
        return piece

    def readline(self, size: int) -> bytes:
        """Return a line with its line feed, at most ``size`` bytes of it."""
        end = self._waiting.find(b"\n") + 1 or len(self._waiting)
        piece = self._waiting[: min(end, size)]
        self._waiting = self._waiting[len(piece) :]
        if len(piece) < size and not piece.endswith(b"\n"):
            piece += self._stream.readline(size - len(piece))
        self._count += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place of a file, as a file does."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Place in the file; in a pipe the number of bytes that were read."""
        return self._stream.tell() if self._seekable else self._count

    def rewind(self) -> None:
        """Go back to the first byte of a file.

        Raises:
            InputError: that fails.
        """
        with os_errors(self.label, InputError):
            self._stream.seek(self._first)
        self._count = 0

    def unread(self, data: bytes) -> None:
        """Put bytes in front of what is still to be read; from now on it is read as a pipe."""
        self._waiting = data + self._waiting
        self._seekable = False
        self._count = 0

    def count(self) -> int:
        """Bytes that were read from front to back so far."""
        return self._count

    def ended_in_line_feed(self, rest: int) -> bool:
        """Whether its last ``rest`` bytes, which `read` has given, are a line feed."""
        return self._tail[-rest:] in (b"\n", b"\r\n") and rest <= len(self._tail)

    def is_text(self) -> bool:
        """Whether the first bytes are those of a text."""
        try:
            text = self.start.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return False
            text = self.start[: error.start].decode("utf-8")
        return bool(text) and all(c.isprintable() or c in "\t\n\r\f\ufeff" for c in text)

    def close(self) -> None:
        """Close the stream if it is owned."""
        if self._owned:
            self._stream.close()

    def __enter__(self) -> ByteSource:
        """Return the source."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def open_source(path: str | Path) -> ByteSource:
    """Open a file, a named pipe, or ``-`` for standard input.

    Raises:
        InputError: it cannot be read, or is a directory, a device or a socket.
        ConfigError: standard input is a terminal, or takes no bytes.
    """
    if str(path) == PIPE:
        return ByteSource(stdin_bytes(), "stdin", owned=False)
    file, label = Path(path), str(path)
    _check_kind(file, label)
    with os_errors(label, InputError):
        stream = cast(BinaryIO, file.open("rb"))
    try:
        return ByteSource(stream, label)
    except BaseException:
        stream.close()
        raise


def _check_kind(file: Path, label: str) -> None:
    """Refuse what is neither a file nor a pipe: it may have no end."""
    with os_errors(label, InputError):
        mode = file.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{label}: is a directory; give the name of a file")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"{label}: is a device or a socket; give a file or a pipe")


_PIECE = 2**20


def kept(source: ByteSource) -> ByteSource:
    """The source, or a file without a name that holds what the pipe had, to be read twice.

    Raises:
        InputError: the pipe cannot be read, or the folder for temporary files is full.
    """
    if source.seekable():
        return source
    file = cast(BinaryIO, tempfile.TemporaryFile())
    try:
        with os_errors(source.label, InputError), source:
            while piece := source.read(_PIECE):
                file.write(piece)
            file.seek(0)
        return ByteSource(file, source.label)
    except BaseException:
        file.close()
        raise
