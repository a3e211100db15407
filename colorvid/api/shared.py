"""Streams from whatever holds them, and one file read from several places at once."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from colorvid.colors import Color
from colorvid.errors import ConfigError, InputError
from colorvid.files.streams import create_stream, name_of, open_stream
from colorvid.io.files import os_errors

Source = str | Path | bytes | bytearray | memoryview | BinaryIO
"""A file by name (``-`` = standard input), its bytes, or a binary file that is open."""
Target = str | Path | BinaryIO
"""A file by name (``-`` = standard output), or a binary file that is open."""

BYTES = (bytes, bytearray, memoryview)


def plain(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords with numbers of NumPy, which loops over its ranges give, as those of Python."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in keywords.items()}


def check_color(color: object) -> None:
    """Refuse what is no colour.

    Raises:
        ConfigError: it is neither None nor a `Color`.
    """
    if color is not None and not isinstance(color, Color):
        raise ConfigError(
            f"color={color!r} is not allowed; give a colorvid.Color, as in Color(matrix='bt709')"
        )


def label_of(source: Source) -> str:
    """What messages call it."""
    if isinstance(source, str | Path):
        return name_of(source, "stdin")
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else "stream"


class SharedFile:
    """A binary file that several readers share, each with a position of its own.

    What cannot be read twice, such as a pipe, is read to its end and kept in memory.
    """

    def __init__(self, source: Source) -> None:
        """Open it; a file that is open already is left open at the end.

        Raises:
            InputError: it cannot be read.
            ConfigError: it is none of `Source`.
        """
        self.label = label_of(source)
        self._lock, self._closed = threading.Lock(), False
        self._opened = ExitStack()
        with os_errors(self.label, InputError):
            self._file = self._open(source)
            self._start = self._file.tell()
            self._size = self._file.seek(0, os.SEEK_END) - self._start

    def _open(self, source: Source) -> BinaryIO:
        """A file that can be read again."""
        if isinstance(source, BYTES):
            return io.BytesIO(source)
        if isinstance(source, str | Path):
            file = self._opened.enter_context(open_stream(source))
        elif isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
            raise ConfigError(
                f"source is of type {type(source).__name__}; it must be the name of a file, bytes "
                "or a binary file"
            )
        elif getattr(source, "closed", False):
            raise ConfigError(f"source is {self.label}, which is closed; open it again")
        else:
            file = source
        return file if file.seekable() else io.BytesIO(file.read())

    def view(self) -> BinaryIO:
        """The file from its start on, with a position that no other reader moves."""
        return cast(BinaryIO, _View(self))

    def read_at(self, position: int, buffer: Any) -> int:
        """Fill a buffer from a position; how many bytes there were.

        Raises:
            ConfigError: it is closed.
            OSError: it cannot be read.
        """
        with self._lock:
            if self._closed:
                raise ConfigError(f"{self.label}: is closed; open it again")
            self._file.seek(self._start + position)
            view = memoryview(buffer).cast("B")
            data = self._file.read(len(view))
            view[: len(data)] = data
            return len(data)

    @property
    def size(self) -> int:
        """Bytes from the start on."""
        return self._size

    def close(self) -> None:
        """Close what was opened here; nothing can be read after that."""
        self._opened.close()
        self._closed = True


class _View(io.RawIOBase):
    """A `SharedFile` with a position of its own."""

    def __init__(self, file: SharedFile) -> None:
        self._shared, self._position = file, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read on."""
        count = self._shared.read_at(self._position, buffer)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._shared.size}
        self._position = base[whence] + offset
        return self._position


@contextmanager
def open_target(target: Target, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write a stream to; one by name appears under it when the block ends well.

    Raises:
        OutputError: see `colorvid.files.streams.create_stream`.
        ConfigError: it is none of `Target`, or cannot be written to.
    """
    if isinstance(target, str | Path):
        with create_stream(target, overwrite=overwrite) as file:
            yield file
    elif isinstance(target, io.TextIOBase) or not hasattr(target, "write"):
        raise ConfigError(
            f"target is of type {type(target).__name__}; it must be the name of a file, a binary "
            "file, or None"
        )
    elif getattr(target, "closed", False):
        raise ConfigError(f"target is {label_of(target)}, which is closed; open it again")
    elif hasattr(target, "writable") and not target.writable():
        raise ConfigError(f"target is {label_of(target)}, which is open for reading only")
    else:
        yield target
