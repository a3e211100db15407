"""Numbers as people write them, and when it is time for a line of progress."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from colorvid.system.pace import Pace
from colorvid.system.text import amount, duration, file_size, frame_rate, plural


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00 min"),
        (65, "1:05 min"),
        (3599.6, "1:00:00 h"),
        (7209, "2:00:09 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_300_000_000, "1.3 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_file_sizes(size: int, text: str) -> None:
    assert file_size(size) == text


def test_rates_and_counts() -> None:
    rates = [Fraction(25), Fraction(30000, 1001), Fraction(100, 3), Fraction(1, 2), Fraction(100)]
    assert [frame_rate(rate) for rate in rates] == ["25", "29.97", "33.333", "0.5", "100"]
    assert [plural(n, "frame") for n in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 105.0, 110.0, 111.0, 119.9, 120.0, 120.0, 120.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    pace = Pace()
    assert [pace.due() for _ in range(5)] == [False, True, False, False, True]
    assert pace.left(5, 20) == 60.0
    assert pace.left(0, 20) == 400.0


def test_amounts() -> None:
    for written, number in (("800k", 800_000), ("1.5M", 1_500_000), ("2g", 2 * 10**9), ("7", 7)):
        assert amount(written) == number
    for wrong in ("", "k", "1kk", "-3", "0", "1/0", "0.1", "nan", "x"):
        with pytest.raises(ValueError):
            amount(wrong)
