"""Between 8-bit planes and the tensors of the networks: padding, units, features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from colorvid.config import INTRA_BLOCK
from colorvid.exact.arithmetic import FEATURE
from colorvid.frame import Frame, chroma_size
from colorvid.nn.transforms import UNIT

FEATURES_PER_SAMPLE = FEATURE.steps // UNIT
"""Steps of the feature grid in one sample value."""


def padded(size: int) -> int:
    """``size`` rounded up to whole blocks of key frames, a multiple of 16."""
    return -(-size // INTRA_BLOCK) * INTRA_BLOCK


@dataclass(frozen=True, slots=True)
class FrameTensors:
    """A `Frame` on a device: uint8 tensors Y ``(H, W)``, U and V ``(ceil(H/2), ceil(W/2))``."""

    y: Tensor
    u: Tensor
    v: Tensor

    @staticmethod
    def of(frame: Frame, device: torch.device | str = "cpu") -> FrameTensors:
        """Copy a frame to ``device``."""
        y, u, v = (torch.from_numpy(p.copy()).to(device) for p in frame.planes)
        return FrameTensors(y, u, v)

    @property
    def planes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Y, U and V."""
        return self.y, self.u, self.v

    def frame(self) -> Frame:
        """Copy to a frame."""
        y, u, v = (p.cpu().numpy() for p in self.planes)
        return Frame(y, u, v)

    def padded(self) -> tuple[Tensor, Tensor]:
        """float32 samples, edges repeated: Y ``(1, 1, H', W')``, UV ``(1, 2, H'/2, W'/2)``."""
        height, width = (padded(int(s)) for s in self.y.shape)
        y = _pad(self.y[None, None], height, width)
        uv = _pad(torch.stack((self.u, self.v))[None], height // 2, width // 2)
        return y, uv

    def units(self) -> tuple[Tensor, Tensor]:
        """Padded planes in units of 32 sample values around 128, as networks in floats see them."""
        y, uv = self.padded()
        return (y - 128) / UNIT, (uv - 128) / UNIT

    def features(self, carrier: torch.dtype) -> tuple[Tensor, Tensor]:
        """Padded planes as exact features: integers, 8 to a sample value, around 128."""
        y, uv = ((p - 128) * FEATURES_PER_SAMPLE for p in self.padded())
        return y.to(carrier), uv.to(carrier)


def from_features(y: Tensor, uv: Tensor, height: int, width: int) -> FrameTensors:
    """Round exact features to samples, clip to 0..255 and crop the padding."""
    h, w = chroma_size(height, width)
    cropped = (y[0, 0, :height, :width], uv[0, 0, :h, :w], uv[0, 1, :h, :w])
    samples = (torch.round(p * (1 / FEATURES_PER_SAMPLE)) + 128 for p in cropped)
    return FrameTensors(*(s.clamp(0, 255).to(torch.uint8) for s in samples))


def _pad(planes: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last row and column up to ``height`` x ``width``; float32."""
    h, w = planes.shape[-2:]
    return F.pad(planes.float(), (0, width - w, 0, height - h), mode="replicate")
