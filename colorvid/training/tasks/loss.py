"""Rate-distortion loss: ``R + l1 * MSE + l2 * (1 - MS-SSIM) + l3 * dE00`` (arXiv 2306.17460)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorvid.config import lambda_of_quality
from colorvid.nn.transforms import UNIT
from colorvid.quality.color import ColorSpec
from colorvid.system.packages import needed_for
from colorvid.training.tasks.delta_e import delta_e, yuv420_to_lab

Figures = dict[str, Tensor]
"""Figures of a batch by name, scalars; ``loss`` is what is minimised."""

Planes = tuple[Tensor, Tensor]
"""Y ``(B, 1, H, W)`` and UV ``(B, 2, H/2, W/2)`` in units."""

_SSIM_WINDOW = 7  # five scales fit crops from 97 samples on


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the distortion, all of them times lambda, and the price of a bit.

    Attributes:
        mse: l1, of the squared error in unit range, weighted over the planes.
        planes: weights of Y, U and V in the squared error; divided by 8.
        ms_ssim: l2, of 1 - MS-SSIM of Y.
        delta_e: l3, of the mean CIEDE2000 (BT.709, limited range).
        logarithmic: take the mean of log(rate + distortion) over the batch, so that easy and
            hard pictures count alike, as they do in BD-rates.
        rate_weight: price of a bit in the quantiser while training, see `BranchConfig`. None: key
            frames are plainly rounded, inter frames take what the encoder pays. At the full price
            a prior of inter frames that finds zeros likely gets more of them, and learns to skip
            what later frames need.
    """

    mse: float = 1.0
    planes: tuple[float, float, float] = (6.0, 3.0, 3.0)
    ms_ssim: float = 0.0
    delta_e: float = 0.0
    logarithmic: bool = True
    rate_weight: float | None = None


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error of each plane of each picture, unit range, ``(B, P)``; inputs in units."""
    return ((a.float() - b.float()) ** 2).mean(dim=(2, 3)) * (UNIT / 255) ** 2


def _unit_range(planes: Tensor) -> Tensor:
    """Units of the networks to code values over 255."""
    return (planes.float() * UNIT + 128) / 255


def structure_error(decoded: Tensor, source: Tensor) -> Tensor:
    """1 - MS-SSIM of luma in units ``(B, 1, H, W)``, sides above 96; ``(B,)``.

    Raises:
        ColorvidError: the package ``pytorch_msssim`` is missing.
    """
    with needed_for("ms_ssim in [loss]"):
        from pytorch_msssim import ms_ssim
    a, b = _unit_range(decoded), _unit_range(source)
    similarity: Tensor = ms_ssim(
        a, b, data_range=1.0, size_average=False, win_size=_SSIM_WINDOW, win_sigma=1.5
    )
    return 1 - similarity


def colour_error(decoded: Planes, source: Planes) -> Tensor:
    """Mean CIEDE2000 of each picture, ``(B,)``."""
    spec = ColorSpec()
    first, second = (
        yuv420_to_lab(y[:, 0], uv[:, 0], uv[:, 1], spec)
        for y, uv in ((_unit_range(p[0]), _unit_range(p[1])) for p in (decoded, source))
    )
    return delta_e(first, second).mean(dim=(1, 2))


def distortion(config: LossConfig, decoded: Planes, source: Planes) -> Tensor:
    """The weighted distortion of each picture, ``(B,)``; terms of weight zero are not computed.

    Always in float32: in bfloat16 the differences of moments in MS-SSIM are mostly rounding.
    """
    wy, wu, wv = config.planes
    with torch.autocast(decoded[0].device.type, enabled=False):
        mse_y, mse_uv = (squared_error(a, b) for a, b in zip(decoded, source, strict=True))
        total = config.mse * (wy * mse_y[:, 0] + wu * mse_uv[:, 0] + wv * mse_uv[:, 1]) / 8
        if config.ms_ssim:
            total = total + config.ms_ssim * structure_error(decoded[0], source[0])
        if config.delta_e:
            total = total + config.delta_e * colour_error(decoded, source)
    return total


def rate_distortion(config: LossConfig, bpp: Tensor, error: Tensor, quality: Tensor) -> Tensor:
    """Scalar loss from bits per pixel, distortion and quality of each picture, each ``(B,)``."""
    weight = lambda_of_quality(quality.float())
    cost = bpp + weight * error
    if config.logarithmic:
        return torch.log(cost).mean()
    return (cost / weight**0.35).mean()


def figures(
    config: LossConfig,
    decoded: Planes,
    source: Planes,
    bits: list[Tensor],
    quality: Tensor,
    share: Tensor | None = None,
) -> Figures:
    """The loss of a batch and what it is made of, for the log.

    Args:
        config: weights.
        decoded, source: pictures.
        bits: of each picture ``(B,)``: luma, its hyper-latents, chroma, its hyper-latents.
        quality: int64 ``(B,)``.
        share: part of each picture ``(B,)`` that counts, by default all; outside of it bits are
            left out already and ``decoded`` is the source.
    """
    if share is None:
        share = torch.ones_like(quality, dtype=torch.float32)
    pixels = source[0].shape[-2] * source[0].shape[-1] * share
    bpp = [b / pixels for b in bits]
    error = distortion(config, decoded, source) / share
    result = {"loss": rate_distortion(config, torch.stack(bpp).sum(dim=0), error, quality)}
    names = ("bpp_y", "bpp_yz", "bpp_uv", "bpp_uvz")
    result |= {n: b.mean() for n, b in zip(names, bpp, strict=True)}
    for name, a, b in zip(("psnr_y", "psnr_uv"), decoded, source, strict=True):
        result[name] = -10 * torch.log10(squared_error(a, b) / share[:, None]).mean()
    return result
