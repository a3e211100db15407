"""Writing and reading symbols for PyTorch's path, with compressai's rANS coder.

Where compressai is not installed, the native core takes its place: the streams are the same.

`SymbolWriter` and `SymbolReader` have the same two methods, so one traversal of a model serves
both directions. All symbols of a frame share one rANS stream: no symbols, no bytes; a frame whose
symbols are all zero is the empty stream.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import time
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.entropy.core_rans import CoreReader, CoreWriter
from colorvid.entropy.flags import TABLES as FLAG_TABLES
from colorvid.entropy.flags import code_flags
from colorvid.entropy.tables import MAX_SYMBOL, TOTAL, Tables
from colorvid.errors import ConfigError
from colorvid.native.core import Core, core, describe
from colorvid.system.packages import install_hint

_FEWEST = 4
"""compressai's encoder has room for one word a symbol; with fewer symbols it would overrun."""


def _slack(stream: int, symbols: int) -> int:
    """Zero bytes to put behind a stream, so that no damaged stream makes the coder overrun.

    compressai's coder does not look where the stream ends. A symbol takes at most one word of four
    bytes. An escape counts the nibbles of its value in nibbles of up to 15, so half a byte of
    stream can ask for 15 nibbles: at most 15 bytes for each byte of the stream. Behind the stream
    are zeros, which end every count; the 63 bits of state left there can start few escapes, of
    at most 74 bytes each, and the last term is room for more than they can start.
    """
    return 16 * stream + 4 * symbols + 4096


@lru_cache(maxsize=1)
def _ans() -> Any:
    """compressai's coder alone, as importing all of compressai takes seconds; None without it."""
    package = importlib.util.find_spec("compressai")
    for folder in (package.submodule_search_locations or []) if package else []:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = Path(folder) / f"ans{suffix}"
            if path.exists():
                return _load(path)
    return None


def _core() -> Core:
    """The native core, in the place of compressai.

    Raises:
        ConfigError: it is not there either, or switched off.
    """
    found = core()
    if found is None:
        raise ConfigError(
            f"PyTorch's path needs compressai's rANS coder or the native core; compressai is "
            f"missing, {describe()}; {install_hint('compressai')}"
        )
    return found


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("compressai.ans", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CodeBook:
    """Tables of one branch as the coder takes them: hyper-latents by channel, latents by scale."""

    def __init__(self, hyper: Tables, latents: Tables) -> None:
        """Convert the tables once."""
        self.hyper, self.latents = hyper, latents
        self.lists = {
            id(t): (t.rows(), t.sizes.tolist(), (-t.reach).tolist())
            for t in (hyper, latents, FLAG_TABLES)
        }

    def lists_of(self, tables: Tables) -> tuple[list[list[int]], list[int], list[int]]:
        """Rows, sizes and offsets of ``tables``: one of this book's two sets, or of flags."""
        return self.lists[id(tables)]


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
        ans = _ans()
        self._encoder: Any = ans and ans.BufferedRansEncoder()
        self._core = CoreWriter(_core()) if ans is None else None
        self.any = False
        self._count = 0

    def branch(self, book: CodeBook) -> BranchWriter:
        """A coder that writes with the tables of ``book``."""
        return BranchWriter(self, book)

    def write(
        self,
        book: CodeBook,
        tables: Tables,
        symbols: NDArray[np.int32],
        index: NDArray[np.int32],
    ) -> None:
        """Append symbols, each with a table of ``tables``."""
        if self._core is not None:
            self._core.write(tables, symbols, index)
        else:
            rows, sizes, offsets = book.lists_of(tables)
            self._encoder.encode_with_indexes(
                symbols.tolist(), index.tolist(), rows, sizes, offsets
            )
        self.any = self.any or bool(symbols.any())
        self._count += len(symbols)

    def finish(self) -> bytes:
        """The stream; empty if every symbol is zero."""
        if not self.any:
            return b""
        if self._core is not None:
            return self._core.finish()
        if self._count < _FEWEST:
            zeros = [0] * _FEWEST
            self._encoder.encode_with_indexes(zeros, zeros, [[0, TOTAL - 1, TOTAL]], [3], [0])
        data: bytes = self._encoder.flush()
        return data


class BranchWriter:
    """`colorvid.models.branch.Coder` that writes; counts the information it wrote.

    Attributes:
        hyper_bits, latent_bits: information of the symbols so far, in bits.
        seconds: time spent in the coder.
    """

    def __init__(self, writer: SymbolWriter, book: CodeBook) -> None:
        """Write to ``writer`` with the tables of ``book``."""
        self._writer, self._book = writer, book
        self.hyper_bits = self.latent_bits = self.seconds = 0.0

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `colorvid.models.branch.Coder.flags`."""
        assert flags is not None

        def code(symbols: NDArray[np.int32] | None, index: NDArray[np.int32]) -> NDArray[np.int32]:
            assert symbols is not None
            self.hyper_bits += self._write(FLAG_TABLES, symbols, index)
            return symbols

        code_flags(code, flags.cpu().numpy(), grid)
        return flags

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.branch.Coder.hyper`."""
        assert symbols is not None and symbols.shape == shape
        values = _chosen(symbols, flags)
        self.hyper_bits += self._write(self._book.hyper, values, _channels(shape, flags))
        return symbols

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.branch.Coder.latents`."""
        assert symbols is not None
        tables, values = _integers(index), _integers(symbols)
        coded = np.flatnonzero(tables)
        self.latent_bits += self._write(self._book.latents, values[coded], tables[coded])
        return torch.where(index > 0, symbols.to(index.dtype), 0.0)

    def _write(self, tables: Tables, values: NDArray[np.int32], index: NDArray[np.int32]) -> float:
        """Write and return the information, in bits."""
        start = time.perf_counter()
        self._writer.write(self._book, tables, values, index)
        bits = tables.bits(values, index)
        self.seconds += time.perf_counter() - start
        return bits


class SymbolReader:
    """Reads the symbols of one frame in the order in which they were written."""

    def __init__(self, data: bytes, most_symbols: int) -> None:
        """Read ``data``; a frame holds ``most_symbols`` symbols at the most."""
        ans = _ans()
        self._decoder: Any = ans and ans.RansDecoder()
        self._core = CoreReader(_core(), data) if ans is None else None
        self._empty = not data
        if data and self._core is None:
            self._decoder.set_stream(data + bytes(_slack(len(data), most_symbols)))

    def branch(self, book: CodeBook) -> BranchReader:
        """A coder that reads with the tables of ``book``."""
        return BranchReader(self, book)

    def read(self, book: CodeBook, tables: Tables, index: NDArray[np.int32]) -> NDArray[np.int32]:
        """The next symbols, one with each table of ``index``."""
        if self._empty or not len(index):
            return np.zeros(len(index), np.int32)
        if self._core is not None:
            return self._core.read(tables, index)
        rows, sizes, offsets = book.lists_of(tables)
        symbols = self._decoder.decode_stream(index.tolist(), rows, sizes, offsets)
        return np.asarray(symbols, np.int64).clip(-MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)


class BranchReader:
    """`colorvid.models.branch.Coder` that reads.

    Attributes:
        seconds: time spent in the coder.
    """

    def __init__(self, reader: SymbolReader, book: CodeBook) -> None:
        """Read from ``reader`` with the tables of ``book``."""
        self._reader, self._book = reader, book
        self.seconds = 0.0

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `colorvid.models.branch.Coder.flags`."""
        return torch.from_numpy(
            code_flags(lambda _, index: self._read(FLAG_TABLES, index), None, grid)
        )

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.branch.Coder.hyper`."""
        values = self._read(self._book.hyper, _channels(shape, flags))
        result = torch.zeros(shape, dtype=torch.int32, device="cpu")
        result[0, :, flags.cpu()] = torch.from_numpy(values).reshape(shape[1], -1)
        return result

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.branch.Coder.latents`."""
        tables = _integers(index)
        coded = np.flatnonzero(tables)
        decoded = np.zeros(len(tables), np.float32)
        decoded[coded] = self._read(self._book.latents, tables[coded])
        return torch.from_numpy(decoded).to(index.device, index.dtype)

    def _read(self, tables: Tables, index: NDArray[np.int32]) -> NDArray[np.int32]:
        start = time.perf_counter()
        values = self._reader.read(self._book, tables, index)
        self.seconds += time.perf_counter() - start
        return values
