"""One patch of a still, or of a clip's middle frame, as several codecs show it at one rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import ConfigError
from colorvid.evaluation.compare.clips import Clip
from colorvid.evaluation.compare.codecs import FileCodec
from colorvid.evaluation.compare.points import code_frames
from colorvid.evaluation.plots import figure, label
from colorvid.evaluation.score.pictures import SCALE_DE, heat_map
from colorvid.frame import Frame
from colorvid.quality.color import frame_delta_e, frame_to_rgb
from colorvid.quality.metrics import bits_per_pixel
from colorvid.quality.scores import score_frame

Sample = TypeVar("Sample", bound=np.generic)

_PANEL_INCHES = 2.88
_CAPTION_INCHES = 0.75


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of a picture: left column, top row, width and height in luma samples."""

    x: int
    y: int
    width: int
    height: int

    @staticmethod
    def parse(text: str) -> Patch:
        """Read ``x,y,width,height``.

        Raises:
            ValueError: it is something else.
        """
        x, y, width, height = (int(part) for part in text.split(","))
        return Patch(x, y, width, height)

    def cut(self, rgb: NDArray[Sample]) -> NDArray[Sample]:
        """The patch of a picture ``(H, W, 3)``, or of a map ``(H, W)``.

        Raises:
            ConfigError: it is empty or does not lie inside.
        """
        height, width = rgb.shape[:2]
        right, bottom = self.x + self.width, self.y + self.height
        if not (0 <= self.x < right <= width and 0 <= self.y < bottom <= height):
            raise ConfigError(
                f"patch {self.x},{self.y},{self.width},{self.height} (x,y,width,height) does not "
                f"lie inside the picture of {width}x{height}; choose another"
            )
        return rgb[self.y : bottom, self.x : right]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a codec makes of a still or of a clip at the rate nearest to the wanted one.

    Attributes:
        codec: its name.
        quality: its setting.
        rate_bpp: bits per pixel, of the whole file.
        psnr_yuv611_db, de00_mean: of the whole picture, against its 4:2:0 source.
        patch: decoded, R'G'B' ``(height, width, 3)`` u8.
        difference: CIEDE2000 of the patch, ``(height, width)``.
    """

    codec: str
    quality: int
    rate_bpp: float
    psnr_yuv611_db: float
    de00_mean: float
    patch: NDArray[np.uint8]
    difference: NDArray[np.float32]


def nearest_quality(rate: Callable[[int], float], qualities: Sequence[int], target: float) -> int:
    """Setting whose rate comes nearest to ``target`` without exceeding it; by bisection.

    Args:
        rate: rate of a setting.
        qualities: settings in order of rising rate, at least one.
        target: in the unit of the rate. If every setting exceeds it, the first is taken.
    """
    fitting, end = 0, len(qualities)  # the first ``fitting`` settings do not exceed the target
    while fitting < end:
        middle = (fitting + end) // 2
        if rate(qualities[middle]) <= target:
            fitting = middle + 1
        else:
            end = middle
    return qualities[max(fitting - 1, 0)]


def show_patch(
    name: str, run: FileCodec, qualities: Sequence[int], clip: Clip, patch: Patch, bpp: float
) -> Shown:
    """Code a clip at the setting nearest to a rate, not above it, and cut the patch out.

    Args:
        name: of the codec.
        run: the codec.
        qualities: its settings in order of rising rate.
        clip: a still, or a clip, whose middle frame is shown.
        patch: what to cut out of the decoded picture.
        bpp: wanted rate, bits per pixel.
    """
    known: dict[int, tuple[float, Frame]] = {}

    def rate(quality: int) -> float:
        if quality not in known:
            size, frames = code_frames(run, clip, quality)
            count, info = len(clip.frames), clip.info
            bpp = bits_per_pixel(size, count, info.height, info.width)
            known[quality] = bpp, frames[middle(clip)]
        return known[quality][0]

    quality = nearest_quality(rate, qualities, bpp)
    rate(quality)
    reached, decoded = known[quality]
    source = clip.frames[middle(clip)]
    scores = score_frame(source, decoded, clip.spec, ms_ssim_too=False)
    psnr_db, de00 = scores.psnr_yuv611_db, scores.de00_mean
    assert de00 is not None
    cut = patch.cut(frame_to_rgb(decoded, clip.spec))
    difference = patch.cut(frame_delta_e(source, decoded, clip.spec))
    return Shown(name, quality, reached, psnr_db, de00, cut, difference)


def middle(clip: Clip) -> int:
    """Number of the frame that is shown of a clip."""
    return len(clip.frames) // 2


def original_of(clip: Clip) -> NDArray[np.uint8]:
    """The picture of a still, or a clip's middle frame, in R'G'B'."""
    if clip.original is not None:
        return clip.original
    return frame_to_rgb(clip.frames[middle(clip)], clip.spec)


def draw_patches(path: Path, clip: Clip, patch: Patch, shown: Sequence[Shown]) -> None:
    """Draw the patch of the original and of each codec, with figures and a map of dE00 under each.

    Raises:
        ConfigError: the patch does not lie inside.
        OutputError: the file cannot be written.
    """
    original = patch.cut(original_of(clip))
    place = f"{clip.name}, {patch.width}x{patch.height}\nat {patch.x}, {patch.y}"
    panels: Mapping[str, tuple[NDArray[np.uint8], str]] = {
        "original": (original, place),
        **{
            s.codec: (
                s.patch,
                f"{s.rate_bpp:.3f} bpp\n{s.psnr_yuv611_db:.2f} dB, dE00 {s.de00_mean:.2f}",
            )
            for s in shown
        },
    }
    maps = {s.codec: heat_map(s.difference, SCALE_DE) for s in shown}
    size = (_PANEL_INCHES, _PANEL_INCHES * patch.height / patch.width + _CAPTION_INCHES)
    with figure(path, 2, len(panels), size) as axes:
        for column, (title, (picture, caption)) in enumerate(panels.items()):
            upper, lower = axes[0][column], axes[1][column]
            _draw(upper, picture)
            upper.set_title(label(title))
            upper.set_xlabel(caption)
            if title in maps:
                _draw(lower, maps[title])
                lower.set_xlabel(f"dE00, 0 to {SCALE_DE:g}")
            else:
                lower.set_axis_off()


def _draw(panel: Any, picture: NDArray[np.uint8]) -> None:
    """A picture without ticks."""
    panel.imshow(picture, interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.grid(False)
