"""The core's entropy coder writes and reads the same streams as the reference in Python."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.entropy.rans import PlainReader, PlainWriter
from colorvid.entropy.tables import MAX_SYMBOL, Tables, tables_of
from colorvid.errors import ConfigError
from colorvid.native.core import at_level
from colorvid.native.symbols import read_symbols, write_symbols

CORE = at_level("plain")
Random = np.random.Generator


def some_tables(rng: Random) -> Tables:
    """One to five tables of several lengths, flat and steep."""
    distributions = []
    for _ in range(int(rng.integers(1, 6))):
        reach = int(rng.choice([0, 1, 2, 17, 255]))
        steepness = rng.choice([0.0, 0.3, 5.0])
        distributions.append(np.exp(-steepness * np.abs(np.arange(-reach, reach + 1))) + 1e-9)
    return tables_of(distributions)


def some_symbols(tables: Tables, rng: Random) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """0 to 300 tables and symbols, some far outside of their tables."""
    count = int(rng.choice([0, 1, 2, 3, 4, 5, 300]))
    index = rng.integers(0, len(tables.sizes), count).astype(np.int32)
    symbols = np.rint(rng.laplace(0, 3, count)).astype(np.int32)
    far = rng.random(count) < 0.1
    symbols[far] = rng.integers(-MAX_SYMBOL, MAX_SYMBOL + 1, int(far.sum()))
    if rng.random() < 0.1:
        symbols[:] = 0
    return index, symbols


def pair(tables: Tables) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return tables.cdf, tables.sizes


def test_both_coders_write_the_same_bytes_and_read_each_other() -> None:
    rng = np.random.default_rng(5)
    sizes = set()
    for _ in range(300):
        tables = some_tables(rng)
        index, symbols = some_symbols(tables, rng)
        writer = PlainWriter()
        writer.write(tables, symbols, index)
        data = write_symbols(CORE, pair(tables), index, symbols)
        assert data == (writer.finish() if symbols.any() else b"")
        assert read_symbols(CORE, pair(tables), index, data).tolist() == symbols.tolist()
        read = PlainReader(data).read(tables, index)
        assert read.tolist() == symbols.tolist() or not data
        sizes.add(len(data))
    assert 0 in sizes and max(sizes) > 500


def test_damaged_bytes_give_symbols_within_their_range() -> None:
    rng = np.random.default_rng(6)
    different = 0
    for _ in range(2000):
        tables = some_tables(rng)
        index, _ = some_symbols(tables, rng)
        data = rng.bytes(int(rng.integers(0, 60)))
        read = read_symbols(CORE, pair(tables), index, data)
        assert read.shape == index.shape and bool((np.abs(read) <= MAX_SYMBOL).all())
        different += len(set(read.tolist())) > 3
    assert different > 300


@pytest.mark.parametrize(
    "case", ["no end", "not rising", "even size", "index", "negative index", "symbol"]
)
def test_what_does_not_fit_is_refused(case: str) -> None:
    cdf = np.array([[0, 9000, 56000, 65000, 65536]], np.int32)
    sizes, index, symbols = (np.array([value], np.int32) for value in (5, 0, 1))
    if case == "no end":
        cdf[0, 4] = 65535
    elif case == "not rising":
        cdf[0, 2] = 9000
    elif case == "even size":
        sizes[0] = 4
    elif case == "index":
        index[0] = 1
    elif case == "negative index":
        index[0] = -1
    else:
        symbols[0] = MAX_SYMBOL + 1
    with pytest.raises(ConfigError, match="native core: symbols_write refuses its arguments"):
        write_symbols(CORE, (cdf, sizes), index, symbols)
    if case != "symbol":
        with pytest.raises(ConfigError, match="native core: symbols_read refuses its arguments"):
            read_symbols(CORE, (cdf, sizes), index, b"12345678")
