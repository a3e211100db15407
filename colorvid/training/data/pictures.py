"""Training pictures: decoded once into one flat file of 4:2:0 planes, then memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from colorvid.config import QUALITIES
from colorvid.errors import InputError
from colorvid.nn.transforms import UNIT
from colorvid.training import group
from colorvid.training.data.sources import DataConfig, Planes
from colorvid.training.progress import shown

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


def usable_entries(entries: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Numbers of the entries that a crop of ``size`` x ``size`` samples fits into.

    ``entries`` have height and width in their second and third column.

    Raises:
        InputError: no entry is large enough.
    """
    usable = np.flatnonzero(entries[:, 1:3].min(axis=1) >= size)
    if not len(usable):
        raise InputError(
            f"crop of {size} samples: none of the {len(entries)} training pictures is so large; "
            "give larger ones, or smaller crop and late_crop in [schedule]"
        )
    return usable


def draw_places(
    entries: NDArray[np.int64], generator: np.random.Generator, batch: int, size: int, grid: int
) -> NDArray[np.int64]:
    """Places of random square crops: entry, top and left, multiples of ``grid``; ``(batch, 3)``.

    All entries that are large enough, see `usable_entries`, are equally likely.
    """
    numbers = generator.choice(usable_entries(entries, size), batch)
    corners = generator.integers(0, (entries[numbers, 1:3] - size) // grid + 1) * grid
    return np.column_stack((numbers, corners))


def draw_by_source(
    sources: NDArray[np.int64], generator: np.random.Generator, batch: int
) -> NDArray[np.int64]:
    """Places in ``sources``: a random source first, then one of its entries; ``(batch,)``.

    So a clip of many frames is drawn as often as a picture.

    Args:
        sources: the number of the source of each entry.
        generator: of the draws.
        batch: how many.
    """
    order = np.argsort(sources, kind="stable")
    _, starts, counts = np.unique(sources[order], return_index=True, return_counts=True)
    drawn = generator.integers(0, len(starts), batch)
    entries: NDArray[np.int64] = order[starts[drawn] + generator.integers(0, counts[drawn])]
    return entries


def draw_qualities(generator: np.random.Generator, batch: int, *, even: bool) -> NDArray[np.int64]:
    """Qualities 0..63 of a batch, all equally likely; int64 ``(batch,)``.

    With ``even``, each of ``batch`` equal parts of the range gives one, in random order: the
    gradient of a batch then varies less.
    """
    if not even:
        return generator.integers(0, QUALITIES, batch)
    places = (generator.permutation(batch) + generator.random(batch)) / batch
    return np.minimum((places * QUALITIES).astype(np.int64), QUALITIES - 1)


@dataclass(frozen=True, slots=True)
class PictureStore:
    """Pictures in one memory-mapped file: Y, U, V of each, one after the other.

    Attributes:
        data: the bytes of the file.
        entries: offset, height, width and number of the source of each picture; a file that an
            older version wrote has no sources.
        config: what was decoded, and how crops are drawn.
    """

    data: NDArray[np.uint8]
    entries: NDArray[np.int64]
    config: DataConfig = DataConfig()

    @staticmethod
    def open(config: DataConfig, root: Path, cache: Path, every: int = 8) -> PictureStore:
        """Decode every ``every``-th frame of all sources into ``cache`` unless it is there already.

        Raises:
            InputError: a folder below ``root`` holds no picture, or a file cannot be decoded.
        """

        def write(file: BinaryIO) -> list[Entry]:
            entries: list[Entry] = []
            sources = config.sources(root)
            for number, source in enumerate(shown(sources, "decoding", "source")):
                for planes in source.planes(every):
                    entries.append((file.tell(), *planes[0].shape, number))
                    file.writelines(plane.tobytes() for plane in planes)
            return entries

        return PictureStore(*open_store(cache, write), config)

    def draw(self, generator: np.random.Generator, batch: int, size: int) -> NDArray[np.int64]:
        """Random square crops: entry, top, left and side, all but the first even; ``(batch, 4)``.

        As `DataConfig` says: by entry or by source; of ``size`` samples, or larger and to be scaled
        down to that. A larger side ends at that of the picture.

        Raises:
            InputError: no picture is large enough, or the file does not say the sources.
        """
        by_source, smallest = self.config.by_source, self.config.smallest_scale
        if not by_source and smallest == 1:
            places = draw_places(self.entries, generator, batch, size, 2)
            return np.column_stack((places, np.full(batch, size)))
        numbers = usable_entries(self.entries, size)
        if by_source:
            numbers = numbers[draw_by_source(self._sources()[numbers], generator, batch)]
        else:
            numbers = generator.choice(numbers, batch)
        extent = self.entries[numbers, 1:3]
        wanted = 2 * np.rint(size / 2 / generator.uniform(smallest, 1.0, batch)).astype(np.int64)
        sides = np.minimum(wanted, extent.min(axis=1))
        corners = generator.integers(0, (extent - sides[:, None]) // 2 + 1) * 2
        return np.column_stack((numbers, corners, sides))

    def _sources(self) -> NDArray[np.int64]:
        if self.entries.shape[1] < 4:
            raise InputError(
                "by_source in [data]: pictures.bin in the run is of an older colorvid and does not "
                "say the sources; delete pictures.json beside it, and it is made anew"
            )
        sources: NDArray[np.int64] = self.entries[:, 3]
        return sources

    def crop(self, number: int, top: int, left: int, size: int) -> Planes:
        """Square crop of picture ``number``; ``top``, ``left`` and ``size`` are even."""
        offset, height, width = self.entries[number, :3]
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


def scaled_down(plane: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A square plane of samples brought to ``size`` x ``size``, bicubic, without aliasing."""
    if len(plane) == size:
        return plane
    samples = torch.from_numpy(plane.astype(np.float32))[None, None]
    scaled = F.interpolate(samples, (size, size), mode="bicubic", antialias=True)
    result: NDArray[np.uint8] = scaled[0, 0].round().clamp(0, 255).to(torch.uint8).numpy()
    return result


def picture_batch(
    store: PictureStore, generator: np.random.Generator, batch: int, size: int
) -> tuple[Tensor, Tensor]:
    """Random crops with random flips: Y ``(B, 1, S, S)`` and UV ``(B, 2, S/2, S/2)``, uint8.

    Drawn for the ``batch`` of all processes, see `PictureStore.draw`; this one's share is read.
    """
    places = store.draw(generator, batch, size)
    flips = generator.random((batch, 3)) < 0.5
    pictures = []
    for (number, top, left, side), (flip_rows, flip_columns, transpose) in zip(
        group.share(places), group.share(flips), strict=True
    ):
        y, u, v = store.crop(number, top, left, side)
        planes = [scaled_down(y, size), scaled_down(u, size // 2), scaled_down(v, size // 2)]
        if flip_rows:
            planes = [p[::-1] for p in planes]
        if flip_columns:
            planes = [p[:, ::-1] for p in planes]
        if transpose:
            planes = [p.T for p in planes]
        pictures.append(planes)
    ys, us, vs = (np.stack(planes) for planes in zip(*pictures, strict=True))
    return torch.from_numpy(ys[:, None]), torch.from_numpy(np.stack((us, vs), axis=1))
