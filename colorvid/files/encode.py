"""Whole files: encode, decode, verify, probe.

torch is loaded inside the functions, after the files have been opened: a wrong name is answered
at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from colorvid.bitstream import ClvReader, ClvWriter, OnDamage, Tune
from colorvid.codec.pictures import Encoded
from colorvid.config import DEFAULT_GOP, DEFAULT_QUALITY, is_whole
from colorvid.errors import ConfigError, OutputError
from colorvid.files.concealment import Concealment
from colorvid.files.reports import DecodeReport, EncodeReport, Progress
from colorvid.files.streams import (
    create_stream,
    header_of,
    info_of,
    name_of,
    named_errors,
    open_stream,
)
from colorvid.files.streams import probe as probe
from colorvid.frame import Frame
from colorvid.io import FrameReader, open_reader, open_writer
from colorvid.io.files import os_errors
from colorvid.quality.log import FrameLog, MeanScores, color_spec, open_log
from colorvid.system.interrupts import uninterrupted
from colorvid.system.limits import check_picture

OnError = Literal["conceal", "stop"]
ProgressCallback = Callable[[Progress], None]


def encode_file(
    source: str | Path,
    target: str | Path,
    *,
    quality: int = DEFAULT_QUALITY,
    gop: int = DEFAULT_GOP,
    inter_quality: int | None = None,
    frames: int | None = None,
    seek: int = 0,
    size: tuple[int, int] | None = None,
    rate: Fraction | None = None,
    convert: bool = False,
    threads: int = 0,
    device: str = "cpu",
    model: str = "default",
    overwrite: bool = False,
    csv: str | Path | None = None,
    scores: bool = False,
    progress: ProgressCallback | None = None,
) -> EncodeReport:
    """Encode a video into a ``.clv`` stream.

    The target appears under its name when it is complete; a pipe gets packets as they are ready.

    Args:
        source: a video, see `colorvid.io.open_reader`; ``-`` = y4m on standard input.
        target: a ``.clv`` file; ``-`` = standard output.
        quality: 0..63 of key frames, higher is better.
        gop: frames from key frame to key frame, at least 1.
        inter_quality: 0..63 of the other frames; None = a little below ``quality``.
        frames: encode at most so many frames; None = all.
        seek: frames of the source to skip first.
        size: (width, height) of a raw ``.yuv`` source.
        rate: frames per second; replaces what the source states.
        convert: convert a source that is not 8-bit 4:2:0.
        threads: most GOPs to work on at once; 0 = one for each core. Does not change the bytes.
        device: torch device.
        model: ``default``, ``color`` (tuned for small colour differences, CIEDE2000) or the path of
            a model file.
        overwrite: whether an existing target is replaced.
        csv: file for a line per frame, see `colorvid.quality.log.FrameRow`.
        scores: compare the frames with the source, also without ``csv``.
        progress: called after every frame.

    Raises:
        InputError: the source cannot be read, or holds what colorvid does not take.
        OutputError: a target exists or cannot be written.
        ConfigError: an argument is not allowed.
        ModelMismatch: no such model.
    """
    if csv is not None:
        _check_csv(csv, target)
    with ExitStack() as stack:
        reader = stack.enter_context(
            open_reader(source, size=size, rate=rate, convert=convert, frames=frames, seek=seek)
        )
        file = stack.enter_context(create_stream(target, overwrite=overwrite))
        log = stack.enter_context(open_log(csv, overwrite=overwrite)) if csv is not None else None
        with uninterrupted():
            from colorvid.codec import groups
            from colorvid.codec.coder import EncoderSettings

        _check_threads(threads)
        settings = EncoderSettings(quality=quality, gop=gop, inter_quality=inter_quality)
        ready = groups.model_on(device, model)
        tune = Tune.COLOR if model == "color" else Tune.DEFAULT
        writer = ClvWriter(file)
        writer.write_header(header_of(reader.info, gop, ready.identity, tune))
        stack.enter_context(groups.one_torch_thread())
        coded = stack.enter_context(
            closing(
                groups.encode_frames(
                    ready,
                    settings,
                    reader,
                    (reader.info.height, reader.info.width),
                    threads=threads,
                    scored=scores or csv is not None,
                    spec=color_spec(reader.info),
                )
            )
        )
        return _write_packets(coded, writer, reader, log, progress)


def _write_packets(
    coded: Iterator[Encoded],
    writer: ClvWriter,
    reader: FrameReader,
    log: FrameLog | None,
    progress: ProgressCallback | None,
) -> EncodeReport:
    """Write packets, log lines and the index; tell the progress."""
    start = time.perf_counter()
    count, means = 0, MeanScores()
    for item in coded:
        writer.write_packet(item.packet)
        count += 1
        means.add(item.row.scores)
        if log is not None:
            log.write(item.row)
        if progress is not None:
            elapsed = time.perf_counter() - start
            size = writer.bytes_written
            progress(Progress(count, reader.info.frames, size, reader.info.rate, elapsed))
    writer.finish()
    seconds = time.perf_counter() - start
    return EncodeReport(
        count, writer.bytes_written, reader.info.rate, seconds, means.means(), reader.warnings
    )


def decode_file(
    source: str | Path,
    target: str | Path,
    *,
    threads: int = 0,
    device: str = "cpu",
    model: str | None = None,
    overwrite: bool = False,
    on_error: OnError = "conceal",
    max_pixels: int | None = None,
    progress: ProgressCallback | None = None,
) -> DecodeReport:
    """Decode a ``.clv`` stream into a video.

    Args:
        source: a ``.clv`` file; ``-`` = standard input.
        target: a video, see `colorvid.io.open_writer`; ``-`` = y4m on standard output.
        threads: most GOPs to work on at once; 0 = one for each core.
        device: torch device; the pictures are the same on all.
        model: path of a model file; None = the released model that the stream names.
        overwrite: whether an existing target is replaced.
        on_error: ``conceal`` repeats the last good frame for every lost one whose number is
            known, goes on at the next key frame, and tells it in the report; ``stop`` raises at
            the first damage and leaves no target.
        max_pixels: refuse pictures with more luma samples; None = those that the memory of this
            machine has no room for.
        progress: called after every packet; the total is not known in a pipe.

    Raises:
        InputError: the source cannot be read.
        OutputError: the target exists or cannot be written.
        HeaderError: not a ``.clv`` stream, its header is damaged, or its pictures are too large.
        ModelMismatch: the model that the stream needs is not here.
        DamagedStream: no frame can be decoded; or at any damage, with ``on_error="stop"``.
        HashMismatch: a frame is not what was encoded, with ``on_error="stop"``.
        ConfigError: an argument is not allowed.
    """
    if on_error not in get_args(OnError):
        raise ConfigError(f"on_error is {on_error!r}; allowed are {', '.join(get_args(OnError))}")
    on = _Machine(threads, device, model, max_pixels)
    return _decode(source, (target, overwrite), on, on_error, progress)


def verify_file(
    source: str | Path,
    *,
    threads: int = 0,
    device: str = "cpu",
    model: str | None = None,
    max_pixels: int | None = None,
    progress: ProgressCallback | None = None,
) -> DecodeReport:
    """Decode a ``.clv`` stream and check every CRC and every hash; nothing is written.

    Arguments and errors are those of `decode_file`; damage is told in the report, also where no
    frame can be decoded.
    """
    on = _Machine(threads, device, model, max_pixels)
    return _decode(source, None, on, "conceal", progress)


@dataclass(frozen=True, slots=True)
class _Machine:
    """What to decode with; see `decode_file`."""

    threads: int
    device: str
    model: str | None
    max_pixels: int | None


def _decode(
    source: str | Path,
    target: tuple[str | Path, bool] | None,
    on: _Machine,
    on_error: OnError,
    progress: ProgressCallback | None,
) -> DecodeReport:
    """Decode into ``target`` (name and whether to overwrite), or only check if it is None."""
    with ExitStack() as stack:
        file = stack.enter_context(open_stream(source))
        stack.enter_context(named_errors(name_of(source, "stdin")))
        mode: OnDamage = "raise" if on_error == "stop" else "resync"
        reader = ClvReader(file, mode)
        info = info_of(reader.header)
        check_picture(reader.header.size, on.max_pixels)
        write: Callable[[Frame], None] = _discard
        if target is not None:
            writer = stack.enter_context(open_writer(target[0], info, overwrite=target[1]))
            write = writer.write
        with uninterrupted():
            from colorvid.codec import groups

        _check_threads(on.threads)
        decoded = stack.enter_context(
            groups.decode_stream(reader, device=on.device, model=on.model, threads=on.threads)
        )
        output = Concealment(write, strict=on_error == "stop")
        total = _total_frames(reader, file) if progress is not None else None
        start = time.perf_counter()
        for item in decoded:
            output.take(item)
            if progress is not None:
                elapsed = time.perf_counter() - start
                progress(Progress(output.written, total, output.bytes, info.rate, elapsed))
        if target is not None and output.written == 0:
            raise output.nothing_decoded()
        seconds = time.perf_counter() - start
        return output.report(info.rate, reader.index_bytes, seconds)


def _total_frames(reader: ClvReader, file: BinaryIO) -> int | None:
    """Frames in a seekable stream as its index says, without moving; None if it cannot be told."""
    return reader.stated_frames() if file.seekable() else None


def _discard(frame: Frame) -> None:
    """Write nowhere."""


def _check_csv(csv: str | Path, target: str | Path) -> None:
    with os_errors(str(csv), OutputError), os_errors(str(target), OutputError):
        same = os.path.realpath(csv) == os.path.realpath(target)
    if same:
        raise ConfigError(f"--csv {csv} is the output itself; give another name")


def _check_threads(threads: int) -> None:
    if not is_whole(threads, 0):
        raise ConfigError(f"threads is {threads!r}; it must be 1 or more, or 0 for all cores")
