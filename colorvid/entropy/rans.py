"""Writing and reading symbols for PyTorch's path: the reference of the entropy coder.

`SymbolWriter` and `SymbolReader` have the same two methods, so one traversal of a model serves
both directions. All symbols of a frame share one rANS stream: no symbols, no bytes; a frame whose
symbols are all zero is the empty stream. Where the native core is there it codes, which is much
faster; the streams are the same.
"""

from __future__ import annotations

import time
from bisect import bisect_right

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.entropy.core_rans import CoreReader, CoreWriter
from colorvid.entropy.flags import TABLES as FLAG_TABLES
from colorvid.entropy.flags import code_flags
from colorvid.entropy.tables import MAX_SYMBOL, PRECISION, Tables
from colorvid.native.core import core

_LOWEST = 1 << 31
"""Below this the decoder takes the next word, as long as there is one."""
_WORD = 32
_NIBBLE = 4
_MOST_NIBBLES = 3
"""Of the value of an escape, as `MAX_SYMBOL` limits it; more only say that it is larger."""


class PlainWriter:
    """Writes the symbols of one stream, in Python; see ``docs/coding.md``, "rANS decoder".

    After J. Duda, "Asymmetric numeral systems" (arXiv 1311.2540): the decoder walks from the first
    symbol to the last, so the encoder walks back, from a state of 0.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._steps: list[tuple[int, int, int]] = []  # start, share, and the bits of their whole

    def write(self, tables: Tables, symbols: NDArray[np.int32], index: NDArray[np.int32]) -> None:
        """Append symbols within +-2047, each with a table of ``tables``."""
        for symbol, row in zip(symbols.tolist(), index.tolist(), strict=True):
            cdf = tables.rows[row]
            escape = len(cdf) - 2
            value = symbol + (escape - 1) // 2
            place = value if 0 <= value < escape else escape
            self._steps.append((cdf[place], cdf[place + 1] - cdf[place], PRECISION))
            if place == escape:
                self._escape(-2 * value - 1 if value < 0 else 2 * (value - escape))

    def _escape(self, raw: int) -> None:
        """Append how many nibbles a value has, and these, the lowest first."""
        count = -(-raw.bit_length() // _NIBBLE)
        for nibble in (count, *(raw >> _NIBBLE * i & 15 for i in range(count))):
            self._steps.append((nibble, 1, _NIBBLE))

    def finish(self) -> bytes:
        """The stream; there must be a symbol."""
        state, words = 0, []
        for start, share, bits in reversed(self._steps):
            if state >= share * (_LOWEST << _WORD - bits):
                words.append((state & (1 << _WORD) - 1).to_bytes(4, "little"))
                state >>= _WORD
            state = (state // share << bits) + state % share + start
        size = max(5 if words else 1, -(-state.bit_length() // 8))
        return state.to_bytes(size, "little") + b"".join(reversed(words))


class PlainReader:
    """Reads the symbols of one stream, whatever its bytes are, in Python."""

    def __init__(self, data: bytes) -> None:
        """Begin with the first symbol of ``data``."""
        size = len(data) if len(data) <= 8 else 5 + (len(data) - 5) % 4
        self._state = int.from_bytes(data[:size], "little")
        self._words: list[int] = np.frombuffer(data[size:], "<u4")[::-1].tolist()

    def read(self, tables: Tables, index: NDArray[np.int32]) -> NDArray[np.int32]:
        """The next symbols within +-2047; each with a table of ``tables``."""
        return np.array([self._symbol(tables.rows[row]) for row in index.tolist()], np.int32)

    def _symbol(self, cdf: list[int]) -> int:
        place = bisect_right(cdf, self._state % (1 << PRECISION)) - 1
        self._take(cdf[place], cdf[place + 1] - cdf[place], PRECISION)
        escape = len(cdf) - 2
        if place == escape:
            place = self._escaped(escape)
        return min(max(place - (escape - 1) // 2, -MAX_SYMBOL), MAX_SYMBOL)

    def _escaped(self, escape: int) -> int:
        """The value behind an escape; damaged bytes may ask for more nibbles than there can be."""
        count = part = self._nibble()
        while part == 15:
            part = self._nibble()
            count += part
        raw, number = 0, 0
        while number < count and (self._state or self._words):  # behind the end are zeros
            nibble = self._nibble()
            raw |= nibble << _NIBBLE * min(number, _MOST_NIBBLES)
            number += 1
        return -(raw >> 1) - 1 if raw % 2 else (raw >> 1) + escape

    def _nibble(self) -> int:
        nibble = self._state % 16
        self._take(nibble, 1, _NIBBLE)
        return nibble

    def _take(self, start: int, share: int, bits: int) -> None:
        """Undo what the encoder did with a symbol."""
        self._state = share * (self._state >> bits) + self._state % (1 << bits) - start
        if self._state < _LOWEST and self._words:
            self._state = self._state << _WORD | self._words.pop()


class CodeBook:
    """Tables of one branch: hyper-latents by channel, latents by scale."""

    def __init__(self, hyper: Tables, latents: Tables) -> None:
        """Keep both."""
        self.hyper, self.latents = hyper, latents


def _integers(values: Tensor) -> NDArray[np.int32]:
    array: NDArray[np.int32] = values.to("cpu", torch.int32).numpy().ravel()
    return array


def _channels(shape: torch.Size, flags: Tensor) -> NDArray[np.int32]:
    """Channel of each hyper-latent ``(1, C, h, w)`` that is coded, where ``flags`` are true."""
    return np.repeat(np.arange(shape[1], dtype=np.int32), int(flags.sum()))


def _chosen(values: Tensor, flags: Tensor) -> NDArray[np.int32]:
    """Hyper-latents ``(1, C, h, w)`` where ``flags`` are true, channel by channel."""
    return _integers(values[0, :, flags])


class SymbolWriter:
    """Collects the symbols of one frame; `branch` gives the coder of a branch."""

    def __init__(self) -> None:
        """Start empty."""
        native = core()
        self._coder = PlainWriter() if native is None else CoreWriter(native)
        self.any = False

    def branch(self, book: CodeBook) -> BranchWriter:
        """A coder that writes with the tables of ``book``."""
        return BranchWriter(self, book)

    def write(self, tables: Tables, symbols: NDArray[np.int32], index: NDArray[np.int32]) -> None:
        """Append symbols, each with a table of ``tables``."""
        self._coder.write(tables, symbols, index)
        self.any = self.any or bool(symbols.any())

    def finish(self) -> bytes:
        """The stream; empty if every symbol is zero."""
        return self._coder.finish() if self.any else b""


class BranchWriter:
    """`colorvid.models.passes.Coder` that writes; counts the information it wrote.

    Attributes:
        hyper_bits, latent_bits: information of the symbols so far, in bits.
        seconds: time spent in the coder.
    """

    def __init__(self, writer: SymbolWriter, book: CodeBook) -> None:
        """Write to ``writer`` with the tables of ``book``."""
        self._writer, self._book = writer, book
        self.hyper_bits = self.latent_bits = self.seconds = 0.0

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `colorvid.models.passes.Coder.flags`."""
        assert flags is not None

        def code(symbols: NDArray[np.int32] | None, index: NDArray[np.int32]) -> NDArray[np.int32]:
            assert symbols is not None
            self.hyper_bits += self._write(FLAG_TABLES, symbols, index)
            return symbols

        code_flags(code, flags.cpu().numpy(), grid)
        return flags

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.hyper`."""
        assert symbols is not None and symbols.shape == shape
        values = _chosen(symbols, flags)
        self.hyper_bits += self._write(self._book.hyper, values, _channels(shape, flags))
        return symbols

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.latents`."""
        assert symbols is not None
        tables, values = _integers(index), _integers(symbols)
        coded = np.flatnonzero(tables)
        self.latent_bits += self._write(self._book.latents, values[coded], tables[coded])
        return torch.where(index > 0, symbols.to(index.dtype), 0.0)

    def _write(self, tables: Tables, values: NDArray[np.int32], index: NDArray[np.int32]) -> float:
        """Write and return the information, in bits."""
        start = time.perf_counter()
        self._writer.write(tables, values, index)
        bits = tables.bits(values, index)
        self.seconds += time.perf_counter() - start
        return bits


class SymbolReader:
    """Reads the symbols of one frame in the order in which they were written."""

    def __init__(self, data: bytes) -> None:
        """Begin with the first symbol of ``data``."""
        native = core()
        self._coder = PlainReader(data) if native is None else CoreReader(native, data)
        self._empty = not data

    def branch(self, book: CodeBook) -> BranchReader:
        """A coder that reads with the tables of ``book``."""
        return BranchReader(self, book)

    def read(self, tables: Tables, index: NDArray[np.int32]) -> NDArray[np.int32]:
        """The next symbols, one with each table of ``index``."""
        if self._empty or not len(index):
            return np.zeros(len(index), np.int32)
        return self._coder.read(tables, index)


class BranchReader:
    """`colorvid.models.passes.Coder` that reads.

    Attributes:
        seconds: time spent in the coder.
    """

    def __init__(self, reader: SymbolReader, book: CodeBook) -> None:
        """Read from ``reader`` with the tables of ``book``."""
        self._reader, self._book = reader, book
        self.seconds = 0.0

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `colorvid.models.passes.Coder.flags`."""
        return torch.from_numpy(
            code_flags(lambda _, index: self._read(FLAG_TABLES, index), None, grid)
        )

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.hyper`."""
        values = self._read(self._book.hyper, _channels(shape, flags))
        result = torch.zeros(shape, dtype=torch.int32, device="cpu")
        result[0, :, flags.cpu()] = torch.from_numpy(values).reshape(shape[1], -1)
        return result

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.latents`."""
        tables = _integers(index)
        coded = np.flatnonzero(tables)
        decoded = np.zeros(len(tables), np.float32)
        decoded[coded] = self._read(self._book.latents, tables[coded])
        return torch.from_numpy(decoded).to(index.device, index.dtype)

    def _read(self, tables: Tables, index: NDArray[np.int32]) -> NDArray[np.int32]:
        start = time.perf_counter()
        values = self._reader.read(tables, index)
        self.seconds += time.perf_counter() - start
        return values
