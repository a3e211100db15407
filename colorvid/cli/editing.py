"""``colorvid cut`` and ``concat``: parts of streams, and streams put together, as they are."""

from __future__ import annotations

from argparse import Namespace

from colorvid.cli.options import (
    Command,
    add_input,
    add_output,
    add_places,
    add_quiet,
    add_trust,
)
from colorvid.cli.terminal import Signals, say
from colorvid.files.concat import concat_files
from colorvid.files.cut import CutOptions, CutReport, cut_file
from colorvid.files.streams import name_of
from colorvid.system.text import file_size, plural


def add_commands(command: Command) -> None:
    """Add the commands of this family."""
    cut = command("cut", "cut a part out of a .clv stream without coding it again")
    cut.set_defaults(run=_cut)
    add_input(cut, "the .clv stream; - = stdin")
    output = cut.add_argument_group("output")
    add_output(output, "the .clv stream of the part; - = stdout")
    add_quiet(output)
    part = cut.add_argument_group("part")
    add_places(part)
    part.add_argument(
        "--exact", action="store_true",
        help="encode the groups at both edges again, so that no other frames remain "
        "(default: keep whole groups)",
    )  # fmt: skip
    add_trust(cut)
    concat = command("concat", "put .clv streams of one kind one after the other")
    concat.set_defaults(run=_concat)
    concat.add_argument("inputs", nargs="+", metavar="IN", help="the .clv streams; - = stdin")
    output = concat.add_argument_group("output")
    add_output(output, "the .clv stream of all; - = stdout")
    add_quiet(output)


def _cut(options: Namespace, signals: Signals) -> int:
    report = cut_file(
        options.input,
        options.output,
        CutOptions(
            seek=options.seek,
            to=options.to,
            exact=options.exact,
            model=options.model,
            max_pixels=options.max_pixels,
            overwrite=options.overwrite,
        ),
    )
    if not options.quiet:
        say(f"{name_of(options.output, 'stdout')}: {_kept(report)}")
    return 0


def _kept(report: CutReport) -> str:
    """Which frames were kept, as in ``frames 128 to 383 of the input, 1.2 MB``."""
    last = report.first + report.frames - 1
    kept = f"frames {report.first} to {last} of the input, {file_size(report.size_bytes)}"
    return f"{kept}, {plural(report.encoded, 'frame')} encoded again" if report.encoded else kept


def _concat(options: Namespace, signals: Signals) -> int:
    report = concat_files(options.inputs, options.output, overwrite=options.overwrite)
    if not options.quiet:
        count, size = plural(report.frames, "frame"), file_size(report.size_bytes)
        say(f"{name_of(options.output, 'stdout')}: {count}, {size}")
    return 0
