"""The command ``bench``: options and what it does."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from colorvid.cli.options import Command, resolution, whole
from colorvid.cli.terminal import Signals, show
from colorvid.config import DEFAULT_GOP, DEFAULT_QUALITY, QUALITIES

SIZE = (352, 288)
"""Width and height of the generated clip, luma samples."""
FRAMES = 64


def add_commands(command: Command) -> None:
    """Add the command of this family."""
    parser = command("bench", "measure speed, and where the time goes")
    parser.description = (
        "Measure the speed of encoding and decoding with one and two workers, and where the\n"
        "time goes."
    )
    parser.add_argument(
        "--clip", type=Path, metavar="FILE", help="video to code (default: a generated one)"
    )
    parser.add_argument(
        "--size", type=resolution, default=SIZE, metavar="WxH",
        help=f"size of the generated clip (default: {SIZE[0]}x{SIZE[1]})",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=whole(1), default=FRAMES, metavar="N",
        help=f"frames to code (default: {FRAMES})",
    )  # fmt: skip
    parser.add_argument(
        "-q", "--quality", type=whole(0, QUALITIES - 1), default=DEFAULT_QUALITY, metavar="Q",
        help=f"0 to {QUALITIES - 1} (default: {DEFAULT_QUALITY})",
    )  # fmt: skip
    parser.add_argument(
        "--gop", "--keyint", type=whole(1, 2**31 - 1), default=DEFAULT_GOP, metavar="N",
        help=f"frames from key frame to key frame (default: {DEFAULT_GOP})",
    )  # fmt: skip
    parser.set_defaults(run=_bench)


def _bench(options: Namespace, signals: Signals) -> int:
    from colorvid.codec.settings import EncoderSettings
    from colorvid.evaluation import bench

    settings = EncoderSettings(quality=options.quality, gop=options.gop)
    for line in bench.run(options.clip, options.frames, options.size, settings):
        show(line)
        signals.check()
    return 0
