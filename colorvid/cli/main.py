"""The command ``colorvid``: options, errors and exit codes; `colorvid.cli.coding` does the work."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from colorvid.cli.compare import add_compare
from colorvid.cli.evaluate import add_eval
from colorvid.cli.options import add_device, add_work, frame_rate, resolution, whole
from colorvid.config import DEFAULT_GOP, DEFAULT_QUALITY, PACKAGE_VERSION, QUALITIES, TUNES
from colorvid.errors import ColorvidError, ConfigError, InputError, OutOfMemory, OutputError

EPILOG = """\
exit codes:
  0  everything is well
  1  wrong use or configuration
  2  an input cannot be opened or read, or an output cannot be written
  3  not a .clv stream, made by a newer colorvid, or its model is not here
  4  stopped by Ctrl-C or a signal
  5  the stream is damaged; what could be decoded was written
  6  decoded pictures differ from the hashes in the stream, or a known answer of the self-test
  7  the memory does not suffice

Data goes to standard output, all messages to standard error. COLORVID_TRACEBACK=1 shows where an
error comes from.
"""


class Parser(argparse.ArgumentParser):
    """Raises ``ConfigError`` instead of printing the usage and leaving with code 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ConfigError(f"{message}; see {self.prog} --help")


class _Version(argparse.Action):
    """Prints the version and whether the native core is there; looks for it only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and leave."""
        from colorvid.native.core import describe

        print(f"colorvid {PACKAGE_VERSION} ({describe()})")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog="colorvid",
        description="A learned video codec that decodes to the same bits everywhere.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_encode(_command(commands, "encode", "encode a video into a .clv stream"))
    _add_decode(_command(commands, "decode", "decode a .clv stream into a video"))
    _add_info(_command(commands, "info", "tell what a .clv stream holds, without decoding it"))
    _add_verify(_command(commands, "verify", "decode a .clv stream and check every CRC and hash"))
    add_eval(_command(commands, "eval", "score a decoded video against its original"))
    add_compare(_command(commands, "compare", "measure colorvid against other encoders"))
    add_device(_command(commands, "selftest", "prove that this machine decodes exactly"))
    model = _command(commands, "model", "tell what a model consists of and what it costs")
    model.add_argument(
        "name", nargs="?", default=TUNES[0],
        help=f"{', '.join(TUNES)} or a model file (default: {TUNES[0]})",
    )  # fmt: skip
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """A command with its own help and the same exit codes."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _add_input(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("input", nargs="?", metavar="IN", help=text)
    parser.add_argument("-i", "--input", dest="input_option", metavar="IN", help=argparse.SUPPRESS)


def _add_output(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=text)
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")


def _add_encode(parser: argparse.ArgumentParser) -> None:
    top = QUALITIES - 1
    _add_input(
        parser, "y4m, raw .yuv (with --size and --fps), or what FFmpeg reads; - = y4m on stdin"
    )
    _add_output(parser, "the .clv stream; - = stdout")
    parser.add_argument(
        "-q", "--quality", type=whole(0, top), default=DEFAULT_QUALITY, metavar="Q",
        help=f"0 to {top}, higher is better and larger (default: {DEFAULT_QUALITY})",
    )  # fmt: skip
    parser.add_argument(
        "--inter-quality", type=whole(0, top), metavar="Q",
        help="quality of all frames but key frames (default: a little below --quality)",
    )  # fmt: skip
    parser.add_argument(
        "--gop", "--keyint", type=whole(1, 2**31 - 1), default=DEFAULT_GOP, metavar="N",
        help=f"frames from key frame to key frame; 1 = key frames only (default: {DEFAULT_GOP})",
    )  # fmt: skip
    parser.add_argument("--frames", type=whole(1), metavar="N", help="encode at most N frames")
    parser.add_argument(
        "--seek", type=whole(0), default=0, metavar="N", help="skip N frames of the input first"
    )
    parser.add_argument(
        "--size", "--input-res", type=resolution, metavar="WxH", help="size of a raw .yuv input"
    )
    parser.add_argument(
        "--fps", type=frame_rate, metavar="N/D", help="frame rate; replaces that of the input"
    )
    parser.add_argument(
        "--convert", action="store_true", help="convert an input that is not 8-bit 4:2:0"
    )
    parser.add_argument(
        "--tune", choices=TUNES, default=TUNES[0],
        help="default = squared error of all planes (PSNR); color = colour difference (CIEDE2000)",
    )  # fmt: skip
    parser.add_argument("--model", metavar="FILE", help="model file instead of a released one")
    parser.add_argument(
        "--csv", metavar="FILE", help="write a line for each frame: bytes by kind, PSNR, dE00, time"
    )
    parser.add_argument("--psnr", action="store_true", help="print mean PSNR and dE00 at the end")
    add_work(parser)


def _add_decode(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, "the .clv stream; - = stdin")
    _add_output(
        parser, ".y4m, .yuv, or lossless .mkv, .avi (FFV1), .mp4, .mov (H.264); - = y4m on stdout"
    )
    parser.add_argument(
        "--on-error", choices=("conceal", "stop"), default="conceal",
        help="where the stream is damaged, repeat the last good frame until the next key frame, "
        "or stop and write nothing (default: conceal)",
    )  # fmt: skip
    _add_trust(parser)
    add_work(parser)


def _add_trust(parser: argparse.ArgumentParser) -> None:
    """Options of everything that decodes."""
    parser.add_argument("--model", metavar="FILE", help="model file (default: the released ones)")
    parser.add_argument(
        "--max-pixels", type=whole(1), metavar="N",
        help="refuse pictures of more luma samples (default: those too large for the memory)",
    )  # fmt: skip


def _add_info(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, "the .clv stream; - = stdin")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--frames", action="store_true", help="print a line for each frame too")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_input(parser, "the .clv stream; - = stdin")
    _add_trust(parser)
    add_work(parser)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line.

    Raises:
        ConfigError: an option is wrong.
        SystemExit: after ``--help`` and ``--version``.
    """
    options = make_parser().parse_args(argv)
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


def _own_error(error: Exception, signals: Any) -> ColorvidError:
    """What to tell about an error: its cause, where that is a signal or the memory."""
    from colorvid.system.memory import is_out_of_memory

    if signals.received is not None:  # whatever was interrupted may have failed in its own way
        own: ColorvidError = signals.error()
        return own
    if not isinstance(error, OutOfMemory) and is_out_of_memory(error):
        reason = str(error) or type(error).__name__
        return OutOfMemory(f"out of memory ({reason}); lower --threads or give it more memory")
    if isinstance(error, ColorvidError):
        return error
    hint = "this is a fault of colorvid; COLORVID_TRACEBACK=1 shows where"
    return ColorvidError(f"{type(error).__name__}: {error}; {hint}")


def _run(argv: Sequence[str] | None, signals: Any) -> int:
    """Parse and run; errors pass."""
    try:
        options = parse(argv)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    _check_pipes(options)
    from colorvid.cli import coding as commands

    return commands.run(options, signals)


def _check_pipes(options: argparse.Namespace) -> None:
    """Refuse to use a standard stream that the caller has closed."""
    inputs = (getattr(options, name, None) for name in ("input", "reference", "decoded"))
    if sys.stdin is None and "-" in inputs:
        raise InputError("stdin is closed; give a file or a pipe")
    if sys.stdout is None and getattr(options, "output", "-") == "-":
        raise OutputError("stdout is closed; send it to a file or a pipe")


def _fail(error: ColorvidError) -> int:
    """Print an error and return its exit code."""
    from colorvid.cli.terminal import say

    if os.environ.get("COLORVID_TRACEBACK"):
        traceback.print_exc()
    say(str(error), "error")
    return error.exit_code
