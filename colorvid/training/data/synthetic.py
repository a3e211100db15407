"""Synthetic motion: clips made of still pictures, to train on motion that is known to be there.

A camera pans, zooms and turns over one picture while cut-out parts of others move across it. All
motion is affine and even in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]

MOST_LAYERS = 3
VIEW = 0.7
"""Share of each side of the background that a frame shows, before zoom."""
_ZOOM, _TURN = 0.15, math.radians(4)  # largest change of the logarithm of the size, of the angle
_ROUNDNESS = 3  # waves around the outline of a cut-out
_SOFTNESS = 1.5  # luma samples over which its edge fades


@dataclass(frozen=True, slots=True)
class _Path:
    """Motion from the first frame to the last one, both as (row, column, log size, angle)."""

    first: NDArray[np.float64]
    last: NDArray[np.float64]

    @staticmethod
    def draw(generator: np.random.Generator, reach: tuple[float, float]) -> _Path:
        """A path within ``+-reach`` luma samples; slow ones are as likely as fast ones."""
        limits = np.array([*reach, _ZOOM, _TURN])
        first, towards = generator.uniform(-1, 1, (2, 4)) * limits
        speed = generator.uniform(0, 1, 4) ** 2
        return _Path(first, first + speed * (towards - first))

    def at(self, time: float) -> tuple[float, float, float, float]:
        """Row, column, size and angle at ``time`` 0..1."""
        row, column, size, angle = self.first + time * (self.last - self.first)
        return row, column, math.exp(size), angle


def _places(shape: tuple[int, int], chroma: bool) -> Tensor:
    """Luma rows and columns of samples around the middle of a frame, float32 ``(h, w, 2)``.

    ``shape`` is that of the plane. Chroma lies between two rows and on every second column.
    """
    height, width = (s * 2 for s in shape) if chroma else shape
    rows, columns = (torch.arange(s, dtype=torch.float32) for s in shape)
    if chroma:
        rows, columns = 2 * rows + 0.5, 2 * columns
    rows, columns = rows - (height - 1) / 2, columns - (width - 1) / 2
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)


def _moved(places: Tensor, motion: tuple[float, float, float, float]) -> Tensor:
    """Where in the picture, in luma samples around its middle, a frame has its samples from."""
    row, column, size, angle = motion
    cos, sin = size * math.cos(angle), size * math.sin(angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float32)
    return places @ turn + torch.tensor([row, column], dtype=torch.float32)


def _sampled(plane: NDArray[np.uint8], places: Tensor, chroma: bool) -> Tensor:
    """Bicubic samples of a plane at luma places around its middle; mirrored beyond its border."""
    size = torch.tensor(plane.shape)
    index = places / 2 + torch.tensor([0.0, 0.25]) if chroma else places  # see `_places`
    grid = (2 * index + size) / size - 1
    source = torch.from_numpy(plane).float()[None, None]
    result: Tensor = F.grid_sample(
        source, grid.flip(-1)[None], mode="bicubic", padding_mode="reflection", align_corners=False
    )[0, 0]
    return result


@dataclass(frozen=True, slots=True)
class _Layer:
    """A picture and its motion; ``outline`` is the radius, waves and phase of what is cut out."""

    picture: Planes
    path: _Path
    outline: tuple[float, int, float] | None

    def paint(self, below: Tensor, number: int, places: Tensor, time: float) -> Tensor:
        """Plane ``number`` (0 = luma) of the layer at ``time`` over what lies below it."""
        places = _moved(places, self.path.at(time))
        samples = _sampled(self.picture[number], places, chroma=number > 0)
        if self.outline is None:
            return samples
        radius, waves, phase = self.outline
        angle = torch.atan2(places[..., 0], places[..., 1])
        edge = radius * (1 + 0.25 * torch.cos(waves * angle + phase))
        cover = ((edge - places.norm(dim=-1)) / _SOFTNESS + 0.5).clamp(0, 1)
        return torch.lerp(below, samples, cover)


def _layers(
    stills: Sequence[Planes], size: tuple[int, int], generator: np.random.Generator
) -> list[_Layer]:
    """The background, which stays within its picture but for turns, and the cut-outs over it."""
    slack = [(whole - shown) / 2 for whole, shown in zip(stills[0][0].shape, size, strict=True)]
    layers = [_Layer(stills[0], _Path.draw(generator, (slack[0], slack[1])), None)]
    for still in stills[1:]:
        path = _Path.draw(generator, (size[0] / 2, size[1] / 2))
        radius = min(*size, *still[0].shape) * generator.uniform(0.1, 0.35)
        waves, phase = int(generator.integers(0, _ROUNDNESS + 1)), generator.uniform(0, 2 * math.pi)
        layers.append(_Layer(still, path, (radius, waves, phase)))
    return layers


def animate(stills: Sequence[Planes], frames: int, seed: int) -> Iterator[Planes]:
    """Frames of a camera over the first picture, with parts of the others moving across it.

    Args:
        stills: 4:2:0 pictures, sides even and at least 4; all but the first are cut out of.
        frames: at least 1.
        seed: of all motion.

    Yields:
        u8 planes, sides `VIEW` times those of the first picture, rounded down to even numbers.
    """
    height, width = (int(VIEW * side) // 2 * 2 for side in stills[0][0].shape)
    layers = _layers(stills, (height, width), np.random.default_rng(seed))
    half = (height // 2, width // 2)
    places = [_places((height, width), False), _places(half, True), _places(half, True)]
    for number in range(frames):
        planes = []
        for plane, where in enumerate(places):
            painted = torch.zeros(where.shape[:2])
            for layer in layers:
                painted = layer.paint(painted, plane, where, number / max(1, frames - 1))
            planes.append(painted.round().clamp(0, 255).to(torch.uint8).numpy())
        yield planes[0], planes[1], planes[2]
