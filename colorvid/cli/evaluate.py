"""``colorvid eval``: its options, and what it does with them."""

from __future__ import annotations

import argparse
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.cli.options import (
    Command,
    add_report,
    add_work,
    frame_rate,
    numbers,
    one_or_more_of,
    resolution,
    whole,
)
from colorvid.cli.terminal import Signals, progress_line, say, show
from colorvid.errors import ConfigError
from colorvid.evaluation.score.extra import EXTRA_CHOICES
from colorvid.evaluation.score.frames import ScoredFrame
from colorvid.evaluation.score.pictures import SCALE_DE, TriptychWriter, picture_path
from colorvid.evaluation.score.video import (
    MATRICES,
    RANGES,
    SITINGS,
    Source,
    choose_colors,
    open_video,
)
from colorvid.frame import Size
from colorvid.io.files import OutputFile, output_text
from colorvid.io.places import PIPE, check_apart
from colorvid.quality.log import write_log

if TYPE_CHECKING:
    from colorvid.evaluation.page.pictures import KeptPairs
    from colorvid.quality.color import ColorSpec

_RAW = ".yuv"
_PLOTS = (".png", ".svg")


def add_commands(command: Command) -> None:
    """Add the command of this family."""
    parser = command("eval", "score a decoded video against its original")
    parser.set_defaults(run=run_eval)
    parser.description = (
        "Score a decoded video against its original, frame by frame: PSNR, MS-SSIM and\n"
        "CIEDE2000 of the 8-bit planes, and the rate. Prints means and worst frames on\n"
        "standard output."
    )
    kinds = "y4m, raw .yuv (with --size), .clv, or what FFmpeg reads; - = stdin"
    parser.add_argument("reference", metavar="REF", help=f"the original: {kinds}")
    parser.add_argument(
        "decoded", metavar="DIST", help="the video to score, likewise; coded files give the rate"
    )
    parser.add_argument("--frames", type=whole(1), metavar="N", help="compare the first N frames")
    _add_outputs(parser)
    parser.add_argument(
        "--metrics", type=one_or_more_of(EXTRA_CHOICES), default=(), metavar="NAMES",
        help=f"further metrics, slow or for comparison only: {', '.join(EXTRA_CHOICES)}; "
        "several with commas",
    )  # fmt: skip
    _add_samples(parser)
    parser.add_argument("--model", metavar="FILE", help="model of a .clv (default: released ones)")
    add_work(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Where the figures go besides standard output."""
    outputs = parser.add_argument_group("outputs")
    outputs.add_argument("--csv", metavar="FILE", help="write a line for each frame")
    outputs.add_argument("--json", metavar="FILE", help="write the summary and every frame as JSON")
    outputs.add_argument(
        "--plot", metavar="FILE", help="draw bits, PSNR and dE00 of each frame: .png or .svg"
    )
    outputs.add_argument(
        "--pictures", metavar="DIR",
        help="write original, decoded picture and dE00 map of the frames of --at side by side, "
        "as PNG; the folder is made if it is missing",
    )  # fmt: skip
    outputs.add_argument(
        "--at", type=numbers, metavar="N,N,...",
        help="frames for --pictures (default: 0) and --report (default: 0 to 11), counted from 0",
    )  # fmt: skip
    outputs.add_argument(
        "--scale", type=whole(1, 100), default=SCALE_DE, metavar="DE",
        help=f"dE00 at the top of the colours of the map (default: {SCALE_DE})",
    )  # fmt: skip
    add_report(outputs)
    outputs.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")


def _add_samples(parser: argparse.ArgumentParser) -> None:
    """What the samples of the videos are and mean, where the files do not say."""
    samples = parser.add_argument_group("samples")
    samples.add_argument("--size", type=resolution, metavar="WxH", help="size of raw .yuv inputs")
    samples.add_argument(
        "--fps", type=frame_rate, metavar="N/D", help="frame rate, for kbit/s; replaces the stated"
    )
    samples.add_argument(
        "--convert", action="store_true",
        help="convert inputs that are not 4:2:0 of 8 or 10 bits",
    )  # fmt: skip
    for option, known, text in (
        ("--colormatrix", MATRICES, "matrix of both videos"),
        ("--range", RANGES, "range of the samples of both videos"),
        ("--chromaloc", SITINGS, "place of the chroma samples of both videos"),
    ):
        samples.add_argument(
            option, choices=tuple(known), help=f"{text}, whatever they state (default: as stated)"
        )


def run_eval(options: Namespace, signals: Signals) -> int:
    """Run ``colorvid eval``.

    Raises:
        ColorvidError: it failed.
    """
    from colorvid.evaluation.score.summary import (
        as_json,
        as_text,
        check_sizes,
        score_videos,
        summarise,
    )

    _check_eval(options)
    kept = _kept(options)
    sources = [_source(options, path) for path in (options.reference, options.decoded)]
    with ExitStack() as stack:
        reference = stack.enter_context(open_video(sources[0]))
        decoded = stack.enter_context(open_video(sources[1], sizes=True))
        check_sizes(reference, decoded)
        colors = choose_colors(
            reference.info,
            decoded.info,
            matrix=options.colormatrix,
            color_range=options.range,
            siting=options.chromaloc,
        )
        if not options.quiet:
            for conflict in colors.conflicts:
                say(conflict, "warning")
        pictures = _pictures(options, colors.spec)
        shown = not (options.quiet or options.no_progress)
        with progress_line(signals, shown=shown) as line:
            rows = score_videos(
                reference,
                decoded,
                colors,
                extra=options.metrics,
                pictures=[one for one in (pictures, kept) if one is not None],
                progress=line,
            )
        summary = summarise(reference, decoded, colors, rows)
    if pictures is not None:
        pictures.write()
    _write_outputs(options, rows, as_json(summary, rows))
    if kept is not None:
        from colorvid.evaluation.page.document import write_page
        from colorvid.evaluation.page.videos import video_page

        page = video_page(summary, rows, decoded.frame_types, kept)
        write_page(Path(options.report), page, overwrite=options.overwrite)
    show(as_text(summary))
    return 0


def _pictures(options: Namespace, spec: ColorSpec) -> TriptychWriter | None:
    """What writes the pictures, if they were asked for."""
    if options.pictures is None:
        return None
    return TriptychWriter(
        Path(options.pictures),
        options.at or (0,),
        spec,
        scale=options.scale,
        overwrite=options.overwrite,
    )


def _kept(options: Namespace) -> KeptPairs | None:
    """What keeps frames for a report, if one was asked for.

    Raises:
        ColorvidError: Pillow is missing, or has no WebP.
    """
    if options.report is None:
        return None
    from colorvid.evaluation.page.pictures import KeptPairs, check_webp

    check_webp()
    return KeptPairs(options.at)


def _source(options: Namespace, path: str) -> Source:
    """How to open one of the videos."""
    return Source(
        path,
        frames=options.frames,
        model=options.model,
        device=options.device,
        threads=options.threads,
        convert=options.convert,
        rate=options.fps,
        size=None if options.size is None else Size(*options.size),
    )


def _check_eval(options: Namespace) -> None:
    """Refuse at once what would only fail at the end."""
    paths = [options.reference, options.decoded]
    if paths == [PIPE, PIPE]:
        raise ConfigError("both videos are -; only one can come from stdin")
    if options.size is not None and not any(Path(p).suffix.lower() == _RAW for p in paths):
        raise ConfigError("--size is for raw video (.yuv) only; leave it out")
    if options.at is not None and options.pictures is None and options.report is None:
        raise ConfigError(
            "--at chooses frames for --pictures and --report; give --pictures DIR or --report FILE"
        )
    if options.plot is not None and Path(options.plot).suffix.lower() not in _PLOTS:
        raise ConfigError(f"--plot {options.plot}: allowed are names in {' and '.join(_PLOTS)}")
    _check_files(options)


def _check_files(options: Namespace) -> None:
    """Refuse outputs that cannot be written, or would replace a video or each other."""
    outputs = {f"--{name}": getattr(options, name) for name in ("csv", "json", "plot", "report")}
    pictures = {}
    if options.pictures is not None:
        folder = Path(options.pictures)
        pictures = {f"picture {n}": picture_path(folder, n) for n in options.at or (0,)}
    check_apart(
        {"the original": options.reference, "the decoded video": options.decoded}
        | {"the model": options.model},
        outputs | pictures,
    )
    for path in outputs.values():
        if path is not None:
            OutputFile(Path(path), overwrite=options.overwrite).discard()


def _write_outputs(options: Namespace, rows: list[ScoredFrame], text: str) -> None:
    """Write the files that were asked for."""
    if options.csv is not None:
        write_log(options.csv, rows, overwrite=options.overwrite)
    if options.json is not None:
        with output_text(Path(options.json), overwrite=options.overwrite) as file:
            file.write(f"{text}\n")
    if options.plot is not None:
        from colorvid.evaluation.score.summary import plot_frames

        plot_frames(Path(options.plot), rows, title=options.decoded)
