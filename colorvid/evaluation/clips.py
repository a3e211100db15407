"""Source pictures for evaluation: clips, still images, and y4m files of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from colorvid.color import ColorSpec, Matrix, choose_matrix, rgb_to_frame
from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.files import os_errors

CLIP_SUFFIXES = (".mkv", ".mp4", ".y4m", ".webm")
IMAGE_SUFFIXES = (".png", ".webp")
STILL_SPEC = ColorSpec(Matrix.BT709, full_range=False, siting="left")
"""Stills are converted to BT.709 limited range with chroma on even columns, between rows."""
LIMITED_RANGE, FULL_RANGE = 1, 2  # FFmpeg's AVCOL_RANGE
_SITINGS = {"left": 1, "center": 2, "topleft": 3}  # FFmpeg's AVCHROMA_LOC


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one source, and what their samples mean.

    Attributes:
        name: file name without its suffix.
        frames: of one size, at least one.
        rate: frames per second; 1 for a still.
        spec: matrix, range and siting of the samples.
    """

    name: str
    frames: list[Frame]
    rate: Fraction
    spec: ColorSpec

    def digest(self) -> str:
        """SHA-256 over size, rate, colour and every sample, in hexadecimal."""
        first = self.frames[0]
        header = f"{first.width} {first.height} {self.rate} {self.spec}"
        state = hashlib.sha256(header.encode())
        for frame in self.frames:
            for plane in frame.planes:
                state.update(np.ascontiguousarray(plane).data)
        return state.hexdigest()


def find_sources(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of a folder with one of the suffixes, by name.

    Raises:
        InputError: the folder is missing or holds none.
    """
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in suffixes)
    if not found:
        raise InputError(f"{folder} holds no {', '.join(suffixes)} file; give another --data")
    return found


@lru_cache(maxsize=2)
def load(path: Path, frames: int | None) -> Clip:
    """Read a clip (its first ``frames`` frames, or all) or a still image as 4:2:0."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _load_still(path)
    return read_video(path, frames)


def _load_still(path: Path) -> Clip:
    from PIL import Image

    with os_errors(str(path), InputError), Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB"))
    return Clip(path.stem, [rgb_to_frame(rgb, STILL_SPEC)], Fraction(1), STILL_SPEC)


def read_video(path: Path, frames: int | None) -> Clip:
    """First ``frames`` frames (``None``: all) of an 8-bit 4:2:0 video file.

    Raises:
        InputError: the file holds fewer frames, no stated rate, or another sample format.
    """
    with open_reader(path, frames=frames) as reader:
        info, decoded = reader.info, list(reader)
    if frames is not None and len(decoded) < frames:
        raise InputError(f"{path} has {len(decoded)} frames; {frames} are needed")
    full_range = info.color_range == FULL_RANGE
    spec = ColorSpec(choose_matrix(info.matrix, info.height), full_range, "left")
    return Clip(path.stem, decoded, info.rate, spec)


def write_y4m(path: Path, clip: Clip) -> None:
    """Write a clip as YUV4MPEG2 with exact rate, range and chroma siting."""
    first = clip.frames[0]
    info = VideoInfo(
        width=first.width,
        height=first.height,
        rate=clip.rate,
        sample_aspect=Fraction(1),
        color_range=FULL_RANGE if clip.spec.full_range else LIMITED_RANGE,
        matrix=int(clip.spec.matrix),
        chroma_location=_SITINGS[clip.spec.siting],
    )
    with open_writer(path, info, overwrite=True) as writer:
        for frame in clip.frames:
            writer.write(frame)
