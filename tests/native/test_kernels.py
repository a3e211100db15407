"""Every version of every kernel gives the integers of the plain one, and writes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.motion.compensate import _CHROMA, _LUMA
from colorvid.motion.field import LUMA_TAPS
from colorvid.native.core import Level, at_level, pointer

Random = np.random.Generator
Case = Callable[[Random], Callable[[Level], NDArray[Any]]]

FUNCTIONS = at_level("1").functions
HIGHEST = at_level("1").level
CHROMA_TAPS = _CHROMA.taps


def samples(rng: Random, *shape: int) -> NDArray[np.uint8]:
    """Noise, or black and white at random, or one extreme everywhere."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(0, 256, shape).astype(np.uint8)
    if kind == 1:
        return (255 * rng.integers(0, 2, shape)).astype(np.uint8)
    return np.full(shape, 255 * (kind - 2), np.uint8)


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


def predict(chroma: int) -> Case:
    """A window of a block, added to what is there."""
    kind, side = (_CHROMA, 8) if chroma else (_LUMA, 16)
    reach = side + len(kind.taps[0]) - 1

    def case(rng: Random) -> Callable[[Level], NDArray[Any]]:
        stride, wide = int(rng.integers(reach, reach + 40)), int(rng.integers(side, side + 40))
        source = samples(rng, (reach - 1) * stride + reach)
        down, across = taps(kind.taps, rng), taps(kind.taps, rng)
        before = rng.integers(-(2**24), 2**24, (side + 2, wide)).astype(np.int32)

        def run(level: Level) -> NDArray[Any]:
            out = before.copy()
            FUNCTIONS["kernel_predict"](
                level, chroma, pointer(source, np.uint8), stride, pointer(down, np.int16),
                pointer(across, np.int16), pointer(out, np.int32), wide,
            )  # fmt: skip
            assert np.array_equal(out[side:], before[side:])
            assert np.array_equal(out[:, side:], before[:, side:])
            return out

        return run

    return case


def round_line(rng: Random) -> Callable[[Level], NDArray[Any]]:
    """1 to 100 sums, far outside of the samples' range and near it."""
    count, bits = int(rng.integers(1, 101)), int(rng.choice([10, 12]))
    reach = int(rng.choice([300 << bits, 2**30]))
    sums = rng.integers(-reach // 2, reach, count).astype(np.int32)

    def run(level: Level) -> NDArray[Any]:
        out = np.full(count + 64, 77, np.uint8)
        FUNCTIONS["kernel_round_line"](
            level, pointer(sums, np.int32), bits, pointer(out, np.uint8), count
        )
        assert (out[count:] == 77).all()
        return out

    return run


KERNELS: dict[str, Case] = {
    "filter_line": filter_line,
    "window_errors": window_errors,
    "predict_luma": predict(0),
    "predict_chroma": predict(1),
    "round_line": round_line,
}
"""A maker of random cases for each kernel of ``src/kernels.h``."""


def test_every_kernel_is_in_the_table() -> None:
    from tests.native.sources import SOURCES

    header = (SOURCES / "kernels.h").read_text(encoding="utf-8")
    members = header.split("struct Kernels {")[1].split("};")[0]
    names = {line.split()[-1].rstrip(";") for line in members.splitlines() if line.strip()}
    assert names == set(KERNELS)


@pytest.mark.parametrize("level", [level for level in Level if Level.PLAIN < level <= HIGHEST])
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
