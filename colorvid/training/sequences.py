"""Closed-loop training data for inter frames.

Clips are coded by the codec as it stands, whole frames and real vectors, and each inter frame's
source, prediction, motion and previous symbols are kept. So the networks meet the predictions of
the real decoder, with the errors that have piled up along the group of pictures. Code the clips
anew with the trained model and train on, and the data follow the model.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from colorvid.config import QUALITIES, quantiser_step
from colorvid.entropy.binary import BinaryEncoder
from colorvid.entropy.tables import MAX_REACH
from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.models.inter import Context
from colorvid.models.planes import Picture
from colorvid.models.video import State, VideoModel
from colorvid.motion.coding import MotionCoder
from colorvid.motion.estimate import MotionEstimator
from colorvid.nn.prior import SCALES
from colorvid.nn.transforms import UNIT
from colorvid.training import group
from colorvid.training.data import Entry, draw_places, open_store
from colorvid.training.sources import DataConfig, Planes

CELL = 16


class TallyCoder:
    """A coder that takes symbols, writes nothing and counts.

    Attributes:
        counts: int64 ``(64, 256)``, latents by scale index and magnitude; the last column also
            counts all larger ones.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.counts = np.zeros((SCALES, MAX_REACH + 1), np.int64)

    def hyper(self, symbols: Tensor | None, shape: torch.Size) -> Tensor:
        """See `colorvid.models.branch.Coder.hyper`."""
        assert symbols is not None and symbols.shape == shape
        return symbols

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.branch.Coder.latents`."""
        assert symbols is not None
        row = index.to(torch.int64) * (MAX_REACH + 1)
        place = row + symbols.abs().clamp(max=MAX_REACH).to(torch.int64)
        tally = torch.bincount(place.flatten(), minlength=self.counts.size)
        self.counts += tally.numpy().reshape(self.counts.shape)
        return torch.where(index > 0, symbols.to(index.dtype), 0.0)


Coders = dict[str, tuple[TallyCoder, TallyCoder]]
"""Luma's and chroma's coder for ``intra`` and for ``inter``."""


def tally_coders() -> Coders:
    """Fresh coders for all branches."""
    return {kind: (TallyCoder(), TallyCoder()) for kind in ("intra", "inter")}


@dataclass(frozen=True, slots=True)
class Sample:
    """One inter frame as kept: padded planes and what the decoder knew.

    Shapes for padded luma ``(H, W)``: source and prediction Y ``(H, W)``, UV ``(2, H/2, W/2)`` u8;
    symbols ``(64, H/8, W/8)`` and ``(32, H/8, W/8)`` int8; motion ``(4, H/8, W/8)`` u8.
    """

    y: NDArray[np.uint8]
    uv: NDArray[np.uint8]
    y_predicted: NDArray[np.uint8]
    uv_predicted: NDArray[np.uint8]
    luma: NDArray[np.int8]
    chroma: NDArray[np.int8]
    motion: NDArray[np.uint8]

    def arrays(self) -> list[NDArray[np.uint8] | NDArray[np.int8]]:
        """The arrays in the order in which they are stored."""
        return [getattr(self, name) for name in self.__slots__]


def sample_shapes(height: int, width: int) -> list[tuple[int, ...]]:
    """Shapes of the arrays of a sample of padded luma size."""
    full, half, cells = (height, width), (2, height // 2, width // 2), (height // 8, width // 8)
    return [full, half, full, half, (64, *cells), (32, *cells), (4, *cells)]


def code_clip(
    model: VideoModel, frames: list[Frame], qualities: tuple[int, int], coders: Coders
) -> Iterator[Sample]:
    """Code a clip in a closed loop and yield its inter frames.

    ``qualities`` are those of the key frame and of the inter frames.
    """
    key_quality, quality = qualities
    estimator = MotionEstimator(frames[0].width, frames[0].height, quantiser_step(quality))
    motion_coder = MotionCoder()
    state: State | None = None
    for frame in frames:
        picture = Picture.of(frame)
        if state is None:
            estimator.start(frame)
            state = model.code_key(
                coders["intra"], picture, (frame.height, frame.width), key_quality
            )
            continue
        field = estimator.estimate(frame, state.picture.y.numpy(), motion_coder)
        motion_coder.code(BinaryEncoder(), field, (field.shape[0], field.shape[1]))
        vectors = torch.from_numpy(field)
        prediction, context = model.predict(vectors, state)
        y, uv = (p.to(torch.uint8).numpy() for p in picture.padded())
        y_predicted, uv_predicted = (p.to(torch.uint8).numpy() for p in prediction.padded())
        luma, chroma = (
            s[0].clamp(-127, 127).to(torch.int8).numpy() for s in (context.luma, context.chroma)
        )
        motion = context.motion[0].to(torch.uint8).numpy()
        yield Sample(y[0, 0], uv[0], y_predicted[0, 0], uv_predicted[0], luma, chroma, motion)
        state = model.code_inter(coders["inter"], picture, vectors, state, quality)


def vary_clip(planes: list[Planes], generator: np.random.Generator) -> list[Frame]:
    """Play a clip backwards, mirrored or at double speed, at random."""
    if generator.random() < 0.5:
        planes = planes[::-1]
    if generator.random() < 0.25 and len(planes) >= 12:
        planes = planes[::2]
    if generator.random() < 0.5:
        planes = [(y[:, ::-1], u[:, ::-1], v[:, ::-1]) for y, u, v in planes]
    return [Frame(*(np.ascontiguousarray(p) for p in frame)) for frame in planes]


@dataclass(frozen=True, slots=True)
class SequenceStore:
    """Samples in one memory-mapped file, with offset, size and quality of each."""

    data: NDArray[np.uint8]
    entries: NDArray[np.int64]

    @staticmethod
    def open(model: VideoModel, config: DataConfig, root: Path, cache: Path) -> SequenceStore:
        """Code all clips, as often as ``config`` says, into ``cache`` unless it is there.

        Raises:
            InputError: a folder below ``root`` holds no clip, or none has two frames.
        """

        def write(file: BinaryIO) -> list[Entry]:
            generator = np.random.default_rng(config.seed)
            entries: list[Entry] = []
            clips = config.clips(root) * config.passes
            for clip in tqdm(clips, desc="coding clips", disable=None):
                planes = list(itertools.islice(clip.planes(), config.frames or None))
                frames = vary_clip(planes, generator)
                key = int(generator.integers(3, QUALITIES))
                quality = max(0, key - int(generator.integers(0, 16)))
                for sample in code_clip(model, frames, (key, quality), tally_coders()):
                    entries.append((file.tell(), *sample.y.shape, quality))
                    file.writelines(array.tobytes() for array in sample.arrays())
            if not entries:
                raise InputError(f"{root}: no clips of two frames or more in {config.folders}")
            return entries

        return SequenceStore(*open_store(cache, write))

    def sample(self, number: int) -> tuple[Sample, int]:
        """Sample ``number``, memory-mapped, and its quality."""
        offset, height, width, quality = self.entries[number]
        arrays: list[Any] = []
        for shape, dtype in zip(
            sample_shapes(height, width), [np.uint8] * 4 + [np.int8] * 2 + [np.uint8], strict=True
        ):
            length = math.prod(shape)
            arrays.append(self.data[offset : offset + length].view(dtype).reshape(shape))
            offset += length
        return Sample(*arrays), int(quality)


def sequence_batch(
    store: SequenceStore, generator: np.random.Generator, batch: int, size: int
) -> tuple[Tensor, Tensor, Context, Tensor]:
    """Random crops: Y and UV in units, context in units and symbols, qualities ``(B,)``.

    Drawn for the ``batch`` of all processes; this one's share is read.
    """
    places = draw_places(store.entries, generator, batch, size, CELL)
    crops: list[list[Tensor]] = []
    qualities = []
    for number, top, left in group.share(places):
        sample, quality = store.sample(number)
        row = []
        for array, stride in zip(sample.arrays(), (1, 2, 1, 2, 8, 8, 8), strict=True):
            t, b, lo, hi = (k // stride for k in (top, top + size, left, left + size))
            row.append(torch.from_numpy(np.ascontiguousarray(array[..., t:b, lo:hi])).float())
        crops.append(row)
        qualities.append(quality)
    y, uv, py, puv, luma, chroma, motion = (
        torch.stack(column) for column in zip(*crops, strict=True)
    )
    y, py = ((p[:, None] - 128) / UNIT for p in (y, py))
    uv, puv = ((p - 128) / UNIT for p in (uv, puv))
    return y, uv, Context(py, puv, luma, chroma, motion), torch.tensor(qualities)
