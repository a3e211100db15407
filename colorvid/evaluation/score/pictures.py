"""Pictures of single frames: original, decoded, and a map of the colour difference, as PNG."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import OutputError
from colorvid.frame import Frame
from colorvid.io.files import OutputFile, os_errors, write_output
from colorvid.quality.color import ColorSpec, frame_delta_e, frame_to_rgb
from colorvid.system.packages import needed_for

SCALE_DE = 10
"""dE00 at the top of the colour bar, unless another is asked for: one for all, to compare by."""

Rgb = NDArray[np.uint8]
"""R'G'B', ``(H, W, 3)``, 0..255."""

_HEAT = np.array(  # from black over purple, red and yellow to white; brightness rises evenly
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)]
)
_GAP_PX, _HEAD_PX, _BAR_PX, _LABEL_PX, _LINE_PX = 4, 16, 12, 40, 12


def heat_map(difference: NDArray[Any], scale: float) -> Rgb:
    """Colours of a map ``(H, W)`` of differences: black at 0, light yellow from ``scale`` on."""
    place = (np.asarray(difference, np.float64) / scale).clip(0, 1) * (len(_HEAT) - 1)
    known = np.arange(len(_HEAT))
    channels = [np.interp(place, known, _HEAT[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


def triptych(reference: Frame, decoded: Frame, spec: ColorSpec, scale: float, title: str) -> Any:
    """Original, decoded picture and map of dE00 side by side, sample for sample, with a colour bar.

    Args:
        reference, decoded: frames of one size.
        spec: what the samples of both mean.
        scale: dE00 at the top of the bar.
        title: above the pictures.

    Returns:
        A ``PIL.Image.Image``, wider than three frames by gaps and bar and higher by the titles.

    Raises:
        ColorvidError: Pillow is missing.
    """
    with needed_for("a picture of scores"):
        from PIL import Image, ImageDraw
    difference = frame_delta_e(reference, decoded, spec)
    width, height = reference.width, max(reference.height, 4 * _LINE_PX)
    size = 3 * (width + _GAP_PX) + _BAR_PX + _LABEL_PX, height + _HEAD_PX
    canvas = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    pictures = (frame_to_rgb(reference, spec), frame_to_rgb(decoded, spec))
    for place, rgb in enumerate((*pictures, heat_map(difference, scale))):
        canvas.paste(Image.fromarray(rgb), (place * (width + _GAP_PX), _HEAD_PX))
    left = 3 * (width + _GAP_PX)
    ramp = np.repeat(np.linspace(scale, 0, height)[:, None], _BAR_PX, axis=1)
    canvas.paste(Image.fromarray(heat_map(ramp, scale)), (left, _HEAD_PX))
    for share in (0.0, 0.5, 1.0):
        row = _HEAD_PX + round((1 - share) * (height - _LINE_PX))
        mark = f">= {scale:g}" if share == 1 else f"{share * scale:g}"
        draw.text((left + _BAR_PX + 3, row), mark, fill=(0, 0, 0))
    draw.text((2, 2), title, fill=(0, 0, 0))
    return canvas


def picture_path(folder: Path, number: int) -> Path:
    """File of a frame, such as ``frame_000010.png``."""
    return folder / f"frame_{number:06d}.png"


class FramePairs(ABC):
    """Takes chosen frames of two videos while these are read."""

    def __init__(self, at: Collection[int], *, all_there: bool = True) -> None:
        """Choose frames.

        Args:
            at: numbers of the frames, from 0.
            all_there: whether the videos must have all of them.
        """
        self._left, self._all_there = set(at), all_there
        self._waiting: dict[int, Frame] = {}

    @property
    def missing(self) -> set[int]:
        """Numbers of frames that must still come."""
        return self._left if self._all_there else set()

    @abstractmethod
    def take(self, number: int, original: Frame, decoded: Frame) -> None:
        """Get a chosen frame of both videos."""

    def originals(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass the frames of the original on; each must be taken before its decoded one."""
        for number, frame in enumerate(frames):
            if number in self._left:
                self._waiting[number] = frame
            yield frame

    def decoded(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Pass the decoded frames on, and take the chosen ones."""
        for number, frame in enumerate(frames):
            original = self._waiting.pop(number, None)
            if original is not None:
                self.take(number, original, frame)
                self._left.discard(number)
            yield frame


class TriptychWriter(FramePairs):
    """Draws pictures of chosen frames while two videos are read, and writes them afterwards."""

    def __init__(
        self,
        folder: Path,
        at: Collection[int],
        spec: ColorSpec,
        *,
        scale: float = SCALE_DE,
        overwrite: bool = False,
    ) -> None:
        """Prepare the folder; no picture is written yet.

        Args:
            folder: made if it is missing; see `picture_path`.
            at: numbers of the frames, from 0.
            spec: what the samples of both videos mean.
            scale: dE00 at the top of the colours.
            overwrite: whether existing pictures are replaced.

        Raises:
            OutputError: a picture exists, or the folder cannot be written.
        """
        super().__init__(at)
        self._folder, self._spec, self._scale = folder, spec, scale
        self._overwrite = overwrite
        self._ready: dict[int, io.BytesIO] = {}
        with os_errors(str(folder), OutputError):
            folder.mkdir(parents=True, exist_ok=True)
        for number in at:
            OutputFile(picture_path(self._folder, number), overwrite=overwrite).discard()

    def take(self, number: int, original: Frame, decoded: Frame) -> None:
        """Draw a frame."""
        title = f"frame {number}: original, decoded, dE00"
        picture = triptych(original, decoded, self._spec, self._scale, title)
        self._ready[number] = io.BytesIO()
        picture.save(self._ready[number], format="PNG")

    def write(self) -> None:
        """Write the pictures that were drawn.

        Raises:
            OutputError: a picture cannot be written.
        """
        for number, data in self._ready.items():
            path = picture_path(self._folder, number)
            write_output(path, data.getvalue(), overwrite=self._overwrite)
