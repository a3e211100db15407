"""The native core as the coder of PyTorch's path.

It codes a whole stream at once, so a writer keeps the symbols until the end, and a reader begins at
the start each time: a frame has few parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colorvid.entropy.tables import Tables
from colorvid.native.core import Core
from colorvid.native.symbols import read_symbols, write_symbols

Integers = NDArray[np.int32]


class _Parts:
    """The parts of a stream in order, with all their tables as one set."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._sets: list[Tables] = []
        self._index: list[Integers] = []

    def add(self, tables: Tables, index: Integers) -> None:
        """Append a part; ``index`` gives a table of ``tables`` for each symbol."""
        if id(tables) not in self._first:
            self._first[id(tables)] = sum(len(known.sizes) for known in self._sets)
            self._sets.append(tables)
        self._index.append(index + np.int32(self._first[id(tables)]))

    def joined(self) -> tuple[tuple[Integers, Integers], Integers]:
        """Distributions and sizes of the tables, and a table for each symbol of all parts."""
        longest = max(tables.cdf.shape[1] for tables in self._sets)
        rows = [np.pad(t.cdf, ((0, 0), (0, longest - t.cdf.shape[1]))) for t in self._sets]
        sizes = np.concatenate([tables.sizes for tables in self._sets])
        index = np.ascontiguousarray(np.concatenate(self._index), np.int32)
        return (np.ascontiguousarray(np.concatenate(rows), np.int32), sizes), index


class CoreWriter:
    """Writes the symbols of one stream."""

    def __init__(self, core: Core) -> None:
        """Start empty."""
        self._core, self._parts = core, _Parts()
        self._symbols: list[Integers] = []

    def write(self, tables: Tables, symbols: Integers, index: Integers) -> None:
        """Append symbols within +-2047, each with a table of ``tables``."""
        self._parts.add(tables, index)
        self._symbols.append(symbols)

    def finish(self) -> bytes:
        """The stream; there must be a symbol."""
        return write_symbols(self._core, *self._parts.joined(), np.concatenate(self._symbols))


class CoreReader:
    """Reads the symbols of one stream, whatever its bytes are."""

    def __init__(self, core: Core, data: bytes) -> None:
        """Begin with the first symbol of ``data``."""
        self._core, self._data, self._parts = core, data, _Parts()

    def read(self, tables: Tables, index: Integers) -> Integers:
        """The next symbols within +-2047, at least one; each with a table of ``tables``."""
        self._parts.add(tables, index)
        symbols = read_symbols(self._core, *self._parts.joined(), self._data)
        return symbols[len(symbols) - len(index) :]
