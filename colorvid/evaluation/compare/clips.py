"""Source pictures for evaluation: clips, still images, and y4m files of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import InputError
from colorvid.frame import Frame, Size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL, RANGE_LIMITED
from colorvid.quality.color import ColorSpec, Matrix, rgb_to_frame
from colorvid.quality.scores import color_spec
from colorvid.system.packages import needed_for

CLIP_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".webm", ".y4m")
IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
STILL_SPEC = ColorSpec(Matrix.BT709, full_range=False, siting="left")
"""Stills are converted to BT.709 limited range with chroma on even columns, between rows."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one source, and what their samples mean.

    Attributes:
        name: file name without its suffix.
        frames: of one size, at least one.
        rate: frames per second; 1 for a still.
        spec: matrix, range and siting of the samples.
        original: the R'G'B' picture that a still was converted from, ``(H, W, 3)`` u8.
    """

    name: str
    frames: list[Frame]
    rate: Fraction
    spec: ColorSpec
    original: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    @property
    def info(self) -> VideoInfo:
        """The clip as a video, with square samples."""
        first = self.frames[0]
        return VideoInfo(
            width=first.width,
            height=first.height,
            rate=self.rate,
            sample_aspect=Fraction(1),
            color_range=RANGE_FULL if self.spec.full_range else RANGE_LIMITED,
            matrix=int(self.spec.matrix),
            chroma_location=CHROMA_LOCATIONS.index(self.spec.siting),
            depth=first.depth,
        )

    def digest(self) -> str:
        """SHA-256 over size, rate, colour and every sample, in hexadecimal."""
        first = self.frames[0]
        header = f"{first.width} {first.height} {self.rate} {self.spec}"
        state = hashlib.sha256(header.encode())
        for frame in self.frames:
            for plane in frame.packed():
                state.update(plane.data)
        return state.hexdigest()


def is_still(path: Path) -> bool:
    """Whether a file is read as a still image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and the clips and images of the folders that are, by name.

    Raises:
        InputError: nothing is named, a path is missing, a folder holds no clip and no image, or
            two files have one name apart from folder and suffix, which tables could not keep apart.
    """
    suffixes = (*CLIP_SUFFIXES, *IMAGE_SUFFIXES)
    found: list[Path] = []
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
        elif not path.exists():
            raise InputError(f"{path}: No such file or directory; give clips, images or folders")
        elif not path.is_file():
            raise InputError(f"{path}: is no file, and clips are read several times; give files")
        if not inside:
            raise InputError(f"{path} holds no {', '.join(suffixes)} file; give another folder")
        found += inside
    if not found:
        raise InputError("nothing to code; give at least one clip, image or folder")
    by_name: dict[str, Path] = {}
    for path in found:
        other = by_name.setdefault(path.stem, path)
        if other is not path:
            raise InputError(f"{other} and {path} are both called {path.stem}; rename one of them")
    return found


@lru_cache(maxsize=1)
def load(path: Path, frames: int | None) -> Clip:
    """Read a clip (its first ``frames`` frames, or all) or a still image as 4:2:0.

    Raises:
        InputError: see `read_video`; or the image cannot be read.
        ColorvidError: Pillow is missing.
    """
    return _load_still(path) if is_still(path) else read_video(path, frames)


def _load_still(path: Path) -> Clip:
    with needed_for("a still image"):
        from PIL import Image
    try:
        with Image.open(path) as image:
            rgb = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises them all
        raise InputError(f"{path}: is no image that can be read ({error})") from error
    return Clip(path.stem, [rgb_to_frame(rgb, STILL_SPEC)], Fraction(1), STILL_SPEC, rgb)


def read_video(
    path: Path,
    frames: int | None,
    *,
    size: Size | None = None,
    rate: Fraction | None = None,
) -> Clip:
    """First ``frames`` frames (``None``: all) of a 4:2:0 video file of 8 or 10 bits.

    Args:
        path: of the file.
        frames: how many.
        size: of the pictures of raw video.
        rate: frames per second of raw video; replaces what another file states.

    Raises:
        InputError: the file holds fewer frames, no stated rate, another sample format, or colours
            of another matrix than BT.601, BT.709 and BT.2020.
    """
    with open_reader(path, size=size, rate=rate, frames=frames) as reader:
        info, decoded = reader.info, list(reader)
    if frames is not None and len(decoded) < frames:
        raise InputError(
            f"{path} has {len(decoded)} frames; {frames} are needed, or frames={len(decoded)}"
        )
    spec = color_spec(info)
    if spec is None:
        raise InputError(f"{path} has matrix {info.matrix}; colours need BT.601, 709 or 2020")
    return Clip(path.stem, decoded, info.rate, spec)


def write_y4m(path: Path, clip: Clip) -> None:
    """Write a clip as YUV4MPEG2 with exact rate, range and chroma siting."""
    with open_writer(path, clip.info, overwrite=True) as writer:
        for frame in clip.frames:
            writer.write(frame)
