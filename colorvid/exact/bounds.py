"""The proof that every sum of the decoder is exact; export refuses a model without it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from colorvid.errors import ConfigError
from colorvid.exact.arithmetic import SUM_LIMIT
from colorvid.exact.layers import ChannelScale, Conv, exact_layers

DOUBLE_LIMIT = 2**53
"""No partial sum of a float64 layer may exceed this."""


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
            raise ConfigError(f"layer {name}: a factor is not finite; export the model anew")
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
