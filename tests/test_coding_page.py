"""``docs/coding.md`` is true and suffices: its test values, and a second decoder made of it."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.bitstream import ClvReader, FrameType, Packet
from colorvid.codec import loop
from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.structure import Place
from colorvid.entropy.binary import BinaryEncoder, Contexts, Layout
from colorvid.entropy.flags import TABLES as FLAG_TABLES
from colorvid.entropy.flags import class_of
from colorvid.entropy.rans import SymbolReader, SymbolWriter
from colorvid.entropy.tables import Tables
from colorvid.errors import DamagedStream
from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.exact.layers import ChannelScale, Conv
from colorvid.frame import Frame, Links, Motion, Vectors, chroma_size
from colorvid.models.branch import LATENT
from colorvid.models.modelfile import find_model
from colorvid.models.planes import from_features
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import predict, predict_in_torch
from colorvid.motion.field import grid_shape
from colorvid.motion.pair import over_frames
from colorvid.nn.loop_filter import LoopFilter
from colorvid.nn.steps import context_steps, places
from colorvid.nn.transforms import BlockTransform
from tests import second_decoder as second
from tests import second_motion
from tests.clips import moving_frames
from tests.conformance.cases import (
    CASES,
    MODELS,
    TINY,
    Case,
    cut,
    deep,
    expected,
    loaded,
    moving,
    noise,
    still,
    stream,
)
from tests.motion.frames import (
    b_frames,
    p_links,
    q_frames,
    q_links,
    same_motion,
    started,
    uses_of,
)

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
    encoder, layout = BinaryEncoder(), Layout()
    bins = layout.bin(2), layout.bin(2, 3), layout.bin(25, 25)
    contexts = Contexts(layout)
    for context, bit in v["bits"]:
        encoder.code(bit, contexts, bins[0], context)
    for *at, bit in v["mixed"]:
        encoder.code(bit, contexts, bins[1], *at)
    for count, value in v["plain"]:
        encoder.code_bits(value, count)
    for value in v["magnitudes"]:
        encoder.code_magnitude(
            value, 12, lambda bit, at: encoder.code(bit, contexts, bins[2], at, at)
        )
    assert encoder.finish().hex() == v["bytes"]
    assert [[s >> 6, s & 63] for s in contexts.states[:7]] == v["contexts"]
    assert contexts.weights[:2] == v["weights"]


def test_range_decoder_of_the_second_decoder() -> None:
    v = values("Range decoder")
    reader = second_motion.BinaryReader(bytes.fromhex(v["bytes"]))
    one, two, group = second_motion.Bin(2), second_motion.Bin(2, 3), second_motion.Bin(25, 25)
    assert [[c, reader.bit(one, c)] for c, _ in v["bits"]] == v["bits"]
    assert [[a, b, reader.bit(two, a, b)] for a, b, _ in v["mixed"]] == v["mixed"]
    assert [[n, reader.plain(n)] for n, _ in v["plain"]] == v["plain"]
    assert [reader.magnitude(group, 0, 0) for _ in v["magnitudes"]] == v["magnitudes"]
    assert one.sets[0] + two.sets[0] + two.sets[1] == v["contexts"]
    assert two.weights == v["weights"]
    reader.finish()


class BothMotions:
    """Our motion coder, there and back, and the second decoder's, which must agree.

    Slot 0 has the key frame.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.there, self.back = started(MotionCoder(shape)), started(MotionCoder(shape))
        self.other = second_motion.MotionReader(*shape)
        self.left = {0: (second_motion.Contexts(), self.other.still())}

    def check(self, links: Links, motion: Motion) -> tuple[bytes, Motion]:
        """The section of a frame, and its motion as decoded."""
        data = self.there.encode(links, motion)
        decoded = self.back.decode(links, data)
        assert same_motion(decoded, motion)
        traced = links.past if links.future is None or links.future_distance < 0 else links.future
        moved, contexts, trace = self.other.read(
            data,
            self.left[links.inherits][0],
            self.left[traced][1],
            links.past_distance,
            links.future_distance,
        )
        self.left[links.target] = contexts, trace
        for name in ("past", "future", "uses"):
            np.testing.assert_array_equal(getattr(moved, name), getattr(decoded, name))
        return data, decoded


def test_vectors() -> None:
    v, motions = values("Vectors"), BothMotions((3, 3))
    for number, field in enumerate(v["fields"]):
        motion = Motion(np.array(field, np.int16))
        assert motions.check(p_links(number, number + 1), motion)[0].hex() == v["sections"][number]


def test_vectors_of_b_frames() -> None:
    v, motions = values("Vectors of B frames"), BothMotions((3, 3))
    links = [
        p_links(0, 1, 8),
        Links(0, 1, inherits=0, target=2, past_distance=4, future_distance=4),
        Links(0, 2, inherits=2, target=3, past_distance=2, future_distance=2),
        Links(3, 2, inherits=3, target=4, past_distance=1, future_distance=1),
    ]
    frames = [Motion(np.array(v["past"][0], np.int16))]
    for past, *others in zip(v["past"][1:], v["future"], v["uses"], strict=True):
        future, uses = others
        fields = np.array((past, future), np.int16)
        frames.append(Motion(fields[0], fields[1], np.array(uses, np.uint8)))
    for link, motion, section in zip(links, frames, v["sections"], strict=True):
        data, decoded = motions.check(link, motion)
        assert data.hex() == section
        for name in ("past", "future", "uses"):
            np.testing.assert_array_equal(getattr(decoded, name), getattr(motion, name))


def test_vectors_of_p_frames_with_two_references() -> None:
    v, motions = values("Vectors of P frames with two references"), BothMotions((3, 3))
    frames = [Motion(np.array(v["past"][0], np.int16))]
    for past, future, uses in zip(v["past"][1:], v["second"], v["uses"], strict=True):
        fields = np.array((past, future), np.int16)
        frames.append(Motion(fields[0], fields[1], np.array(uses, np.uint8)))
    links = [p_links(0, 1), q_links(1, 0, 2), q_links(2, 0, 3, (1, 3))]
    for link, motion, section in zip(links, frames, v["sections"], strict=True):
        data, decoded = motions.check(link, motion)
        assert data.hex() == section
        for name in ("past", "future", "uses"):
            np.testing.assert_array_equal(getattr(decoded, name), getattr(motion, name))


def test_vectors_over_frames() -> None:
    for (y, x), span, to, result in values("Vectors over frames")["over"]:
        assert list(over_frames((y, x), to, span)) == result
        assert list(second_motion.over((y, x), to, span)) == result


def check_prediction(v: Values, motion: Motion, prefixes: tuple[str, ...], depth: int = 8) -> None:
    """Both decoders predict what the page says; ``prefixes`` name the planes of the references."""
    kind = torch.uint8 if depth == 8 else torch.int16
    references = []
    for prefix in prefixes:
        y, u = (tensor(v[prefix + name], kind) for name in ("luma", "chroma"))
        references.append((y, u, u))
    wanted = [v[f"predicted_{name}"] for name in ("luma", "chroma", "chroma")]
    for ours in (predict, predict_in_torch):
        assert [numbers(p) for p in ours(motion, *references)] == wanted
    moved = second_motion.Moved(motion.past, motion.future, motion.uses)
    for name in ("luma", "chroma"):
        planes = [np.array(v[prefix + name]) for prefix in prefixes]
        got = second_motion.predict(planes, moved, name == "chroma", depth - 8)
        assert got.tolist() == v[f"predicted_{name}"]


def test_compensation() -> None:
    v = values("Compensation")
    check_prediction(v, Motion(np.array(v["field"], np.int16)), ("",))


def test_compensation_from_both_references() -> None:
    v = values("Compensation from both references")
    fields = np.array((v["past"], v["future"]), np.int16)
    motion = Motion(fields[0], fields[1], np.array(v["uses"], np.uint8))
    check_prediction(v, motion, ("past_", "future_"))


def test_compensation_of_10_bits() -> None:
    """One block that uses both references and one that uses the past."""
    v = values("Compensation of 10 bits")
    fields = np.array((v["past"], v["future"]), np.int16)
    motion = Motion(fields[0], fields[1], np.array(v["uses"], np.uint8))
    check_prediction(v, motion, ("past_", "future_"), 10)


def test_symbols() -> None:
    v = values("Symbols")
    cdf = np.zeros((2, 7), np.int32)
    for number, row in enumerate(v["tables"]):
        cdf[number, : len(row)] = row
    tables = Tables(cdf, np.array([len(row) for row in v["tables"]], np.int32))
    pairs = np.array(v["symbols"], np.int32)
    writer = SymbolWriter()
    writer.write(tables, pairs[:, 1], pairs[:, 0])
    data = writer.finish()
    assert data.hex() == v["bytes"]
    read = SymbolReader(data).read(tables, pairs[:, 0])
    assert read.tolist() == pairs[:, 1].tolist()
    reader = second.RansReader(data)
    assert [[t, reader.symbol(v["tables"][t])] for t, _ in v["symbols"]] == v["symbols"]


def read_flags(data: bytes, grid: tuple[int, int]) -> list[list[int]]:
    """Flags at the start of a stream, which both decoders must see alike."""
    tables = loaded("tiny").books["inter.luma"]
    ours = SymbolReader(data).branch(tables).flags(None, grid).int().tolist()
    assert second.flags_of(second.RansReader(data), *grid).tolist() == ours
    return ours  # type: ignore[no-any-return]


def test_flags() -> None:
    v = values("Flags of a branch")
    writer = SymbolWriter()
    flags = tensor(v["flags"], torch.bool)
    grid = flags.shape[0], flags.shape[1]
    writer.branch(loaded("tiny").books["inter.luma"]).flags(flags, grid)
    assert writer.finish().hex() == v["bytes"]
    assert read_flags(bytes.fromhex(v["bytes"]), grid) == v["flags"]


def test_the_second_decoder_reads_any_flags() -> None:
    random, book, tables = np.random.default_rng(6), loaded("tiny").books["inter.luma"], set()
    for number in range(40):
        grid = (int(random.integers(1, 9)), int(random.integers(1, 9)))
        flags = torch.from_numpy(random.random(grid) < number / 39)
        writer = SymbolWriter()
        writer.branch(book).flags(flags, grid)
        assert read_flags(writer.finish(), grid) == flags.int().tolist()
        tables.add(class_of(flags.numpy()))
    assert tables == set(range(8))
    writer = SymbolWriter()  # symbols that no encoder of ours writes
    symbols, rows = np.array([-11, 2, 0, -1, -40], np.int32), np.array([0, 9, 9, 9, 9], np.int32)
    writer.write(FLAG_TABLES, symbols, rows)
    assert read_flags(writer.finish(), (1, 4)) == [[1, 0, 1, 1]]


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


@pytest.mark.parametrize("heading", ["Loop filter", "Loop filter of 10 bits"])
def test_loop_filter(heading: str) -> None:
    v = values("Loop filter") | values(heading)
    more, kind = (0, np.uint8) if heading == "Loop filter" else (2, np.int16)
    plane = np.array(v["plane"], kind)
    made = LoopFilter(8)
    for name in ("weights", "clips", "activity"):
        getattr(made, name).copy_(torch.tensor(v[name]))
    seen = torch.from_numpy(plane), torch.from_numpy(plane + np.eye(8, dtype=kind))
    found, _ = made.blocks(*seen, 40)
    assert numbers(found) == [[v["class"]]]
    assert numbers(made(*seen, 40)[[0, 7]]) == v["filtered"]
    other = copy(second_model("tiny"))
    tensors = {f"inter.filter.luma.{n}": t.numpy() for n, t in made.state_dict().items()}
    other.tensors = other.tensors | tensors
    block = np.pad(plane.astype(int), 3, mode="edge")
    theirs = other.filtered_block("inter.filter.luma", block, True, 40, more)
    assert theirs[[0, 7]].tolist() == v["filtered"]


@pytest.mark.parametrize("depth", [8, 10])
def test_samples(depth: int) -> None:
    v = values("Samples" if depth == 8 else "Samples of 10 bits")
    chroma = torch.zeros(1, 2, 1, 5)
    picture = from_features(tensor(v["features"])[None, None, None], chroma, 1, 9, depth)
    assert numbers(picture.y[0]) == v["samples"]


def test_model() -> None:
    v, read, ours = values("Model"), second_model("tiny"), loaded("tiny")
    assert read.identity == ours.identity == bytes.fromhex(v["identity"])
    gains = ours.network.inter.luma.gains.table[[0, 44, 63], 0]
    assert gains.tolist() == v["gains"]
    assert ours.books["inter.luma"].latents.rows[2] == v["row"]
    assert read.rows["inter.luma.latents"][2] == v["row"]


def decode(path: Path, coder: second.ModelFile) -> int:
    """Frames that the second decoder makes of a stream; it checks each CRC itself."""
    with path.open("rb") as file:
        reader = ClvReader(file)
        header = reader.header
        assert header.model_id == coder.identity
        decoder = second.SecondDecoder(
            coder, header.height, header.width, header.references, header.depth
        )
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


def encoded(case: Case, name: str = "tiny") -> list[Packet]:
    """The packets of a case, coded with a model."""
    encoder = Encoder(loaded(name), case.settings)
    coded = [c for frame in case.source(*case.size) for c in encoder.push(frame)]
    return [c.packet for c in coded + encoder.flush()]


def second_decoder(case: Case, name: str = "tiny") -> second.SecondDecoder:
    """With a model, at the start of such a stream."""
    _, height, width = case.size
    depth = case.source(1, height, width)[0].depth
    return second.SecondDecoder(second_model(name), height, width, case.settings.references, depth)


PAIRS = {
    "moving": Case(moving, (9, 45, 59), EncoderSettings(quality=46, gop=9, bframes=7)),
    "pixel": Case(moving, (3, 1, 1), EncoderSettings(quality=44, gop=8, bframes=1)),
    "uneven": Case(moving, (9, 19, 35), EncoderSettings(quality=40, gop=5, bframes=2)),
    "cut": Case(cut, (8, 32, 48), EncoderSettings(quality=38, gop=16, bframes=6)),
    "still": Case(still, (5, 24, 40), EncoderSettings(quality=44, gop=8, bframes=3)),
    "noise": Case(noise, (4, 33, 17), EncoderSettings(quality=63, gop=4, bframes=2)),
    "deep": Case(deep, (6, 35, 51), EncoderSettings(quality=48, gop=6, bframes=3)),
}
"""Streams with B frames."""


@pytest.mark.usefixtures("p_frames_alone")
@pytest.mark.parametrize("name", PAIRS)
def test_the_second_decoder_decodes_b_frames(name: str) -> None:
    packets, decoder = encoded(PAIRS[name]), second_decoder(PAIRS[name])
    kinds = {packet.frame_type for packet in packets}
    assert {FrameType.KEY, FrameType.P, FrameType.B_UNKEPT} <= kinds
    for packet in packets:
        decoder.push(packet)  # checks the CRC of the picture
    shown = sorted(packet.display_number for packet in packets)
    assert shown == list(range(PAIRS[name].size[0]))


def patched(count: int, height: int, width: int) -> list[Frame]:
    """Still, but for two patches of noise that move on, and for chroma that flickers elsewhere."""
    random, frames = np.random.default_rng(7), []
    for number, frame in enumerate(moving_frames(1, height, width, seed=3) * count):
        y, u, v = (plane.copy() for plane in frame.planes)
        for top, left in ((0, 32 * number), (64, 96 - 32 * number)):
            part = y[max(top, 0) : top + 32, max(left, 0) : max(left, 0) + 32]
            part[:] = random.integers(0, 256, part.shape)
        v[32:48, : 16 + 16 * number] = 255 * (number % 2)
        frames.append(Frame(y, u, v))
    return frames


def test_the_second_decoder_decodes_partly_active_frames() -> None:
    case = Case(patched, (5, 105, 141), EncoderSettings(quality=16, gop=8, bframes=1))
    decoder, shares = second_decoder(case, "default"), []
    book = loaded("default").books["inter.luma"]
    for packet in encoded(case, "default"):
        decoder.push(packet)  # checks the CRC of the picture
        if packet.frame_type is not FrameType.KEY:
            reader = SymbolReader(packet.latents).branch(book)
            shares.append(float(reader.flags(None, (4, 5)).float().mean()))
    assert len(shares) == 4 and all(0 < share < 1 for share in shares), shares


def crooked(first: int, last: int, **_: bool) -> Iterator[Place]:
    """Four frames in a way that our encoder never takes: later references that are nearer.

    P frames but the first are predicted from a B frame.
    """
    yield Place(last, FrameType.P, past=4 if first == 0 else 5)
    yield Place(last - 1, FrameType.B, 1, 3, 1)
    yield Place(last - 3, FrameType.B, 2, 1, 2)
    yield Place(last - 2, FrameType.B_UNKEPT, 2, 1, 1)


def test_the_second_decoder_decodes_any_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "mini_gop", crooked)
    monkeypatch.setattr(loop, "mini_gop_length", lambda *_: 4)
    alike = dict.fromkeys(range(9), 980)
    monkeypatch.setattr(loop, "weights", lambda *_, **__: alike)
    case = Case(moving, (9, 45, 59), EncoderSettings(quality=46, gop=9, bframes=3))
    decoder = second_decoder(case)
    shown = []
    for packet in encoded(case):
        decoder.push(packet)
        shown.append(packet.display_number)
    assert shown == [0, 4, 3, 1, 2, 8, 7, 5, 6]


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
    motions = BothMotions(shape)
    for number, field in enumerate(random_fields(shape, seed)):
        motions.check(p_links(number, number + 1), Motion(field))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 3), (6, 9), (11, 12)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("from_past", [False, True])
def test_the_second_decoder_reads_any_two_fields(
    shape: tuple[int, int], seed: int, from_past: bool
) -> None:
    motions = BothMotions(shape)
    for links, motion in b_frames(shape, seed):
        motions.check(replace(links, inherits=links.past) if from_past else links, motion)
    motions.check(p_links(6, 9, 3), Motion(random_fields(shape, seed)[0]))
    links, motion = b_frames(shape, seed + 1)[2]  # behind a P frame behind a B frame
    motions.check(replace(links, past=4, future=9, inherits=9, target=10), motion)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 3), (6, 9), (11, 12)])
@pytest.mark.parametrize("seed", range(3))
def test_the_second_decoder_reads_p_frames_of_two_fields(shape: tuple[int, int], seed: int) -> None:
    motions = BothMotions(shape)
    for links, motion in q_frames(shape, seed):
        motions.check(links, motion)


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("size", [(1, 1), (17, 9), (24, 41)])
def test_the_second_decoder_predicts_alike(size: tuple[int, int], depth: int) -> None:
    kind = np.uint8 if depth == 8 else np.int16
    random, half, grid = np.random.default_rng(5), chroma_size(*size), grid_shape(*size)
    planes = [
        [random.integers(0, 1 << depth, s).astype(kind) for s in (size, half, half)]
        for _ in range(2)
    ]
    fields = random.integers(-2047, 2048, (2, *grid, 2)) >> random.integers(0, 9)
    one, other = fields.astype(np.int16)
    for motion in (Motion(one), Motion(one, other, uses_of(grid, 2))):
        references = planes if motion.future is not None else planes[:1]
        tensors = [tuple(torch.from_numpy(p) for p in r) for r in references]
        ours = predict(motion, *tensors)
        slow = predict_in_torch(motion, *tensors)
        assert all(torch.equal(a, b) for a, b in zip(ours, slow, strict=True))
        moved = second_motion.Moved(motion.past, motion.future, motion.uses)
        for number, wanted in enumerate(ours):
            planes_of = [r[number] for r in references]
            got = second_motion.predict(planes_of, moved, number > 0, depth - 8)
            assert got.tolist() == wanted.tolist()


@pytest.mark.parametrize("module", [second, second_motion])
def test_the_second_decoder_knows_nothing_of_the_package(module: ModuleType) -> None:
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert "colorvid" not in text.replace("colorvid-model-2", "")


def one_vector(dy: int) -> bytes:
    """A field of one macroblock whose vectors are all ``(dy, 0)``, dy above 0 and in any range."""
    encoder, layout = BinaryEncoder(), Layout()
    flags, sizes = layout.bin(5), layout.bin(25)
    contexts = Contexts(layout)
    for context, bit in enumerate((0, 1, 1, 0)):  # not skipped; uniform; dy is not zero; positive
        encoder.code(bit, contexts, flags, context)
    encoder.code_magnitude(dy - 1, 12, lambda bit, at: encoder.code(bit, contexts, sizes, at))
    encoder.code(0, contexts, flags, 4)  # dx is zero
    return encoder.finish()


def test_both_decoders_refuse_a_damaged_motion_section() -> None:
    for dy, more, wrong in ((2047, 0, ""), (2047, 8, "section"), (2048, 0, "vector")):
        data = one_vector(dy) + bytes(more)
        coder, other = started(MotionCoder((1, 2))), second_motion.MotionReader(1, 2)
        still = other.still()
        if not wrong:
            moved, *_ = other.read(data, second_motion.Contexts(), still, 1)
            assert moved.past.tolist() == [[[dy, 0], [dy, 0]]]
            assert coder.decode(p_links(0, 1), data).past.tolist() == [[[dy, 0], [dy, 0]]]
            continue
        with pytest.raises(second_motion.Refused, match=wrong):
            other.read(data, second_motion.Contexts(), still, 1)
        with pytest.raises(DamagedStream, match="motion vector|data is damaged"):
            coder.decode(p_links(0, 1), data)


def decoded_without(lost: int) -> list[int]:
    """Display numbers of the frames that the second decoder still shows."""
    case, shown = PAIRS["moving"], []
    decoder = second_decoder(case)
    for packet in encoded(case):
        if packet.display_number == lost:
            continue
        try:
            decoder.push(packet)
        except second_motion.Refused as refused:
            assert "no picture" in str(refused)
        else:
            shown.append(packet.display_number)
    return sorted(shown)


@pytest.mark.usefixtures("p_frames_alone")
def test_the_second_decoder_needs_the_references_alone() -> None:
    assert decoded_without(0) == []
    assert decoded_without(3) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert decoded_without(6) == [0, 1, 2, 3, 4, 8]


@pytest.mark.usefixtures("p_frames_alone")
def test_the_second_decoder_keeps_no_picture_with_another_crc() -> None:
    case = PAIRS["moving"]
    key, behind = encoded(case)[:2]
    decoder = second_decoder(case)
    with pytest.raises(second_motion.Refused, match="CRC of the picture"):
        decoder.push(replace(key, frame_crc=key.frame_crc ^ 1))
    with pytest.raises(second_motion.Refused, match="no picture"):
        decoder.push(behind)
