"""Videos to ``.clv`` streams.

torch is loaded inside the functions, after the files have been opened, so that a wrong name is
answered at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from colorvid.bitstream import ClvWriter, DisplayOrder, Due, Packet, Tune
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.targets import DE, FIGURES, MS_SSIM, Target
from colorvid.config import (
    DEFAULT_BFRAMES,
    DEFAULT_GOP,
    DEFAULT_MIN_GOP,
    DEFAULT_QUALITY,
    TUNES,
    is_whole,
)
from colorvid.effort import DEFAULT_PRESET
from colorvid.errors import ConfigError
from colorvid.files.decode import ProgressCallback, check_threads
from colorvid.files.reports import EncodeReport, FrameCounter, Progress, Scorer, Shares
from colorvid.files.streams import create_stream, header_of
from colorvid.frame import DEPTHS
from colorvid.io import FrameReader, VideoInfo, open_reader
from colorvid.io.opening import check_section
from colorvid.io.places import check_apart, is_readable_again
from colorvid.io.sources import ByteSource
from colorvid.io.times import Place, frame_number
from colorvid.native.core import core_for_encoding
from colorvid.quality.log import FrameLog, FrameRow, open_log
from colorvid.quality.metrics import MS_SSIM_MIN_SIDE_PX
from colorvid.quality.scores import MeanScores, color_spec, score_frame
from colorvid.system.interrupts import uninterrupted
from colorvid.system.limits import require_folder

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from colorvid.codec.groups import EncodedFrame
    from colorvid.models.loading import Model

    class EncodeKeywords(TypedDict, total=False):
        """The fields of `EncodeOptions` as keyword arguments."""

        quality: int
        bitrate: int | None
        target_size: int | None
        target_psnr: float | None
        target_de: float | None
        target_ms_ssim: float | None
        one_pass: bool
        maxrate: int | None
        bufsize: int | None
        gop: int
        scenecut: bool
        min_gop: int
        bframes: int
        preset: str
        inter_quality: int | None
        frames: int | None
        seek: Place
        size: tuple[int, int] | None
        rate: Fraction | None
        convert: bool
        bit_depth: int | None
        threads: int
        device: str
        model: str
        overwrite: bool
        csv: str | Path | None
        scores: bool
        progress: ProgressCallback | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode a video.

    Attributes:
        quality: 0..63, higher is better, see `EncoderSettings`; a target replaces it.
        bitrate: bits a second that the whole stream shall have, to 3 %.
        target_size: bytes that the stream shall have at most, to 3 %.
        target_psnr: mean PSNR of YUV (6:1:1) to reach, to 0.1 dB.
        target_de: mean CIEDE2000 to reach, to 0.05.
        target_ms_ssim: mean MS-SSIM of luma to reach, 0..1, to 0.1 dB of it.
        one_pass: meet ``bitrate`` in one pass, less exactly without B frames; a pipe is read once
            anyway. With B frames it takes up to twice the time of a quality, as ``maxrate`` does.
        maxrate: bits a second at which a receiver takes the stream in, with ``quality`` or
            ``bitrate``, in one pass: frames get coarser where the stream would not keep up.
        bufsize: bits that the receiver's buffer holds; None = two seconds of ``maxrate``.
        gop: every so many frames there is a key frame, at least 1.
        scenecut: whether a new scene begins with a key frame too.
        min_gop: frames from a key frame to one of a new scene, at least.
        bframes: most B frames between two P frames, 0..15. With 0 every frame can be decoded as
            soon as it is coded, which costs bits.
        preset: ``fast``, ``medium``, ``slow`` or ``best``: the time that the encoder takes.
        inter_quality: 0..63 of the other frames; None = below ``quality`` by their level, see
            `EncoderSettings`.
        frames: encode at most this many frames; None = all.
        seek: the first frame of the source, a number from 0 or a time such as ``10s``.
        size: (width, height) of a raw ``.yuv`` source.
        rate: frames per second; replaces what the source states.
        convert: convert a source that is not 4:2:0 of 8 or 10 bits.
        bit_depth: 8 or 10 bits a sample in the stream; None = as the source has them. Of a raw
            ``.yuv`` source it is what the source has, 8 if None.
        threads: most frames to work on at once; 0 = one for each core. Does not change the bytes.
        device: torch device.
        model: ``default``, ``color`` (tuned for small colour differences, CIEDE2000) or the path of
            a model file.
        overwrite: whether an existing target is replaced.
        csv: file for a line per frame, see `colorvid.quality.log.FrameRow`.
        scores: compare the frames with the source, also without ``csv``.
        progress: called after every frame.

    Raises:
        ConfigError: a value is not allowed.
    """

    quality: int = DEFAULT_QUALITY
    bitrate: int | None = None
    target_size: int | None = None
    target_psnr: float | None = None
    target_de: float | None = None
    target_ms_ssim: float | None = None
    one_pass: bool = False
    maxrate: int | None = None
    bufsize: int | None = None
    gop: int = DEFAULT_GOP
    scenecut: bool = True
    min_gop: int = DEFAULT_MIN_GOP
    bframes: int = DEFAULT_BFRAMES
    preset: str = DEFAULT_PRESET
    inter_quality: int | None = None
    frames: int | None = None
    seek: Place = 0
    size: tuple[int, int] | None = None
    rate: Fraction | None = None
    convert: bool = False
    bit_depth: int | None = None
    threads: int = 0
    device: str = "cpu"
    model: str = "default"
    overwrite: bool = False
    csv: str | Path | None = None
    scores: bool = False
    progress: ProgressCallback | None = None

    def __post_init__(self) -> None:
        """Refuse values out of their ranges."""
        check_threads(self.threads)
        check_section(frame_number(self.seek, Fraction(1), "seek"), self.frames)
        if self.bit_depth not in (None, *DEPTHS):
            raise ConfigError(f"bit_depth={self.bit_depth!r} is not allowed; it must be 8 or 10")
        self.settings()
        self._check_limits()
        if self.target is not None and self.inter_quality is not None:
            raise ConfigError(
                f"inter_quality={self.inter_quality} does not go with {self.target.name}="
                f"{self.target.value}; leave out one of them"
            )

    def settings(self) -> EncoderSettings:
        """What of it the encoder of frames needs."""
        return EncoderSettings(
            quality=self.quality,
            gop=self.gop,
            scenecut=self.scenecut,
            min_gop=self.min_gop,
            bframes=self.bframes,
            preset=self.preset,
            inter_quality=self.inter_quality,
        )

    def _check_limits(self) -> None:
        """Refuse limits of the rate that have nothing to limit, or no sense."""
        for name in ("maxrate", "bufsize"):
            value = getattr(self, name)
            if value is not None and not is_whole(value, 1):
                raise ConfigError(f"{name}={value!r} is not allowed; give a number of bits")
        if self.bufsize is not None and self.maxrate is None:
            raise ConfigError(f"bufsize={self.bufsize} belongs to a maxrate; give one")
        target = self.target
        if target is not None and target.name != "bitrate":
            given = {"maxrate": self.maxrate, "one_pass": self.one_pass or None}
            for name, value in given.items():
                if value is not None:
                    raise ConfigError(
                        f"{name}={value} does not go with {target.name}={target.value}, which "
                        "takes several passes; leave out one of them"
                    )
        elif target is None and self.one_pass:
            raise ConfigError("one_pass=True is for a bitrate; give one")

    @property
    def target(self) -> Target | None:
        """What the whole video shall have; None = constant quality.

        Raises:
            ConfigError: there are two targets, or a value is not allowed.
        """
        values = {name: value for name in FIGURES if (value := getattr(self, name)) is not None}
        if len(values) > 1:
            given = " and ".join(f"{name}={value}" for name, value in values.items())
            raise ConfigError(f"{given} are given; a video can have one target only")
        return next((Target(*pair) for pair in values.items()), None)

    @property
    def tune(self) -> Tune:
        """What the stream header says of the model."""
        return Tune.COLOR if self.model == "color" else Tune.DEFAULT


def encode_file(
    source: str | Path,
    target: str | Path,
    options: EncodeOptions | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> EncodeReport:
    """Encode a video into a ``.clv`` stream.

    The target appears under its name when it is complete; a pipe gets packets as they are ready.

    Args:
        source: a video, see `colorvid.io.open_reader`; ``-`` = y4m on standard input.
        target: a ``.clv`` file; ``-`` = standard output.
        options: see `EncodeOptions`.
        keywords: fields of `EncodeOptions`, in place of those of ``options``.

    Raises:
        InputError: the source cannot be read, or holds what colorvid does not take.
        OutputError: a target exists or cannot be written.
        ConfigError: an argument is not allowed, or there is no native core.
        ModelMismatch: no such model.
    """
    options = replace(options or EncodeOptions(), **keywords)
    core_for_encoding()
    require_folder()
    check_outputs(source, target, options)
    with (
        open_source(source, options) as reader,
        create_stream(target, overwrite=options.overwrite) as file,
    ):
        again = partial(open_source, source, options) if is_readable_again(source) else None
        return encode_video(reader, file, options, again)


def check_outputs(
    source: str | Path | None, target: str | Path | None, options: EncodeOptions
) -> None:
    """Refuse to write over what is read.

    Raises:
        ConfigError: two of source, model, target and log are one file.
    """
    model_file = None if options.model in TUNES else options.model
    check_apart(
        {"the input": source, "the model": model_file},
        {"the output": target, "the log": options.csv},
    )


def open_source(source: str | Path | ByteSource, options: EncodeOptions) -> FrameReader:
    """The video to encode.

    Raises:
        InputError: see `encode_file`.
        ConfigError: see `encode_file`.
    """
    return open_reader(
        source,
        size=options.size,
        rate=options.rate,
        convert=options.convert,
        frames=options.frames,
        seek=options.seek,
        depth=options.bit_depth,
    )


def encode_video(
    reader: FrameReader,
    file: BinaryIO,
    options: EncodeOptions,
    reopen: Callable[[], FrameReader] | None = None,
) -> EncodeReport:
    """Encode a video that is open into a binary file that is open, from its present position.

    Args:
        reader: the frames; what of ``options`` chooses among them has been done.
        file: a file or a pipe.
        options: see `EncodeOptions`.
        reopen: gives the same frames once more; None = they can be read only once.

    Raises:
        ColorvidError: see `encode_file`.
    """
    core_for_encoding()
    with ExitStack() as stack:
        log = None
        if options.csv is not None:
            log = stack.enter_context(open_log(options.csv, overwrite=options.overwrite))
        with uninterrupted():
            from colorvid.models.loading import model_on

        model = model_on(options.device, options.model)
        writer = ClvWriter(file)
        writer.write_header(
            header_of(reader.info, options.settings(), model.identity, options.tune)
        )
        job = _Job(options, reader, model, writer, log)
        once = reopen is None
        if options.maxrate is not None or options.one_pass or (once and options.bitrate):
            return _in_one_pass(job, unasked=once and not options.one_pass)
        if options.target is None:
            return _at_constant_quality(job)
        if reopen is None:
            raise ConfigError(
                f"{options.target.name}={options.target.value} takes several passes, and the "
                "input can be read only once; give a file, or a bitrate"
            )
        return _to_target(job, options.target, reopen)


@dataclass(frozen=True, slots=True)
class _Job:
    """An encoding whose files are open, and the header written."""

    options: EncodeOptions
    reader: FrameReader
    model: Model
    writer: ClvWriter
    log: FrameLog | None

    def scorer(self) -> Scorer | None:
        """What the options need of it; None = nothing.

        Raises:
            ConfigError: the frames have no such figure as the target is about.
        """
        options, info = self.options, self.reader.info
        metric = None if options.target is None else options.target.figure.metric
        all_quick = options.scores or options.csv is not None
        if metric is None and not all_quick:
            return None
        spec = color_spec(info) if all_quick or metric == DE.metric else None
        if metric == DE.metric and spec is None:
            raise ConfigError(
                f"target_de={options.target_de} needs colours by BT.601, BT.709 or BT.2020; the "
                f"input has matrix {info.matrix}"
            )
        with_ms_ssim = metric == MS_SSIM.metric
        if with_ms_ssim and min(info.width, info.height) < MS_SSIM_MIN_SIDE_PX:
            raise ConfigError(
                f"target_ms_ssim={options.target_ms_ssim} needs sides of {MS_SSIM_MIN_SIDE_PX} "
                f"samples or more; the input is {info.size}"
            )
        return partial(score_frame, spec=spec, ms_ssim_too=with_ms_ssim)

    def write(
        self, coded: Iterator[EncodedFrame], progress: ProgressCallback | None, done: FrameCounter
    ) -> EncodeReport:
        """Write packets, lines of the log and the index."""
        if self.log is not None:
            coded = _logged(coded, self.log, self.options.settings().reorder)
        return _write_packets(coded, self.writer, self.reader.info, (progress, done))


def _at_constant_quality(job: _Job) -> EncodeReport:
    """Encode in one pass with the quality of the options."""
    from colorvid.codec.groups import encode_frames

    options, reader, counter = job.options, job.reader, FrameCounter()
    coded = encode_frames(
        job.model,
        options.settings(),
        reader,
        reader.info.size,
        depth=reader.info.depth,
        threads=options.threads,
        scorer=counter.counting(job.scorer()),
    )
    with closing(coded):
        report = job.write(coded, options.progress, counter)
    return replace(report, warnings=reader.warnings)


def _in_one_pass(job: _Job, *, unasked: bool) -> EncodeReport:
    """Keep to a rate as far as one pass can; ``unasked`` if the source allows no second one."""
    from colorvid.codec.groups import encode_planned
    from colorvid.codec.pacing import MOST_GROUPS, Pace, Pacer

    options, info, counter = job.options, job.reader.info, FrameCounter()
    rate = float(info.rate)
    peak = None if options.maxrate is None else options.maxrate / rate
    pace = Pace(
        None if options.bitrate is None else options.bitrate / rate,
        peak,
        0.0 if peak is None else options.bufsize or 2 * peak * rate,
    )
    pacer = Pacer(pace, options.settings())
    coded = encode_planned(
        job.model,
        options.settings(),
        pacer.plan(job.model, job.reader),
        info.size,
        depth=info.depth,
        threads=options.threads,
        most_groups=MOST_GROUPS,
        scorer=counter.counting(job.scorer()),
    )
    with closing(coded):
        report = job.write(_noted(coded, pacer.note), options.progress, counter)
    doubts = list(job.reader.warnings)
    if unasked and options.bitrate is not None:
        doubts.append(
            f"bitrate={options.bitrate} is met in one pass, as the input is read only once"
        )
    return replace(
        report,
        warnings=(
            *doubts,
            *_off(report, options, pacer.fullest / pace.buffer if pace.buffer else 0),
        ),
    )


def _off(report: EncodeReport, options: EncodeOptions, fullest: float) -> Iterator[str]:
    """Warnings where rates were not kept to; ``fullest`` is that of the buffer, 1 = full."""
    if options.bitrate is not None and abs(1000 * report.kbps / options.bitrate - 1) > 0.03:
        yield f"bitrate={options.bitrate} became {report.kbps:.1f} kbit/s in one pass"
    if fullest > 1:
        yield (
            f"maxrate={options.maxrate} would need a buffer {fullest:.2f} times as large; lower "
            "the quality, or give a larger bufsize"
        )


def _noted(coded: Iterator[EncodedFrame], note: Callable[[Packet], None]) -> Iterator[EncodedFrame]:
    """The same frames; ``note`` gets their packets."""
    for item in coded:
        note(item.packet)
        yield item


def _to_target(job: _Job, target: Target, reopen: Callable[[], FrameReader]) -> EncodeReport:
    """Encode in as many passes as a target takes."""
    from colorvid.files.passes import Passes, Work
    from colorvid.files.spool import Spool

    start, options = time.perf_counter(), job.options
    work = Work(
        reopen, job.model, options.settings(), options.threads, job.scorer(), options.progress
    )
    with Spool() as spool:
        outcome = Passes(work, target, spool).run(job.reader)
        report = job.write(spool.frames(outcome.qualities), None, FrameCounter())
    return replace(
        report,
        warnings=outcome.warnings,
        seconds=time.perf_counter() - start,
        passes=outcome.passes,
    )


def _logged(coded: Iterator[EncodedFrame], log: FrameLog, reorder: int) -> Iterator[EncodedFrame]:
    """The same frames; their lines go into the log in order of display."""
    order: DisplayOrder[FrameRow] = DisplayOrder(reorder)
    for item in coded:
        packet = item.packet
        number, shown = packet.frame_number, packet.display_number
        _write_rows(log, order.push(number, shown, item.row, is_key=packet.is_key))
        yield item
    _write_rows(log, order.flush())


def _write_rows(log: FrameLog, due: list[Due[FrameRow]]) -> None:
    for line in due:
        if line.item is not None:
            log.write(line.item)


def _write_packets(
    coded: Iterator[EncodedFrame],
    writer: ClvWriter,
    info: VideoInfo,
    watching: tuple[ProgressCallback | None, FrameCounter],
) -> EncodeReport:
    """Write packets and the index; report the progress to the first of ``watching``."""
    progress, counter = watching
    start = time.perf_counter()
    count, qualities, means, shares = 0, 0, MeanScores(), Shares()
    for item in coded:
        packet = item.packet
        writer.write_packet(packet)
        count += 1
        qualities += packet.quality
        means.add(item.row.scores)
        shares.add(packet, item.row.scores)
        if progress is not None:
            elapsed = time.perf_counter() - start
            size, done = writer.bytes_written, counter.at_least(count)
            progress(Progress(done, info.frames, size, info.rate, elapsed, written=count))
    writer.finish()
    return EncodeReport(
        count,
        writer.bytes_written,
        info.rate,
        time.perf_counter() - start,
        means.means(),
        quality=qualities / max(count, 1),
        levels=shares.levels(),
        worst=shares.worst(),
    )
