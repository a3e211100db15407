"""Bytes in and out: exact reads, atomic outputs, packed 4:2:0 frames, writers of plain bytes."""

from __future__ import annotations

import atexit
import os
import secrets
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from colorvid.errors import InputError, OutputError
from colorvid.frame import Frame, Plane, Size, chroma_size
from colorvid.io.base import FrameWriter, VideoInfo, check_frame_size


@contextmanager
def os_errors(name: str, kind: type[InputError]) -> Iterator[None]:
    """Turn an OSError of the block into ``kind`` with the message ``name: reason``.

    A name with a NUL in it, for which Python has a ValueError, is treated likewise.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{name}: {error.strerror or error}") from error
    except ValueError as error:
        if "\0" not in name:
            raise
        raise kind(f"{name!r}: a file name cannot hold a NUL") from error


def frame_bytes(size: Size) -> int:
    """Bytes of a packed 8-bit 4:2:0 frame: Y, then U, then V, rows without padding."""
    rows, columns = chroma_size(*size.shape)
    return size.pixels + 2 * rows * columns


def read_packed_frame(stream: BinaryIO, size: Size) -> tuple[Frame | None, int]:
    """Read one packed frame.

    Returns:
        The frame, or None if fewer bytes than a frame were left, and the number of bytes read.
    """
    data = np.empty(frame_bytes(size), np.uint8)
    count = _read_into(stream, data.data)
    if count < data.size:
        return None, count
    return _unpack(data, size), count


def _read_into(stream: BinaryIO, target: memoryview) -> int:
    """Fill ``target`` as far as the stream goes; a pipe may deliver it in pieces."""
    done = 0
    while done < len(target):
        piece = stream.read(len(target) - done)
        if not piece:
            break
        target[done : done + len(piece)] = piece
        done += len(piece)
    return done


def _unpack(data: Plane, size: Size) -> Frame:
    """Cut packed bytes into planes that share their memory."""
    chroma = chroma_size(*size.shape)
    luma_end = size.pixels
    chroma_end = luma_end + chroma[0] * chroma[1]
    return Frame(
        data[:luma_end].reshape(size.shape),
        data[luma_end:chroma_end].reshape(chroma),
        data[chroma_end:].reshape(chroma),
    )


def write_packed_frame(stream: BinaryIO, frame: Frame) -> None:
    """Write the planes Y, U, V without padding."""
    for plane in frame.planes:
        stream.write(np.ascontiguousarray(plane).data)


_unfinished: dict[Path, int] = {}
"""Temporary files of outputs that are neither finished nor thrown away, and their processes."""


@atexit.register
def _discard_unfinished() -> None:
    """Remove what an interruption between two instructions has left behind."""
    for path, process in _unfinished.items():
        if process == os.getpid():  # a fork inherits the list
            path.unlink(missing_ok=True)


class OutputFile:
    """A file that is written under a temporary name beside its final one.

    The temporary file is removed at the end of the process at the latest, unless that is killed.

    Attributes:
        temporary: where to write.

    Raises:
        OutputError: the final name is taken and ``overwrite`` is False, is not a plain file, or
            the folder cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Reserve a temporary file in the folder of ``path``; symbolic links are followed."""
        self.name = str(path)
        with os_errors(self.name, OutputError):
            self._final = Path(os.path.realpath(path))
        self._overwrite = overwrite
        self._check_final()
        self.temporary = self._final.with_name(f".{self._final.name}.{secrets.token_hex(4)}.part")
        _unfinished[self.temporary] = os.getpid()
        try:
            with os_errors(self.name, OutputError):
                os.close(os.open(self.temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OutputError:
            _unfinished.pop(self.temporary)
            raise

    def _check_final(self) -> None:
        with os_errors(self.name, OutputError):
            folder, file = self._final.is_dir(), self._final.is_file()
            taken = folder or file or self._final.exists()
        if folder:
            raise OutputError(f"{self.name}: is a directory; give the name of a file")
        if taken:
            if not file:
                raise OutputError(f"{self.name}: is not a plain file; give the name of a file")
            if not self._overwrite:
                raise OutputError(f"{self.name} exists; pass overwrite=True to overwrite")

    def commit(self) -> None:
        """Give the file its final name, in one step of the file system."""
        self._check_final()  # someone may have created it meanwhile
        with os_errors(self.name, OutputError):
            os.replace(self.temporary, self._final)
        _unfinished.pop(self.temporary, None)

    def discard(self) -> None:
        """Remove the temporary file."""
        self.temporary.unlink(missing_ok=True)
        _unfinished.pop(self.temporary, None)


@contextmanager
def output_text(path: Path, *, overwrite: bool) -> Iterator[TextIO]:
    """A text file, UTF-8, that appears under its name when the block ends well.

    Line ends are written as they are given.

    Raises:
        OutputError: see `OutputFile`; or the file cannot be written.
    """
    target = OutputFile(path, overwrite=overwrite)
    try:
        with os_errors(target.name, OutputError):
            with target.temporary.open("w", newline="", encoding="utf-8") as file:
                yield file
        target.commit()
    except BaseException:
        target.discard()
        raise


class StreamWriter(FrameWriter):
    """Writes frames to a pipe, or to a file that gets its name at the end."""

    def __init__(
        self, target: Path | BinaryIO, name: str, info: VideoInfo, *, overwrite: bool = False
    ) -> None:
        """Open the file ``target``, or take an open pipe, which is left open at the end.

        Raises:
            OutputError: see ``OutputFile``.
        """
        self.info = info
        self._name = name
        self._count = 0
        self._file: OutputFile | None = None
        self._stream: BinaryIO | None
        if isinstance(target, Path):
            self._file = OutputFile(target, overwrite=overwrite)
            with os_errors(name, OutputError):
                self._stream = self._file.temporary.open("wb")
        else:
            self._stream = target

    def _begin(self, stream: BinaryIO) -> None:  # noqa: B027 - most formats have no header
        """Write what comes before the first frame."""

    @abstractmethod
    def _append(self, stream: BinaryIO, frame: Frame) -> None:
        """Write one frame."""

    def write(self, frame: Frame) -> None:
        """Append a frame; see ``FrameWriter.write``."""
        if self._stream is None:
            raise OutputError(f"{self._name}: is closed; open a new writer for more frames")
        check_frame_size(self._name, self.info, frame, self._count)
        with os_errors(self._name, OutputError):
            if self._count == 0:
                self._begin(self._stream)
            self._append(self._stream, frame)
            if self._file is None:
                self._stream.flush()  # whoever reads the pipe may be waiting for this frame
        self._count += 1

    def close(self) -> None:
        """Finish the output; see ``FrameWriter.close``."""
        if self._stream is None:
            return
        try:
            if self._count == 0:
                raise OutputError(f"{self._name}: no frame was written")
            with os_errors(self._name, OutputError):
                self._stream.flush()
                if self._file:
                    self._stream.close()
            if self._file:
                self._file.commit()
        except BaseException:
            self.abort()
            raise
        self._stream = None

    def abort(self) -> None:
        """Throw a file away; what went into a pipe stays there."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        if self._file:
            try:
                stream.close()
            except OSError:
                pass  # the buffered rest is not wanted either
            self._file.discard()
