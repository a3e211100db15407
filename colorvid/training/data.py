"""Training pictures: decoded once into one flat file of 4:2:0 planes, then memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from colorvid.errors import InputError
from colorvid.nn.transforms import UNIT

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".mkv", ".mp4", ".avi", ".y4m"}
SHRINK_FROM = 360
"""Stills whose short side is at least this are scaled by 0.7, which hides JPEG's artefacts."""


def _even(value: float) -> int:
    return int(value) // 2 * 2


def frame_planes(frame: av.VideoFrame, shrink: float = 1.0) -> Planes:
    """Planes of a PyAV frame as limited-range 4:2:0 of even size, scaled by ``shrink``."""
    width, height = _even(frame.width * shrink), _even(frame.height * shrink)
    frame = frame.reformat(width, height, "yuv420p", dst_color_range="MPEG", interpolation="AREA")
    planes = []
    for plane, (w, h) in zip(
        frame.planes, [(width, height)] + 2 * [(width // 2, height // 2)], strict=True
    ):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[:h, :w].copy())
    return planes[0], planes[1], planes[2]


def decode_pictures(path: Path, every: int) -> Iterator[Planes]:
    """Every ``every``-th frame of a clip, or the one picture of a still."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                still = path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}
                large = still and min(frame.width, frame.height) >= SHRINK_FROM
                yield frame_planes(frame, 0.7 if large else 1.0)


@dataclass(frozen=True, slots=True)
class PictureStore:
    """Pictures in one memory-mapped file: Y, U, V of each, one after the other."""

    data: NDArray[np.uint8]
    entries: list[tuple[int, int, int]]

    @staticmethod
    def open(folders: list[Path], cache: Path, every: int = 8) -> PictureStore:
        """Decode all pictures under ``folders`` into ``cache`` unless it is there already.

        Raises:
            InputError: the folders hold no picture.
        """
        index = cache.with_suffix(".json")
        if not index.exists():
            entries, offset = [], 0
            files = sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in SUFFIXES)
            with open(cache, "wb") as file:
                for path in tqdm(files, desc="decoding", disable=None):
                    for planes in decode_pictures(path, every):
                        height, width = planes[0].shape
                        entries.append((offset, height, width))
                        offset += sum(file.write(p.tobytes()) for p in planes)
            if not entries:
                raise InputError(f"{folders}: no pictures with suffix {sorted(SUFFIXES)}")
            index.write_text(json.dumps(entries))
        entries = [tuple(e) for e in json.loads(index.read_text())]
        return PictureStore(np.memmap(cache, np.uint8, "r"), entries)

    def crop(self, number: int, top: int, left: int, size: int) -> Planes:
        """Square crop of picture ``number``; ``top``, ``left`` and ``size`` are even."""
        offset, height, width = self.entries[number]
        y = self.data[offset : offset + height * width].reshape(height, width)
        offset += height * width
        half = (height // 2, width // 2)
        quarter = half[0] * half[1]
        u = self.data[offset : offset + quarter].reshape(half)
        v = self.data[offset + quarter : offset + 2 * quarter].reshape(half)
        chroma = np.s_[top // 2 : (top + size) // 2, left // 2 : (left + size) // 2]
        return y[top : top + size, left : left + size], u[chroma], v[chroma]


def to_units(plane: NDArray[np.uint8]) -> Tensor:
    """u8 samples to float32 units of the networks."""
    return (torch.from_numpy(np.ascontiguousarray(plane)).float() - 128.0) / UNIT


def picture_batch(
    store: PictureStore, generator: np.random.Generator, batch: int, size: int
) -> tuple[Tensor, Tensor]:
    """Random crops with random flips: Y ``(B, 1, S, S)`` and UV ``(B, 2, S/2, S/2)`` in units."""
    ys, uvs = [], []
    usable = [i for i, (_, h, w) in enumerate(store.entries) if min(h, w) >= size]
    for number in generator.choice(usable, batch):
        _, height, width = store.entries[number]
        top = int(generator.integers(0, (height - size) // 2 + 1)) * 2
        left = int(generator.integers(0, (width - size) // 2 + 1)) * 2
        planes = list(store.crop(int(number), top, left, size))
        flip_rows, flip_columns, transpose = generator.random(3) < 0.5
        if flip_rows:
            planes = [p[::-1] for p in planes]
        if flip_columns:
            planes = [p[:, ::-1] for p in planes]
        if transpose:
            planes = [p.T for p in planes]
        y, u, v = (to_units(p) for p in planes)
        ys.append(y[None])
        uvs.append(torch.stack((u, v)))
    return torch.stack(ys), torch.stack(uvs)
