"""Training pictures: decoded once into one flat file of 4:2:0 planes, then memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from colorvid.errors import InputError
from colorvid.nn.transforms import UNIT
from colorvid.training import group
from colorvid.training.data.sources import DataConfig, Planes

Entry = tuple[int, ...]


def open_store(
    cache: Path, write: Callable[[BinaryIO], list[Entry]]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Map the file ``cache``; the leader makes it with ``write`` first, unless it is there.

    Args:
        cache: the file; its index, written last, has the suffix ``.json``.
        write: fills the file, and gives offset, height, width and so on of each entry.

    Returns:
        The bytes of the file, and the entries, a row for each.
    """
    index = cache.with_suffix(".json")
    with group.leader_first():
        if not index.exists():
            with open(cache, "wb") as file:
                entries = write(file)
            index.write_text(json.dumps(entries))
    # Mapped copy on write: torch warns of arrays that it could not write to.
    return np.memmap(cache, np.uint8, "c"), np.array(json.loads(index.read_text()), np.int64)


def draw_places(
    entries: NDArray[np.int64], generator: np.random.Generator, batch: int, size: int, grid: int
) -> NDArray[np.int64]:
    """Places of random square crops: entry, top and left, multiples of ``grid``; ``(batch, 3)``.

    ``entries`` have height and width in their second and third column.

    Raises:
        InputError: no entry is large enough.
    """
    sizes = entries[:, 1:3]
    usable = np.flatnonzero(sizes.min(axis=1) >= size)
    if not len(usable):
        raise InputError(
            f"crop of {size} samples: none of the {len(sizes)} training pictures is so large; "
            "give larger ones, or smaller crop and late_crop in [schedule]"
        )
    numbers = generator.choice(usable, batch)
    corners = generator.integers(0, (sizes[numbers] - size) // grid + 1) * grid
    return np.column_stack((numbers, corners))


@dataclass(frozen=True, slots=True)
class PictureStore:
    """Pictures in one memory-mapped file: Y, U, V of each, one after the other."""

    data: NDArray[np.uint8]
    entries: NDArray[np.int64]

    @staticmethod
    def open(config: DataConfig, root: Path, cache: Path, every: int = 8) -> PictureStore:
        """Decode every ``every``-th frame of all sources into ``cache`` unless it is there already.

        Raises:
            InputError: a folder below ``root`` holds no picture, or a file cannot be decoded.
        """

        def write(file: BinaryIO) -> list[Entry]:
            entries: list[Entry] = []
            for source in tqdm(config.sources(root), desc="decoding", disable=None):
                for planes in source.planes(every):
                    entries.append((file.tell(), *planes[0].shape))
                    file.writelines(plane.tobytes() for plane in planes)
            return entries

        return PictureStore(*open_store(cache, write))

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


def to_units(samples: Tensor) -> Tensor:
    """u8 samples to float32 units of the networks."""
    return (samples.float() - 128.0) / UNIT


def picture_batch(
    store: PictureStore, generator: np.random.Generator, batch: int, size: int
) -> tuple[Tensor, Tensor]:
    """Random crops with random flips: Y ``(B, 1, S, S)`` and UV ``(B, 2, S/2, S/2)``, uint8.

    Drawn for the ``batch`` of all processes; this one's share is read.
    """
    places = draw_places(store.entries, generator, batch, size, 2)
    flips = generator.random((batch, 3)) < 0.5
    pictures = []
    for (number, top, left), (flip_rows, flip_columns, transpose) in zip(
        group.share(places), group.share(flips), strict=True
    ):
        planes = list(store.crop(number, top, left, size))
        if flip_rows:
            planes = [p[::-1] for p in planes]
        if flip_columns:
            planes = [p[:, ::-1] for p in planes]
        if transpose:
            planes = [p.T for p in planes]
        pictures.append(planes)
    y, u, v = (np.stack(planes) for planes in zip(*pictures, strict=True))
    return torch.from_numpy(y[:, None]), torch.from_numpy(np.stack((u, v), axis=1))
