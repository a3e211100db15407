"""Integer frequency tables: made once at export, stored in the model file, never recomputed.

A table is a cumulative distribution over ``-reach..reach`` plus one escape symbol, scaled to
2^16, every frequency at least 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import HeaderError

PRECISION = 16
TOTAL = 1 << PRECISION
MAX_REACH = 255
SCALES = 64
"""Tables of the latents of a branch, by their scale."""
COSTED = 32
"""Magnitudes whose cost in bits the encoder's quantiser knows."""
HYPER_LIMIT = 127
"""Largest magnitude of a hyper-latent."""
MAX_SYMBOL = 2**11 - 1
"""Largest magnitude of a symbol; a damaged stream cannot exceed it."""
_LOG_BITS = 30
"""Fractional bits of the logarithms: all that the arithmetic of `bits_of_shares` has."""


@dataclass(frozen=True)
class Tables:
    """A set of tables of one kind of symbols.

    Attributes:
        cdf: int32 ``(N, longest)``, rows padded with zeros.
        sizes: int32 ``(N,)``, entries used of each row: ``2 * reach + 3``.
    """

    cdf: NDArray[np.int32]
    sizes: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Refuse tables that the coder could not work with.

        Raises:
            HeaderError: a table is not a strictly rising distribution from 0 to 2^16.
        """
        if self.cdf.ndim != 2 or self.sizes.shape != self.cdf.shape[:1]:
            raise HeaderError(f"tables have shapes {self.cdf.shape} and {self.sizes.shape}")
        for number, (row, size) in enumerate(zip(self.cdf, self.sizes, strict=True)):
            if not (3 <= size <= len(row) and size % 2 == 1):
                raise HeaderError(f"table {number} has {size} entries; odd, 3..{len(row)} allowed")
            used = row[:size]
            if used[0] != 0 or used[-1] != TOTAL or (np.diff(used) < 1).any():
                raise HeaderError(f"table {number} does not rise from 0 to {TOTAL}")

    @property
    def reach(self) -> NDArray[np.int32]:
        """Largest magnitude of each table without an escape, ``(N,)``."""
        return (self.sizes - 3) // 2

    @cached_property
    def rows(self) -> list[list[int]]:
        """The tables as lists of their own lengths."""
        return [row[:size].tolist() for row, size in zip(self.cdf, self.sizes, strict=True)]

    def costs(self, count: int) -> NDArray[np.float32]:
        """Bits by table and magnitude 0..count-1, ``(N, count)``, the sign included."""
        magnitude = np.broadcast_to(np.arange(count, dtype=np.int32), (len(self.sizes), count))
        index = np.broadcast_to(np.arange(len(self.sizes))[:, None], magnitude.shape)
        return self.information(magnitude, index).astype(np.float32)

    def bits(self, symbols: NDArray[np.int32], index: NDArray[np.int32]) -> float:
        """Information of ``symbols`` under the tables ``index``, in bits; 8 more for an escape."""
        return float(self.information(symbols, index).sum())

    def information(self, symbols: NDArray[np.int32], index: NDArray[Any]) -> NDArray[np.float64]:
        """Bits of each of ``symbols`` under its table of ``index``; arrays of one shape."""
        reach = self.reach[index]
        inside = np.abs(symbols) <= reach
        place = np.where(inside, symbols + reach, 2 * reach + 1)
        share = self.cdf[index, place + 1] - self.cdf[index, place]
        information: NDArray[np.float64] = bits_of_shares()[share] + np.where(inside, 0.0, 8.0)
        return information


@lru_cache(maxsize=1)
def bits_of_shares() -> NDArray[np.float64]:
    """``-log2(share / 2^16)`` of the frequencies 0..65536, to 2^-29; 16 for the impossible 0.

    In integers, by squaring: the quantiser weighs by these, and the logarithms of math libraries
    differ in their last bits from machine to machine.
    """
    share = np.arange(TOTAL + 1, dtype=np.uint64)
    share[0] = 1
    whole = np.frexp(share.astype(np.float64))[1] - 1
    one = np.uint64(31)
    mantissa = share << (one - whole.astype(np.uint64))  # 2^31 to 2^32
    logarithm = whole.astype(np.int64)
    for _ in range(_LOG_BITS):
        mantissa = mantissa * mantissa >> one
        carry = mantissa >> (one + np.uint64(1))
        mantissa >>= carry
        logarithm = 2 * logarithm + carry.astype(np.int64)
    bits: NDArray[np.float64] = PRECISION - logarithm * 2.0**-_LOG_BITS
    bits.setflags(write=False)
    return bits


def quantise_distribution(pmf: NDArray[np.float64]) -> NDArray[np.int32]:
    """Cumulative frequencies, 0 to 2^16, of a distribution; each symbol gets at least 1.

    ``pmf`` need not add up to one. The rest of rounding goes to the most frequent symbols.
    """
    share = pmf / pmf.sum() * (TOTAL - len(pmf))
    counts = np.floor(share).astype(np.int64) + 1
    for place in np.argsort(-(share - np.floor(share)), kind="stable")[: TOTAL - counts.sum()]:
        counts[place] += 1
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)


def tables_of(distributions: list[NDArray[np.float64]]) -> Tables:
    """Tables from distributions over ``-reach..reach``; an escape is added to each."""
    rows = [quantise_distribution(np.append(p, 1e-6 * p.sum())) for p in distributions]
    sizes = np.array([len(r) for r in rows], np.int32)
    cdf = np.zeros((len(rows), int(sizes.max())), np.int32)
    for number, row in enumerate(rows):
        cdf[number, : len(row)] = row
    return Tables(cdf, sizes)
