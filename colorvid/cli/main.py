"""The command ``colorvid``: its commands, its errors and exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from colorvid.cli.defaults import check_tables, commands_of, with_defaults
from colorvid.cli.options import in_words_of_options
from colorvid.config import VARIABLES
from colorvid.errors import (
    ColorvidError,
    ConfigError,
    InputError,
    OutOfMemory,
    OutputError,
    exit_codes,
)
from colorvid.system.limits import require_folder

if TYPE_CHECKING:
    from colorvid.cli.terminal import Signals

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "coding": ("encode", "decode", "play", "verify"),
    "editing": ("cut", "concat"),
    "info": ("info", "selftest", "model"),
    "evaluate": ("eval",),
    "compare": ("compare",),
    "batch": ("batch",),
    "bench": ("bench",),
    "train": ("train", "export", "fit-filters", "fit-tables", "curves"),
    "manual": ("manual",),
}
"""Modules and the commands that they add, in the order in which the help lists them."""


class Parser(argparse.ArgumentParser):
    """Raises ``ConfigError`` instead of printing the usage and leaving with code 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ConfigError(f"{message}; see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, of which ``head`` may have read enough."""
        from colorvid.cli.terminal import show_to_reader

        show_to_reader(message.rstrip("\n"))


EXAMPLES = {
    "encode": (
        "colorvid encode in.mp4 -o out.clv -q 40",
        "colorvid encode in.mov -o out.clv --convert --frames 100 --csv out.csv",
    ),
    "decode": (
        "colorvid decode in.clv -o out.mp4 --with-audio original.mp4",
        "colorvid decode in.clv -o frames/%04d.png --from 10s --to 12s",
    ),
    "play": ("colorvid play in.clv", "colorvid play in.clv --from 1:02.5 --frames 100"),
    "verify": ("colorvid verify in.clv", "colorvid verify - < in.clv"),
    "cut": (
        "colorvid cut in.clv -o part.clv --from 10s --to 20s",
        "colorvid cut in.clv -o part.clv --from 250 --to 500 --exact",
    ),
    "concat": (
        "colorvid concat a.clv b.clv -o both.clv",
        "colorvid concat - b.clv -o - < a.clv > both.clv",
    ),
    "info": ("colorvid info in.clv --frames", "colorvid info in.clv --json"),
    "selftest": ("colorvid selftest", "colorvid selftest --device cuda"),
    "model": ("colorvid model", "colorvid model color"),
    "eval": (
        "colorvid eval in.mp4 out.clv --plot frames.svg",
        "colorvid eval in.yuv out.yuv --size 1920x1080 --fps 50 --json out.json",
    ),
    "compare": (
        "colorvid compare clip.mp4 --frames 32 --out results",
        "colorvid compare stills/ --anchors jpeg,x265-intra --qualities 10,20,30,40",
    ),
    "batch": (
        "colorvid batch clips/ -o coded -q 40",
        "colorvid batch coded/ -o decoded --task decode --suffix .mkv",
    ),
    "bench": ("colorvid bench", "colorvid bench --clip in.mp4 --frames 32"),
    "train": (
        "colorvid train configs/quick.toml --data photos --run runs/quick",
        "colorvid train configs/inter.toml --data clips --run runs/inter --start runs/intra",
    ),
    "export": (
        "colorvid export --intra runs/quick -o model.safetensors",
        "colorvid export --intra runs/a --inter runs/b --clips clips -o model.safetensors",
    ),
    "fit-filters": (
        "colorvid fit-filters plain.safetensors --clips clips -o model.safetensors",
        "colorvid fit-filters default --clips clips -o other.safetensors --every 2",
    ),
    "fit-tables": (
        "colorvid fit-tables default --clips clips -o other.safetensors",
        "colorvid fit-tables mine.safetensors --clips clips -o model.safetensors --every 1",
    ),
    "manual": (
        "colorvid manual man",
        "colorvid manual bash",
    ),
    "curves": (
        "colorvid curves runs/quick -o quick.svg",
        "colorvid curves runs/a runs/b -o both.png --width 101",
    ),
}
"""Two uses of each command, for its help page."""


def _examples(name: str) -> str:
    """The end of the help page of a command."""
    lines = "\n".join(f"  {line}" for line in EXAMPLES.get(name, ()))
    return f"examples:\n{lines}\n" if lines else ""


def epilog() -> str:
    """The end of the help page of all: exit codes, variables, and where output goes."""
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in exit_codes().items())
    variables = "\n".join(f"  {name}  {meaning}" for name, meaning in VARIABLES.items())
    return (
        f"exit codes:\n{codes}\n\nenvironment variables:\n{variables}\n\n"
        "Data goes to standard output, all messages to standard error.\n"
    )


class _Version(argparse.Action):
    """Prints the versions; looks for them only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and leave."""
        from colorvid.cli.version import version_lines

        parser._print_message("\n".join(version_lines()))
        parser.exit()


def make_parser(families: Sequence[str] = tuple(FAMILIES)) -> argparse.ArgumentParser:
    """The parser of all commands, or of those of some of `FAMILIES`."""
    parser = Parser(
        prog="colorvid",
        description="A learned video codec that decodes to the same bits everywhere.",
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show all versions and leave")
    parser.add_argument(
        "--config", dest="defaults", type=Path, metavar="FILE",
        help="TOML file of defaults: a table [COMMAND] of its options, with _ for -",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=_examples(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        return added

    for family in families:
        importlib.import_module(f"colorvid.cli.{family}").add_commands(command)
    if "manual" in families:
        commands.choices["manual"].set_defaults(root=parser)
    return parser


def _families_for(words: Sequence[str]) -> list[str]:
    """What a command line needs: the other families would make it start later."""
    found = [family for family, names in FAMILIES.items() if words and words[0] in names]
    return list(FAMILIES) if found in ([], ["manual"]) else found


def _place_of_command(words: Sequence[str]) -> int:
    """Index of the command, behind options that stand before it."""
    place = 0
    while words[place].startswith("-"):
        place += 2 if words[place] == "--config" else 1
    return place


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line.

    Raises:
        ConfigError: an option is wrong.
        SystemExit: after ``--help`` and ``--version``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser(_families_for(words))
    options = parser.parse_args(words)
    if options.defaults is not None:
        commands, name = commands_of(parser), options.command
        check_tables(options.defaults, tuple(commands))
        at = _place_of_command(words) + 1
        defaults = with_defaults(options.defaults, commands[name], name, options)
        options = parser.parse_args([*words[:at], *defaults, *words[at:]])
    if not hasattr(options, "input_option"):
        return options
    if (options.input is None) == (options.input_option is None):
        how_often = "twice" if options.input is not None else "not"
        raise ConfigError(f"the input is {how_often} given; see colorvid {options.command} --help")
    options.input = options.input or options.input_option
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        argv: arguments without the name of the program; None = those of the process.
    """
    # Errors below this line must reach the user in one line, so the imports stand inside.
    from colorvid.cli.terminal import Signals, finish_stdout

    signals = Signals()
    try:
        with signals:
            code = _run(argv, signals)
    except KeyboardInterrupt:
        code = _fail(signals.error())
    except Exception as error:
        code = _fail(_own_error(error, signals))
    problem = finish_stdout()
    if problem is not None and code == 0:
        code = _fail(OutputError(f"stdout: {problem.strerror}"))
    return code


def _own_error(error: Exception, signals: Signals) -> ColorvidError:
    """What to report for an error: its cause, where that is a signal or the memory."""
    from colorvid.system.memory import is_out_of_memory
    from colorvid.system.packages import missing_package

    if signals.received is not None:  # whatever was interrupted may have failed in its own way
        return signals.error()
    if not isinstance(error, OutOfMemory) and is_out_of_memory(error):
        reason = str(error) or type(error).__name__
        return OutOfMemory(f"out of memory ({reason}); lower --threads or give it more memory")
    if isinstance(error, ColorvidError):
        return error
    missing = missing_package(error, "this command")
    if missing is not None:
        return missing
    hint = "this is a fault of colorvid; COLORVID_TRACEBACK=1 shows where"
    return ColorvidError(f"{type(error).__name__}: {error}; {hint}")


def _run(argv: Sequence[str] | None, signals: Signals) -> int:
    """Parse and run; errors pass."""
    try:
        options = parse(argv)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    _check_pipes(options)
    require_folder()
    code: int = options.run(options, signals)
    return code


def _check_pipes(options: argparse.Namespace) -> None:
    """Refuse to use a standard stream that the caller has closed."""
    inputs = [getattr(options, name, None) for name in ("input", "reference", "decoded")]
    inputs += getattr(options, "inputs", ())
    if sys.stdin is None and "-" in inputs:
        raise InputError("stdin is closed; give a file or a pipe")
    if sys.stdout is None and getattr(options, "output", "-") == "-":
        raise OutputError("stdout is closed; send it to a file or a pipe")


def _fail(error: ColorvidError) -> int:
    """Print an error and return its exit code."""
    from colorvid.cli.terminal import say

    if os.environ.get("COLORVID_TRACEBACK"):
        traceback.print_exc()
    say(in_words_of_options(str(error)), "error")
    return error.exit_code
