"""``colorvid compare``: its options, and what it does with them."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from colorvid.cli.options import (
    Command,
    add_bframes,
    add_cluster,
    add_device,
    add_preset,
    add_report,
    numbers,
    one_or_more_of,
    whole,
)
from colorvid.cli.terminal import ClipLine, PointLine, Signals, say, show
from colorvid.config import DEFAULT_BFRAMES, MEASURED_GOP, QUALITIES, TUNES
from colorvid.errors import ConfigError
from colorvid.evaluation.compare.choices import (
    ANCHORS,
    COMPARED_FRAMES,
    INTER_ANCHORS,
    INTER_QUALITIES,
    INTRA_ANCHORS,
    INTRA_QUALITIES,
    NO_ANCHORS,
    PATCH_BPP,
    Memory,
    check_packages,
    default_cache,
)
from colorvid.evaluation.score.extra import EXTRA_CHOICES
from colorvid.io.files import OutputFile
from colorvid.io.places import check_apart

if TYPE_CHECKING:
    from colorvid.evaluation.compare.clips import Clip
    from colorvid.evaluation.compare.codecs import Codec
    from colorvid.evaluation.compare.panels import Wanted
    from colorvid.evaluation.compare.patches import Patch
    from colorvid.evaluation.compare.points import Measuring
    from colorvid.evaluation.compare.report import Comparison
    from colorvid.evaluation.compare.running import Choice
    from colorvid.evaluation.page.data import Page


def add_commands(command: Command) -> None:
    """Add the command of this family."""
    parser = command("compare", "measure colorvid against other encoders")
    parser.set_defaults(run=run_compare)
    top = QUALITIES - 1
    parser.description = (
        "Code clips with colorvid and with other encoders, score what the files decode to, and "
        "print rates, quality, speed, memory and BD-rates as Markdown."
    )
    parser.add_argument(
        "sources", nargs="+", metavar="CLIP",
        help="clips or still images (.png, .webp, .jpg), or folders of them",
    )  # fmt: skip
    parser.add_argument(
        "--anchors", type=one_or_more_of((*ANCHORS, NO_ANCHORS)), metavar="NAMES",
        help=f"encoders to compare with, several with commas: {', '.join(ANCHORS)}; or "
        f"{NO_ANCHORS} (default: {','.join(INTER_ANCHORS)}; {','.join(INTRA_ANCHORS)} if "
        "every frame is a key frame)",
    )  # fmt: skip
    parser.add_argument(
        "--qualities", type=numbers, metavar="Q,Q,...",
        help=f"qualities of colorvid, 0 to {top}; four or more give BD-rates "
        f"(default: {_listed(INTER_QUALITIES)}; {_listed(INTRA_QUALITIES)} if every frame is a "
        "key frame)",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=whole(0), default=COMPARED_FRAMES, metavar="N",
        help=f"first frames of each clip; 0 = all (default: {COMPARED_FRAMES})",
    )  # fmt: skip
    parser.add_argument(
        "--gop", "--keyint", type=whole(1, 2**31 - 1), metavar="N",
        help=f"frames from key frame to key frame, for every codec (default: {MEASURED_GOP}; 1 for "
        "stills)",
    )  # fmt: skip
    parser.add_argument(
        "--scenecut",
        action="store_true",
        help="key frames at new scenes too, as every codec sees them",
    )
    add_bframes(parser)
    add_preset(parser)
    parser.add_argument(
        "--inter-quality", type=whole(0, top), metavar="Q",
        help="colorvid's quality of all frames but key frames (default: a little below each)",
    )  # fmt: skip
    parser.add_argument(
        "--model", default=TUNES[0], metavar="NAME", help=f"{', '.join(TUNES)} or a model file"
    )
    parser.add_argument(
        "--metrics", type=one_or_more_of(EXTRA_CHOICES), default=(), metavar="NAMES",
        help=f"further metrics: {', '.join(EXTRA_CHOICES)}; several with commas",
    )  # fmt: skip
    _add_beside(parser)
    _add_running(parser)


def _add_beside(parser: argparse.ArgumentParser) -> None:
    """What stands beside the comparison on request."""
    beside = parser.add_argument_group("beside the comparison")
    beside.add_argument(
        "--published", nargs="+", default=(), metavar="FILE",
        help="curves of others to set beside, as in tools/published; each is compared by its own "
        "definition of quality, if these are the clips that it is about",
    )  # fmt: skip
    beside.add_argument(
        "--rgb", action="store_true",
        help="compare decoded stills with their originals in RGB too, with what 4:2:0 alone costs",
    )  # fmt: skip
    beside.add_argument(
        "--patches", type=_patch, nargs="+", default=(), metavar="NAME:X,Y,WIDTH,HEIGHT",
        help="show this part of a still, or of a clip's middle frame, as each codec has it at the "
        "rate of --bpp; pictures go to --out",
    )  # fmt: skip
    beside.add_argument(
        "--bpp", type=_rate, default=PATCH_BPP, metavar="RATE",
        help=f"most bits per pixel of the files of --patches (default: {PATCH_BPP})",
    )  # fmt: skip


def _patch(text: str) -> tuple[str, Patch]:
    """Type of an option: the name of a still or clip, and a rectangle in it."""
    from colorvid.evaluation.compare.patches import Patch

    name, _, rectangle = text.rpartition(":")
    try:
        patch = Patch.parse(rectangle)
    except ValueError:
        name = ""
    if not name:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be NAME:X,Y,WIDTH,HEIGHT, as in kodim05:300,150,144,144"
        )
    return name, patch


def _rate(text: str) -> float:
    """Type of an option: a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0, as in 0.4")
    return value


def _add_running(parser: argparse.ArgumentParser) -> None:
    """How a comparison is run, and where its results go."""
    running = parser.add_argument_group("running and results")
    running.add_argument(
        "--threads", type=whole(1), default=1, metavar="N", help="of every codec (default: 1)"
    )
    running.add_argument(
        "--jobs", type=whole(1), default=1, metavar="N",
        help="points at once; no speeds are compared above 1 (default: 1)",
    )  # fmt: skip
    add_cluster(running)
    add_device(running)
    running.add_argument(
        "--memory", choices=get_args(Memory), default="all",
        help="where peak memory is measured: 'all' runs every encoding and decoding in a process "
        "of its own, 'one' does so once more for one point of each codec and clip (default: all)",
    )  # fmt: skip
    kept = running.add_mutually_exclusive_group()
    kept.add_argument(
        "--cache", metavar="DIR",
        help="folder that keeps points, from which an interrupted comparison goes on (default: "
        "colorvid-cache in the user's cache folder)",
    )  # fmt: skip
    kept.add_argument("--no-cache", action="store_true", help="measure every point now")
    running.add_argument(
        "--out", metavar="DIR",
        help="write points.tsv, bdrate.tsv, tables.md, compare.json, rd-*.svg, clip-*.svg of "
        "several clips, and a CSV file with a line for each frame of each point",
    )  # fmt: skip
    running.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep every coded file in this folder"
    )
    add_report(running)
    running.add_argument("-y", "--overwrite", action="store_true", help="replace existing results")
    running.add_argument("--quiet", action="store_true", help="print errors and the tables only")
    running.add_argument("--no-progress", action="store_true", help="show no progress line")


def _listed(values: Iterable[int]) -> str:
    return ",".join(str(value) for value in values)


def run_compare(options: Namespace, signals: Signals) -> int:
    """Run ``colorvid compare``; gives the exit code.

    Raises:
        ColorvidError: an option, a source or a package is not what it must be.
    """
    from colorvid.batch.crew import submitting
    from colorvid.evaluation.compare.clips import find_sources, load
    from colorvid.evaluation.compare.report import Comparison, check_folder
    from colorvid.evaluation.compare.running import run_all

    check_packages()
    out = None if options.out is None else Path(options.out)
    if out is not None:
        check_folder(out, overwrite=options.overwrite)
    sources = find_sources([Path(source) for source in options.sources])
    if options.cluster is not None:
        sources = [source.absolute() for source in sources]
    codecs, frames = _choice(options).codecs(sources), options.frames or None
    _check_report(options, codecs, sources)
    wanted = _wanted(options)
    how = _how(options)

    def clips() -> Iterator[Clip]:
        for source in sources:
            yield load(source, frames)
            signals.check()

    wanted.check(clips())  # what is wrong with the last one is reported before the first is coded
    if how.jobs > 1 and not options.quiet:
        say("with several jobs the speeds cannot be compared; pass --jobs 1 for them", "warning")
    shown = not (options.quiet or options.no_progress)
    with (
        submitting(options.jobs, options.cluster, options.model, sources, say) as crew,
        closing(PointLine(signals, shown=shown)) as line,
    ):
        submit = None if crew is None else crew.submit
        points = run_all(codecs, sources, frames, how, progress=line, submit=submit)
    comparison = Comparison.of(points, options.model, wanted.beside(codecs, clips()))
    page = None
    if options.report is not None:  # before anything is written: it takes a while
        page = _page(options, comparison, codecs, clips(), signals)
    if out is not None:
        comparison.write(out)
    if page is not None:
        from colorvid.evaluation.page.document import write_page

        write_page(Path(options.report), page, overwrite=options.overwrite)
    show(comparison.as_text().rstrip("\n"))
    return 0


def _check_report(options: Namespace, codecs: Sequence[Codec], sources: Sequence[Path]) -> None:
    """Refuse at once a report that would only fail at the end.

    Raises:
        ColorvidError: its file cannot be written, it is too large, or Pillow has no WebP.
    """
    if options.report is None:
        return
    from colorvid.evaluation.page.comparison import check_points
    from colorvid.evaluation.page.pictures import check_webp

    check_apart({f"the source {path}": path for path in sources}, {"--report": options.report})
    OutputFile(Path(options.report), overwrite=options.overwrite).discard()
    check_points(codecs, sources)
    check_webp()


def _page(
    options: Namespace,
    comparison: Comparison,
    codecs: Sequence[Codec],
    clips: Iterable[Clip],
    signals: Signals,
) -> Page:
    """What the report shows, for which some points are coded once more."""
    from colorvid.evaluation.page.comparison import comparison_page

    shown = not (options.quiet or options.no_progress)
    with closing(ClipLine(signals, shown=shown)) as line:
        return comparison_page(comparison, codecs, clips, line)


def _choice(options: Namespace) -> Choice:
    """Codecs and their settings, as the options say."""
    from colorvid.evaluation.compare.running import Choice

    return Choice(
        gop=options.gop,
        scenecut=options.scenecut,
        anchors=options.anchors,
        qualities=options.qualities,
        bframes=DEFAULT_BFRAMES if options.bframes is None else options.bframes,
        preset=options.preset,
        inter_quality=options.inter_quality,
        model=options.model,
        threads=options.threads,
        device=options.device,
    )


def _how(options: Namespace) -> Measuring:
    """How points are measured and kept, as the options say.

    Raises:
        ConfigError: two of them exclude each other.
    """
    from colorvid.evaluation.compare.points import Measuring

    if options.keep is not None and options.cluster is not None:
        raise ConfigError("--keep needs files on this machine; leave out --cluster or --keep")
    return Measuring(
        cache=_cache(options),
        memory=options.memory,
        extra=options.metrics,
        rgb=options.rgb,
        jobs=options.jobs if options.cluster is None else max(2, options.jobs),
        keep=None if options.keep is None else options.keep.absolute(),
        overwrite=options.overwrite,
    )


def _wanted(options: Namespace) -> Wanted:
    """What stands beside, as the options say.

    Raises:
        InputError: a file of published curves cannot be read.
    """
    from colorvid.evaluation.compare.panels import Wanted
    from colorvid.evaluation.compare.published import load_curves

    if options.patches and options.out is None:
        raise ConfigError("--patches makes pictures; give --out DIR for them too")
    return Wanted(
        published=tuple(c for file in options.published for c in load_curves(Path(file))),
        rgb=options.rgb,
        patches=dict(options.patches),
        bpp=options.bpp,
    )


def _cache(options: Namespace) -> Path | None:
    """Folder for points, as the options say."""
    if options.no_cache:
        return None
    return default_cache() if options.cache is None else Path(options.cache).absolute()
