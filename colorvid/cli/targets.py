"""Options for the bit rate, the size or the quality of a whole video."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import Any

from colorvid.cli.options import amount
from colorvid.codec.targets import FIGURES, LIMITS
from colorvid.config import DEFAULT_QUALITY
from colorvid.errors import ConfigError


def add_targets(parser: argparse.ArgumentParser) -> None:
    """What a whole video may be asked to have, in place of a quality."""
    group = parser.add_argument_group(
        "targets", "in place of --quality; the input is read several times"
    )
    group.add_argument(
        "--bitrate", type=amount, metavar="RATE", help="bits a second, as in 800k or 1.5M, to 3 %%"
    )
    group.add_argument(
        "--target-size", type=amount, metavar="SIZE",
        help="bytes of the stream, as in 20M: at most that, and at most 3 %% less",
    )  # fmt: skip
    group.add_argument(
        "--target-psnr", type=float, metavar="DB", help="mean PSNR of YUV (6:1:1), to 0.1 dB"
    )
    group.add_argument(
        "--target-de", type=float, metavar="DE", help="mean CIEDE2000, as in 1.5, to 0.05"
    )
    group.add_argument(
        "--target-ms-ssim", type=float, metavar="X",
        help="mean MS-SSIM of luma, as in 0.98, to 0.1 dB of it",
    )  # fmt: skip
    group.add_argument(
        "--one-pass", action="store_true", help="meet --bitrate in one pass, as for pipes"
    )
    limits = parser.add_argument_group("limits", "with --quality or --bitrate, in one pass")
    limits.add_argument(
        "--maxrate", type=amount, metavar="RATE",
        help="bits a second that a receiver takes in; frames get coarser to keep to it",
    )  # fmt: skip
    limits.add_argument(
        "--bufsize", type=amount, metavar="BITS",
        help="bits that the receiver's buffer holds (default: two seconds of --maxrate)",
    )  # fmt: skip


def targets_of(options: Namespace) -> dict[str, Any]:
    """Targets and limits that are given, as keywords of `EncodeOptions`.

    Raises:
        ConfigError: there is a quality too.
    """
    given = {name: value for name in FIGURES if (value := getattr(options, name)) is not None}
    if given and options.quality is not None:
        name, value = next(iter(given.items()))
        raise ConfigError(
            f"quality={options.quality} does not go with {name}={value}; leave out one of them"
        )
    return given | {name: getattr(options, name) for name in LIMITS}


def quality_of(options: Namespace) -> int:
    """What ``--quality`` says."""
    return DEFAULT_QUALITY if options.quality is None else int(options.quality)
