"""The layers that the networks are made of, and the proof that the decoder's sums are exact.

Each layer knows its float form and its integers. It is trained through float parameters.
`finalise` freezes the integers derived from them into buffers, which is all that a released model
keeps of the decoder. Of the encoder it keeps the floats, and its integers are made of them when
they are first needed; see `colorvid.models.modelfile` and `colorvid.exact.wide`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.config import QUALITIES
from colorvid.errors import ConfigError
from colorvid.exact.arithmetic import FEATURE, SUM_LIMIT, Arithmetic, FloatArithmetic, Grid
from colorvid.exact.wide import wide_table, wide_weights

CENTRE_RATE = 0.05
"""Share by which a step of training moves `Conv.centre` to what it has just seen."""
KNOTS = 9
"""Knots of a curve over the quality index."""
WEIGHT_LIMIT = 127
"""Largest magnitude of an integer weight."""
DOUBLE_LIMIT = 2**53
"""No partial sum of a float64 layer may exceed this."""


def finer(quality: Tensor, offset: int) -> Tensor:
    """Qualities ``offset`` indices above ``quality`` (below, if negative), within 0..63."""
    return (quality + offset).clamp(0, QUALITIES - 1)


class ExactLayer(nn.Module):
    """A layer whose result in exact arithmetic is defined bit for bit."""

    arithmetic: Arithmetic = FloatArithmetic()

    def finalise(self) -> None:
        """Derive the integer buffers from the float parameters."""

    def restore(self) -> None:
        """Derive float parameters from the integer buffers: what `finalise` rounded."""


def use_arithmetic(module: nn.Module, arithmetic: Arithmetic) -> None:
    """Make every exact layer and block inside ``module`` compute with ``arithmetic``."""
    for part in module.modules():
        if isinstance(part, ExactLayer):
            part.arithmetic = arithmetic


def exact_layers(module: nn.Module) -> Iterator[tuple[str, ExactLayer]]:
    """Name and layer of every exact layer inside ``module``."""
    for name, part in module.named_modules():
        if isinstance(part, ExactLayer):
            yield name, part


class Conv(ExactLayer):
    """1x1 or depthwise convolution with zero padding from one grid to another.

    Integers: weights of 8 bits with one scale for each output channel, bias on the grid of the sum.
    The scale is as fine as 8 bits and the proof of `SUM_LIMIT` allow.

    What the rounding of its weights does to the mean of the output, the bias of a 1x1 convolution
    takes back (bias correction: Nagel et al., arXiv 1906.04721). ``centre``, the mean of each input
    channel, is learned while training rounds; a model file has no need of it.

    Args:
        inputs, outputs: channels.
        depthwise: odd side of the filter that each channel has for itself; None = 1x1, over all
            channels.
        gain: factor on the initial weights; 0 starts a path at nothing.
        source, target: grids of input and output.
    """

    weight_int: Tensor
    bias_int: Tensor
    factor: Tensor
    centre: Tensor
    seen: Tensor
    times: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        depthwise: int | None = None,
        gain: float = 1.0,
        source: Grid = FEATURE,
        target: Grid = FEATURE,
    ) -> None:
        """Make float parameters and empty integers."""
        super().__init__()
        kernel = depthwise or 1
        self.padding = kernel // 2
        self.groups = inputs if depthwise else 1
        self.source, self.target = source, target
        fan_in = (1 if depthwise else inputs) * kernel**2
        shape = (outputs, inputs // self.groups, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(shape) * (gain / math.sqrt(fan_in)))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("weight_int", torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("bias_int", torch.zeros(outputs, dtype=torch.int32))
        self.register_buffer("factor", torch.zeros(outputs, dtype=torch.float32))
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("seen", torch.zeros(inputs), persistent=False)
        self.register_buffer("times", torch.zeros(()), persistent=False)
        self._carried: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor, Tensor]] = {}
        self._wide: dict[torch.device, tuple[Tensor, Tensor, Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` to ``(B, outputs, H, W)``."""
        return self.arithmetic.conv(self, x)

    def weight_scale(self) -> Tensor:
        """Value of one weight step for each output channel, ``(outputs, 1, 1, 1)``."""
        weight = self.weight.detach().float()
        largest = weight.abs().amax(dim=(1, 2, 3)) / WEIGHT_LIMIT
        reach = weight.abs().sum(dim=(1, 2, 3)) * self.source.limit
        reach = reach + self.bias.detach().abs() * self.source.steps
        taps = weight[0].numel()
        # Rounding may add half a step for each tap.
        shift = self.centre.abs().sum() * self.source.steps / 2  # at most, of the bias
        room = SUM_LIMIT - self.source.limit * taps / 2 - 2**12 - shift
        scale = torch.maximum(largest, reach / room).clamp(min=2.0**-40)
        return scale[:, None, None, None]

    def _corrected_bias(self, rounded: Tensor) -> Tensor:
        """The bias that keeps the mean of the output with ``rounded`` weights."""
        if self.groups > 1:
            return self.bias  # at the border, zeros take part in its sums
        lost = (self.weight - rounded).detach().flatten(1) @ self.centre
        return self.bias + lost

    def rounded(self) -> tuple[Tensor, Tensor]:
        """Weight on its integer grid and bias to go with it, with straight-through gradients."""
        scale = self.weight_scale()
        rounded = torch.round(self.weight.detach() / scale) * scale
        weight = self.weight + (rounded - self.weight.detach())
        return weight, self._corrected_bias(rounded)

    def floats(self, x: Tensor, *, rounding: bool) -> tuple[Tensor, Tensor]:
        """Weight and bias to train with on the input ``x``; see `rounded` and `see`."""
        if not rounding:
            return self.weight, self.bias
        weight, bias = self.rounded()
        self.see(x)
        return weight, bias

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        """In training, take note of the means of an input, for the next `follow`."""
        if self.training and self.weight.requires_grad and self.groups == 1:
            self.seen.add_(x.float().mean(dim=(0, 2, 3)))
            self.times.add_(1)

    @torch.no_grad()
    def follow(self, means: Tensor) -> None:
        """Bring ``centre`` closer to ``means``, if anything was seen, and forget that."""
        self.centre.add_((means - self.centre) * (self.times > 0) * CENTRE_RATE)
        self.seen.zero_()
        self.times.zero_()

    @torch.no_grad()
    def finalise(self) -> None:
        """See `ExactLayer.finalise`."""
        scale = self.weight_scale()
        self.weight_int.copy_(torch.round(self.weight / scale).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT))
        bias = self._corrected_bias(self.weight_int * scale)
        self.bias_int.copy_(torch.round(bias * self.source.steps / scale.flatten()))
        self.factor.copy_(scale.flatten() * (self.target.steps / self.source.steps))
        self._forget()

    @torch.no_grad()
    def restore(self) -> None:
        """See `ExactLayer.restore`."""
        scale = self.factor * (self.source.steps / self.target.steps)
        self.weight.copy_(self.weight_int * scale[:, None, None, None])
        self.bias.copy_(self.bias_int * (scale / self.source.steps))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load as any module does; integers kept from before no longer hold.

        A state without a centre, as in model files, leaves it at zero: nothing is corrected.
        """
        self._forget()
        state_dict.setdefault(f"{prefix}centre", torch.zeros_like(self.centre))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _forget(self) -> None:
        """Drop integers that were kept."""
        self._carried.clear()
        self._wide.clear()

    def largest_sum(self) -> int:
        """Upper bound of every partial sum: ``max over channels of sum|w| * max|x| + |bias|``."""
        weights = self.weight_int.to(torch.int64).abs().sum(dim=(1, 2, 3))
        return int((weights * self.source.limit + self.bias_int.to(torch.int64).abs()).max())

    def integers(self, carrier: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Weight and bias carried by ``carrier``, and the float32 factor ``(outputs, 1, 1)``."""
        key = (carrier, self.weight_int.device)
        if key not in self._carried:
            weight = self.weight_int.to(carrier).contiguous(memory_format=torch.channels_last)
            self._carried[key] = (weight, self.bias_int.to(carrier), self.factor[:, None, None])
        return self._carried[key]

    def wide_integers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weight and bias of `wide_weights`, float64, and the float32 factor ``(outputs, 1, 1)``.

        The factor is a power of two.
        """
        device = self.weight.device
        if device not in self._wide:
            made = wide_weights(
                *(p.detach().cpu().numpy() for p in (self.weight, self.bias)),
                steps=self.source.steps,
                limit=self.source.limit,
            )
            scale = np.ldexp(self.target.steps / self.source.steps, -made.shift)
            weight, bias = (
                torch.from_numpy(part).to(device, torch.float64)
                for part in (made.weight, made.bias)
            )
            factor = torch.from_numpy(scale.astype(np.float32)).to(device)
            self._wide[device] = (weight, bias, factor[:, None, None])
        return self._wide[device]


class Knots(nn.Module):
    """A learned curve over the quality index for each channel, linear between `KNOTS` knots."""

    def __init__(self, channels: int) -> None:
        """Start at zero."""
        super().__init__()
        self.values = nn.Parameter(torch.zeros(KNOTS, channels))

    def at(self, quality: Tensor) -> Tensor:
        """Values ``(B, C, 1, 1)`` at int64 qualities ``(B,)``, 0..63."""
        place = quality.to(self.values.dtype) * ((KNOTS - 1) / (QUALITIES - 1))
        low = place.floor().clamp(max=KNOTS - 2)
        part = (place - low)[:, None]
        index = low.to(torch.int64)
        lower, upper = (self.values.index_select(0, i) for i in (index, index + 1))
        value = lower * (1 - part) + upper * part
        return value[:, :, None, None]

    def table(self) -> Tensor:
        """Values at all qualities, ``(64, C)``."""
        return self.at(torch.arange(QUALITIES, device=self.values.device))[:, :, 0, 0]

    @torch.no_grad()
    def fit(self, table: Tensor) -> None:
        """Take the knots whose `table` is nearest to ``table`` ``(64, C)``, in least squares."""
        hats = Knots(KNOTS)  # the curve of each knot alone
        hats.values.copy_(torch.eye(KNOTS))
        self.values.copy_(torch.linalg.lstsq(hats.table(), table.to(self.values)).solution)


class QualityBias(ExactLayer):
    """Features by which a network knows the quality index."""

    table: Tensor

    def __init__(self, channels: int) -> None:
        """Start at zero."""
        super().__init__()
        self.knots = Knots(channels)
        self.register_buffer("table", torch.zeros(QUALITIES, channels, dtype=torch.int16))
        self._wide: dict[torch.device, Tensor] = {}

    def forward(self, quality: Tensor) -> Tensor:
        """Features ``(B, C, 1, 1)`` for int64 qualities ``(B,)``."""
        return self.arithmetic.quality_bias(self, quality)

    def curve(self, quality: Tensor) -> Tensor:
        """Real values ``(B, C, 1, 1)`` for int64 qualities ``(B,)``."""
        return self.knots.at(quality)

    @torch.no_grad()
    def finalise(self) -> None:
        """See `ExactLayer.finalise`."""
        values = torch.round(self.knots.table() * FEATURE.steps)
        self.table.copy_(values.clamp(-FEATURE.limit, FEATURE.limit))
        self._wide.clear()

    @torch.no_grad()
    def restore(self) -> None:
        """See `ExactLayer.restore`."""
        self.knots.fit(self.table / FEATURE.steps)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Load as any module does; a table kept from before no longer holds."""
        self._wide.clear()
        super()._load_from_state_dict(*args, **kwargs)

    def wide_table(self) -> Tensor:
        """`wide_table` of the knots, int16 ``(64, C)``."""
        values = self.knots.values
        if values.device not in self._wide:
            table = wide_table(
                values.detach().cpu().numpy(), steps=FEATURE.steps, limit=FEATURE.limit
            )
            self._wide[values.device] = torch.from_numpy(table).to(values.device)
        return self._wide[values.device]


class ChannelScale(ExactLayer):
    """Fixed factor for each channel that brings a tensor of large range onto the feature grid.

    Args:
        scale: factors, ``(C,)``.
        source: grid of the input; its values may exceed the limit, the result is clamped.
    """

    scale: Tensor

    def __init__(self, scale: Tensor, source: Grid) -> None:
        """Keep the factors."""
        super().__init__()
        self.source = source
        self.register_buffer("scale", scale.to(torch.float32)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` on ``source`` to features of the same shape."""
        return self.arithmetic.channel_scale(self, x)

    def factor(self) -> Tensor:
        """float32 factor between the integers, ``(C, 1, 1)``; powers of two keep it exact."""
        return self.scale * (FEATURE.steps / self.source.steps)


@dataclass(frozen=True, slots=True)
class Bound:
    """What was proved of a layer: no partial sum of integers exceeds ``largest <= allowed``."""

    layer: str
    largest: int
    allowed: int


def largest_product(matrix: torch.Tensor, largest: int) -> int:
    """Upper bound of every partial sum of ``matrix @ x``, ``|x| <= largest``; integers."""
    return int(matrix.to(torch.int64).abs().sum(dim=1).max()) * largest


def prove_bounds(network: nn.Module, skip: tuple[str, ...] = ()) -> list[Bound]:
    """Prove the bound of every convolution inside ``network``, and that factors are numbers.

    Args:
        network: finalised networks.
        skip: layers with one of these in their dotted name are not run by the decoder.

    Raises:
        ConfigError: a layer can exceed its bound, or its factor is infinite or not a number; the
            model must not be released.
    """
    proved = []
    for name, layer in exact_layers(network):
        if set(skip) & set(name.split(".")) or not isinstance(layer, (Conv, ChannelScale)):
            continue
        factor = layer.factor if isinstance(layer, Conv) else layer.factor()
        if not bool(factor.isfinite().all()):
            raise ConfigError(f"layer {name}: a factor is not finite; export the model again")
        if isinstance(layer, ChannelScale):
            continue
        bound = Bound(name, layer.largest_sum(), SUM_LIMIT - 1)
        refuse(bound)
        proved.append(bound)
    return proved


def refuse(bound: Bound) -> None:
    """Raise `ConfigError` if ``bound`` does not hold."""
    if bound.largest > bound.allowed:
        raise ConfigError(
            f"layer {bound.layer}: sums can reach {bound.largest}; at most {bound.allowed} is "
            "exact; use smaller weights or a narrower input grid"
        )
