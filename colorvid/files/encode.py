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
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from colorvid.bitstream import ClvWriter, DisplayOrder, Due, Tune
from colorvid.codec.settings import EncoderSettings
from colorvid.config import DEFAULT_BFRAMES, DEFAULT_GOP, DEFAULT_MIN_GOP, DEFAULT_QUALITY, TUNES
from colorvid.files.decode import ProgressCallback, check_threads
from colorvid.files.reports import EncodeReport, FrameCounter, Progress
from colorvid.files.streams import create_stream, header_of
from colorvid.frame import Frame
from colorvid.io import FrameReader, VideoInfo, open_reader
from colorvid.io.opening import check_section
from colorvid.io.places import check_apart
from colorvid.io.sources import ByteSource
from colorvid.io.times import Place, frame_number
from colorvid.native.core import core_for_encoding
from colorvid.quality.log import FrameLog, FrameRow, open_log
from colorvid.quality.scores import FrameScores, MeanScores, color_spec, score_frame
from colorvid.system.interrupts import uninterrupted
from colorvid.system.limits import require_folder

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from colorvid.codec.groups import EncodedFrame

    class EncodeKeywords(TypedDict, total=False):
        """The fields of `EncodeOptions` as keyword arguments."""

        quality: int
        gop: int
        scenecut: bool
        min_gop: int
        bframes: int
        inter_quality: int | None
        frames: int | None
        seek: Place
        size: tuple[int, int] | None
        rate: Fraction | None
        convert: bool
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
        quality: 0..63 of key frames, higher is better.
        gop: every so many frames there is a key frame, at least 1.
        scenecut: whether a new scene begins with a key frame too.
        min_gop: frames from a key frame to one of a new scene, at least.
        bframes: most B frames between two P frames, 0..15. With 0 every frame can be decoded as
            soon as it is coded, which costs bits.
        inter_quality: 0..63 of the other frames; None = below ``quality`` by their level, see
            `EncoderSettings`.
        frames: encode at most this many frames; None = all.
        seek: the first frame of the source, a number from 0 or a time such as ``10s``.
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
        ConfigError: a value is not allowed.
    """

    quality: int = DEFAULT_QUALITY
    gop: int = DEFAULT_GOP
    scenecut: bool = True
    min_gop: int = DEFAULT_MIN_GOP
    bframes: int = DEFAULT_BFRAMES
    inter_quality: int | None = None
    frames: int | None = None
    seek: Place = 0
    size: tuple[int, int] | None = None
    rate: Fraction | None = None
    convert: bool = False
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
        self.settings()

    def settings(self) -> EncoderSettings:
        """What of it the encoder of frames needs."""
        return EncoderSettings(
            quality=self.quality,
            gop=self.gop,
            scenecut=self.scenecut,
            min_gop=self.min_gop,
            bframes=self.bframes,
            inter_quality=self.inter_quality,
        )

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
        return encode_video(reader, file, options)


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
    )


def encode_video(reader: FrameReader, file: BinaryIO, options: EncodeOptions) -> EncodeReport:
    """Encode a video that is open into a binary file that is open, from its present position.

    Args:
        reader: the frames; what of ``options`` chooses among them has been done.
        file: a file or a pipe.
        options: see `EncodeOptions`.

    Raises:
        ColorvidError: see `encode_file`.
    """
    core_for_encoding()
    with ExitStack() as stack:
        log = None
        if options.csv is not None:
            log = stack.enter_context(open_log(options.csv, overwrite=options.overwrite))
        with uninterrupted():
            from colorvid.codec.groups import encode_frames
            from colorvid.models.loading import model_on

        model = model_on(options.device, options.model)
        writer = ClvWriter(file)
        writer.write_header(
            header_of(reader.info, options.settings(), model.identity, options.tune)
        )
        counter = FrameCounter()
        score = _scorer(reader.info) if options.scores or log is not None else None
        coded = encode_frames(
            model,
            options.settings(),
            reader,
            reader.info.size,
            threads=options.threads,
            scorer=_counting(score, counter),
        )
        stack.enter_context(closing(coded))
        written = coded if log is None else _logged(coded, log, options.settings().reorder)
        return _write_packets(written, writer, reader, (options.progress, counter))


def _counting(
    score: Callable[[Frame, Frame], FrameScores] | None, counter: FrameCounter
) -> Callable[[Frame, Frame], FrameScores | None]:
    """Scores frames, or not, and counts them."""

    def count(source: Frame, decoded: Frame) -> FrameScores | None:
        scores = None if score is None else score(source, decoded)
        counter()
        return scores

    return count


def _scorer(info: VideoInfo) -> Callable[[Frame, Frame], FrameScores]:
    """Scores frames of such a video, without the slow MS-SSIM."""
    spec = color_spec(info)
    return lambda source, decoded: score_frame(source, decoded, spec, ms_ssim_too=False)


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
    reader: FrameReader,
    watching: tuple[ProgressCallback | None, FrameCounter],
) -> EncodeReport:
    """Write packets and the index; report the progress to the first of ``watching``."""
    progress, counter = watching
    start = time.perf_counter()
    count, qualities, means = 0, 0, MeanScores()
    for item in coded:
        packet = item.packet
        writer.write_packet(packet)
        count += 1
        qualities += packet.quality
        means.add(item.row.scores)
        if progress is not None:
            elapsed = time.perf_counter() - start
            size, done = writer.bytes_written, counter.at_least(count)
            total, rate = reader.info.frames, reader.info.rate
            progress(Progress(done, total, size, rate, elapsed, written=count))
    writer.finish()
    seconds = time.perf_counter() - start
    return EncodeReport(
        count,
        writer.bytes_written,
        reader.info.rate,
        seconds,
        means.means(),
        reader.warnings,
        qualities / max(count, 1),
    )
