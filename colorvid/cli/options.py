"""What options of several commands have in common: their types, and groups of them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from fractions import Fraction

from colorvid.config import DEFAULT_BFRAMES, MOST_BFRAMES, TUNES, ZEROLATENCY
from colorvid.effort import DEFAULT_PRESET, PRESETS
from colorvid.errors import ConfigError
from colorvid.files.decode import DecodeOptions
from colorvid.files.encode import EncodeOptions
from colorvid.system.text import amount as amount_of

Command = Callable[[str, str], argparse.ArgumentParser]
"""Adds a command with a name and what it does, in a few words; gives its parser."""

Options = argparse._ActionsContainer
"""A parser, or a group of its options."""

_PARAMETERS = [f.name for f in (*fields(EncodeOptions), *fields(DecodeOptions))]
_FURTHER = ("at", "cache", "cluster", "keep_tree", "reference", "rgb", "shares", "start")
_OPTIONS = {name: f"--{name.replace('_', '-')}" for name in (*_PARAMETERS, *_FURTHER)}
_OPTIONS |= {"rate": "--fps", "overwrite": "-y", "matrix": "--colormatrix", "seek": "--from"}
_PARAMETER = re.compile(rf"(?<![^\s(])({'|'.join(_OPTIONS)})=(\S+)")


def in_words_of_options(message: str) -> str:
    """A message of the library for someone at the command line: parameters become options.

    ``max_pixels=9`` becomes ``--max-pixels 9`` and ``convert=True`` becomes ``--convert``.
    """

    def option(match: re.Match[str]) -> str:
        name, value = _OPTIONS[match[1]], match[2]
        return f"{name}{value[4:]}" if value.startswith("True") else f"{name} {value}"

    return _PARAMETER.sub(option, message)


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Type of an option: whole numbers from ``low`` to ``high``."""
    span = f"{low} to {high}" if high is not None else f"{low} or more"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, {span}")
        return value

    return parse


def resolution(text: str) -> tuple[int, int]:
    """Type of an option: ``WxH`` in luma samples."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be WxH, as in 1920x1080; the size of a stream is --target-size"
        )
    return int(width), int(height)


def frame_rate(text: str) -> Fraction:
    """Type of an option: frames per second as ``N``, ``N/D`` or a decimal."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a frame rate, as in 25 or 30000/1001")
    return value


def amount(text: str) -> int:
    """Type of an option: a number with ``k``, ``M`` or ``G`` for thousands, millions, billions."""
    try:
        return amount_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be an amount, as in 800k, 1.5M or 20M"
        ) from None


def numbers(text: str) -> tuple[int, ...]:
    """Type of an option: whole numbers from 0, separated by commas."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers from 0, as in 0,10,20")
    return tuple(sorted({int(part) for part in parts}))


def one_or_more_of(allowed: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Type of an option: names from a list, separated by commas."""
    known = tuple(allowed)

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is unknown; use {', '.join(known)}")
        return names

    return parse


def add_input(parser: argparse.ArgumentParser, text: str) -> None:
    """The input, which may stand alone or behind ``-i``."""
    parser.add_argument("input", nargs="?", metavar="IN", help=text)
    parser.add_argument("-i", "--input", dest="input_option", metavar="IN", help=argparse.SUPPRESS)


def add_output(parser: Options, text: str) -> None:
    """The output, and whether it may replace what exists."""
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=text)
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")


def add_quiet(parser: Options) -> None:
    """Whether anything but errors is printed."""
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Options of everything that runs the codec, as a group of their own."""
    work = parser.add_argument_group("work")
    work.add_argument(
        "--threads", type=whole(0), default=0, metavar="N",
        help="most frames to work on at once; 0 = one for each core (default); "
        "the result is the same for every number",
    )  # fmt: skip
    add_device(work)
    add_quiet(work)
    work.add_argument("--no-progress", action="store_true", help="show no progress line")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Options of everything that decodes."""
    trust = parser.add_argument_group("stream")
    trust.add_argument("--model", metavar="FILE", help="model file (default: the released ones)")
    trust.add_argument(
        "--max-pixels", type=whole(1), metavar="N",
        help="refuse pictures of more luma samples (default: those too large for the memory)",
    )  # fmt: skip


def add_places(part: Options) -> Options:
    """The options for the first and the last frame of a stream.

    Returns:
        The group of the end, for other ways of giving it.
    """
    part.add_argument(
        "--from", "--seek", dest="seek", default="0", metavar="PLACE",
        help="first frame: a number from 0, or a time such as 10s or 1:02.5",
    )  # fmt: skip
    end = part.add_mutually_exclusive_group()
    end.add_argument("--to", metavar="PLACE", help="stop before this frame or time")
    return end


PROGRESS = ("line", "json", "none")
"""Ways of showing progress."""


def add_progress(parser: Options) -> None:
    """The option for the way of showing progress."""
    parser.add_argument(
        "--progress", choices=PROGRESS, default=PROGRESS[0],
        help="a line on stderr, JSON objects on stdout, a line each, or nothing (default: line)",
    )  # fmt: skip


def add_bframes(parser: Options) -> None:
    """The option for B frames; None = the default."""
    parser.add_argument(
        "--bframes", type=whole(0, MOST_BFRAMES), metavar="N",
        help=f"most B frames between two P frames, 0 to {MOST_BFRAMES} (default: "
        f"{DEFAULT_BFRAMES}); 0 = none",
    )  # fmt: skip


def add_preset(parser: Options) -> None:
    """The option for the effort of the encoder."""
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default=DEFAULT_PRESET,
        help="time that the encoder takes: slower ones need fewer bits for the same quality "
        f"(default: {DEFAULT_PRESET})",
    )  # fmt: skip


def bframes_of(options: argparse.Namespace) -> int:
    """B frames as ``--bframes`` and ``--tune`` say.

    Raises:
        ConfigError: they contradict each other.
    """
    if options.tune == ZEROLATENCY:
        if options.bframes:
            raise ConfigError(
                f"--tune {ZEROLATENCY} has no B frames; leave out --bframes {options.bframes}"
            )
        return 0
    return DEFAULT_BFRAMES if options.bframes is None else int(options.bframes)


def model_of(options: argparse.Namespace) -> str:
    """The model that ``--model`` or ``--tune`` names."""
    if options.model:
        return str(options.model)
    return TUNES[0] if options.tune == ZEROLATENCY else str(options.tune)


def add_cluster(parser: Options) -> None:
    """The option for workers elsewhere."""
    parser.add_argument(
        "--cluster", metavar="ADDRESS",
        help="scheduler of a Dask cluster, as in tcp://host:8786; local = an embedded one",
    )  # fmt: skip


def add_report(parser: Options) -> None:
    """The option for a page to look at."""
    parser.add_argument(
        "--report", metavar="FILE",
        help="write one HTML file of at most 25 MB, for any browser: charts, and pictures to "
        "compare",
    )  # fmt: skip


def add_device(parser: Options) -> None:
    """The option for the device that the codec runs on."""
    parser.add_argument(
        "--device", default="cpu", help="torch device, as in cpu or cuda (default: cpu)"
    )
