"""Rate and quality of colorvid on UVG, or another set, against x264, x265 and published curves.

The sequences are looked for by their usual names, NAME_1920x1080_120fps_420_8bit_YUV.yuv and the
like for the seven of UVG, NAME_1920x1080_30.yuv for others, in DIR and one folder below it.
What is missing or damaged is named and left out. Every coded file is decoded and scored frame by
frame; figures are averaged over frames, then over sequences. A run that was stopped goes on where
it was when the same command is given again. See docs/measuring.md.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from colorvid.batch.crew import submitting
from colorvid.cli.main import Parser
from colorvid.cli.options import add_device, in_words_of_options, numbers, one_or_more_of, whole
from colorvid.cli.terminal import Signals
from colorvid.config import DEFAULT_GOP, TUNES
from colorvid.errors import Aborted, ColorvidError, InputError, OutputError
from colorvid.evaluation.compare.choices import (
    ANCHORS,
    INTER_QUALITIES,
    NO_ANCHORS,
    check_packages,
)
from colorvid.evaluation.compare.data_report import Report, marked
from colorvid.evaluation.compare.data_sets import (
    DATA_SETS,
    SYNTHETIC,
    SYNTHETIC_FRAMES,
    SYNTHETIC_GOP,
    DataSet,
    check,
    find,
    load,
    load_synthetic,
    write_synthetic,
)
from colorvid.evaluation.compare.points import Measuring, Point
from colorvid.evaluation.compare.published import load_bd_rates, load_curves
from colorvid.evaluation.compare.report import Comparison, check_folder
from colorvid.evaluation.compare.running import Choice, run_all
from colorvid.io.files import os_errors

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "tools" / "published"
FRAMES = 96
DEFAULT_ANCHORS = ("x264", "x265")
VIDEO_ANCHORS = tuple(name for name, anchor in ANCHORS.items() if not anchor.intra)
Say = Callable[[str], None]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line to options.

    Raises:
        ConfigError: an option is unknown or not allowed.
    """
    parser = Parser(
        prog="eval_uvg",
        description=__doc__,
        epilog="Exit codes: 0 all is well, 1 wrong use, 2 a sequence cannot be used (the others "
        "are evaluated) or none is found, 4 stopped; others as those of colorvid.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="folder of the sequences")
    source.add_argument(
        "--synthetic", action="store_true",
        help="a trial without the sequences: small generated ones, marked in every output",
    )  # fmt: skip
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", required=True, help="folder for tables and plots")
    add("--cache", type=Path, metavar="DIR", help="finished points (default: cache inside --out)")
    add(
        "--set", dest="data_set", choices=DATA_SETS, default="uvg",
        help="which sequences --data holds (default: uvg)",
    )  # fmt: skip
    add("--sequences", type=_words, metavar="A,B", help="names, as in Beauty,Jockey (default: all)")
    add("--frames", type=whole(1), metavar="N", help=f"first frames of each (default: {FRAMES})")
    add("--gop", type=whole(1), metavar="N", help=f"key frame distance (default: {DEFAULT_GOP})")
    add(
        "--qualities", type=numbers, metavar="Q,Q", default=INTER_QUALITIES,
        help=f"of colorvid; BD-rates need four (default: {','.join(map(str, INTER_QUALITIES))})",
    )  # fmt: skip
    add(
        "--anchors", type=one_or_more_of((*VIDEO_ANCHORS, NO_ANCHORS)), metavar="A,B",
        default=DEFAULT_ANCHORS,
        help=f"of {', '.join((*VIDEO_ANCHORS, NO_ANCHORS))} (default: {','.join(DEFAULT_ANCHORS)})",
    )  # fmt: skip
    add("--model", default=TUNES[0], metavar="NAME", help=f"{', '.join(TUNES)} or a model file")
    add("--jobs", type=whole(1), default=1, metavar="N", help="points at once; 1 to measure speed")
    add("--cluster", metavar="ADDRESS", help="scheduler of Dask, as in tcp://host:8786, or local")
    add("--threads", type=whole(1), default=1, metavar="N", help="of each codec (default: 1)")
    add_device(parser)
    add(
        "--memory", choices=("all", "one", "none"), default="none",
        help="measure the peak memory of all points, of one of each curve, or not (default)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    usual = (SYNTHETIC_FRAMES, SYNTHETIC_GOP) if options.synthetic else (FRAMES, DEFAULT_GOP)
    options.frames, options.gop = options.frames or usual[0], options.gop or usual[1]
    options.cache = options.cache or options.out / "cache"
    return options


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in text.split(",") if part))


@contextmanager
def data_folder(options: argparse.Namespace) -> Iterator[Path]:
    """The folder of sequences; with ``--synthetic`` a temporary one, filled."""
    if options.synthetic:
        with tempfile.TemporaryDirectory(prefix="colorvid-synthetic-") as name:
            write_synthetic(Path(name), options.frames)
            yield Path(name)
    else:
        yield options.data


def set_of(options: argparse.Namespace) -> DataSet:
    """The sequences that are evaluated."""
    return SYNTHETIC if options.synthetic else DATA_SETS[options.data_set]


def usable(
    folder: Path, options: argparse.Namespace
) -> tuple[list[Path], dict[str, str], dict[str, str]]:
    """Files of the sequences to evaluate.

    Returns:
        The files; the sequences that are missing, and those that are refused, with the reasons.

    Raises:
        ConfigError: the name of a sequence is unknown.
        InputError: none can be used.
    """
    data = set_of(options)
    chosen = data.choose(options.sequences or tuple(data.rates))
    files, missing = find(data, folder, chosen)
    good: list[Path] = []
    refused: dict[str, str] = {}
    for name, path in files.items():
        try:
            check(data, name, path, options.frames)
            good.append(path)
        except InputError as error:
            refused[name] = str(error)
    if not good:
        raise InputError(f"no sequence can be used: {'; '.join(refused.values())}")
    return good, missing, refused


def run(files: Sequence[Path], options: argparse.Namespace, say: Say) -> list[Point]:
    """Every point of every codec on every sequence.

    Raises:
        ColorvidError: a choice is not allowed, or a codec failed.
    """
    choice = Choice(
        gop=options.gop,
        anchors=options.anchors,
        qualities=options.qualities,
        model=options.model,
        threads=options.threads,
        device=options.device,
    )
    how = Measuring(
        cache=options.cache.absolute(),
        memory=options.memory,
        jobs=options.jobs if options.cluster is None else max(2, options.jobs),
        loader=load_synthetic if options.synthetic else load,
    )
    start = time.monotonic()

    def progress(done: int, total: int, what: str) -> None:
        if done == 0:
            say(f"sequences: {len(files)}, points: {total}")
            return
        left = round((time.monotonic() - start) / done * (total - done))
        eta = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
        say(f"[{done / total:.1%}] {done}/{total} points, {what}, eta {eta}")

    codecs = choice.codecs(files)
    files = [path.absolute() for path in files]

    def tell(text: str, level: str) -> None:
        say(f"[{level}]: {text}")

    with submitting(options.jobs, options.cluster, options.model, files, tell) as crew:
        submit = None if crew is None else crew.submit
        return run_all(codecs, files, options.frames, how, progress=progress, submit=submit)


def evaluate(options: argparse.Namespace, say: Say) -> dict[str, str]:
    """Find the sequences, run all codecs, write everything and print the tables.

    Returns:
        The sequences that were refused, with the reasons.

    Raises:
        ColorvidError: a choice is not allowed, no sequence can be used, a codec failed, or an
            output cannot be written.
    """
    check_packages()
    check_folder(options.out, overwrite=True)
    with data_folder(options) as folder:
        files, missing, refused = usable(folder, options)
        for name, reason in (missing | refused).items():
            say(f"[warning]: {name} is left out: {reason}")
        with os_errors(str(options.out), OutputError):
            options.out.mkdir(parents=True, exist_ok=True)
        points = run(files, options, say)
    name, published = set_of(options).name, PUBLISHED / f"{options.data_set}.json"
    report = Report(
        marked(Comparison.of(points, options.model), name),
        name,
        frames=options.frames,
        gop=options.gop,
        left_out=missing | refused,
        curves=load_curves(published),
        rates=load_bd_rates(published),
    )
    report.write(options.out)
    print(report.as_markdown())
    kept = sum(point.cached for point in points)
    say(f"{len(points)} points, {kept} of them kept from before; written to {options.out}")
    return refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""

    def say(text: str) -> None:
        print(f"eval_uvg {text}", file=sys.stderr, flush=True)

    cache: Path | None = None
    with Signals() as signals:
        try:
            options = parse(arguments)
            cache = options.cache
            refused = evaluate(options, say)
        except ColorvidError as error:
            say(f"[error]: {in_words_of_options(str(error))}")
            return error.exit_code
        except KeyboardInterrupt:
            say(
                f"[error]: stopped by {signals.received or 'SIGINT'}; finished points are kept in "
                f"{cache}; give the same command again to go on"
            )
            return Aborted.exit_code
    if refused:
        say(f"[error]: left out: {', '.join(refused)}; see the warnings")
        return InputError.exit_code
    return 0
