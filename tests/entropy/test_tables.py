from __future__ import annotations

import numpy as np
import pytest

from colorvid.entropy.tables import (
    TOTAL,
    Tables,
    bits_of_shares,
    quantise_distribution,
    tables_of,
)
from colorvid.errors import HeaderError


def made(*rows: list[int]) -> Tables:
    width = max(len(r) for r in rows)
    cdf = np.array([r + [0] * (width - len(r)) for r in rows], np.int32)
    return Tables(cdf, np.array([len(r) for r in rows], np.int32))


@pytest.mark.parametrize(
    ("pmf", "cdf"),
    [
        ([1, 2, 1], [0, 16384, 49152, 65536]),
        ([0.1, 0.2, 0.3, 0.4], [0, 6554, 19661, 39322, 65536]),
        ([0, 1, 1e-9], [0, 1, 65535, 65536]),
        ([5], [0, 65536]),
    ],
)
def test_golden_frequencies(pmf: list[float], cdf: list[int]) -> None:
    assert quantise_distribution(np.array(pmf, np.float64)).tolist() == cdf


def test_golden_tables() -> None:
    tables = tables_of([np.array([1.0, 2, 1]), np.array([1.0, 4, 10, 4, 1]), np.array([1.0])])
    assert tables.rows == [
        [0, 16384, 49151, 65535, 65536],
        [0, 3278, 16385, 49151, 62258, 65535, 65536],
        [0, 65535, 65536],
    ]
    assert tables.sizes.tolist() == [5, 7, 3]
    assert tables.reach.tolist() == [1, 2, 0]
    assert tables.cdf.dtype == tables.sizes.dtype == np.int32


def test_every_symbol_keeps_a_frequency() -> None:
    pmf = np.exp(-np.abs(np.arange(-255.0, 256)) * 3)
    counts = np.diff(quantise_distribution(pmf))
    assert counts.min() == 1 and counts.sum() == TOTAL
    assert counts.argmax() == 255


def test_bits_of_symbols_and_escapes() -> None:
    tables = made([0, 1 << 14, 3 << 14, TOTAL - 1, TOTAL])
    symbols = np.array([0, -1, 2, -900], np.int32)
    assert tables.bits(symbols, np.zeros(4, np.int32)) == 1 + 2 + 2 * (16 + 8)
    assert tables.bits(symbols[:0], symbols[:0]) == 0


def test_bits_are_logarithms_in_integers() -> None:
    bits = bits_of_shares()
    share = np.arange(1, TOTAL + 1)
    assert np.abs(bits[1:] + np.log2(share / TOTAL)).max() < 2.0**-29
    assert bits[[1, 2, 1 << 14, TOTAL]].tolist() == [16, 15, 2, 0]
    assert (bits[[0, 3, 40000, 65535]] * 2**30).tolist() == GOLDEN_BITS
    assert (bits * 2**30 == np.rint(bits * 2**30)).all()
    assert (np.diff(bits[1:]) < 0).all()


GOLDEN_BITS = [17179869184, 15478028658, 764813009, 23638]


def test_tables_that_the_coder_cannot_use_are_refused() -> None:
    with pytest.raises(HeaderError, match=r"table 1 does not rise from 0 to 65536"):
        made([0, 9, TOTAL], [0, 9, 9, 10, TOTAL])
    with pytest.raises(HeaderError, match=r"table 0 does not rise from 0 to 65536"):
        made([0, 9, TOTAL - 1])
    with pytest.raises(HeaderError, match=r"table 0 does not rise"):
        made([1, 9, TOTAL])
    with pytest.raises(HeaderError, match=r"table 0 has 4 entries; odd, 3..4 allowed"):
        made([0, 1, 2, TOTAL])
    with pytest.raises(HeaderError, match=r"table 0 has 9 entries; odd, 3..3 allowed"):
        Tables(np.array([[0, 9, TOTAL]], np.int32), np.array([9], np.int32))
    with pytest.raises(HeaderError, match=r"tables have shapes \(3,\) and \(1,\)"):
        Tables(np.array([0, 9, TOTAL], np.int32), np.array([3], np.int32))
