"""Source pictures for evaluation: clips, still images, and y4m files of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from colorvid.color import ColorSpec, Matrix, choose_matrix, rgb_to_frame
from colorvid.errors import InputError
from colorvid.frame import Frame
from tools.anchors import picture_to_frame

CLIP_SUFFIXES = (".mkv", ".mp4", ".y4m", ".webm")
IMAGE_SUFFIXES = (".png", ".webp")
STILL_SPEC = ColorSpec(Matrix.BT709, full_range=False, siting="left")
"""Stills are converted to BT.709 limited range with chroma on even columns, between rows."""
_Y4M_SITING = {"left": "420mpeg2", "center": "420jpeg", "topleft": "420paldv"}


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

    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB"))
    return Clip(path.stem, [rgb_to_frame(rgb, STILL_SPEC)], Fraction(1), STILL_SPEC)


def read_video(path: Path, frames: int | None) -> Clip:
    """First ``frames`` frames (``None``: all) of an 8-bit 4:2:0 video file.

    Raises:
        InputError: the file holds fewer frames, no stated rate, or another sample format.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        decoded: list[Frame] = []
        for picture in container.decode(stream):
            decoded.append(picture_to_frame(picture, picture.height, picture.width))
            if len(decoded) == frames:
                break
        rate, matrix = stream.average_rate, int(context.colorspace)
        full_range = int(context.color_range) == 2 or context.pix_fmt == "yuvj420p"
    if not decoded or rate is None or (frames is not None and len(decoded) < frames):
        raise InputError(
            f"{path} has {len(decoded)} frames at {rate} frames/s; {frames or 'some'} are needed"
        )
    spec = ColorSpec(choose_matrix(matrix, decoded[0].height), full_range, "left")
    return Clip(path.stem, decoded, Fraction(rate), spec)


def write_y4m(path: Path, clip: Clip) -> None:
    """Write a clip as YUV4MPEG2 with exact rate, range and chroma siting."""
    first, colour_range = clip.frames[0], "FULL" if clip.spec.full_range else "LIMITED"
    header = (
        f"YUV4MPEG2 W{first.width} H{first.height} F{clip.rate.numerator}:{clip.rate.denominator} "
        f"Ip A1:1 C{_Y4M_SITING[clip.spec.siting]} XCOLORRANGE={colour_range}\n"
    )
    with path.open("wb") as file:
        file.write(header.encode())
        for frame in clip.frames:
            file.write(b"FRAME\n")
            for plane in frame.planes:
                file.write(np.ascontiguousarray(plane).data)
