"""Closed-loop training data for inter frames.

Clips are coded by the codec as it stands, whole frames and real vectors, and each inter frame's
source, prediction, reference, vectors and previous symbols are kept. So the networks meet the
predictions of the real decoder, with the errors that have piled up along the group of pictures.
Code the clips anew with the trained model and train on, and the data follow the model.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.codec.loop import ClosedLoop, CodedStep
from colorvid.codec.settings import EncoderSettings
from colorvid.config import (
    INTER_BLOCK,
    INTRA_BLOCK,
    MOTION_FEATURES,
    QUALITIES,
    InterConfig,
    IntraConfig,
)
from colorvid.entropy.tables import HYPER_LIMIT, MAX_REACH, SCALES
from colorvid.errors import InputError
from colorvid.frame import Frame, Vectors
from colorvid.models.inter import Context, motion_features
from colorvid.models.passes import Trial
from colorvid.models.torch_codec import TorchFrames, TorchStep
from colorvid.models.video import VideoModel
from colorvid.nn.transforms import UNIT
from colorvid.training import group
from colorvid.training.data.pictures import Entry, draw_places, open_store
from colorvid.training.data.sources import DataConfig, Planes
from colorvid.training.progress import shown

CELL = INTRA_BLOCK
"""Luma samples; crops lie on multiples of it, and it is what of them counts or not."""
_PICTURES = 3  # kept of an inter frame
_LATENTS = (INTER_BLOCK**2, 2 * (INTER_BLOCK // 2) ** 2)  # channels of luma and of chroma


@dataclass(frozen=True, slots=True)
class Counts:
    """How often symbols came.

    Attributes:
        hyper: int64 ``(Z, 255)``: hyper-latents by channel and value, from -127.
        latents: int64 ``(64, 256)``: latents by scale index and magnitude; the last column also
            counts all larger ones.
    """

    hyper: NDArray[np.int64]
    latents: NDArray[np.int64]


class TallyCoder(Trial):
    """A coder that takes symbols, writes nothing and counts.

    Attributes:
        counts: so far.
    """

    def __init__(self, channels: int) -> None:
        """Start at zero; ``channels``: of the hyper-latents."""
        hyper = np.zeros((channels, 2 * HYPER_LIMIT + 1), np.int64)
        self.counts = Counts(hyper, np.zeros((SCALES, MAX_REACH + 1), np.int64))

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.hyper`."""
        assert symbols is not None
        chosen = symbols[0, :, flags].to(torch.int64) + HYPER_LIMIT
        rows = torch.arange(len(chosen), device=chosen.device)[:, None]
        _count(self.counts.hyper, rows, chosen)
        return super().hyper(symbols, shape, flags)

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.latents`."""
        assert symbols is not None
        magnitude = symbols.abs().clamp(max=MAX_REACH)
        _count(self.counts.latents, index.to(torch.int64), magnitude.to(torch.int64))
        return super().latents(symbols, index)


def _count(counts: NDArray[np.int64], rows: Tensor, columns: Tensor) -> None:
    """Add one at each place."""
    places = (rows * counts.shape[1] + columns).flatten()
    counts += torch.bincount(places, minlength=counts.size).cpu().numpy().reshape(counts.shape)


Coders = dict[str, tuple[TallyCoder, TallyCoder]]
"""Luma's and chroma's coder for ``intra`` and for ``inter``."""


def tally_coders(model: VideoModel) -> Coders:
    """Fresh coders for all branches."""
    configs: dict[str, IntraConfig | InterConfig]
    configs = {"intra": model.intra.config, "inter": model.inter.config}
    return {
        kind: (TallyCoder(config.luma().hyper), TallyCoder(config.chroma().hyper))
        for kind, config in configs.items()
    }


@dataclass(frozen=True, slots=True)
class Sample:
    """One inter frame as kept: padded planes and what the decoder knew.

    Shapes for padded luma ``(H, W)``: source, prediction, and reference, which is the decoded past,
    Y ``(H, W)``, UV ``(2, H/2, W/2)`` u8; symbols of the nearer reference ``(64, H/8, W/8)`` and
    ``(32, H/8, W/8)`` int8; vectors towards the past ``(2, H/8, W/8)`` int16, ``dy`` and ``dx`` as
    in `colorvid.motion.compensate`; `motion_features` ``(4, H/8, W/8)`` u8.
    """

    y: NDArray[np.uint8]
    uv: NDArray[np.uint8]
    y_predicted: NDArray[np.uint8]
    uv_predicted: NDArray[np.uint8]
    y_reference: NDArray[np.uint8]
    uv_reference: NDArray[np.uint8]
    luma: NDArray[np.int8]
    chroma: NDArray[np.int8]
    vectors: NDArray[np.int16]
    motion: NDArray[np.uint8]

    def arrays(self) -> list[NDArray[Any]]:
        """The arrays in the order in which they are stored."""
        return [getattr(self, name) for name in self.__slots__]


STRIDES = (1, 2) * _PICTURES + (INTER_BLOCK,) * 4
"""Luma samples to a position of each array of a sample."""


def sample_layout(height: int, width: int) -> list[tuple[tuple[int, ...], type[np.generic]]]:
    """Shapes and types of the arrays of a sample of padded luma size."""
    full, half = (height, width), (2, height // 2, width // 2)
    cells = (height // INTER_BLOCK, width // INTER_BLOCK)
    planes: list[tuple[tuple[int, ...], type[np.generic]]] = [(full, np.uint8), (half, np.uint8)]
    coded: list[tuple[tuple[int, ...], type[np.generic]]]
    coded = [((count, *cells), np.int8) for count in _LATENTS]
    coded.append(((2, *cells), np.int16))
    coded.append(((MOTION_FEATURES, *cells), np.uint8))
    return planes * _PICTURES + coded


def draw_settings(generator: np.random.Generator, bframes: int = 0) -> EncoderSettings:
    """Random qualities of a group of pictures.

    Three in four have the pattern that the encoder gives by default, the others inter frames of one
    quality, as a user may choose: up to 20 indices below the key frame.

    Args:
        generator: of the random numbers.
        bframes: see `EncoderSettings`.
    """
    key = int(generator.integers(3, QUALITIES))
    below = int(generator.integers(0, 21))
    steady = generator.random() < 0.25
    return EncoderSettings(
        quality=key, bframes=bframes, inter_quality=max(0, key - below) if steady else None
    )


InterStep = CodedStep[TorchStep[TallyCoder]]
"""An inter frame that went through the loop; it has references and motion."""


def code_clip(
    model: VideoModel, frames: list[Frame], settings: EncoderSettings, coders: Coders
) -> Iterator[InterStep]:
    """Code a clip in the encoder's closed loop, as one group of pictures; yields its inter frames.

    Args:
        model: finalised, in exact arithmetic.
        frames: of one size.
        settings: qualities and B frames; the clip is one group of pictures, whatever they say.
        coders: count the symbols of all frames.
    """
    whole = replace(settings, gop=max(2, len(frames)))
    loop = ClosedLoop(TorchFrames(model, coders.__getitem__), whole, frames[0].size)
    for steps in itertools.chain(map(loop.push, frames), (loop.flush(),)):
        for step in steps:
            coded = loop.code(step)
            if not coded.place.is_key:
                yield coded


def sample_of(model: VideoModel, step: InterStep) -> Sample:
    """What is kept of an inter frame that ``model`` has coded."""
    references, motion = step.coded.references, step.motion
    assert references is not None and motion is not None
    prediction, _ = model.predict(motion, references)
    planes = []
    for picture in (step.coded.source, prediction, references.past.picture):
        y, uv = (p.to(torch.uint8)[0].numpy() for p in picture.padded())
        planes += [y[0], uv]
    nearer = references.nearer
    symbols = (s[0].clamp(-127, 127).to(torch.int8).numpy() for s in (nearer.luma, nearer.chroma))
    rows, columns = (side // INTER_BLOCK for side in planes[0].shape)
    uneven = np.zeros((MOTION_FEATURES, rows, columns), np.uint8)
    known = motion_features(motion)[0].numpy()
    uneven[:, : known.shape[1], : known.shape[2]] = known
    arrays: list[Any] = [*planes, *symbols, _on_padded_grid(motion.past, rows, columns), uneven]
    return Sample(*arrays)


def _on_padded_grid(field: Vectors, rows: int, columns: int) -> NDArray[np.int16]:
    """Vectors ``(h, w, 2)`` as ``(2, rows, columns)``, the last row and column repeated."""
    missing = ((0, rows - field.shape[0]), (0, columns - field.shape[1]), (0, 0))
    return np.ascontiguousarray(np.pad(field, missing, mode="edge").transpose(2, 0, 1))


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
    """Samples in one memory-mapped file, in the order of their clips.

    A row of ``entries`` has offset, height, width and quality of a sample, the number of the frame
    after its key frame in order of display, from 1, and the quality of that key frame.
    """

    data: NDArray[np.uint8]
    entries: NDArray[np.int64]

    @staticmethod
    def open(model: VideoModel, config: DataConfig, root: Path, cache: Path) -> SequenceStore:
        """Code all clips, as often as ``config`` says, into ``cache`` unless it is there.

        Raises:
            InputError: a folder below ``root`` holds no clip, or none has two frames, or ``cache``
                is of an older version.
        """

        def write(file: BinaryIO) -> list[Entry]:
            generator = np.random.default_rng(config.seed)
            entries: list[Entry] = []
            clips = config.clips(root) * config.passes
            for clip in shown(clips, "coding", "clip"):
                planes = list(itertools.islice(clip.planes(), config.frames or None))
                frames = vary_clip(planes, generator)
                settings = draw_settings(generator, config.bframes)
                entries += write_samples(file, model, frames, settings)
            if not entries:
                raise InputError(f"{root}: no clips of two frames or more in {config.folders}")
            return entries

        data, entries = open_store(cache, write)
        if entries.shape[1] != 6:
            index = cache.with_suffix(".json")
            raise InputError(f"{index}: of an older version; delete it to code the clips anew")
        return SequenceStore(data, entries)

    def sample(self, number: int) -> Sample:
        """Sample ``number``, memory-mapped."""
        offset, height, width = self.entries[number, :3]
        arrays: list[Any] = []
        for shape, dtype in sample_layout(height, width):
            length = math.prod(shape) * np.dtype(dtype).itemsize
            arrays.append(self.data[offset : offset + length].view(dtype).reshape(shape))
            offset += length
        return Sample(*arrays)

    def runs(self, frames: int) -> NDArray[np.int64]:
        """Numbers of the samples from which on ``frames`` samples follow each other in a clip.

        Of clips with B frames there are none that can be used.
        """
        after_key = self.entries[:, 4]
        last = after_key[frames - 1 :]
        return np.flatnonzero(last == after_key[: len(last)] + frames - 1)


def write_samples(
    file: BinaryIO, model: VideoModel, frames: list[Frame], settings: EncoderSettings
) -> list[Entry]:
    """Write the inter frames of a clip, coded by `code_clip`, in decoding order; their entries."""
    entries: list[Entry] = []
    for step in code_clip(model, frames, settings, tally_coders(model)):
        sample = sample_of(model, step)
        numbers = (step.quality, step.place.number, settings.quality)
        entries.append((file.tell(), *sample.y.shape, *numbers))
        file.writelines(array.tobytes() for array in sample.arrays())
    return entries


@dataclass(frozen=True, slots=True)
class Crops:
    """Square crops of inter frames of S luma samples, float32 but for the qualities.

    Attributes:
        y, uv: source in units, ``(B, 1, S, S)`` and ``(B, 2, S/2, S/2)``.
        y_predicted, uv_predicted: the prediction in units.
        y_reference, uv_reference: the decoded past in units.
        luma, chroma: symbols of the nearer reference, ``(B, 64, S/8, S/8)`` and
            ``(B, 32, S/8, S/8)``.
        vectors: towards the past, ``(B, 2, S/8, S/8)``.
        motion: `motion_features`, ``(B, 4, S/8, S/8)``.
        quality: int64 ``(B,)``.
        key_quality: of the key frames of their groups of pictures, int64 ``(B,)``.
    """

    y: Tensor
    uv: Tensor
    y_predicted: Tensor
    uv_predicted: Tensor
    y_reference: Tensor
    uv_reference: Tensor
    luma: Tensor
    chroma: Tensor
    vectors: Tensor
    motion: Tensor
    quality: Tensor
    key_quality: Tensor

    def context(self) -> Context:
        """What the decoder knew."""
        return Context(self.y_predicted, self.uv_predicted, self.luma, self.chroma, self.motion)

    def tensors(self) -> list[Tensor]:
        """All of them, in this order."""
        return [getattr(self, name) for name in self.__slots__]


def read_crops(store: SequenceStore, places: NDArray[np.int64], size: int) -> Crops:
    """Crops of ``size`` at ``places``: sample, top and left, multiples of 16; ``(B, 3)``."""
    rows: list[list[Tensor]] = []
    for number, top, left in places:
        sample = store.sample(number)
        row = []
        for array, stride in zip(sample.arrays(), STRIDES, strict=True):
            t, b, lo, hi = (k // stride for k in (top, top + size, left, left + size))
            row.append(torch.from_numpy(np.ascontiguousarray(array[..., t:b, lo:hi])).float())
        rows.append(row)
    columns = [torch.stack(column) for column in zip(*rows, strict=True)]
    pictures = 2 * _PICTURES
    planes = [(p - 128) / UNIT for p in columns[:pictures]]
    planes[::2] = [p[:, None] for p in planes[::2]]
    qualities = torch.from_numpy(store.entries[places[:, 0]][:, [3, 5]])
    return Crops(*planes, *columns[pictures:], *qualities.unbind(1))


def sequence_batch(
    store: SequenceStore, generator: np.random.Generator, batch: int, size: int
) -> Crops:
    """Random crops of random frames.

    Drawn for the ``batch`` of all processes; this one's share is read.
    """
    places = draw_places(store.entries, generator, batch, size, CELL)
    return read_crops(store, group.share(places), size)
