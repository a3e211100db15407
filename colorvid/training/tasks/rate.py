"""Rate of symbols while training: thin wrappers of compressai's entropy models.

`intra_networks` and `inter_networks` join them with the models whose symbols they price.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import InterConfig, IntraConfig
from colorvid.entropy.tables import COSTED, SCALES
from colorvid.models.inter import InterModel
from colorvid.models.intra import IntraModel
from colorvid.models.passes import BranchOutput
from colorvid.nn.prior import HYPER_STRIDE, INDEX, SMALLEST_SCALE, scale_of
from colorvid.system.packages import needed_for
from colorvid.training import group

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # compressai scripts a function at import
    with needed_for("training"):
        from compressai.entropy_models import EntropyBottleneck, GaussianConditional


def real_index(index: Tensor) -> Tensor:
    """Scale index as a real number 0..63 from the prior's output in units of 8."""
    clamped = (index.float() * INDEX.steps).clamp(0.0, SCALES - 1)
    return clamped + 0.01 * (index.float() * INDEX.steps - clamped)  # gradient outside the range


def _noise(x: Tensor) -> Tensor:
    """Uniform noise within +-1/2 for each value of ``x`` ``(B, ...)``.

    It is drawn for the pictures of all processes.
    """
    drawn = torch.rand(len(x) * group.size(), *x.shape[1:], device=x.device)
    return group.share(drawn) - 0.5


class LaplaceConditional(GaussianConditional):  # type: ignore[misc]
    """compressai's conditional model with a Laplace distribution of the same deviation."""

    def _standardized_cumulative(self, inputs: Tensor) -> Tensor:
        tail = 0.5 * torch.exp(-(2**0.5) * inputs.abs())
        return torch.where(inputs < 0, tail, 1 - tail)


class BranchRate(nn.Module):
    """Bits of one branch: conditional latents, factorised hyper-latents.

    While training, hyper-latents carry uniform noise in place of rounding (Ballé et al.,
    arXiv 1802.01436). So do latents around a predicted mean: the mean learns from every latent,
    not only from those that are not rounded to it. Latents without a mean, of inter frames, are
    taken at the integer: nearly all are zero, and noise makes a zero cost about 1/8 bit.

    Args:
        hyper: channels of z.
        means: whether latents have predicted means; Gaussian then, otherwise Laplace.
        written: whether the symbols are those that an encoder writes. Latents with means are then
            taken at the integer too, and scales learn from that; only means still learn from noise.
    """

    def __init__(self, hyper: int, means: bool, *, written: bool = False) -> None:
        """Make the models."""
        super().__init__()
        self.means, self._written = means, written
        family = GaussianConditional if means else LaplaceConditional
        self.conditional = family(None, scale_bound=SMALLEST_SCALE / 2)
        self.bottleneck = EntropyBottleneck(hyper, init_scale=4)

    @torch.no_grad()
    def symbol_bits(self) -> Tensor:
        """Bits by integer scale index and magnitude, ``(64, 32)``; see `Branch.quantise`."""
        scale = scale_of(torch.arange(float(SCALES)))[:, None].expand(SCALES, COSTED)
        symbols = torch.arange(float(COSTED)).expand(SCALES, COSTED)
        likelihood = self.conditional._likelihood(symbols, scale)
        bits: Tensor = -torch.log2(self.conditional.likelihood_lower_bound(likelihood))
        return bits

    def forward(self, output: BranchOutput, counted: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bits of the latents and of the hyper-latents for each picture, each ``(B,)``.

        ``counted`` is 1 in the cells of 16x16 luma samples whose bits count, else 0, ``(B, 1, h,
        w)``; hyper-latents, which are coarser, count by the share of these cells.
        """
        with torch.autocast(output.z.device.type, enabled=False):
            bits, bits_z = (-torch.log2(t) for t in self.likelihoods(output))
            if self._written and self.training:
                integers = self._likelihood(output, output.symbols.detach(), _scale(output))
                bits = bits - bits.detach() - torch.log2(integers)
            bits_z = bits_z.sum(dim=(1, 2, 3))
            if counted is not None:
                bits = bits * F.interpolate(counted, size=bits.shape[-2:])
                bits_z = bits_z * counted.mean(dim=(1, 2, 3))
            bits_y = bits.sum(dim=(1, 2, 3))
        return bits_y, bits_z

    def likelihoods(self, output: BranchOutput) -> tuple[Tensor, Tensor]:
        """Probability of each latent and of each hyper-latent, in the shapes of both, float32."""
        with torch.autocast(output.z.device.type, enabled=False):
            noisy = self.means and self.training
            symbols = output.offsets + _noise(output.offsets) if noisy else output.symbols
            scale = _scale(output).detach() if self._written else _scale(output)
            return self._likelihood(output, symbols, scale), self._hyper_likelihood(output)

    def _likelihood(self, output: BranchOutput, symbols: Tensor, scale: Tensor) -> Tensor:
        """Probability of ``symbols`` for latents; what is not coded has one value only."""
        likelihood = self.conditional._likelihood(symbols.float(), scale)
        likelihood = self.conditional.likelihood_lower_bound(likelihood)
        coded = F.interpolate(output.active, scale_factor=HYPER_STRIDE)
        coded = coded[..., : symbols.shape[2], : symbols.shape[3]]
        return torch.where(coded > 0, likelihood, 1.0)

    def _hyper_likelihood(self, output: BranchOutput) -> Tensor:
        """Probability of the hyper-latents in their shape."""
        z = output.z.float()
        batch, channels = z.shape[:2]
        values = (z + _noise(z)).transpose(0, 1).reshape(channels, 1, -1)
        likelihood, _, _ = self.bottleneck._likelihood(values)
        likelihood = self.bottleneck.likelihood_lower_bound(likelihood)
        by_picture: Tensor = likelihood.reshape(channels, batch, *z.shape[2:]).transpose(0, 1)
        return torch.where(output.active > 0, by_picture, 1.0)


def _scale(output: BranchOutput) -> Tensor:
    """Standard deviation of each latent, float32."""
    return scale_of(real_index(output.parameters.index))


def intra_networks(config: IntraConfig, rate_weight: float | None = None) -> nn.ModuleDict:
    """The intra model and its rate models.

    The model rounds plainly; with ``rate_weight`` it quantises as the encoder does at this price of
    a bit, with the bits that the rate models say.
    """
    if rate_weight is not None:
        config = replace(config, rate_weight=rate_weight)
    model = IntraModel(config)
    networks = nn.ModuleDict({"model": model})
    for name, branch in (("luma", model.luma), ("chroma", model.chroma)):
        written = rate_weight is not None
        networks[name] = rate = BranchRate(branch.config.hyper, means=True, written=written)
        if written:
            branch.set_symbol_bits(rate.symbol_bits())
    return networks


def inter_networks(config: InterConfig, rate_weight: float | None = None) -> nn.ModuleDict:
    """The inter model and its rate models; quantiser steps stay as they are.

    The model quantises as the encoder does, with the bits that the rate models say; at the price
    ``rate_weight`` of a bit, if one is given.
    """
    if rate_weight is not None:
        config = replace(config, rate_weight=rate_weight)
    model = InterModel(config)
    networks = nn.ModuleDict({"model": model})
    for name, branch in (("luma", model.luma), ("chroma", model.chroma)):
        rate = BranchRate(branch.config.hyper, means=False)
        branch.gains.requires_grad_(False)
        branch.set_symbol_bits(rate.symbol_bits())
        networks[name] = rate
    return networks
