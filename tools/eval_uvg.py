"""Rate and quality of colorvid on the UVG sequences, against x264, x265 and published curves.

The seven usual sequences (1920x1080, 120 frames per second, 8-bit 4:2:0) are looked for by their
usual names, NAME_1920x1080_120fps_420_8bit_YUV.yuv and the like, in DIR and one folder below it.
What is missing or damaged is named and left out. Every coded file is decoded and scored frame by
frame; figures are averaged over frames, then over sequences. A run that was stopped goes on where
it was when the same command is given again. docs/uvg.md tells more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # started as a program: find the tools as a package
    sys.path.insert(0, str(ROOT))

from colorvid.config import DEFAULT_GOP  # noqa: E402
from colorvid.errors import ColorvidError, ConfigError, InputError  # noqa: E402
from colorvid.evaluation import uvg  # noqa: E402
from colorvid.evaluation.anchors import ANCHORS, AnchorRun  # noqa: E402
from colorvid.evaluation.codecs import Codec, ColorvidRun  # noqa: E402
from colorvid.evaluation.runs import Measuring, Row, run_all  # noqa: E402
from colorvid.io import VideoInfo, open_writer  # noqa: E402
from colorvid.models.modelfile import load_model  # noqa: E402
from colorvid.terminal import Signals  # noqa: E402
from tools.bench import generated_frames  # noqa: E402
from tools.uvg_report import Report, write_report  # noqa: E402

QUALITIES = (16, 28, 40, 52, 62)
VIDEO_ANCHORS = tuple(name for name, anchor in ANCHORS.items() if not anchor.intra)
FRAMES = 96
SYNTHETIC_SIZE = (192, 112)
SYNTHETIC_SEQUENCES = uvg.SEQUENCES[:3]
SYNTHETIC_FRAMES, SYNTHETIC_GOP = 12, 6


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line to options."""
    parser = argparse.ArgumentParser(
        prog="eval_uvg",
        description=__doc__,
        epilog="Exit codes are those of colorvid: 1 wrong use, 2 a sequence cannot be used (the "
        "others are evaluated), 4 stopped.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="folder of the sequences")
    source.add_argument(
        "--synthetic",
        action="store_true",
        help="a trial without the sequences: small generated ones, marked in every output",
    )
    add("--out", type=Path, metavar="DIR", required=True, help="folder for tables and plots")
    add("--cache", type=Path, metavar="DIR", help="finished points (default: cache in --out)")
    add("--sequences", type=_words, help="names, as in Beauty,Jockey (default: all seven)")
    add("--frames", type=int, help=f"first frames of each (default: {FRAMES})")
    add("--gop", type=int, help=f"distance of key frames (default: {DEFAULT_GOP})")
    add("--qualities", type=_numbers, default=QUALITIES, help="of colorvid, 4 or more")
    add(
        "--anchors",
        type=_words,
        default=("x264", "x265"),
        help=f"of {', '.join(VIDEO_ANCHORS)} (default: x264,x265)",
    )
    add("--model", default="default", help="released model, or path of a model file")
    add("--jobs", type=int, default=1, help="points at once; measure speed with 1 (default)")
    add("--threads", type=int, default=1, help="threads of each codec (default: 1)")
    add(
        "--memory",
        choices=("all", "one", "none"),
        default="none",
        help="measure peak memory: of all points, of one of each curve (default: none)",
    )
    options = parser.parse_args(arguments)
    given = (SYNTHETIC_FRAMES, SYNTHETIC_GOP) if options.synthetic else (FRAMES, DEFAULT_GOP)
    options.frames = given[0] if options.frames is None else options.frames
    options.gop = given[1] if options.gop is None else options.gop
    options.cache = options.cache or options.out / "cache"
    return options


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def check_options(options: argparse.Namespace) -> None:
    """Refuse values that would be met only after hours.

    Raises:
        ConfigError: an option is out of its range.
        ColorvidError: a package that the evaluation needs is missing.
    """
    for name in ("frames", "gop", "jobs", "threads"):
        if getattr(options, name) < 1:
            raise ConfigError(f"--{name} is {getattr(options, name)}; it must be 1 or more")
    for quality in options.qualities:
        if not 0 <= quality <= 63:
            raise ConfigError(f"--qualities has {quality}; allowed are 0 to 63")
    for name in options.anchors:
        if name not in VIDEO_ANCHORS:
            raise ConfigError(f"anchor {name!r} is unknown; use {', '.join(VIDEO_ANCHORS)}")
    for package in ("bjontegaard", "matplotlib", "pytorch_msssim"):
        if find_spec(package) is None:
            raise ColorvidError(
                f"the evaluation needs {package}; install it with: pip install 'colorvid[eval]'"
            )


@contextmanager
def data_folder(options: argparse.Namespace) -> Iterator[Path]:
    """The folder of sequences; with ``--synthetic`` a temporary one, filled."""
    if not options.synthetic:
        yield options.data
        return
    with tempfile.TemporaryDirectory(prefix="colorvid-synthetic-") as name:
        folder = Path(name)
        info = VideoInfo(*SYNTHETIC_SIZE, uvg.RATE)
        for seed, sequence in enumerate(SYNTHETIC_SEQUENCES):
            path = folder / sequence / uvg.file_names(sequence, SYNTHETIC_SIZE)[0]
            path.parent.mkdir()
            with open_writer(path, info) as writer:
                for frame in generated_frames(options.frames, *SYNTHETIC_SIZE, seed=seed):
                    writer.write(frame)
        yield folder


def usable(
    folder: Path, options: argparse.Namespace, say: Callable[[str], None]
) -> tuple[dict[str, Path], dict[str, str], dict[str, str]]:
    """Sequences to evaluate; those that are missing, and those that are refused, with reasons.

    Raises:
        InputError: none can be used.
    """
    size = SYNTHETIC_SIZE if options.synthetic else uvg.SIZE
    known = SYNTHETIC_SEQUENCES if options.synthetic else uvg.SEQUENCES
    names = uvg.choose(options.sequences if options.sequences is not None else known)
    files, missing = uvg.find(folder, names, size)
    refused: dict[str, str] = {}
    for name, path in files.items():
        try:
            uvg.check(path, options.frames, size)
        except InputError as error:
            refused[name] = str(error)
    for name, reason in (missing | refused).items():
        say(f"{name} is left out: {reason}")
    if len(refused) == len(files):
        raise InputError(f"no sequence can be used: {'; '.join(refused.values())}")
    return {n: p for n, p in files.items() if n not in refused}, missing, refused


def codecs(options: argparse.Namespace) -> list[Codec]:
    """colorvid, then the anchors."""
    run = ColorvidRun(options.gop, model=options.model, threads=options.threads)
    anchors = [AnchorRun(name, options.gop, options.threads).codec() for name in options.anchors]
    return [Codec("colorvid", tuple(dict.fromkeys(options.qualities)), run), *anchors]


def run(
    files: dict[str, Path], options: argparse.Namespace, say: Callable[[str], None]
) -> list[Row]:
    """Every point of every codec on every sequence."""
    start = time.monotonic()

    def progress(done: int, total: int, what: str) -> None:
        left = round((time.monotonic() - start) / done * (total - done))
        eta = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
        say(f"[{done / total:.1%}] {done}/{total} points, {what}, eta {eta}")

    how = Measuring(cache=options.cache, memory=options.memory, jobs=options.jobs)
    return run_all(
        codecs(options), list(files.values()), options.frames, how,
        progress=progress, loader=uvg.load,
    )  # fmt: skip


def evaluate(options: argparse.Namespace, say: Callable[[str], None]) -> Report:
    """Find the sequences, run all codecs, and gather what is to be written.

    Raises:
        ColorvidError: see `check_options`, `usable`; or a codec failed.
    """
    check_options(options)
    model_id = load_model(options.model).identity.hex()
    with data_folder(options) as folder:
        files, missing, refused = usable(folder, options, say)
        rows = run(files, options, say)
    return Report(
        rows=rows,
        data="synthetic" if options.synthetic else "UVG",
        frames=options.frames,
        gop=options.gop,
        model_id=model_id,
        missing=missing,
        refused=refused,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parse(arguments)

    def say(text: str) -> None:
        print(f"eval_uvg {text}", file=sys.stderr, flush=True)

    with Signals() as signals:
        try:
            report = evaluate(options, say)
            print(write_report(report, options.out))
        except ColorvidError as error:
            say(f"[error]: {error}")
            return error.exit_code
        except KeyboardInterrupt:
            say(
                f"[error]: stopped by {signals.received}; finished points are kept in "
                f"{options.cache}: give the same command again to go on"
            )
            return 4
    if report.refused:
        say(f"[error]: left out: {', '.join(report.refused)}; see above")
        return InputError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
