"""Larger networks that begin as smaller, trained ones: they compute the same and can learn more.

Old channels come first. What new channels hold is random, as in any new network, and what reads
them is zero: at the start they change nothing, but there is a gradient for what reads them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorvid.exact.arithmetic import FEATURE
from colorvid.exact.layers import Conv, QualityBias
from colorvid.nn.blocks import Block

_HALVES = "expand"
"""The convolution of a `Block` whose outputs are two halves, each with its own new channels."""


def widened(trained: dict[str, Tensor], networks: nn.Module) -> dict[str, Tensor]:
    """Weights with which ``networks`` compute what smaller, trained networks do.

    They may have more features, longer sides of filters, and further residual blocks at the end of
    a row of blocks. Tensors that differ in another way are given as they are.

    Args:
        trained: weights of the smaller networks, by name.
        networks: the larger ones before training; they stay as they are.
    """
    result = dict(trained)
    for name, layer in networks.named_modules():
        if isinstance(layer, QualityBias):
            _grow(result, f"{name}.knots.values", layer.knots.values)
            _drop(result, f"{name}.table", layer.table)
        elif isinstance(layer, Conv) and f"{name}.weight" in trained:
            _grow_conv(result, name, layer)
        elif isinstance(layer, nn.Sequential):
            result |= _new_blocks(trained, name, layer)
    return result


def _grow_conv(weights: dict[str, Tensor], name: str, layer: Conv) -> None:
    """Replace what ``weights`` has for the convolution ``name`` by its larger form, if it grows."""
    old, new = weights[f"{name}.weight"].shape, layer.weight.shape
    grows = all(a <= b for a, b in zip(old, new, strict=True))
    features = layer.target == FEATURE or old[0] == new[0]  # others are as many as the latents
    if old == new or not grows or not features:
        return
    parts = 2 if name.rsplit(".", 1)[-1] == _HALVES else 1
    for key, tensor in (("weight", layer.weight), ("bias", layer.bias)):
        _grow(weights, f"{name}.{key}", tensor, parts)
    _grow(weights, f"{name}.centre", layer.centre)
    for key in ("weight_int", "bias_int", "factor"):
        _drop(weights, f"{name}.{key}", getattr(layer, key))


def _drop(weights: dict[str, Tensor], name: str, own: Tensor) -> None:
    """Leave out integers of another shape than ``own``; export makes them anew."""
    if name in weights and weights[name].shape != own.shape:
        del weights[name]


def _grow(weights: dict[str, Tensor], name: str, fresh: Tensor, parts: int = 1) -> None:
    """Replace a tensor in ``weights`` by one of the shape of ``fresh``, the tensor before training.

    Rows of old outputs, which are the first ones in each of ``parts`` equal parts, hold old weights
    and zeros; all other rows are those of ``fresh``. Old filters lie in the middle of longer ones.
    """
    old = weights.get(name)
    if old is None or old.shape == fresh.shape or old.dim() != fresh.dim():
        return
    if any(a > b for a, b in zip(old.shape, fresh.shape, strict=True)):
        return
    new = fresh.detach().to("cpu", old.dtype).clone()
    inputs = [slice(None), *(slice(0, n) for n in old.shape[1:2])]
    for n, m in zip(old.shape[2:], new.shape[2:], strict=True):
        inputs.append(slice((m - n) // 2, (m + n) // 2))
    for source, target in zip(old.chunk(parts), new.chunk(parts), strict=True):
        rows = target[: len(source)]  # of ``new``, not a copy
        rows.zero_()
        rows[tuple(inputs)] = source
    weights[name] = new


def _new_blocks(trained: dict[str, Tensor], name: str, row: nn.Sequential) -> dict[str, Tensor]:
    """What makes the blocks of a ``row`` that ``trained`` lacks add nothing, if it has others."""

    def is_known(number: int) -> bool:
        return f"{name}.{number}.enter.weight" in trained

    return {
        f"{name}.{number}.{end}.weight": torch.zeros_like(getattr(block, end).weight)
        for number, block in enumerate(row)
        if isinstance(block, Block) and is_known(0) and not is_known(number)
        for end in ("leave", "project")
    }
