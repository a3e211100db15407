"""What each latent channel of the intra codec paints: a picture of the decoder's impulse responses.

::

    python tools/impulse_response.py IMAGE --branch luma -o docs/figures/impulse-luma.png
    python tools/impulse_response.py IMAGE --branch chroma -o docs/figures/impulse-chroma.png

Each tile is one channel: what the decoder makes of one latent in that channel alone, minus what it
makes of zero latents. The tiles are in decreasing order of the channel's share of the bits that
IMAGE takes; the labels of the rows say the share of all tiles so far. A tile shows the 16x16 luma
samples of the latent's block and a margin around them.

Each tile is scaled by itself, so that its largest magnitude is the full swing: black to white
around mid grey for luma. Chroma is shown in colour, BT.709 at mid grey luma, with the larger of U
and V scaled to a quarter of the range, which no colour exceeds.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.errors import ConfigError
from colorvid.evaluation.compare.clips import load
from colorvid.evaluation.impulse import channel_bits, impulse_responses
from colorvid.evaluation.plots import figure
from colorvid.models.loading import load_model
from colorvid.quality.color import ColorSpec

Picture = NDArray[np.float64]
BLOCK_PX = 16
MOST_MARGIN_PX = 32
_COLUMNS = 16
_GAP_PX = 2
_TILE_INCHES = 0.54
_LEVELS = 32  # shades drawn: what differs by less is noise, and keeps the file large


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line to options."""
    parser = tool_parser(__doc__)
    add = parser.add_argument
    add("image", type=Path, help="picture whose bits order the channels")
    add("-o", "--output", type=Path, required=True, help=".png or .svg")
    add("--branch", choices=("luma", "chroma"), default="luma", help="default: luma")
    add("--quality", type=int, default=32, help="0..63 (default: 32)")
    add("--steps", type=int, default=4, help="impulse in quantiser steps (default: 4)")
    add("--margin", type=int, default=4, help="luma samples around the block, even (default: 4)")
    add("--model", default="default", help="released model, or path of a model file")
    return parser.parse_args(arguments)


def tiles(responses: Picture, margin: int) -> Picture:
    """Responses as pictures, each scaled by itself.

    Args:
        responses: ``(C, 1, S, S)`` of luma or ``(C, 2, S/2, S/2)`` of chroma, any scale; the block
            of the impulse is in the middle.
        margin: luma samples around the block, even.

    Returns:
        R'G'B' in 0..1, ``(C, 16 + 2 margin, 16 + 2 margin, 3)``; mid grey is no response.

    Raises:
        ConfigError: the margin is odd, negative, or larger than 32.
    """
    if margin % 2 or not 0 <= margin <= MOST_MARGIN_PX:
        raise ConfigError(
            f"margin of {margin} is not allowed; it must be even and 0..{MOST_MARGIN_PX}"
        )
    _, planes, side, _ = responses.shape
    shown = (BLOCK_PX + 2 * margin) // planes
    first = (side - shown) // 2
    part = responses[:, :, first : first + shown, first : first + shown]
    peak = np.abs(part).max((1, 2, 3), keepdims=True)
    part = part / np.where(peak == 0, 1, peak)
    rgb: Picture
    if planes == 1:
        rgb = np.repeat(0.5 + part[:, 0, :, :, None] / 2, 3, axis=-1)
        return rgb
    red, green_u, green_v, blue = ColorSpec().chroma_gains
    u, v = part[:, 0] / 4, part[:, 1] / 4
    rgb = 0.5 + np.stack((red * v, green_u * u + green_v * v, blue * u), axis=-1)
    return rgb.repeat(2, axis=1).repeat(2, axis=2)


def mosaic(pictures: Picture) -> Picture:
    """Pictures ``(C, S, S, 3)`` in rows of 16 on white, ``(rows, columns, 3)``."""
    count, side = pictures.shape[:2]
    pitch = side + _GAP_PX
    rows = -(-count // _COLUMNS)
    result = np.ones((rows * pitch, _COLUMNS * pitch, 3))
    for number, picture in enumerate(pictures):
        top, left = (number // _COLUMNS) * pitch, (number % _COLUMNS) * pitch
        result[top : top + side, left : left + side] = picture
    return result


def row_labels(shares: NDArray[np.float64]) -> list[str]:
    """Labels of the rows of 16 tiles: the share of the bits of all tiles so far."""
    ends = range(_COLUMNS, len(shares) + _COLUMNS, _COLUMNS)
    return [f"{100 * shares[:end].sum():.1f} %" for end in ends]


def draw(options: argparse.Namespace) -> None:
    """Measure and draw.

    Raises:
        ColorvidError: the picture or the model cannot be used, or an option is out of its range.
    """
    model = load_model(options.model)
    clip = load(options.image, None)
    luma, chroma = channel_bits(model, clip.frames[0], options.quality)
    bits = luma if options.branch == "luma" else chroma
    order = np.argsort(-bits, kind="stable")
    responses = impulse_responses(model, options.branch, options.quality, options.steps)
    pictures = mosaic(tiles(responses[order], options.margin))
    labels = row_labels(bits[order] / max(bits.sum(), 1))
    size = (_TILE_INCHES * _COLUMNS + 1, _TILE_INCHES * len(labels) + 0.6)
    with figure(options.output, size=size) as axes:
        _show(axes[0][0], pictures, labels)
        axes[0][0].set_title(
            f"{options.branch.capitalize()}: one latent of {options.steps} steps in each channel, "
            f"quality {options.quality}; ordered by bits on {clip.name}",
            loc="left",
        )


def _show(panel: Any, picture: Picture, labels: Sequence[str]) -> None:
    """Draw the mosaic with the labels of its rows."""
    panel.imshow(np.rint(picture * _LEVELS) / _LEVELS, interpolation="nearest", vmin=0, vmax=1)
    pitch = picture.shape[0] / len(labels)
    panel.set_yticks([(row + 0.5) * pitch for row in range(len(labels))], labels)
    panel.set_xticks([])
    panel.grid(False)
    panel.tick_params(length=0)
    panel.set_ylabel("share of the bits down to here")
    panel.set_frame_on(False)


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    draw(parse(arguments))
    return 0
