"""What the commands that measure quality do with their options; returns exit codes."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from colorvid.cli.terminal import Signals, progress_line, say, show
from colorvid.errors import ConfigError
from colorvid.evaluation.frames import Row, write_csv
from colorvid.evaluation.inspection import (
    as_json,
    as_text,
    check_sizes,
    plot_frames,
    score_videos,
    summarise,
)
from colorvid.evaluation.triptych import TriptychWriter
from colorvid.evaluation.video import Source, choose_colors, open_video
from colorvid.io.files import OutputFile, output_text
from colorvid.io.opening import PIPE
from colorvid.quality.color import ColorSpec

_RAW = ".yuv"
_PLOTS = (".png", ".svg")


def run_eval(options: Namespace, signals: Signals) -> int:
    """Run ``colorvid eval``.

    Raises:
        ColorvidError: it failed.
    """
    _check_eval(options)
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
                pictures=pictures,
                progress=line,
            )
        summary = summarise(reference, decoded, colors, rows)
    if pictures is not None:
        pictures.write()
    _write_outputs(options, rows, as_json(summary, rows))
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
        size=options.size,
    )


def _check_eval(options: Namespace) -> None:
    """Refuse at once what would only fail at the end."""
    paths = [options.reference, options.decoded]
    if paths == [PIPE, PIPE]:
        raise ConfigError("both videos are -; only one can come from stdin")
    if options.size is not None and not any(Path(p).suffix.lower() == _RAW for p in paths):
        raise ConfigError("--size is for raw video (.yuv) only; leave it out")
    if options.at is not None and options.pictures is None:
        raise ConfigError("--at chooses frames for --pictures; give --pictures DIR too")
    if options.plot is not None and Path(options.plot).suffix.lower() not in _PLOTS:
        raise ConfigError(f"--plot {options.plot}: allowed are names in {' and '.join(_PLOTS)}")
    for path in (options.csv, options.json, options.plot):
        if path is not None:
            OutputFile(Path(path), overwrite=options.overwrite).discard()


def _write_outputs(options: Namespace, rows: list[Row], text: str) -> None:
    """Write the files that were asked for."""
    if options.csv is not None:
        write_csv(options.csv, rows, overwrite=options.overwrite)
    if options.json is not None:
        with output_text(Path(options.json), overwrite=options.overwrite) as file:
            file.write(f"{text}\n")
    if options.plot is not None:
        plot_frames(Path(options.plot), rows, title=options.decoded)
