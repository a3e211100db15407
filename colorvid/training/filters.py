"""The loop filters of a model: least squares over clips that it codes in a closed loop."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.codec.loop import ClosedLoop
from colorvid.codec.settings import EncoderSettings
from colorvid.config import QUALITIES, quantiser_step
from colorvid.frame import Frame, Links, Motion
from colorvid.io.files import OutputFile
from colorvid.models.frames import FrameCodec
from colorvid.models.loading import Model, model_of
from colorvid.models.modelfile import ModelFile, read_model_file
from colorvid.motion.compensate import Planes, predict
from colorvid.native.model import Coded
from colorvid.nn.loop_filter import BANDS, CLASSES, CLIPS, ONE, PAIRS, LoopFilter
from colorvid.training.data.sources import find_sources
from colorvid.training.fitted import Fitted, moving, write_model
from colorvid.training.progress import shown

NAMES = ("inter.filter.luma", "inter.filter.chroma")
CLIP_STEPS = ((0.25, 1.0), (0.15, 0.6))
"""Where differences of luma and of chroma are clipped, in quantiser steps."""
ACTIVITY_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Where levels of activity begin: mean second difference of a sample, in quantiser steps."""
NEIGHBOUR = 0.25
"""What a band of qualities learns from the bands beside it."""
_FRAMES = 17  # of each clip
_QUALITIES = 3  # that each clip is coded at
_TAPS = CLIPS * len(PAIRS)

Tensors = dict[str, NDArray[np.int8] | NDArray[np.int32]]


def empty_filter(block: int, clip_steps: tuple[float, float]) -> LoopFilter:
    """A filter for blocks of so many samples, with its bounds by quality, and no weights yet."""
    made = LoopFilter(block)
    steps = torch.tensor([quantiser_step(float(q)) for q in range(QUALITIES)])
    clips = torch.outer(steps, torch.tensor(clip_steps)).round().clamp(1, 255)
    activity = torch.outer(steps, torch.tensor(ACTIVITY_STEPS)) * (2 * block * block)
    made.clips.copy_(clips.int())
    made.activity.copy_(activity.round().int())
    return made


class Normal:
    """The normal equations of a filter, by band of qualities and class."""

    def __init__(self) -> None:
        """Start at zero."""
        self._squares = np.zeros((BANDS, CLASSES, _TAPS, _TAPS))
        self._products = np.zeros((BANDS, CLASSES, _TAPS))

    def add(self, found: Tensor, weighed: Tensor, error: Tensor, quality: int) -> None:
        """Add a plane.

        Args:
            found: class of each sample, int64 ``(h, w)``.
            weighed: see `colorvid.nn.loop_filter.differences`, ``(24, h, w)``.
            error: source less decoded samples, ``(h, w)``.
            quality: of the frame.
        """
        order = found.flatten().argsort(stable=True)
        ends = torch.bincount(found.flatten(), minlength=CLASSES).cumsum(0).numpy()
        x = weighed.flatten(1)[:, order].double().numpy()
        y = error.flatten()[order].double().numpy()
        band, weight = quality * BANDS // QUALITIES, quantiser_step(float(quality)) ** -2
        for number, (first, end) in enumerate(itertools.pairwise([0, *ends])):
            part = x[:, first:end]
            self._squares[band, number] += weight * (part @ part.T)
            self._products[band, number] += weight * (part @ y[first:end])

    def weights(self) -> NDArray[np.int8]:
        """The weights that leave the smallest squared error, in 1/256."""
        squares, products = (_with_neighbours(a) for a in (self._squares, self._products))
        mean = np.trace(squares, axis1=2, axis2=3) / _TAPS
        squares += np.eye(_TAPS) * (1e-4 * mean + 1)[..., None, None]
        solved = np.linalg.solve(squares, products[..., None])[..., 0]
        rounded: NDArray[np.int8] = np.rint(ONE * solved).clip(-128, 127).astype(np.int8)
        return rounded


def _with_neighbours(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums by band, with a share of those of the bands beside."""
    result = sums.copy()
    result[1:] += NEIGHBOUR * sums[:-1]
    result[:-1] += NEIGHBOUR * sums[1:]
    return result


class _Watch:
    """Codes frames as `FrameCodec` does, and adds the inter frames to the equations."""

    def __init__(self, codec: FrameCodec, fits: dict[str, tuple[LoopFilter, Normal]]) -> None:
        self._codec, self._fits = codec, fits
        self._slots: dict[int, Planes] = {}

    def encode_key(self, quality: int, target: int, frame: Frame) -> Coded:
        """See `FrameCodec.encode_key`."""
        coded = self._codec.encode_key(quality, target, frame)
        self._slots[target] = _planes(coded.picture)
        return coded

    def encode_inter(self, quality: int, links: Links, motion: Motion, frame: Frame) -> Coded:
        """See `FrameCodec.encode_inter`."""
        later = None if links.future is None else self._slots[links.future]
        predicted = predict(motion, self._slots[links.past], later)
        coded = self._codec.encode_inter(quality, links, motion, frame)
        decoded = self._slots[links.target] = _planes(coded.picture)
        for number, seen in enumerate(zip(_planes(frame), decoded, predicted, strict=True)):
            self._add(NAMES[min(number, 1)], seen, quality)
        return coded

    def _add(self, name: str, seen: tuple[Tensor, ...], quality: int) -> None:
        source, decoded, predicted = seen
        made, normal = self._fits[name]
        found, weighed = made.blocks(decoded, predicted, quality)
        wide = found.repeat_interleave(made.block, 0).repeat_interleave(made.block, 1)
        height, width = decoded.shape
        error = source.int() - decoded.int()
        normal.add(wide[:height, :width], weighed[:, :height, :width], error, quality)


def _planes(frame: Frame) -> Planes:
    y, u, v = (torch.from_numpy(plane) for plane in frame.planes)
    return y, u, v


def with_filters(file: ModelFile, filters: dict[str, LoopFilter]) -> ModelFile:
    """A model with other loop filters, by `NAMES`."""
    tensors = dict(file.tensors)
    for name, made in filters.items():
        tensors |= {f"{name}.{part}": value.numpy() for part, value in made.state_dict().items()}
    return replace(file, tensors=tensors)


def without_filters(model: str) -> ModelFile:
    """A model, by name or file, whose loop filters change nothing.

    Raises:
        ModelMismatch: no such model.
    """
    return with_filters(read_model_file(model), _empty_filters())


def _empty_filters() -> dict[str, LoopFilter]:
    return dict(zip(NAMES, map(empty_filter, (8, 4), CLIP_STEPS), strict=True))


def fit_filters(
    output: Path, model: str, clips: Path, *, every: int = 6, overwrite: bool = False
) -> Fitted:
    """Write a model file that differs from ``model`` in its loop filters alone.

    Args:
        output: file to write.
        model: name or file of the model that codes the clips, without loop filters.
        clips: folder of clips and pictures, see `moving`.
        every: of them, one in so many is coded.
        overwrite: whether an existing file is replaced.

    Raises:
        InputError: ``clips`` holds none.
        ModelMismatch: no such model.
        OutputError: ``output`` exists or cannot be written.
    """
    OutputFile(output, overwrite=overwrite).discard()  # said now, not after an hour of coding
    empty, plain = _empty_filters(), without_filters(model)
    fits = {name: (made, Normal()) for name, made in empty.items()}
    sources = moving(find_sources(clips))[::every]
    ready, generator = model_of(plain), np.random.default_rng(0)
    for clip in shown(sources, "fitting filters", "clip"):
        frames = [Frame(*planes) for planes in itertools.islice(clip.planes(), _FRAMES)]
        # One quality of each third of the range.
        for part in range(_QUALITIES):
            quality = int((part + generator.random()) * QUALITIES / _QUALITIES)
            _code(ready, frames, quality, fits)
    for made, normal in fits.values():
        made.weights.copy_(torch.from_numpy(normal.weights()))
    fitted = with_filters(plain, empty)
    write_model(fitted, output, overwrite=overwrite)
    return Fitted(fitted.identity, len(sources))


def _code(
    model: Model,
    frames: list[Frame],
    quality: int,
    fits: dict[str, tuple[LoopFilter, Normal]],
) -> None:
    """Code a clip as one group of pictures."""
    settings = EncoderSettings(quality=quality, gop=max(2, len(frames)), scenecut=False)
    size = frames[0].size
    watch = _Watch(model.frames(size, settings.slots), fits)
    loop: ClosedLoop[Coded] = ClosedLoop(watch, settings, size)
    for steps in itertools.chain(map(loop.push, frames), (loop.flush(),)):
        for step in steps:
            loop.code(step)
