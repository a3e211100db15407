"""The encoder's networks against a second version of them, written from ``docs/coding.md``."""

from __future__ import annotations

import hashlib
import lzma
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.models.branch import Branch
from colorvid.models.modelfile import BRANCHES, RELEASED, find_model
from colorvid.models.networks import branch_of
from tests import second_decoder as second
from tests.conformance.cases import MODELS, TINY, loaded
from tests.second_decoder import Array, add, concat, leaky, unshuffle


class EncoderFile(second.ModelFile):
    """A model file whose layers of the encoder are made of its floats."""

    def integers(self, name: str) -> tuple[Array, Array, Array]:
        """Weight, bias and factor of a layer; the shift is found by trying all, from 24 down."""
        weights = self.tensors[f"{name}.weight"].astype(np.float64)
        biases = self.tensors[f"{name}.bias"].astype(np.float64)
        rows, offsets, factors = [], [], []
        for weight, bias in zip(weights, biases, strict=True):
            for k in range(24, -99, -1):
                row, offset = np.rint(weight * 2.0**k), round(bias * 256 * 2.0**k)
                if np.abs(row).max() <= 32767 and np.abs(row).sum() * 2047 + abs(offset) < 2**31:
                    break
            rows.append(row)
            offsets.append(offset)
            factors.append(2.0**-k)
        return np.stack(rows), np.array(offsets), np.array(factors)

    def layer(self, name: str, x: Array, largest: int = 2047) -> Array:
        if "analysis" not in name:
            return super().layer(name, x, largest)
        weight, bias, factor = self.integers(name)
        if weight.shape[-1] > 1:
            return second.depthwise(x, weight, bias, factor)
        return second.conv1x1(x, weight, bias, factor)

    def quality(self, name: str, q: int) -> Array:
        knots = self.tensors[f"{name}.quality.knots.values"].astype(np.float64)
        low = min(8 * q // 63, 7)
        part = 8 * q - 63 * low
        value = (knots[low] * (63 - part) + knots[low + 1] * part) * 256 / 63
        return second.limit(np.rint(value)).astype(np.int64)

    def analysis(self, branch: str, seen: Array, q: int) -> Array | int:
        """The non-linear analysis as features; 0 without one."""
        name, b = f"{branch}.analysis", second.BRANCHES[branch][1]
        if f"{name}.enter.weight" not in self.tensors:
            return 0
        x = add(self.layer(f"{name}.enter", unshuffle(seen, b // 2)), self.quality(name, q))
        x = self.block(f"{name}.fine.1", self.block(f"{name}.fine.0", x))
        x = self.layer(f"{name}.down", unshuffle(x, 2))
        n = 0
        while f"{name}.deep.{n}.enter.weight" in self.tensors:
            x, n = self.block(f"{name}.deep.{n}", x), n + 1
        return self.layer(f"{name}.leave", self.attention(f"{name}.coarse", x))

    def latents(self, branch: str, x: Array, reference: Array | None, q: int) -> Array:
        """float32 latents in steps, of planes of features."""
        planes, b = second.BRANCHES[branch]
        blocks = unshuffle(x, b)
        shape = blocks.shape
        basis = self.tensors[f"{branch}.transform.basis_int"].astype(np.int64)
        total = np.einsum("ks,psn->pkn", basis, blocks.reshape(planes, b * b, -1)).reshape(shape)
        seen = x if reference is None else concat(x, reference)
        total = total + self.analysis(branch, seen, q) * 2**15
        assert np.abs(total).max() < 2**31
        step = self.tensors[f"{branch}.gains.table"][q].astype(np.float32)[:, None, None]
        y: Array = total.astype(np.float32) * np.float32(2.0**-12) / step
        return y

    def hyper_latents(self, branch: str, y: Array) -> Array:
        """Integers z of latents."""
        name = f"{branch}.prior.hyper_analysis"
        factor = 256 * self.tensors[f"{branch}.scale.scale"][:, 0, 0]
        x = second.requantise(y, factor, 2047)
        h, w = x.shape[1:]
        x = np.pad(x, ((0, 0), (0, -h % 4), (0, -w % 4)), mode="edge")
        x = unshuffle(leaky(self.layer(f"{name}.enter", x)), 2)
        x = unshuffle(self.block(f"{name}.middle.0", self.layer(f"{name}.down1", x)), 2)
        z: Array = np.rint(self.layer(f"{name}.down2", x) / 256).astype(np.int64)
        return z


class HyperCoder:
    """Keeps the hyper-latents; its latents are all zero."""

    def active(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        return torch.ones(grid, dtype=torch.bool)

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        assert symbols is not None and symbols.shape == shape
        self.z = symbols
        return symbols

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        return torch.zeros_like(index)


@lru_cache(maxsize=4)
def second_model(name: str) -> EncoderFile:
    if name in RELEASED:
        return EncoderFile(find_model(name).read_bytes())
    return EncoderFile(lzma.decompress(TINY.read_bytes()))


def planes_of(branch: str, cells: tuple[int, int]) -> tuple[Array, Array | None]:
    """Features of a noisy ramp; of inter branches a residual and a prediction."""
    planes, b = second.BRANCHES[branch]
    shape = (planes, cells[0] * b, cells[1] * b)
    random = np.random.default_rng(b)
    ramp = np.arange(shape[2]) * 220 // shape[2] - 110
    picture = np.clip(ramp + random.integers(-30, 31, shape), -128, 127)
    if branch.startswith("intra"):
        return 8 * picture, None
    prediction = np.clip(picture + random.integers(-60, 61, shape) + ramp // 2, -128, 127)
    return 8 * (picture - prediction), 8 * prediction


def analysed(
    part: Branch, x: Array, reference: Array | None, quality: int
) -> tuple[Tensor, Tensor]:
    """Latents and hyper-latents."""
    q = torch.tensor([quality])
    seen = None if reference is None else torch.from_numpy(reference)[None]
    y = part.analyse(torch.from_numpy(x)[None], q, seen)
    coder = HyperCoder()
    condition = None
    if part.config.prior_condition:
        condition = torch.zeros(1, part.config.prior_condition, *y.shape[2:])
    part.code(coder, y, y.shape, q, condition)
    return y, coder.z


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("cells", "quality"), [((2, 3), 9), ((5, 4), 44), ((1, 1), 63)])
def test_latents_are_those_of_the_page(
    name: str, branch: str, cells: tuple[int, int], quality: int
) -> None:
    x, reference = planes_of(branch, cells)
    y, z = analysed(branch_of(loaded(name).network, branch), x, reference, quality)
    again = second_model(name)
    wanted = again.latents(branch, x, reference, quality)
    assert y.dtype == torch.float32 and y[0].numpy().tobytes() == wanted.tobytes()
    assert z[0].numpy().astype(np.int64).tolist() == again.hyper_latents(branch, wanted).tolist()
    assert np.abs(wanted).max() > 1


GOLDEN = {
    "intra.luma": (
        ["-0x1.1438f00000000p+6", "-0x1.2ea17e0000000p+4", "-0x1.3ad5120000000p+0"],
        [0, 0, 1, 0],
        "3270fc2a5b6f0609",
    ),
    "intra.chroma": (
        ["-0x1.6ddd900000000p+5", "-0x1.8dc7760000000p+3", "0x1.8dc0240000000p+1"],
        [-1, 1],
        "6f7c3654da32100c",
    ),
    "inter.luma": (
        ["0x1.43552e0000000p+3", "0x1.0807a00000000p+1", "-0x1.dfb0780000000p-5"],
        [0, -1],
        "f447f9e09c52cd6b",
    ),
    "inter.chroma": (
        ["0x1.b1b1b20000000p+3", "0x1.82490a0000000p+1", "0x1.0edcb40000000p+2"],
        [2, -8],
        "a4c072977fe0cf6a",
    ),
}
"""First latents, all hyper-latents, and start of the SHA-256 of all latents."""


@pytest.mark.parametrize("branch", BRANCHES)
def test_golden_latents(branch: str) -> None:
    x, reference = planes_of(branch, (2, 3))
    y, z = analysed(branch_of(loaded("tiny").network, branch), x, reference, 40)
    first = [value.hex() for value in y[0, :3, 0, 0].tolist()]
    digest = hashlib.sha256(y.numpy().astype("<f4").tobytes()).hexdigest()[:16]
    assert (first, z.flatten().tolist(), digest) == GOLDEN[branch]


def test_what_a_bit_is_worth_is_the_same_float32_on_every_machine() -> None:
    # The power of the math library may be off by a unit or two in the last of 53 bits. That must
    # not reach the 24 bits of float32: no value is so near to the middle between two of them.
    for name in RELEASED:
        for branch in BRANCHES:
            part = branch_of(loaded(name).network, branch)
            worth = np.array(part.config.bit_worth())
            for factor in (1 - 2.0**-48, 1 + 2.0**-48):
                assert (worth * factor).astype(np.float32).tolist() == part.bit_worth.tolist()
