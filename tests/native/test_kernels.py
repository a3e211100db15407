"""Every version of every kernel gives the integers of the plain one, and writes nothing else."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.motion.compensate import _CHROMA, _LUMA
from colorvid.motion.field import LUMA_TAPS
from colorvid.native.core import Level, at_level, levels, pointer

Random = np.random.Generator
Case = Callable[[Random], Callable[[Level], NDArray[Any]]]

FUNCTIONS = at_level("1").functions
CHROMA_TAPS = _CHROMA.taps


def samples(rng: Random, *shape: int, depth: int = 8) -> NDArray[Any]:
    """Noise, or black and white at random, or one extreme everywhere."""
    kind, peak, dtype = rng.integers(4), (1 << depth) - 1, dtype_of(depth)
    if kind == 0:
        return rng.integers(0, peak + 1, shape).astype(dtype)
    if kind == 1:
        return (peak * rng.integers(0, 2, shape)).astype(dtype)
    return np.full(shape, peak * (kind - 2), dtype)


def dtype_of(depth: int) -> type[np.uint8] | type[np.uint16]:
    """What samples of 8 or 10 bits are in the core."""
    return np.uint8 if depth == 8 else np.uint16


def kernel(name: str, depth: int) -> Callable[..., Any]:
    """The version of a kernel for samples of 8 or 10 bits."""
    return FUNCTIONS[f"kernel_{name}" if depth == 8 else f"kernel_{name}10"]


def taps(rows: tuple[tuple[int, ...], ...], rng: Random) -> NDArray[np.int16]:
    """One row of a table of filters."""
    return np.array(rows[rng.integers(len(rows))], np.int16)


def filter_line(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """One line of 1 to 100 samples, filtered along the line or across lines."""
    count = int(rng.integers(1, 101))
    step = int(rng.choice([1, count, count + 13]))
    source, filters = samples(rng, 7 * step + count), taps(LUMA_TAPS, rng)

    def run(level: Level) -> NDArray[Any]:
        out = np.full(count + 64, 77, np.uint8)
        FUNCTIONS["kernel_filter_line"](
            level, pointer(source, np.uint8), step, pointer(filters, np.int16),
            pointer(out, np.uint8), count,
        )  # fmt: skip
        assert (out[count:] == 77).all()
        return out

    return run


def window_errors(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """Two windows with rows of different lengths."""
    strides = [int(s) for s in rng.integers(24, 50, 2)]
    a, b = (samples(rng, 24, stride) for stride in strides)

    def run(level: Level) -> NDArray[Any]:
        out = np.full(4 + 16, -5, np.int32)
        FUNCTIONS["kernel_window_errors"](
            level, pointer(a, np.uint8), strides[0], pointer(b, np.uint8), strides[1],
            pointer(out, np.int32),
        )  # fmt: skip
        assert (out[4:] == -5).all()
        return out

    return run


def hadamard_errors(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """Two macroblocks with rows of different lengths."""
    strides = [int(s) for s in rng.integers(16, 50, 2)]
    a, b = (samples(rng, 16, stride) for stride in strides)

    def run(level: Level) -> NDArray[Any]:
        out = np.full(4 + 16, -5, np.int32)
        FUNCTIONS["kernel_hadamard_errors"](
            level, pointer(a, np.uint8), strides[0], pointer(b, np.uint8), strides[1],
            pointer(out, np.int32),
        )  # fmt: skip
        assert (out[4:] == -5).all()
        return out

    return run


def block_error(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """Two blocks with rows of different lengths."""
    strides = [int(s) for s in rng.integers(8, 50, 2)]
    a, b = (samples(rng, 8, stride) for stride in strides)

    def run(level: Level) -> NDArray[Any]:
        error = FUNCTIONS["kernel_block_error"](
            level, pointer(a, np.uint8), strides[0], pointer(b, np.uint8), strides[1]
        )
        assert error == np.abs(a[:, :8].astype(int) - b[:, :8]).sum()
        return np.array([error])

    return run


def predict(chroma: int, depth: int = 8) -> Case:
    """A window of a block, added to what is there."""
    kind, side = (_CHROMA, 8) if chroma else (_LUMA, 16)
    reach = side + len(kind.taps[0]) - 1

    def case(rng: Random) -> Callable[[Level], NDArray[Any]]:
        stride, wide = int(rng.integers(reach, reach + 40)), int(rng.integers(side, side + 40))
        source = samples(rng, (reach - 1) * stride + reach, depth=depth)
        down, across = taps(kind.taps, rng), taps(kind.taps, rng)
        before = rng.integers(-(2**24), 2**24, (side + 2, wide)).astype(np.int32)

        def run(level: Level) -> NDArray[Any]:
            out = before.copy()
            kernel("predict", depth)(
                level, chroma, pointer(source, source.dtype), stride, pointer(down, np.int16),
                pointer(across, np.int16), pointer(out, np.int32), wide,
            )  # fmt: skip
            assert np.array_equal(out[side:], before[side:])
            assert np.array_equal(out[:, side:], before[:, side:])
            return out

        return run

    return case


def round_line(depth: int) -> Case:
    """1 to 100 sums, far outside of the samples' range and near it."""

    def case(rng: Random) -> Callable[[Level], NDArray[Any]]:
        count, bits = int(rng.integers(1, 101)), int(rng.choice([9, 10, 12]))
        reach = int(rng.choice([(300 << depth - 8) << bits, 2**30]))
        sums = rng.integers(-reach // 2, reach, count).astype(np.int32)

        def run(level: Level) -> NDArray[Any]:
            out = np.full(count + 64, 77, dtype_of(depth))
            kernel("round_line", depth)(
                level, pointer(sums, np.int32), bits, pointer(out, out.dtype), count
            )
            assert (out[count:] == 77).all()
            return out

        return run

    return case


class Layer(ctypes.Structure):
    """`PointwiseLayer` or `DepthwiseLayer`; sizes are pairs and groups, or side and channels."""

    _fields_ = [
        ("weights", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("factor", ctypes.c_void_p),
        ("sizes", ctypes.c_int * 2),
        ("limit", ctypes.c_int),
    ]


MOST = 2**31 - 1
"""No sum of a layer goes beyond it, not even in parts."""


def factors(rng: Random, count: int, reach: int) -> NDArray[np.float32]:
    """Factors for sums up to ``reach``: usual ones, powers of two that give ties, extremes."""
    kind = rng.integers(3)
    if kind == 0:
        usual = rng.uniform(0.2, 3, count) * 2047 / max(reach, 1)
        return usual.astype(np.float32)
    if kind == 1:
        return np.ldexp(np.float32(1), -rng.integers(1, max(reach, 2).bit_length() + 1, count))
    extremes = [0, 1e-45, 1e-38, 1e-9, -0.5, 1, 1000, -1e20, 3e38, -3e38]
    return rng.choice(np.array(extremes, np.float32), count)


@dataclass(frozen=True)
class LayerCase:
    """A packed layer, and inputs that no sum of it overflows with."""

    layer: Layer
    inputs: list[NDArray[np.int16]]
    kept: tuple[NDArray[Any], ...]
    """What ``layer`` points to."""


def layer_case(
    rng: Random, sizes: tuple[int, int], weights: tuple[int, ...], terms: int, inputs: list[int]
) -> LayerCase:
    """A layer with ``weights`` of a shape and ``terms`` products in a sum, on inputs of lengths."""
    outputs = weights[-2] * (weights[0] if len(weights) == 4 else 1)
    input_reach = int(rng.choice([1, 2047, 8191, 32767]))
    weight_reach = int(min(rng.choice([1, 300, 32767]), MOST // (terms * input_reach)))
    reach = terms * input_reach * weight_reach
    # Sums around zero, around 2^24 where floats cease to hold every integer, around the largest.
    centre = min(int(rng.choice([0, 2**24, MOST])), MOST - reach)
    bias = rng.choice([-1, 1], outputs) * (centre - rng.integers(0, min(centre, 99) + 1, outputs))
    values = rng.integers(-weight_reach, weight_reach + 1, weights)
    if rng.integers(4) == 0:
        values = weight_reach * rng.choice([-1, 1], weights)
    kept = (
        aligned(values.astype(np.int16)),
        bias.astype(np.int32),
        factors(rng, outputs, centre + reach),
    )
    limit = int(rng.choice([1, 2047, 8191, 32767]))
    data = [rng.integers(-input_reach, input_reach + 1, n).astype(np.int16) for n in inputs]
    layer = Layer(*(array.ctypes.data for array in kept), (ctypes.c_int * 2)(*sizes), limit)
    return LayerCase(layer, data, kept)


def aligned(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """A copy that begins at a multiple of 64 bytes."""
    room = np.empty(values.size + 32, np.int16)
    start = -room.ctypes.data % 64 // 2
    copy = room[start : start + values.size].reshape(values.shape)
    copy[...] = values
    return copy


def outputs_alone(
    call: Callable[[int], None], count: int, stride: int, wide: int
) -> NDArray[np.int16]:
    """What ``call`` writes to an address: at each of ``count`` positions ``wide`` values."""
    room = np.full((count + 2) * stride, 77, np.int16)
    call(room[stride:].ctypes.data)
    rows = room.reshape(count + 2, stride)
    assert (rows[[0, -1]] == 77).all() and (rows[:, wide:] == 77).all()
    return rows[1:-1, :wide]


def pointwise(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """1 to 40 positions, all numbers of groups that are cut in other ways, few and many inputs."""
    pairs, groups, count = (int(rng.integers(1, most)) for most in (60, 14, 41))
    in_stride, out_stride = (
        2 * pairs + int(rng.choice([0, 7])),
        16 * groups + int(rng.choice([0, 9])),
    )
    weights, length = (groups, pairs, 16, 2), (count - 1) * in_stride + 2 * pairs
    case = layer_case(rng, (pairs, groups), weights, 2 * pairs, [length])

    def run(level: Level) -> NDArray[Any]:
        return outputs_alone(
            lambda out: FUNCTIONS["kernel_pointwise"](
                level, ctypes.addressof(case.layer), pointer(case.inputs[0], np.int16),
                in_stride, out, out_stride, count,
            ),
            count, out_stride, 16 * groups,
        )  # fmt: skip

    return run


def depthwise(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """Filters of 1x1 to 7x7 at 1 to 40 positions; rows that lie apart."""
    side, channels = int(rng.choice([1, 3, 5, 7])), 16 * int(rng.integers(1, 8))
    count, taps = int(rng.integers(1, 41)), side * side
    in_stride, out_stride = (channels + int(more) for more in rng.choice([0, 7], 2))
    weights, length = ((taps + 1) // 2, channels, 2), (count + side - 2) * in_stride + channels
    case = layer_case(rng, (side, channels), weights, taps, [length] * side)
    rows = (ctypes.c_void_p * side)(*(pointer(row, np.int16) for row in case.inputs))

    def run(level: Level) -> NDArray[Any]:
        return outputs_alone(
            lambda out: FUNCTIONS["kernel_depthwise"](
                level, ctypes.addressof(case.layer), ctypes.addressof(rows), in_stride, out,
                out_stride, count,
            ),
            count, out_stride, channels,
        )  # fmt: skip

    return run


def elementwise(
    name: str, make: Callable[[Random, int], tuple[NDArray[Any] | float, ...]], in_place: bool
) -> Case:
    """A kernel over 16 to 400 numbers, the first of which it changes, or a further one."""

    def case(rng: Random) -> Callable[[Level], NDArray[Any]]:
        count = 16 * int(rng.integers(1, 26))
        given = make(rng, count)

        def run(level: Level) -> NDArray[Any]:
            first = given[0]
            assert isinstance(first, np.ndarray)
            out = np.full(count + 64, 77, first.dtype if in_place else np.int16)
            if in_place:
                out[:count] = first
            arguments = [
                pointer(x, x.dtype.type) if isinstance(x, np.ndarray) else x
                for x in given[in_place:]
            ]
            place = pointer(out, out.dtype.type)
            ordered = [place, *arguments] if in_place else [*arguments, place]
            FUNCTIONS[f"kernel_{name}"](level, *ordered, count)
            assert (out[count:] == 77).all()
            return out

        return run

    return case


def features(rng: Random, count: int, limit: int = 2047) -> NDArray[np.int16]:
    """Features anywhere in their range, or at its ends and around zero."""
    if rng.integers(2):
        return rng.integers(-limit, limit + 1, count).astype(np.int16)
    return rng.choice(np.array([-limit, -4, -1, 0, 1, 4, limit], np.int16), count)


def latents(rng: Random, count: int) -> tuple[NDArray[Any], ...]:
    """Latents below 2^24 and factors that bring them to features, to ties, or far beyond."""
    reach = int(rng.choice([2, 3000, 2**24 - 1]))
    y = rng.integers(-reach, reach + 1, count).astype(np.int32)
    return y, factors(rng, count, reach)


def coefficients(rng: Random, count: int) -> tuple[NDArray[np.float64] | float, ...]:
    """Sums, a basis and a coefficient: integers whose products stay below 2^52."""
    sums = rng.integers(-(2**52), 2**52, count).astype(np.float64)
    basis = rng.integers(-(2**22), 2**22, count).astype(np.float64)
    return sums, basis, float(rng.integers(-(2**30), 2**30))


def project(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """A block and a basis, at their ends or anywhere; sums stay below 2^31."""
    count, pairs = 16 * int(rng.integers(1, 21)), int(rng.integers(1, 140))
    most = min(2**15 - 1, (2**31 - 1) // (2 * 2047 * pairs))
    block, basis = features(rng, 2 * pairs), rng.integers(-most, most + 1, 2 * pairs * count)
    if rng.integers(2):
        basis = np.where(basis < 0, -most, most)
    numbers = basis.astype(np.int16)

    def run(level: Level) -> NDArray[Any]:
        sums = np.full(count + 64, 77, np.int32)
        given = pointer(block, np.int16), pointer(numbers, np.int16)
        FUNCTIONS["kernel_project"](level, *given, pairs, pointer(sums, np.int32), count)
        assert (sums[count:] == 77).all()
        return sums

    return run


def around_a_block(rng: Random, reach: int, depth: int) -> tuple[NDArray[Any], int, int, int]:
    """Samples of a block and ``reach`` more on each side; stride, side, place of the block."""
    side, stride = int(rng.choice([4, 8])), int(rng.integers(16, 40))
    around = samples(rng, side + 2 * reach, stride, depth=depth)
    return around, stride, side, reach * (stride + 1) * around.itemsize


def block_bends(depth: int) -> Case:
    """A block in the corner of what may be read."""

    def case(rng: Random) -> Callable[[Level], NDArray[Any]]:
        around, stride, side, place = around_a_block(rng, 1, depth)

        def run(level: Level) -> NDArray[Any]:
            out = np.full(4 + 16, -5, np.int32)
            kernel("block_bends", depth)(
                level, around.ctypes.data + place, stride, side, pointer(out, np.int32)
            )
            assert (out[4:] == -5).all()
            return out

        return run

    return case


def filter_block(depth: int) -> Case:
    """A block in the corner of what may be read, into the middle of other samples."""

    def case(rng: Random) -> Callable[[Level], NDArray[Any]]:
        around, stride, side, place = around_a_block(rng, 3, depth)
        extreme = rng.random() < 0.2
        weights = rng.choice([-128, 127], 24) if extreme else rng.integers(-128, 128, 24)
        clips = rng.integers(1, 256, 2) << depth - 8
        taps = np.array([*weights, *clips], np.int16)

        def run(level: Level) -> NDArray[Any]:
            out = np.full((12, 20), 77, dtype_of(depth))
            kernel("filter_block", depth)(
                level, pointer(taps, np.int16), around.ctypes.data + place, stride, side,
                out.ctypes.data + (2 * 20 + 5) * out.itemsize, 20,
            )  # fmt: skip
            inside = out[2 : 2 + side, 5 : 5 + side].copy()
            out[2 : 2 + side, 5 : 5 + side] = 77
            assert (out == 77).all()
            return inside

        return run

    return case


KERNELS: dict[str, Case] = {
    "filter_line": filter_line,
    "window_errors": window_errors,
    "hadamard_errors": hadamard_errors,
    "block_error": block_error,
    "pointwise": pointwise,
    "depthwise": depthwise,
    "leaky": elementwise("leaky", lambda rng, n: (features(rng, n, 32767),), True),
    "add_features": elementwise(
        "add_features", lambda rng, n: (features(rng, n), features(rng, n, 30720)), True
    ),
    "gate": elementwise("gate", lambda rng, n: (features(rng, n), features(rng, n)), False),
    "scale_latents": elementwise("scale_latents", latents, False),
    "add_basis": elementwise("add_basis", coefficients, True),
    "project": project,
    **{
        f"bits{depth}.{name}": case
        for depth in (8, 10)
        for name, case in {
            "predict_luma": predict(0, depth),
            "predict_chroma": predict(1, depth),
            "round_line": round_line(depth),
            "block_bends": block_bends(depth),
            "filter_block": filter_block(depth),
        }.items()
    },
}
"""A maker of random cases for each kernel of ``src/kernels.h``."""


def test_every_kernel_is_in_the_table() -> None:
    from tests.native.sources import SOURCES

    header = (SOURCES / "kernels.h").read_text(encoding="utf-8")

    def members(struct: str) -> set[str]:
        inside = header.split(f"struct {struct} {{")[1].split("};")[0].split("\n\n")[0]
        lines = [line.split(">")[-1].rstrip(";") for line in inside.splitlines() if line.strip()]
        return {name for line in lines for name in re.findall(r"(\w+)(?:,|$)", line)}

    plain = members("Kernels") - {"bits8", "bits10"}
    samples_too = {f"bits{d}.{name}" for d in (8, 10) for name in members("SampleKernels")}
    assert plain | samples_too == set(KERNELS) and len(samples_too) == 10


@pytest.mark.parametrize("level", levels()[1:])
@pytest.mark.parametrize("name", KERNELS)
def test_every_version_equals_the_plain_one(name: str, level: Level) -> None:
    rng = np.random.default_rng(9)
    for _ in range(400):
        run = KERNELS[name](rng)
        np.testing.assert_array_equal(run(level), run(Level.PLAIN))


@pytest.mark.parametrize("name", KERNELS)
def test_plain_kernels_depend_on_their_input(name: str) -> None:
    rng = np.random.default_rng(10)
    results = {KERNELS[name](rng)(Level.PLAIN).tobytes() for _ in range(20)}
    assert len(results) > 5
