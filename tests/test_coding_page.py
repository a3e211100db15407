"""``docs/coding.md`` is true and suffices: its test values, and a second decoder made of it."""

from __future__ import annotations

import json
import lzma
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.bitstream import ClvReader, Packet
from colorvid.entropy.binary import BinaryDecoder, BinaryEncoder, new_states
from colorvid.entropy.rans import CodeBook, SymbolReader, SymbolWriter
from colorvid.entropy.tables import Tables
from colorvid.errors import DamagedStream
from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.exact.layers import ChannelScale, Conv
from colorvid.frame import chroma_size
from colorvid.models.branch import LATENT
from colorvid.models.modelfile import find_model
from colorvid.models.planes import from_features
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import compensate
from colorvid.motion.field import Vectors, grid_shape
from colorvid.nn.steps import context_steps, places
from colorvid.nn.transforms import BlockTransform
from tests import second_decoder as second
from tests.conformance.cases import CASES, MODELS, TINY, expected, model, stream

PAGE = Path(__file__).parents[1] / "docs" / "coding.md"
EXACT = ExactArithmetic()
Values = dict[str, Any]


def values(heading: str) -> Values:
    """What the page has under a heading of the test values."""
    part = PAGE.read_text(encoding="utf-8").partition("\n## Test values\n")[2]
    text = part.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    found = re.findall(r"^    (\w+) = (.*(?:\n     .*)*)", text, re.MULTILINE)
    assert found, heading
    return {name: json.loads(value) for name, value in found}


@lru_cache(maxsize=4)
def second_model(name: str) -> second.ModelFile:
    """A model of the conformance set, as the second decoder reads it."""
    if name == "tiny":
        return second.ModelFile(lzma.decompress(TINY.read_bytes()))
    return second.ModelFile(find_model(name).read_bytes())


def tensor(x: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(x, dtype=dtype)


def numbers(x: Tensor) -> Any:
    return x.to(torch.int64).tolist()


def test_range_decoder() -> None:
    v = values("Range decoder")
    encoder, states = BinaryEncoder(), new_states(2 + 25)
    for context, bit in v["bits"]:
        encoder.code(bit, states, context)
    for count, value in v["plain"]:
        encoder.code_bits(value, count)
    for value in v["magnitudes"]:
        encoder.code_magnitude(value, states, 2, 12)
    assert encoder.finish().hex() == v["bytes"]
    assert [[s >> 6, s & 63] for s in states[:2]] == v["contexts"]


def test_range_decoder_of_the_second_decoder() -> None:
    v = values("Range decoder")
    reader = second.BinaryReader(bytes.fromhex(v["bytes"]))
    contexts, group = [[32768, 0], [32768, 0]], [[32768, 0] for _ in range(25)]
    assert [[c, reader.bit(contexts[c])] for c, _ in v["bits"]] == v["bits"]
    assert [[n, reader.plain(n)] for n, _ in v["plain"]] == v["plain"]
    assert [reader.magnitude(group) for _ in v["magnitudes"]] == v["magnitudes"]
    assert contexts == v["contexts"]
    reader.finish()


def test_vectors() -> None:
    v = values("Vectors")
    there, back, other = MotionCoder(), MotionCoder(), second.Motion(3, 3)
    for field, section in zip(v["fields"], v["sections"], strict=True):
        wanted, encoder = np.array(field, np.int16), BinaryEncoder()
        there.code(encoder, wanted, (3, 3))
        assert section in (encoder.finish().hex(), "")
        data = bytes.fromhex(section)
        np.testing.assert_array_equal(other.read(data), wanted)
        if data:
            np.testing.assert_array_equal(back.code(BinaryDecoder(data), None, (3, 3)), wanted)
        else:
            back.code(BinaryEncoder(), wanted, (3, 3))


def test_compensation() -> None:
    v = values("Compensation")
    y, u = (tensor(v[name], torch.uint8) for name in ("luma", "chroma"))
    got = compensate((y, u, u), tensor(v["field"], torch.int16))
    assert [numbers(p) for p in got] == [
        v["predicted_luma"],
        v["predicted_chroma"],
        v["predicted_chroma"],
    ]
    for name in ("luma", "chroma"):
        plane, field = np.array(v[name]), np.array(v["field"])
        predicted = second.predict(plane, field, name == "chroma")
        assert predicted.tolist() == v[f"predicted_{name}"]


def test_symbols() -> None:
    v = values("Symbols")
    cdf = np.zeros((2, 7), np.int32)
    for number, row in enumerate(v["tables"]):
        cdf[number, : len(row)] = row
    tables = Tables(cdf, np.array([len(row) for row in v["tables"]], np.int32))
    book, pairs = CodeBook(tables, tables), np.array(v["symbols"], np.int32)
    writer = SymbolWriter()
    writer.write(book, tables, pairs[:, 1], pairs[:, 0])
    data = writer.finish()
    assert data.hex() == v["bytes"]
    read = SymbolReader(data, len(pairs)).read(book, tables, pairs[:, 0])
    assert read.tolist() == pairs[:, 1].tolist()
    reader = second.RansReader(data)
    assert [[t, reader.symbol(v["tables"][t])] for t, _ in v["symbols"]] == v["symbols"]


def test_order() -> None:
    listed = values("Order")
    steps = context_steps(5, 4, 1)
    assert [step.name for step in steps][:3] == list(listed)
    for step in steps[:3]:
        _, overall = places(step, 2, 2, torch.device("cpu"))
        got = [[k // 4, k % 4 // 2, k % 2] for k in overall.tolist()]
        assert got == listed[step.name]
    for other in second.steps_of(5, 4, 1)[:3]:
        got = [[other[1][j], row, column] for j, row, column in second.in_step(other, 2, 2)]
        assert got == listed[other[0]]


@pytest.mark.parametrize(("heading", "kernel"), [("1x1 layer", 1), ("Depthwise layer", 3)])
def test_layer(heading: str, kernel: int) -> None:
    v = values(heading)
    outputs, inputs = len(v["result"]), len(v["x"])
    layer = Conv(inputs, outputs, depthwise=kernel if kernel > 1 else None)
    layer.arithmetic = EXACT
    shape = layer.weight_int.shape
    layer.weight_int.copy_(tensor(v["weight_int"]).reshape(shape))
    layer.bias_int.copy_(tensor(v["bias_int"]))
    layer.factor.copy_(tensor(v["factor"]))
    with torch.no_grad():
        assert numbers(layer(tensor(v["x"])[None])[0]) == v["result"]
    other = second.depthwise if kernel > 1 else second.conv1x1
    weight = np.array(v["weight_int"]).reshape(shape)
    got = other(np.array(v["x"]), weight, np.array(v["bias_int"]), np.array(v["factor"]))
    assert got.tolist() == v["result"]


def test_operations() -> None:
    v = values("Operations")
    for name in ("leaky", "add", "gate"):
        *inputs, result = v[name].values()
        assert numbers(getattr(EXACT, name)(*(tensor(x) for x in inputs))) == result
        arrays = [np.array(x)[None, None] for x in inputs]
        assert getattr(second, name)(*arrays)[0, 0].tolist() == result
    y, scale, result = v["scale"].values()
    layer = ChannelScale(tensor(scale), LATENT)
    layer.arithmetic = EXACT
    assert numbers(layer(tensor(y)[None])[0]) == result
    assert second.requantise(np.array(y), 16 * np.array(scale), 2047).tolist() == result


def dct_by_the_formula(block: int) -> list[list[int]]:
    """``basis_int`` as the page has it."""
    frequencies = sorted(np.ndindex(block, block), key=lambda uv: (uv[0] + uv[1], uv[0]))
    at = (2 * np.arange(block) + 1) * np.pi / (2 * block)

    def wave(u: int) -> Any:
        return np.cos(at * u) * np.sqrt((2 if u else 1) / block)

    return [
        np.rint(2**15 * wave(u)[:, None] * wave(v)).astype(int).ravel().tolist()
        for u, v in frequencies
    ]


def test_transform() -> None:
    v = values("Transform")
    transform = BlockTransform(4, 1)
    transform.arithmetic = EXACT
    assert transform.basis_int[1, :5].tolist() == v["basis_int_1_start"]
    coefficients = np.zeros(16)
    coefficients[: len(v["y"])] = np.multiply(v["y"], v["gains"])
    got = transform(torch.from_numpy(coefficients).reshape(1, 16, 1, 1))
    assert numbers(got[0, 0]) == v["features"]


@pytest.mark.parametrize("block", [4, 8, 16])
def test_the_formula_of_the_dct(block: int) -> None:
    assert BlockTransform(block, 1).basis_int.tolist() == dct_by_the_formula(block)


@pytest.mark.parametrize("name", MODELS)
def test_the_models_have_the_dct(name: str) -> None:
    for branch, (_, block) in second.BRANCHES.items():
        basis = second_model(name).tensors[f"{branch}.transform.basis_int"]
        assert basis.tolist() == dct_by_the_formula(block)


def test_samples() -> None:
    v = values("Samples")
    chroma = torch.zeros(1, 2, 1, 5)
    picture = from_features(tensor(v["features"])[None, None, None], chroma, 1, 9)
    assert numbers(picture.y[0]) == v["samples"]


def test_model() -> None:
    v, read, loaded = values("Model"), second_model("tiny"), model("tiny")
    assert read.identity == loaded.identity == bytes.fromhex(v["identity"])
    gains = loaded.network.inter.luma.gains.table[[0, 44, 63], 0]
    assert gains.tolist() == v["gains"]
    assert loaded.books["inter.luma"].latents.rows()[2] == v["row"]
    assert read.rows["inter.luma.latents"][2] == v["row"]


def decode(path: Path, coder: second.ModelFile) -> int:
    """Frames that the second decoder makes of a stream; it checks each CRC-32 itself."""
    with path.open("rb") as file:
        reader = ClvReader(file)
        assert reader.header.model_id == coder.identity
        decoder = second.SecondDecoder(coder, reader.header.height, reader.header.width)
        packets = [record for record in reader if isinstance(record, Packet)]
    for packet in packets:
        decoder.push(packet)
    return len(packets)


BRIEF = [(name, case) for name in MODELS for case in CASES if name == "tiny" or case == "moving"]
REST = [(name, case) for name in MODELS for case in CASES if (name, case) not in BRIEF]


@pytest.mark.parametrize(
    ("name", "case"), BRIEF + [pytest.param(*pair, marks=pytest.mark.slow) for pair in REST]
)
def test_the_second_decoder_decodes_the_conformance_set(name: str, case: str) -> None:
    path = stream(name, case)
    assert decode(path, second_model(name)) == len(expected()[path.stem]["frames"])


def random_fields(shape: tuple[int, int], seed: int) -> list[Vectors]:
    """Still, moving as one, patched, noisy and extreme fields, mixed and in any order."""
    random = np.random.default_rng(seed)
    tall, wide = shape
    patches = random.integers(-9, 10, ((tall + 1) // 2, wide, 2)).repeat(2, 0)[:tall]
    kinds = [
        np.zeros((*shape, 2), int),
        np.full((*shape, 2), (3, -17)),
        patches,
        random.integers(-300, 301, (*shape, 2)),
        random.choice([-2047, 0, 2047], (*shape, 2)),
    ]
    places = random.integers(0, 9, shape) // 2  # 0 to 4; the last kind is rarer
    kinds.append(np.take_along_axis(np.stack(kinds), places[None, ..., None], 0)[0])
    return [kinds[k].astype(np.int16) for k in random.permutation([*range(6), 0, 2, 5])]


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 2), (6, 9), (11, 12)])
@pytest.mark.parametrize("seed", range(3))
def test_the_second_decoder_reads_any_field(shape: tuple[int, int], seed: int) -> None:
    coder, other = MotionCoder(), second.Motion(*shape)
    for field in random_fields(shape, seed):
        encoder = BinaryEncoder()
        coder.code(encoder, field, shape)
        data = encoder.finish() if field.any() else b""
        np.testing.assert_array_equal(other.read(data), field)


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (24, 41)])
def test_the_second_decoder_predicts_alike(size: tuple[int, int]) -> None:
    random, half = np.random.default_rng(5), chroma_size(*size)
    planes = [random.integers(0, 256, s).astype(np.uint8) for s in (size, half, half)]
    field = random.integers(-2047, 2048, (*grid_shape(*size), 2)) >> random.integers(0, 9)
    y, u, v = (torch.from_numpy(p) for p in planes)
    expected_planes = compensate((y, u, v), torch.from_numpy(field))
    for number, (plane, wanted) in enumerate(zip(planes, expected_planes, strict=True)):
        assert second.predict(plane, field, number > 0).tolist() == wanted.tolist()


def test_the_second_decoder_knows_nothing_of_the_package() -> None:
    assert "colorvid" not in Path(second.__file__).read_text(encoding="utf-8").replace(
        "colorvid-model-2", ""
    )


def one_vector(dy: int) -> bytes:
    """A field of one macroblock whose vectors are all ``(dy, 0)``, dy above 0 and in any range."""
    encoder, states = BinaryEncoder(), new_states(5 + 25)
    for context, bit in enumerate((0, 1, 1, 0)):  # not skipped; uniform; dy is not zero; positive
        encoder.code(bit, states, context)
    encoder.code_magnitude(dy - 1, states, 5, 12)
    encoder.code(0, states, 4)  # dx is zero
    return encoder.finish()


def test_both_decoders_refuse_a_damaged_motion_section() -> None:
    for dy, more, wrong in ((2047, 0, ""), (2047, 8, "section"), (2048, 0, "vector")):
        data = one_vector(dy) + bytes(more)
        decoder, other = BinaryDecoder(data), second.Motion(1, 2)
        if not wrong:
            assert other.read(data).tolist() == [[[dy, 0], [dy, 0]]]
            assert MotionCoder().code(decoder, None, (1, 2)).tolist() == [[[dy, 0], [dy, 0]]]
            continue
        with pytest.raises(second.Refused, match=wrong):
            other.read(data)
        with pytest.raises(DamagedStream, match="motion vector|data is damaged"):
            MotionCoder().code(decoder, None, (1, 2))
            decoder.finish()


def test_the_second_decoder_needs_the_picture_before() -> None:
    with stream("tiny", "moving").open("rb") as file:
        packets = [record for record in ClvReader(file) if isinstance(record, Packet)]
    decoder = second.SecondDecoder(second_model("tiny"), 45, 59)
    with pytest.raises(second.Refused, match="no picture"):
        decoder.push(packets[1])
    decoder.push(packets[0])
    with pytest.raises(second.Refused, match="CRC-32"):
        decoder.push(packets[2])
