"""Rate and quality of colorvid against reference encoders, from real files and decoded planes.

::

    python tools/evaluate.py intra --data IMAGES --qualities 22,32,42,52,63 \\
        --anchors x264-intra,x265-intra --cache anchors --out results
    python tools/evaluate.py inter --data CLIPS --frames 32 --gop 32 \\
        --anchors x264-zl,x265-zl,x264,x265 --cache anchors --out results

Prints Markdown tables (mean curves, BD-rates) and writes ``points.tsv``, ``bdrate.tsv`` and
``tables.md``. "average" is the mean of the BD-rates of the clips.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # started as a program: find the tools as a package
    sys.path.insert(0, str(ROOT))

from colorvid.errors import ColorvidError, ConfigError  # noqa: E402
from colorvid.evaluation.anchors import ANCHORS  # noqa: E402
from colorvid.evaluation.clips import CLIP_SUFFIXES, IMAGE_SUFFIXES, find_sources  # noqa: E402
from colorvid.evaluation.runs import COLUMNS, AnchorRun, Codec, ColorvidRun, run_all  # noqa: E402
from colorvid.evaluation.tables import bd_markdown, bd_table, markdown, mean_curves, write_tsv  # noqa: E402
from colorvid.models.modelfile import load_model  # noqa: E402


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line to options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    intra = commands.add_parser("intra", help="still images (.png, .webp), one file each")
    inter = commands.add_parser("inter", help="video clips")
    for command, anchors, qualities in (
        (intra, "x264-intra,x265-intra", (22, 32, 42, 52, 63)),
        (inter, "x264-zl,x265-zl", (16, 28, 40, 52, 62)),
    ):
        add = command.add_argument
        add("--data", type=Path, required=True, help="folder of sources")
        add("--qualities", type=_numbers, default=qualities, help="of colorvid")
        add("--anchors", type=_words, default=_words(anchors), help=", ".join(ANCHORS))
        add("--anchors-only", action="store_true", help="do not run colorvid")
        add("--cache", type=Path, help="folder that keeps results of anchors")
        add("--out", type=Path, help="folder for points.tsv, bdrate.tsv and tables.md")
        add("--jobs", type=int, default=1, help="processes; measure speed with 1 (default)")
        add("--threads", type=int, default=1, help="threads of the anchor encoders")
        add("--model", default="default", help="released model, or path of a model file")
    inter.add_argument("--frames", type=int, default=32, help="first frames of each clip")
    inter.add_argument("--gop", type=int, default=32, help="distance of key frames")
    inter.add_argument("--inter-quality", type=int, help="quality of inter frames")
    intra.set_defaults(frames=None, gop=1, inter_quality=None)
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def commit() -> str:
    """Short id of the checked-out commit, with ``+`` if files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def codecs(options: argparse.Namespace) -> list[Codec]:
    """colorvid (unless left out) and the anchors.

    Raises:
        ConfigError: an anchor is unknown, or there is nothing to run.
    """
    for name in options.anchors:
        if name not in ANCHORS:
            raise ConfigError(f"anchor {name!r} is unknown; use {', '.join(ANCHORS)}")
    chosen = [AnchorRun(name, options.gop, options.threads).codec() for name in options.anchors]
    if not options.anchors_only:
        run = ColorvidRun(options.gop, options.inter_quality, options.model)
        chosen.insert(0, Codec("colorvid", options.qualities, run))
    if not chosen:
        raise ConfigError("nothing to run; name an --anchors entry or drop --anchors-only")
    return chosen


def evaluate(options: argparse.Namespace, chosen: Sequence[Codec]) -> str:
    """Run codecs over the data, write the tables, and return them as Markdown.

    The first codec is compared with each of the others.
    """
    suffixes = IMAGE_SUFFIXES if options.command == "intra" else CLIP_SUFFIXES
    sources = find_sources(options.data, suffixes)
    rows = run_all(
        chosen,
        sources,
        options.frames,
        cache=options.cache,
        jobs=options.jobs,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    test, *anchors = (codec.name for codec in chosen)
    bd = bd_table(rows, test, anchors)
    text = f"## Mean over {len(sources)} sources\n\n{markdown(mean_curves(rows))}\n"
    if bd:
        text += f"\n{bd_markdown(bd)}\n"
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        origin = {"commit": commit(), "model_id": load_model(options.model).identity.hex()}
        points = [{column: row[column] for column in COLUMNS} | origin for row in rows]
        write_tsv(options.out / "points.tsv", points)
        if bd:
            write_tsv(options.out / "bdrate.tsv", [row | origin for row in bd])
        (options.out / "tables.md").write_text(text)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parse(arguments)
    try:
        print(evaluate(options, codecs(options)))
    except ColorvidError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
