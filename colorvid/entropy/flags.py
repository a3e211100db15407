"""Flags of the areas of an inter frame: where a branch holds symbols, and where its filter acts.

An area covers 32x32 luma samples, as a position of the hyper-latents does. The first symbol gives
the class of the frame by the share of flags that are set: 0 = none, and nothing follows. The flags
come row by row. The table of a flag follows from the class and from how many of the three nearest
flags of the row above are set; beyond the borders none is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from colorvid.entropy.tables import TOTAL, Tables

CLASS_FLOORS = (0, 14, 29, 54, 90, 141, 205)
"""Classes 1 to 7 begin above these shares of set flags, in 1/256."""
SHARES = (
    (4, 48, 72, 96),
    (13, 58, 109, 150),
    (24, 69, 108, 145),
    (31, 87, 137, 195),
    (47, 100, 165, 216),
    (88, 125, 175, 226),
    (205, 185, 224, 246),
)
"""Probability of a set flag in 1/256: by class, from 1, and set ones above it."""

Flags = NDArray[np.bool_]
Integers = NDArray[np.int32]


def _tables() -> Tables:
    classes = len(SHARES) + 1
    first = np.full(2 * classes, 1)  # magnitudes below 0, which never come, and the escape
    first[classes - 1 : -1] = (TOTAL - classes) // classes
    first[classes - 1] += TOTAL - first.sum()
    rows = [first]
    for share in np.ravel(SHARES):
        rows.append(np.array((1, TOTAL - 2 - 256 * share, 256 * share, 1)))
    cdf = np.zeros((len(rows), len(first) + 1), np.int32)
    for row, shares in zip(cdf, rows, strict=True):
        row[1 : len(shares) + 1] = np.cumsum(shares)
    return Tables(cdf, np.array([len(shares) + 1 for shares in rows], np.int32))


TABLES = _tables()
"""Row 0 of the class, 0..7; then four rows of flags, 0 or 1, for each class from 1."""


_COSTS = np.rint(-256 * np.log2(np.maximum(1, np.diff(TABLES.cdf)) / TOTAL)).astype(np.int64)
_ZERO = TABLES.sizes // 2 - 1  # place of the symbol 0 in each table


def cost_of(flags: Flags) -> int:
    """What `code_flags` takes for them, in 1/256 bit."""
    total = 0

    def count(symbols: Integers | None, index: Integers) -> Integers:
        nonlocal total
        assert symbols is not None
        total += int(_COSTS[index, _ZERO[index] + symbols].sum())
        return symbols

    code_flags(count, flags, (flags.shape[0], flags.shape[1]))
    return total


def class_of(flags: Flags) -> int:
    """The class of a frame, 0..7."""
    share = 256 * int(flags.sum())
    return sum(share > floor * flags.size for floor in CLASS_FLOORS)


def code_flags(
    code: Callable[[Integers | None, Integers], Integers],
    flags: Flags | None,
    grid: tuple[int, int],
) -> Flags:
    """Write flags, or read them if ``flags`` is None.

    Args:
        code: takes symbols, or None to read, and a row of `TABLES` for each; gives the symbols.
        flags: of the areas, ``grid``.
        grid: rows and columns of areas.

    Returns:
        The flags, whatever the stream holds.
    """
    first = None if flags is None else np.array([class_of(flags)], np.int32)
    number = abs(int(code(first, np.zeros(1, np.int32))[0])) % (len(SHARES) + 1)
    result = np.zeros(grid, np.bool_)
    if number == 0:
        return result
    above = np.zeros(grid[1] + 2, np.int32)
    for y in range(grid[0]):
        index = above[:-2] + above[1:-1] + above[2:] + (4 * number - 3)
        symbols = code(None if flags is None else flags[y].astype(np.int32), index)
        result[y] = symbols != 0
        above[1:-1] = result[y]
    return result
