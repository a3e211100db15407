"""``colorvid encode``, ``decode`` and ``verify``: their options, and what they do with them."""

from __future__ import annotations

import argparse
import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from colorvid.cli.options import (
    Command,
    Options,
    add_bframes,
    add_input,
    add_output,
    add_places,
    add_preset,
    add_progress,
    add_trust,
    add_work,
    bframes_of,
    frame_rate,
    in_words_of_options,
    model_of,
    resolution,
    whole,
)
from colorvid.cli.targets import add_targets, quality_of, targets_of
from colorvid.cli.terminal import (
    JsonProgress,
    ProgressLine,
    Signals,
    progress_line,
    say,
    show,
)
from colorvid.codec.targets import FIGURES, LIMITS
from colorvid.config import (
    DEFAULT_GOP,
    DEFAULT_MIN_GOP,
    DEFAULT_QUALITY,
    QUALITIES,
    TUNES,
    ZEROLATENCY,
)
from colorvid.errors import ConfigError
from colorvid.files.decode import DecodeOptions, decode_file, output_kind, verify_file
from colorvid.files.encode import EncodeOptions, encode_file
from colorvid.files.reports import DecodeReport, EncodeReport, Share
from colorvid.files.streams import name_of
from colorvid.frame import DEPTHS
from colorvid.images.pictures import is_picture, is_written_as_picture
from colorvid.io.places import PIPE
from colorvid.quality.scores import FrameScores
from colorvid.system.text import duration, file_size, plural

if TYPE_CHECKING:
    from colorvid.images.stills import PictureReport


def add_commands(command: Command) -> None:
    """Add the commands of this family."""
    _add_encode(command("encode", "encode a video into a .clv stream"))
    _add_decode(command("decode", "decode a .clv stream into a video"))
    _add_play(command("play", "show a .clv stream in ffplay or mpv"))
    _add_verify(command("verify", "decode a .clv stream and check every CRC and hash"))


def _add_encode(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_encode)
    add_input(
        parser, "y4m, raw .yuv (with --size and --fps), a picture, or what FFmpeg reads; - = stdin"
    )
    output = parser.add_argument_group("output")
    add_output(output, "the .clv stream; - = stdout")
    output.add_argument(
        "--csv", metavar="FILE", help="write a line for each frame: bytes by kind, PSNR, dE00, time"
    )
    output.add_argument(
        "--summary", action="store_true",
        help="print frames, bytes and quality of each level and of the worst group at the end",
    )  # fmt: skip
    source = add_choices(parser)
    source.add_argument(
        "--from", "--seek", dest="seek", default="0", metavar="PLACE",
        help="first frame: a number from 0, or a time such as 10s or 1:02.5",
    )  # fmt: skip
    source.add_argument(
        "--full-range", action="store_true",
        help="of pictures in RGB (.png, .webp, .bmp, .tif): code Y from 0 to 255, not 16 to 235",
    )  # fmt: skip
    add_work(parser)
    add_progress(parser)


def add_choices(parser: argparse.ArgumentParser) -> Options:
    """What can be chosen for an encoding, wherever it comes from and goes to.

    Returns:
        The group of options of the input.
    """
    quality = parser.add_argument_group("quality")
    _add_quality(quality)
    quality.add_argument("--psnr", action="store_true", help="print mean PSNR and dE00 at the end")
    add_targets(parser)
    source = parser.add_argument_group("input")
    source.add_argument("--frames", type=whole(1), metavar="N", help="encode at most N frames")
    source.add_argument(
        "--size", "--input-res", type=resolution, metavar="WxH", help="size of a raw .yuv input"
    )
    source.add_argument(
        "--fps", type=frame_rate, metavar="N/D", help="frame rate; replaces that of the input"
    )
    source.add_argument(
        "--convert", action="store_true",
        help="convert an input that is not 4:2:0 of 8 or 10 bits",
    )  # fmt: skip
    source.add_argument(
        "--bit-depth", type=int, choices=DEPTHS, metavar="N",
        help="8 or 10 bits a sample; of a raw .yuv input, what it has (default: as the input)",
    )  # fmt: skip
    return source


def _add_quality(group: Options) -> None:
    """What decides on quality and size."""
    top = QUALITIES - 1
    group.add_argument(
        "-q", "--quality", type=whole(0, top), metavar="Q",
        help=f"0 to {top}; a higher number gives a better picture and a larger file "
        f"(default: {DEFAULT_QUALITY})",
    )  # fmt: skip
    group.add_argument(
        "--inter-quality", type=whole(0, top), metavar="Q",
        help="quality of all frames but key frames (default: by what other frames inherit)",
    )  # fmt: skip
    group.add_argument(
        "--gop", "--keyint", type=whole(1, 2**31 - 1), default=DEFAULT_GOP, metavar="N",
        help=f"a key frame every N frames; 1 = key frames only (default: {DEFAULT_GOP})",
    )  # fmt: skip
    group.add_argument(
        "--scenecut", action=argparse.BooleanOptionalAction, default=True,
        help="begin a new scene with a key frame too (default: yes)",
    )  # fmt: skip
    group.add_argument(
        "--min-gop", type=whole(1, 2**31 - 1), default=DEFAULT_MIN_GOP, metavar="N",
        help="frames from a key frame to one of a new scene, at least "
        f"(default: {DEFAULT_MIN_GOP})",
    )  # fmt: skip
    add_bframes(group)
    add_preset(group)
    group.add_argument(
        "--tune", choices=(*TUNES, ZEROLATENCY), default=TUNES[0],
        help="default = squared error of all planes (PSNR); color = colour difference (CIEDE2000); "
        "zerolatency = no B frames, so that every frame can be decoded as soon as it is coded",
    )  # fmt: skip
    group.add_argument("--model", metavar="FILE", help="model file instead of a released one")


def _add_decode(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_decode)
    add_input(parser, "the .clv stream; - = stdin")
    output = parser.add_argument_group("output")
    add_output(
        output,
        ".mp4, .mov (H.264; of 10 bits H.265), .mkv, .avi (lossless FFV1), .y4m, .yuv, or numbered "
        "pictures such as frames/%%04d.png or .jpg, .png of a single frame; - = y4m on stdout",
    )
    output.add_argument(
        "--lossless", action="store_true",
        help="keep every sample in .mp4 and .mov too, which few players show then",
    )  # fmt: skip
    _add_part(parser)
    output.add_argument(
        "--with-audio", metavar="SOURCE",
        help="copy sound and subtitles of this file into .mkv, .mp4, .mov or .avi",
    )  # fmt: skip
    parser.add_argument(
        "--on-error", choices=("conceal", "stop"), default="conceal",
        help="where the stream is damaged, repeat the last good frame for every lost one, "
        "or stop and write nothing (default: conceal)",
    )  # fmt: skip
    add_trust(parser)
    add_work(parser)
    add_progress(parser)


def _add_part(parser: argparse.ArgumentParser) -> None:
    """Which frames of a stream."""
    part = parser.add_argument_group("part")
    end = add_places(part)
    end.add_argument("--frames", type=whole(1), metavar="N", help="decode at most N frames")


def _add_play(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_play)
    add_input(parser, "the .clv stream; - = stdin")
    _add_part(parser)
    add_trust(parser)
    add_work(parser)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_verify)
    add_input(parser, "the .clv stream; - = stdin")
    add_trust(parser)
    add_work(parser)
    add_progress(parser)


def _encode(options: Namespace, signals: Signals) -> int:
    if is_picture(options.input):
        return _encode_picture(options)
    if options.full_range:
        raise ConfigError(f"--full-range is for pictures in RGB; {options.input} is a video")
    with _progress(options, signals) as line:
        report = encode_file(
            options.input,
            options.output,
            EncodeOptions(
                quality=quality_of(options),
                **targets_of(options),
                gop=options.gop,
                scenecut=options.scenecut,
                min_gop=options.min_gop,
                bframes=bframes_of(options),
                preset=options.preset,
                inter_quality=options.inter_quality,
                frames=options.frames,
                seek=options.seek,
                size=options.size,
                rate=options.fps,
                convert=options.convert,
                bit_depth=options.bit_depth,
                threads=options.threads,
                device=options.device,
                model=model_of(options),
                overwrite=options.overwrite,
                csv=options.csv,
                scores=options.psnr,
                progress=line,
            ),
        )
    for text in () if options.quiet else report.warnings:
        say(in_words_of_options(text), "warning")
    _tell_end(options, report)
    if options.psnr and report.scores is not None:
        say(_scores(report.scores))
    if not options.quiet:
        for share in _shares(report) if options.summary else ():
            say(share)
        say(f"{_summary(options.output, report)}, mean quality {report.quality:.1f}")
    return 0


def _shares(report: EncodeReport) -> Iterator[str]:
    """A line for each level of frames, and one for the worst group of pictures."""
    for share in report.levels:
        part = 100 * share.size_bytes / report.size_bytes
        yield f"{share.name:3} {_share(share)} ({part:.1f} %)"
    if report.worst is not None:
        yield f"worst group: {report.worst.name}, {_share(report.worst)}"


def _share(share: Share) -> str:
    """Frames, quality and size of a part."""
    psnr = "" if share.psnr_db is None else f", {share.psnr_db:.2f} dB"
    count, size = plural(share.frames, "frame"), file_size(share.size_bytes)
    return f"{count}, mean quality {share.quality:.1f}{psnr}, {size}"


@contextmanager
def _progress(options: Namespace, signals: Signals) -> Iterator[ProgressLine | JsonProgress]:
    """What shows the progress of the block.

    Raises:
        ConfigError: standard output has other data already.
    """
    if options.progress != "json":
        hidden = options.quiet or options.no_progress or options.progress == "none"
        with progress_line(signals, shown=not hidden) as line:
            yield line
        return
    if getattr(options, "output", None) == PIPE:
        raise ConfigError("--progress json needs stdout, where the output goes; give it a file")
    yield JsonProgress(signals)


def _tell_end(options: Namespace, report: EncodeReport | DecodeReport) -> None:
    """The last object of JSON, if they are wanted: all of the report."""
    if options.progress == "json":
        values = asdict(report)
        values["fps"] = float(values.pop("rate"))
        values |= {"speed_fps": report.fps, "rate_kbps": report.kbps}
        show(json.dumps({"event": "done", **values}, default=str))


def _summary(output: str | None, report: EncodeReport | DecodeReport) -> str:
    """Name, frames, size, time and rate, as in ``a.clv: 120 frames, 45.6 kB, ...``."""
    name = "stdout" if output == PIPE else output
    count, size = plural(report.frames, "frame"), file_size(report.size_bytes)
    decoding = isinstance(report, DecodeReport)
    parts = [
        f"{count} from {size}" if decoding else f"{count}, {size}",
        f"{duration(report.seconds)} ({report.fps:.2f} fps)",
        f"{report.kbps:.2f} kbit/s",
    ]
    return f"{name}: {', '.join(parts)}"


def _still_summary(output: str, report: PictureReport) -> str:
    """The same of a picture, as in ``a.clv: picture of 768x512, 45.6 kB, ...``."""
    name = "stdout" if output == PIPE else output
    size, seconds = file_size(report.size_bytes), duration(report.seconds)
    return f"{name}: picture of {report.size}, {size}, {seconds}, {report.rate_bpp:.4f} bit/pixel"


def _encode_picture(options: Namespace) -> int:
    """Encode a file that holds one picture in R'G'B'."""
    from colorvid.images.stills import PictureOptions, encode_picture_file

    names = (
        "size",
        "fps",
        "csv",
        "psnr",
        "inter_quality",
        "bframes",
        "frames",
        "seek",
        "bit_depth",
    )
    for name in (*names, "summary", *FIGURES, *LIMITS):
        if getattr(options, name) not in (None, False, "0"):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} is for videos, and {options.input} is a picture; drop it")
    report = encode_picture_file(
        options.input,
        options.output,
        PictureOptions(
            quality=quality_of(options),
            full_range=options.full_range,
            convert=options.convert,
            device=options.device,
            model=model_of(options),
            overwrite=options.overwrite,
        ),
    )
    if not options.quiet:
        say(_still_summary(options.output, report))
    return 0


def _decode_picture(options: Namespace) -> int:
    """Decode a stream of one key frame to a picture."""
    from colorvid.images.stills import decode_picture_file

    report = decode_picture_file(
        options.input,
        options.output,
        DecodeOptions(
            threads=options.threads,
            device=options.device,
            model=options.model,
            overwrite=options.overwrite,
            max_pixels=options.max_pixels,
        ),
    )
    if not options.quiet:
        say(_still_summary(options.output, report))
    return 0


def _scores(scores: FrameScores) -> str:
    """Mean quality as one line."""
    difference = "not known" if scores.de00_mean is None else f"{scores.de00_mean:.3f}"
    return (
        f"PSNR Y {scores.psnr_y_db:.3f}, U {scores.psnr_u_db:.3f}, V {scores.psnr_v_db:.3f}, "
        f"YUV 6:1:1 {scores.psnr_yuv611_db:.3f} dB; dE00 {difference}"
    )


def _decode(options: Namespace, signals: Signals) -> int:
    if is_written_as_picture(options.output):
        return _decode_picture(options)
    with _progress(options, signals) as line:
        report = decode_file(
            options.input,
            options.output,
            DecodeOptions(
                threads=options.threads,
                device=options.device,
                model=options.model,
                overwrite=options.overwrite,
                on_error=options.on_error,
                max_pixels=options.max_pixels,
                progress=line,
                seek=options.seek,
                to=options.to,
                frames=options.frames,
                lossless=options.lossless,
                with_audio=options.with_audio,
            ),
        )
    _tell_end(options, report)
    kind = output_kind(options.output, lossless=options.lossless, depth=report.depth)
    return _closing(report, options.output, options.quiet, kind=kind)


def _play(options: Namespace, signals: Signals) -> int:
    from colorvid.files.play import play_file

    shown = not (options.quiet or options.no_progress)
    with progress_line(signals, shown=shown) as line:
        report = play_file(
            options.input,
            DecodeOptions(
                threads=options.threads,
                device=options.device,
                model=options.model,
                max_pixels=options.max_pixels,
                progress=line,
                seek=options.seek,
                to=options.to,
                frames=options.frames,
            ),
        )
    return _closing(
        report, None, options.quiet, name=name_of(options.input, "stdin"), kind="played"
    )


def _verify(options: Namespace, signals: Signals) -> int:
    with _progress(options, signals) as line:
        report = verify_file(
            options.input,
            DecodeOptions(
                threads=options.threads,
                device=options.device,
                model=options.model,
                max_pixels=options.max_pixels,
                progress=line,
            ),
        )
    _tell_end(options, report)
    return _closing(report, None, options.quiet, name=name_of(options.input, "stdin"))


def _closing(
    report: DecodeReport, output: str | None, quiet: bool, *, kind: str = "", name: str = ""
) -> int:
    """Print damage and the closing line; gives the exit code.

    Args:
        report: of the work.
        output: what was written; None = nothing.
        quiet: whether to leave out the line.
        kind: of what was written, in words.
        name: of the stream where nothing was written.
    """
    if not quiet:
        for text in report.damage:
            say(text, "warning")
        say(f"{_summary(output or name, report)}, {kind or ('intact' if report.ok else 'damaged')}")
    if not report.ok:
        say(report.problem(decoded=output is not None), "error")
    return report.exit_code
