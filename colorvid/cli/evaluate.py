"""Options of ``colorvid eval``; `colorvid.cli.commands_evaluation` does the work."""

from __future__ import annotations

import argparse

from colorvid.cli.options import add_work, frame_rate, numbers, one_or_more_of, resolution, whole
from colorvid.evaluation.extra import EXTRA_CHOICES
from colorvid.evaluation.triptych import SCALE_DE
from colorvid.evaluation.video import MATRICES, RANGES, SITINGS


def add_eval(parser: argparse.ArgumentParser) -> None:
    """Options of ``colorvid eval``."""
    parser.description = (
        "Score a decoded video against its original, frame by frame: PSNR, MS-SSIM and\n"
        "CIEDE2000 of the 8-bit planes, and the rate. Prints means and worst frames on\n"
        "standard output."
    )
    kinds = "y4m, raw .yuv (with --size), .clv, or what FFmpeg reads; - = y4m on stdin"
    parser.add_argument("reference", metavar="REF", help=f"the original: {kinds}")
    parser.add_argument(
        "decoded", metavar="DIST", help="the video to score, likewise; coded files give the rate"
    )
    parser.add_argument("--frames", type=whole(1), metavar="N", help="compare the first N frames")
    _add_outputs(parser)
    parser.add_argument(
        "--metrics", type=one_or_more_of(EXTRA_CHOICES), default=(), metavar="NAMES",
        help=f"further metrics, slow or for comparison only: {', '.join(EXTRA_CHOICES)}; "
        "several with commas",
    )  # fmt: skip
    _add_samples(parser)
    parser.add_argument("--model", metavar="FILE", help="model of a .clv (default: released ones)")
    add_work(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Where the figures go besides standard output."""
    parser.add_argument("--csv", metavar="FILE", help="write a line for each frame")
    parser.add_argument("--json", metavar="FILE", help="write the summary and every frame as JSON")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw bits, PSNR and dE00 of each frame: .png or .svg"
    )
    parser.add_argument(
        "--pictures", metavar="DIR",
        help="write original, decoded picture and dE00 map of the frames of --at side by side, "
        "as PNG; the folder is made if it is missing",
    )  # fmt: skip
    parser.add_argument(
        "--at", type=numbers, metavar="N,N,...",
        help="frames for --pictures, counted from 0 (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=whole(1, 100), default=SCALE_DE, metavar="DE",
        help=f"dE00 at the top of the colours of the map (default: {SCALE_DE})",
    )  # fmt: skip
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace existing outputs")


def _add_samples(parser: argparse.ArgumentParser) -> None:
    """What the samples of the videos are and mean, where the files do not say."""
    parser.add_argument("--size", type=resolution, metavar="WxH", help="size of raw .yuv inputs")
    parser.add_argument(
        "--fps", type=frame_rate, metavar="N/D", help="frame rate, for kbit/s; replaces the stated"
    )
    parser.add_argument(
        "--convert", action="store_true", help="convert inputs that are not 8-bit 4:2:0"
    )
    for option, known, text in (
        ("--colormatrix", MATRICES, "matrix of both videos"),
        ("--range", RANGES, "range of the samples of both videos"),
        ("--chromaloc", SITINGS, "place of the chroma samples of both videos"),
    ):
        parser.add_argument(
            option, choices=tuple(known), help=f"{text}, whatever they state (default: as stated)"
        )
