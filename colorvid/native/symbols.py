"""The entropy coder of hyper-latents and latents in the native core, by itself.

Frames are coded as a whole, see `colorvid.native.model`; this is for known answers and tests.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from colorvid.native.core import Core, pointer

Integers = NDArray[np.int32]


def read_symbols(
    core: Core, tables: tuple[Integers, Integers], index: Integers, data: bytes
) -> Integers:
    """Symbols of ``data``, one with each table of ``index``.

    Args:
        core: the native core.
        tables: cumulative distributions ``(N, longest)`` and their sizes ``(N,)``, int32; see
            `colorvid.entropy.tables.Tables`.
        index: a table for each symbol, int32 ``(count,)``.
        data: whatever its bytes are.

    Returns:
        int32 ``(count,)`` within +-2047.

    Raises:
        ConfigError: a table is none, or an index is out of range.
    """
    symbols = np.empty(len(index), np.int32)
    core.call("symbols_read", *_places(tables, index), data, len(data), pointer(symbols, np.int32))
    return symbols


def write_symbols(
    core: Core, tables: tuple[Integers, Integers], index: Integers, symbols: Integers
) -> bytes:
    """The bytes of ``symbols`` within +-2047; see `read_symbols`.

    Raises:
        ConfigError: a table is none, or an index or a symbol is out of range.
    """
    room = 16 * len(index) + 64
    data, size = np.empty(room, np.uint8), ctypes.c_size_t()
    core.call(
        "symbols_write", *_places(tables, index), pointer(symbols, np.int32),
        pointer(data, np.uint8), room, ctypes.byref(size),
    )  # fmt: skip
    assert size.value <= room
    return data[: size.value].tobytes()


def _places(tables: tuple[Integers, Integers], index: Integers) -> tuple[int, ...]:
    cdf, sizes = tables
    return (
        pointer(cdf, np.int32), pointer(sizes, np.int32), *cdf.shape,
        pointer(index, np.int32), len(index),
    )  # fmt: skip
