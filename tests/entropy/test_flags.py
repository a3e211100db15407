from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorvid.entropy import flags as module
from colorvid.entropy import rans
from colorvid.entropy.flags import CLASS_FLOORS, SHARES, TABLES, class_of, code_flags
from colorvid.entropy.rans import CodeBook, SymbolReader, SymbolWriter
from colorvid.entropy.tables import Tables
from tests import tiny

Flags = NDArray[np.bool_]
BOOK = CodeBook(tiny.latent_tables(), tiny.latent_tables())


@pytest.fixture(params=["plain", "core"])
def coder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each entropy coder in turn."""
    if request.param == "plain":
        monkeypatch.setattr(rans, "core", lambda: None)
    return str(request.param)


def some_flags() -> list[Flags]:
    """Grids of all sizes and densities, noisy and in areas."""
    rng = np.random.default_rng(5)
    made = []
    for shape in [(1, 1), (1, 9), (7, 1), (2, 2), (5, 7), (9, 12)]:
        for density in (0, 0.03, 0.08, 0.16, 0.28, 0.45, 0.67, 0.9, 1):
            made.append(rng.random(shape) < density)
        area = np.zeros(shape, np.bool_)
        area[: shape[0] // 2 + 1, shape[1] // 2 :] = True
        made.append(area)
    for side in (3, 6, 8):  # few positions, but side by side
        area = np.zeros((20, 20), np.bool_)
        area[5 : 5 + side, 9 : 9 + side] = True
        made.append(area)
    return made


def written(symbols: list[int], index: list[int]) -> bytes:
    """A stream of symbols by rows of `TABLES`, whatever they mean."""
    writer = SymbolWriter()
    writer.write(TABLES, np.array(symbols, np.int32), np.array(index, np.int32))
    return writer.finish()


def read(data: bytes, grid: tuple[int, int]) -> Flags:
    flags: Flags = SymbolReader(data).branch(BOOK).flags(None, grid).numpy()
    return flags


def test_tables_are_those_of_the_page() -> None:
    rows = TABLES.rows
    classes = [7 + 8191 * number for number in range(9)]
    assert rows[0] == [*range(7), *classes, 65536]
    assert rows[1] == [0, 1, 65535 - 256 * 4, 65535, 65536]
    assert rows[1 + 4 * 2 + 3] == [0, 1, 65535 - 256 * 145, 65535, 65536]
    assert len(rows) == 29 and TABLES.reach.tolist() == [7] + [1] * 28
    assert len(SHARES) == len(CLASS_FLOORS)


@pytest.mark.parametrize(
    ("count", "size", "number"),
    [
        (0, 1, 0),
        (0, 256, 0),
        (1, 100_000, 1),
        (1, 1, 7),
        (14, 256, 1),
        (15, 256, 2),
        (29, 256, 2),
        (30, 256, 3),
        (54, 256, 3),
        (55, 256, 4),
        (90, 256, 4),
        (91, 256, 5),
        (141, 256, 5),
        (142, 256, 6),
        (205, 256, 6),
        (206, 256, 7),
        (256, 256, 7),
    ],
)
def test_classes_begin_above_their_floors(count: int, size: int, number: int) -> None:
    assert class_of(np.arange(size) < count) == number


def test_contexts_are_active_positions_above() -> None:
    flags = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.bool_)
    asked: list[list[int]] = []

    def code(symbols: NDArray[np.int32] | None, index: NDArray[np.int32]) -> NDArray[np.int32]:
        assert symbols is not None
        asked.append(index.tolist())
        return symbols

    assert np.array_equal(code_flags(code, flags, flags.shape), flags)
    first = 1 + 4 * (class_of(flags) - 1)
    above = [[0, 0, 0, 0], [1, 2, 2, 1], [1, 1, 0, 0]]
    assert asked == [[0], *([first + count for count in row] for row in above)]


def test_every_class_and_context_is_read_as_written(coder: str) -> None:
    used: set[int] = set()

    class Noting(SymbolReader):
        def read(self, tables: Tables, index: NDArray[np.int32]) -> NDArray[np.int32]:
            used.update(index.tolist())
            return super().read(tables, index)

    for flags in some_flags():
        writer = SymbolWriter()
        out = writer.branch(BOOK)
        out.flags(torch.from_numpy(flags), flags.shape)
        data = writer.finish()
        assert (data == b"") == (not flags.any())
        assert len(data) * 8 < out.hyper_bits + 24
        got = Noting(data).branch(BOOK).flags(None, flags.shape).numpy()
        assert np.array_equal(got, flags)
    assert used == set(range(29))


def test_both_coders_write_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_bytes() -> list[bytes]:
        streams = []
        for flags in some_flags():
            writer = SymbolWriter()
            writer.branch(BOOK).flags(torch.from_numpy(flags), flags.shape)
            streams.append(writer.finish())
        return streams

    wanted = all_bytes()
    monkeypatch.setattr(rans, "core", lambda: None)
    assert all_bytes() == wanted


def test_golden_bytes(coder: str) -> None:
    flags = np.array([[0, 1, 1], [0, 1, 0]], np.bool_)
    writer = SymbolWriter()
    writer.branch(BOOK).flags(torch.from_numpy(flags), (2, 3))
    assert writer.finish().hex() == "86bb6a"
    assert np.array_equal(read(bytes.fromhex("86bb6a"), (2, 3)), flags)


@pytest.mark.parametrize(("said", "number"), [(-3, 3), (11, 3), (-11, 3), (8, 0), (-2047, 7)])
def test_other_class_symbols_count_by_their_magnitude(coder: str, said: int, number: int) -> None:
    row = max(4 * number - 3, 0)
    data = written([said, 1, 0], [0, row, row])
    assert read(data, (1, 2)).tolist() == [[number > 0, False]]


def test_any_symbol_but_zero_is_an_active_position(coder: str) -> None:
    symbols = [1, -1, 0, 2, -2047, 1]
    assert read(written(symbols, [0] + [1] * 5), (1, 5)).tolist() == [[True, False, *[True] * 3]]


def test_a_class_above_0_may_come_without_any_flag(coder: str) -> None:
    assert not read(written([5] + [0] * 6, [0] + [17] * 6), (2, 3)).any()


def test_damaged_data_give_flags(coder: str) -> None:
    rng, shares = np.random.default_rng(8), []
    for _ in range(60):
        flags = read(rng.bytes(int(rng.integers(1, 40))), (4, 5))
        assert flags.dtype == np.bool_ and flags.shape == (4, 5)
        shares.append(flags.mean())
    assert min(shares) == 0 and max(shares) > 0.8


def test_an_empty_stream_has_no_active_position() -> None:
    assert not read(b"", (3, 4)).any()
    assert module.TABLES is TABLES
