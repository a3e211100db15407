"""What a model costs: multiplications per pixel and parameters, part by part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.exact.layers import Conv
from colorvid.frame import Motion
from colorvid.models.loading import Model
from colorvid.models.modelfile import BRANCHES, is_encoder
from colorvid.models.networks import branch_of
from colorvid.models.planes import FrameTensors
from colorvid.models.video import References
from colorvid.motion.field import grid_shape
from colorvid.nn.transforms import BlockTransform

SIDE = 128
"""Side of the test picture: the latents and hyper-latents of all branches fill it evenly."""
_DECODER_NUMBERS = ("weight_int", "bias_int", "table")
PARTS = ("analysis", "hyper analysis", "hyper synthesis", "prior", "synthesis")
LOOP_FILTER = "loop filter"
"""A further part of the branches of inter frames."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one part of one branch.

    Attributes:
        branch: one of `BRANCHES`.
        part: one of `PARTS`, or `LOOP_FILTER`.
        encoder_only: whether the decoder does without it.
        kmac: thousands of multiplications and additions per luma pixel of a frame.
        parameters: numbers that the model file holds for it: weights, biases, tables of quality.
    """

    branch: str
    part: str
    encoder_only: bool
    kmac: float
    parameters: int


class _Counter:
    """A coder that codes nothing: symbols pass as they are, and are zero where there are none.

    All positions are active.
    """

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `colorvid.models.passes.Coder.flags`."""
        return torch.ones(grid, dtype=torch.bool)

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.hyper`."""
        return torch.zeros(shape) if symbols is None else symbols

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.latents`."""
        return torch.zeros_like(index) if symbols is None else symbols.to(index.dtype)


def part_of(name: str) -> str:
    """The part that a module or tensor of a branch belongs to, by its name inside the branch."""
    if "hyper_analysis" in name:
        return "hyper analysis"
    if "hyper_synthesis" in name:
        return "hyper synthesis"
    return {"analysis": "analysis", "prior": "prior"}.get(name.split(".")[0], "synthesis")


@contextmanager
def _counted(network: nn.Module, macs: dict[str, int]) -> Iterator[None]:
    """Count the multiplications of every convolution of the block, by the layer's name.

    A layer that runs again, as the encoder tries which symbols are zero, counts once.
    """
    handles = []
    for name, layer in network.named_modules():
        if isinstance(layer, Conv):

            def hook(layer: Any, _: Any, result: Tensor, name: str = name) -> None:
                taps = layer.weight_int[0].numel()
                macs[name] = taps * result[0].numel()

            handles.append(layer.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _count_macs(model: Model) -> dict[str, int]:
    """Multiplications of each convolution for a key frame and an inter frame of `SIDE`."""
    network = model.network
    grey = torch.full((SIDE, SIDE), 128, dtype=torch.uint8, device=network.device)
    half = grey[: SIDE // 2, : SIDE // 2]
    picture = FrameTensors(grey, half, half)
    still = Motion(np.zeros((*grid_shape(SIDE, SIDE), 2), np.int16))
    coders = (_Counter(), _Counter())
    macs: dict[str, int] = {}
    with _counted(network, macs):
        state = network.code_key(coders, picture, (SIDE, SIDE), 0)
        network.code_inter(coders, picture, still, References(state, None, state), 0)
    return macs


def _transform_macs(transform: BlockTransform) -> int:
    """Multiplications of the block transform of a `SIDE` picture in one direction.

    A transform of ``n`` x ``n`` blocks is one matrix product: ``n^2`` for each sample.
    """
    samples = SIDE**2 if transform.planes == 1 else transform.planes * SIDE**2 // 4
    return transform.block**2 * samples


def costs(model: Model) -> list[Cost]:
    """Cost of every part of every branch, counted while a picture runs through the networks.

    The encoder runs all parts, the decoder all that are not ``encoder_only``. Every position counts
    as active, and every area as filtered, once. Entropy coding, motion compensation and motion
    search are not counted.
    """
    macs = _count_macs(model)
    result = []
    for branch in BRANCHES:
        network = branch_of(model.network, branch)
        transform = _transform_macs(network.transform)
        spent = dict.fromkeys(PARTS, 0)
        spent["analysis"] += transform
        spent["synthesis"] += transform
        for name, count in macs.items():
            if name.startswith(f"{branch}."):
                spent[part_of(name.removeprefix(f"{branch}."))] += count
        parameters = _parameters(network)
        for part in PARTS:
            encoder_only = "analysis" in part
            kmac = spent[part] / SIDE**2 / 1000
            result.append(Cost(branch, part, encoder_only, kmac, parameters[part]))
        if branch.startswith("inter."):
            result.append(_filter_cost(model, branch))
    return result


def _filter_cost(model: Model, branch: str) -> Cost:
    """Cost of the loop filter of a branch: a sample of its planes takes all weights of a class."""
    filters = model.network.inter.filter
    own, share = (filters.luma, 1.0) if branch == "inter.luma" else (filters.chroma, 0.5)
    parameters = sum(buffer.numel() for buffer in own.buffers())
    return Cost(branch, LOOP_FILTER, False, share * own.weights.shape[-1] / 1000, parameters)


def _parameters(branch: nn.Module) -> dict[str, int]:
    """Numbers in the model file for each part of a branch."""
    counts = dict.fromkeys(PARTS, 0)
    for name, value in branch.named_parameters():
        if is_encoder(name):
            counts[part_of(name)] += value.numel()
    for name, buffer in branch.named_buffers():
        if not is_encoder(name) and name.rsplit(".", 1)[-1] in _DECODER_NUMBERS:
            counts[part_of(name)] += buffer.numel()
    return counts


def describe_model(name: str, model: Model) -> str:
    """A model as text: identity, configuration, and its costs as a table with sums."""
    network = model.network
    lines = [f"model      {name}", f"identity   {model.identity.hex()}"]
    for kind, config in (("intra", network.intra.config), ("inter", network.inter.config)):
        lines.append(f"{kind}      {json.dumps(asdict(config))}")
    lines += ["", f"{'branch':<14}{'part':<18}{'runs in':<18}{'kMAC/pixel':>10}{'parameters':>12}"]
    rows = costs(model)
    for row in rows:
        where = "encoder" if row.encoder_only else "encoder, decoder"
        lines.append(_line(row.branch, row.part, where, [row]))
    lines.append("")
    for kind in ("intra", "inter"):
        own = [row for row in rows if row.branch.startswith(kind)]
        lines.append(_line(kind, "sum", "encoder", own))
        lines.append(_line(kind, "sum", "decoder", [r for r in own if not r.encoder_only]))
    return "\n".join(lines)


def _line(branch: str, part: str, where: str, rows: list[Cost]) -> str:
    """A line of the table with the sum of ``rows``."""
    kmac, parameters = sum(r.kmac for r in rows), sum(r.parameters for r in rows)
    return f"{branch:<14}{part:<18}{where:<18}{kmac:>10.3f}{parameters:>12,}"
