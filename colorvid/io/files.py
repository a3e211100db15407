"""Bytes in and out: exact reads, atomic outputs, packed 4:2:0 frames, writers of plain bytes."""

from __future__ import annotations

import atexit
import errno
import hashlib
import io
import os
import secrets
import shutil
import stat
import sys
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

import numpy as np

from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.frame import Frame, Plane, Size, chroma_size
from colorvid.io.base import FrameWriter, VideoInfo, check_frame_size
from colorvid.io.places import descriptor, is_stream, open_elsewhere


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


def frame_bytes(size: Size, depth: int = 8) -> int:
    """Bytes of a packed 4:2:0 frame: Y, then U, then V, rows without padding.

    Samples of 10 bits take two bytes each, the lower one first.
    """
    rows, columns = chroma_size(*size.shape)
    return (size.pixels + 2 * rows * columns) * (1 if depth == 8 else 2)


class Readable(Protocol):
    """What frames are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


def read_packed_frame(stream: Readable, size: Size, depth: int = 8) -> tuple[Frame | None, int]:
    """Read one packed frame, see `frame_bytes`.

    Returns:
        The frame, or None if fewer bytes than a frame were left, and the number of bytes read.

    Raises:
        InputError: a sample is above 1023.
    """
    data = np.empty(frame_bytes(size, depth), np.uint8)
    count = _read_into(stream, data.data)
    if count < data.size:
        return None, count
    samples = data if depth == 8 else data.view("<u2").astype(np.uint16, copy=False)
    return _unpack(samples, size), count


def _read_into(stream: Readable, target: memoryview) -> int:
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
    """Cut packed samples into planes that share their memory."""
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
    for plane in frame.packed():
        stream.write(plane.data)


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
    An existing file keeps its mode, owner and attributes. One with several names (hard links), of
    another owner, mounted on its own, or in a folder that cannot be written, cannot be replaced in
    one step: what was written is copied into it at the end. Named pipes, devices without an end of
    their own (``/dev/null``) and open descriptors (``/dev/stdout``, ``/dev/fd/3``) take what is
    written as it comes, or at the end where a file under a temporary name is needed.

    Attributes:
        name: as in messages.
        is_stream: whether it is such a pipe, device or descriptor.

    Raises:
        OutputError: the final name is taken and ``overwrite`` is False, is not a file or a stream,
            or cannot be written.
        ConfigError: standard output or standard error goes to that file.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Reserve a temporary file in the folder of ``path``; symbolic links are followed."""
        self.name = str(path)
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._descriptor = descriptor(path)
        self._in_place = False
        with os_errors(self.name, OutputError):
            self._final = path if self._descriptor is not None else Path(os.path.realpath(path))
            self.is_stream = is_stream(path)
        if self.is_stream:
            return
        status = self._check_final()
        with os_errors(self.name, OutputError):
            try:
                self._reserve(self._final.parent, status)
            except PermissionError:
                if status is None:
                    raise
                self._in_place = True
            except OSError as error:
                if status is None or error.errno != errno.EROFS:
                    raise
                self._in_place = True
            if self._in_place:
                self._reserve(Path(tempfile.gettempdir()), status)

    def _check_final(self) -> os.stat_result | None:
        """Refuse what must not be replaced; status of an existing file."""
        with os_errors(self.name, OutputError):
            folder, file = self._final.is_dir(), self._final.is_file()
            taken = folder or file or self._final.exists()
            status = self._final.stat() if taken else None
        if folder:
            raise OutputError(f"{self.name}: is a directory; give the name of a file")
        if status is None:
            return None
        if not file:
            raise OutputError(f"{self.name}: is not a plain file; give the name of a file")
        if not self._overwrite:
            raise OutputError(f"{self.name} exists; pass overwrite=True to overwrite")
        stream = open_elsewhere(status)
        if stream is not None:
            raise ConfigError(
                f"{self.name}: {stream} goes to this file; give another name or /dev/stdout"
            )
        if not os.access(self._final, os.W_OK):
            raise OutputError(f"{self.name}: is write-protected; give another name")
        return status

    def _reserve(self, folder: Path, status: os.stat_result | None) -> None:
        """Make the temporary file; it must not be open to more people than the final one."""
        path = folder / _temporary_name(self._final.name, folder)
        mode = 0o666 if status is None else stat.S_IMODE(status.st_mode) & 0o600
        _unfinished[path] = os.getpid()
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            if status is not None and not self._in_place:
                self._in_place = not _keep_attributes(self._final, path, status)
        except BaseException:
            path.unlink(missing_ok=True)
            _unfinished.pop(path)
            raise
        self._temporary = path

    def refuse_terminal(self) -> None:
        """Refuse to send bytes that are no text to a terminal.

        Raises:
            ConfigError: it is one.
        """
        if self.is_stream:
            with os_errors(self.name, OutputError):
                if self._descriptor is not None:
                    terminal = os.isatty(self._descriptor)
                else:
                    terminal = self._final.is_char_device() and os.path.samefile(
                        self._final, "/dev/tty"
                    )
            if terminal:
                raise ConfigError(f"{self.name}: is a terminal; give a file or a pipe")

    @property
    def temporary(self) -> Path:
        """Where to write; for a stream a file that is copied into it at the end."""
        if self._temporary is None:
            with os_errors(self.name, OutputError):
                self._reserve(Path(tempfile.gettempdir()), None)
        assert self._temporary is not None
        return self._temporary

    def open(self, buffering: int = -1) -> BinaryIO:
        """Open for writing bytes; a stream takes them as they come.

        Raises:
            OutputError: it cannot be opened.
        """
        with os_errors(self.name, OutputError):
            return self._open_stream(buffering) if self.is_stream else self._open_file(buffering)

    def _open_file(self, buffering: int) -> BinaryIO:
        return self.temporary.open("wb", buffering=buffering)

    def _open_stream(self, buffering: int = -1) -> BinaryIO:
        if self._descriptor is None:
            return self._final.open("wb", buffering=buffering)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "flush"):
                stream.flush()  # what was printed before goes out before
        return os.fdopen(os.dup(self._descriptor), "wb", buffering=buffering)

    def commit(self) -> None:
        """Give the file its final name, in one step of the file system where that can be.

        Raises:
            OutputError: that fails, or someone has made a file of that name meanwhile.
        """
        if self._temporary is None:
            return
        if self.is_stream:
            with os_errors(self.name, OutputError), self._open_stream() as target:
                _copy(self._temporary, target)
        else:
            status = self._check_final()
            with os_errors(self.name, OutputError):
                self._replace(self._temporary, status)
        self.discard()

    def _replace(self, temporary: Path, status: os.stat_result | None) -> None:
        """Put the temporary file in the place of the final one."""
        if status is None and not self._in_place:
            _name_anew(temporary, self._final)
            return
        if status is not None and status.st_nlink == 1 and not self._in_place:
            try:
                os.replace(temporary, self._final)
                return
            except OSError:  # mounted on its own, or not ours in a folder of many
                pass
        with self._final.open("r+b") as target:
            _reserve_space(target.fileno(), temporary.stat().st_size)
            _copy(temporary, target)
            target.truncate()

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            _unfinished.pop(self._temporary, None)
            self._temporary = None


_PART = ".part"


def _temporary_name(name: str, folder: Path) -> str:
    """``.NAME.XXXXXXXX.part``, with as much of the name as the file system has room for."""
    end = f".{secrets.token_hex(4)}{_PART}"
    try:
        longest = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        longest = _LONGEST_NAME
    return f".{shortened(name, longest - 1 - len(end))}{end}"


def shortened(name: str, most: int) -> str:
    """As much of the beginning of a name as fits into ``most`` bytes."""
    data = os.fsencode(name)
    return name if len(data) <= most else data[: max(0, most)].decode("utf-8", "ignore")


_LONGEST_NAME = 255
"""Bytes of the name of a file on usual file systems."""


def file_name(before: str, name: str, after: str) -> str:
    """A name made of another one; that is cut and gets a digest where there is no room for it."""
    room = _LONGEST_NAME - len(os.fsencode(before)) - len(os.fsencode(after))
    if len(os.fsencode(name)) > room:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        name = f"{shortened(name, room - 1 - len(digest))}-{digest}"
    return f"{before}{name}{after}"


def _keep_attributes(source: Path, target: Path, status: os.stat_result) -> bool:
    """Give a new file owner, mode and attributes of another; whether the owner could be kept."""
    new = target.stat()
    if (status.st_uid, status.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.chown(target, status.st_uid, status.st_gid)
        except OSError:
            return False
    shutil.copystat(source, target)
    os.utime(target)
    return True


def _name_anew(temporary: Path, final: Path) -> None:
    """Give a file a name that nothing has; another one that got it meanwhile stays.

    Raises:
        FileExistsError: there is one.
    """
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.replace(temporary, final)


def _reserve_space(number: int, size: int) -> None:
    """Make room for ``size`` bytes before anything is overwritten: the disk may be full."""
    before = os.fstat(number).st_size
    if size <= before or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(number, 0, size)
    except OSError:
        os.ftruncate(number, before)
        raise


def _copy(source: Path, target: BinaryIO) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, target)
    target.flush()


@contextmanager
def output_text(path: Path, *, overwrite: bool) -> Iterator[TextIO]:
    """A text file, UTF-8, that appears under its name when the block ends well.

    Line ends are written as they are given; parts of names that are no text become escapes.

    Raises:
        OutputError: see `OutputFile`; or the file cannot be written.
    """
    target = OutputFile(path, overwrite=overwrite)
    try:
        with os_errors(target.name, OutputError):
            with io.TextIOWrapper(
                target.open(), encoding="utf-8", errors="backslashreplace", newline=""
            ) as file:
                yield file
        target.commit()
    except BaseException:
        target.discard()
        raise


def write_output(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a whole file, which appears under its name when it is complete.

    Raises:
        OutputError: see `OutputFile`; or the file cannot be written.
    """
    target = OutputFile(path, overwrite=overwrite)
    try:
        with os_errors(target.name, OutputError), target.open() as file:
            file.write(data)
        target.commit()
    except BaseException:
        target.discard()
        raise


_BUFFER_BYTES = 2**20
"""Of files and pipes: every write to the system may have to wait for other threads."""


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
            self._file.refuse_terminal()
            self._stream = self._file.open(_BUFFER_BYTES)
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
            if self._file is None or self._file.is_stream:
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
