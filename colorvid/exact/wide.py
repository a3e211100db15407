"""Integers of the networks that only the encoder runs, made of the floats in a model file.

They have 16-bit weights, where the decoder's have 8: nothing is lost by them, and no training has
to know of them. All of it is arithmetic with one result, so the encoder finds the same latents on
every machine. This module loads without torch, as the native core has need of it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.config import QUALITIES
from colorvid.errors import ConfigError

FEATURE_STEPS = 256
FEATURE_LIMIT = 2047
"""Steps to a unit, and largest magnitude, of the activations inside the networks."""
WIDE_WEIGHT_LIMIT = 2**15 - 1
"""Largest magnitude of an integer weight."""
WIDE_SUM_LIMIT = 2**31
"""All partial sums stay below this."""
FINEST_SHIFT = 24
"""Weights have at most this many fractional bits; at 24, every float16 is an integer."""


@dataclass(frozen=True, slots=True)
class WideWeights:
    """A convolution in integers: a weight ``w`` stands for ``w * 2^-shift`` of its channel.

    Attributes:
        weight: int16, as the floats lie.
        bias: int32 ``(outputs,)``, on the grid of the sum.
        shift: int32 ``(outputs,)``, at most `FINEST_SHIFT`; below 0 for huge weights.
    """

    weight: NDArray[np.int16]
    bias: NDArray[np.int32]
    shift: NDArray[np.int32]


def wide_weights(
    weight: NDArray[Any], bias: NDArray[Any], *, steps: int, limit: int
) -> WideWeights:
    """The finest integers of a convolution whose sums stay below `WIDE_SUM_LIMIT`.

    For each output channel ``weight * 2^shift`` and ``bias * steps * 2^shift``, rounded, ties to
    even, with the largest ``shift`` up to `FINEST_SHIFT` for which no weight exceeds
    `WIDE_WEIGHT_LIMIT` and ``sum|weight| * limit + |bias|`` is below `WIDE_SUM_LIMIT`.

    Args:
        weight: finite float16 or float32, the output channels first.
        bias: the same, ``(outputs,)``.
        steps, limit: of the grid of the input.
    """
    # Products with powers of two, and sums of integers below 2^53: all exact in float64.
    taps = weight.astype(np.float64).reshape(len(weight), -1)
    offset = bias.astype(np.float64) * steps
    largest = np.abs(taps).max(axis=1)
    reach = np.abs(taps).sum(axis=1) * limit + np.abs(offset)
    # No larger shift can hold, not even where rounding makes all weights smaller.
    most = np.minimum(15 - np.frexp(largest)[1], 32 - np.frexp(reach)[1])
    shift = np.where(largest > 0, np.minimum(most, FINEST_SHIFT), FINEST_SHIFT).astype(np.int32)
    while True:
        rounded = np.rint(np.ldexp(taps, shift[:, None]))
        shifted = np.rint(np.ldexp(offset, shift))
        magnitude = np.abs(rounded)
        reach = magnitude.sum(axis=1) * limit + np.abs(shifted)
        over = (magnitude.max(axis=1) > WIDE_WEIGHT_LIMIT) | (reach >= WIDE_SUM_LIMIT)
        if not over.any():
            integers = rounded.reshape(weight.shape).astype(np.int16)
            return WideWeights(integers, shifted.astype(np.int32), shift)
        shift -= over


def wide_table(knots: NDArray[Any], *, steps: int, limit: int) -> NDArray[np.int16]:
    """Integers ``(64, C)`` of curves over the quality index, from their knots.

    A curve is linear between its knots, which lie evenly from quality 0 to 63. Each value is
    rounded once, ties to even.

    Args:
        knots: finite float16 or float32 ``(knots, C)``.
        steps, limit: of the grid of the result.
    """
    value = knots.astype(np.float64)
    last = QUALITIES - 1
    place = np.arange(QUALITIES) * (len(knots) - 1)
    low = np.minimum(place // last, len(knots) - 2)
    part = (place - last * low)[:, None]
    # The sum is exact for float16, so that the quotient is the only rounding before the last.
    total = value[low] * (last - part) + value[low + 1] * part
    table: NDArray[np.float64] = np.rint(total * steps / last).clip(-limit, limit)
    return table.astype(np.int16)


def encoder_tensors(floats: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Integers of the encoder's layers, from the floats in a model file.

    Args:
        floats: by name: ``LAYER.weight`` and ``LAYER.bias`` of convolutions, ``LAYER.knots.values``
            of curves over the quality index.

    Returns:
        ``LAYER.weight_int`` int16, ``LAYER.bias_int`` int32 and ``LAYER.factor`` float32, and
        ``LAYER.table`` int16.

    Raises:
        ConfigError: a weight is not finite.
    """
    grid = {"steps": FEATURE_STEPS, "limit": FEATURE_LIMIT}
    integers: dict[str, NDArray[Any]] = {}
    for name, value in floats.items():
        layer, _, kind = name.rpartition(".")
        if not np.isfinite(value).all():
            raise ConfigError(f"{name}: a weight is not finite; export the model again")
        if kind == "weight":
            made = wide_weights(value, floats[f"{layer}.bias"], **grid)
            integers[f"{layer}.weight_int"] = made.weight
            integers[f"{layer}.bias_int"] = made.bias
            integers[f"{layer}.factor"] = np.ldexp(1.0, -made.shift).astype(np.float32)
        elif name.endswith(".knots.values"):
            integers[name.replace(".knots.values", ".table")] = wide_table(value, **grid)
    return integers
