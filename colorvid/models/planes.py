"""Between planes of samples and the tensors of the networks: padding, units, features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from colorvid.config import INTRA_BLOCK
from colorvid.exact.arithmetic import FEATURE
from colorvid.frame import Frame, Plane, chroma_size
from colorvid.nn.transforms import UNIT

FEATURES_PER_SAMPLE = FEATURE.steps // UNIT
"""Steps of the feature grid in one sample value of 8 bits."""


def padded(size: int) -> int:
    """``size`` rounded up to whole blocks of key frames, a multiple of 16."""
    return -(-size // INTRA_BLOCK) * INTRA_BLOCK


@dataclass(frozen=True, slots=True)
class FrameTensors:
    """A `Frame` on a device: tensors Y ``(H, W)``, U and V ``(ceil(H/2), ceil(W/2))``.

    They are uint8 for samples of 8 bits, and int16 for 10.
    """

    y: Tensor
    u: Tensor
    v: Tensor

    @staticmethod
    def of(frame: Frame, device: torch.device | str = "cpu") -> FrameTensors:
        """Copy a frame to ``device``."""
        kind = np.uint8 if frame.depth == 8 else np.int16
        y, u, v = (torch.from_numpy(p.astype(kind)).to(device) for p in frame.planes)
        return FrameTensors(y, u, v)

    @property
    def planes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Y, U and V."""
        return self.y, self.u, self.v

    @property
    def depth(self) -> int:
        """Bits of a sample, 8 or 10."""
        return depth_of(self.y)

    def frame(self) -> Frame:
        """Copy to a frame."""
        y, u, v = map(_samples, self.planes)
        return Frame(y, u, v)

    def padded(self) -> tuple[Tensor, Tensor]:
        """float32 samples, edges repeated: Y ``(1, 1, H', W')``, UV ``(1, 2, H'/2, W'/2)``."""
        height, width = (padded(int(s)) for s in self.y.shape)
        y = _pad(self.y[None, None], height, width)
        uv = _pad(torch.stack((self.u, self.v))[None], height // 2, width // 2)
        return y, uv

    def units(self) -> tuple[Tensor, Tensor]:
        """Padded planes as networks in floats see them: 32 sample values of 8 bits are a unit."""
        y, uv = (p / (1 << self.depth - 8) for p in self.padded())
        return (y - 128) / UNIT, (uv - 128) / UNIT

    def features(self, carrier: torch.dtype) -> tuple[Tensor, Tensor]:
        """Padded planes as exact features: integers around the middle.

        8 of them make a sample value of 8 bits, and 2 one of 10.
        """
        more = self.depth - 8
        middle, steps = 128 << more, FEATURES_PER_SAMPLE >> more
        y, uv = ((p - middle) * steps for p in self.padded())
        return y.to(carrier), uv.to(carrier)


def _samples(plane: Tensor) -> Plane:
    """A copy of a plane as a frame has it."""
    samples: Plane = plane.cpu().numpy()
    return samples if depth_of(plane) == 8 else samples.astype(np.uint16)


def depth_of(plane: Tensor) -> int:
    """Bits of a sample of a plane, see `FrameTensors`."""
    return 8 if plane.dtype == torch.uint8 else 10


def from_features(y: Tensor, uv: Tensor, height: int, width: int, depth: int = 8) -> FrameTensors:
    """Round exact features to samples of 8 or 10 bits, clip them and crop the padding."""
    h, w = chroma_size(height, width)
    cropped = (y[0, 0, :height, :width], uv[0, 0, :h, :w], uv[0, 1, :h, :w])
    more = depth - 8
    middle, steps = 128 << more, FEATURES_PER_SAMPLE >> more
    kind = torch.int16 if more else torch.uint8
    samples = (torch.round(p * (1 / steps)) + middle for p in cropped)
    return FrameTensors(*(s.clamp(0, 2 * middle - 1).to(kind) for s in samples))


def _pad(planes: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last row and column up to ``height`` x ``width``; float32."""
    h, w = planes.shape[-2:]
    return F.pad(planes.float(), (0, width - w, 0, height - h), mode="replicate")
