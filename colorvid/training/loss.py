"""Rate-distortion loss: bits per pixel plus lambda times the weighted squared error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorvid.config import lambda_of_quality
from colorvid.nn.transforms import UNIT


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the distortion.

    Attributes:
        mse: factor on lambda for the weighted squared error.
        planes: weights of Y, U and V in the squared error; divided by 8.
        logarithmic: take the mean of log(rate + distortion) over the batch, so that easy and
            hard pictures count alike, as they do in BD-rates.
    """

    mse: float = 1.0
    planes: tuple[float, float, float] = (6.0, 3.0, 3.0)
    logarithmic: bool = True


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error of each plane of each picture, unit range, ``(B, P)``; inputs in units."""
    return ((a.float() - b.float()) ** 2).mean(dim=(2, 3)) * (UNIT / 255) ** 2


def distortion(config: LossConfig, mse_y: Tensor, mse_uv: Tensor) -> Tensor:
    """Weighted squared error of each picture, ``(B,)``, from ``(B, 1)`` and ``(B, 2)``."""
    wy, wu, wv = config.planes
    return config.mse * (wy * mse_y[:, 0] + wu * mse_uv[:, 0] + wv * mse_uv[:, 1]) / 8


def rate_distortion(config: LossConfig, bpp: Tensor, error: Tensor, quality: Tensor) -> Tensor:
    """Scalar loss from bits per pixel, distortion and quality of each picture, each ``(B,)``."""
    weight = lambda_of_quality(quality.float())
    cost = bpp + weight * error
    if config.logarithmic:
        return torch.log(cost).mean()
    return (cost / weight**0.35).mean()
