"""Logarithm and exponential of our own."""

from __future__ import annotations

import math

import pytest

from colorvid.codec.logarithm import exp, log

VALUES = [5e-324, 1e-9, 0.06, 0.5, math.sqrt(0.5), 0.9999999, 1.0, 1.0000001, 2.0, 3.7, 1e9, 1e300]
LOGS = ["-0x1.681dd7a559a2ap+1", "-0x1.4b927f32bffb8p+4", "0x1.2d79559791e31p+3"]
POWERS_OF_E = ["0x1.f227f1c7c6d86p-5", "0x1.0d201a422a433p+0", "0x1.d942954644777p+24"]
POWERS = [-700.0, -20.72, -0.3466, -1e-9, 0.0, 1e-9, 0.3466, 0.35, 1.0, 13.37, 700.0]


@pytest.mark.parametrize("value", VALUES)
def test_the_logarithm_is_one(value: float) -> None:
    assert log(value) == pytest.approx(math.log(value), rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("power", POWERS)
def test_the_exponential_is_one(power: float) -> None:
    assert exp(power) == pytest.approx(math.exp(power), rel=1e-13)


def test_bits_that_every_machine_must_give() -> None:
    assert [log(value).hex() for value in (0.06, 1e-9, 12345.678)] == LOGS
    assert [exp(power).hex() for power in (-2.8, 0.05, 17.25)] == POWERS_OF_E


def test_they_undo_each_other() -> None:
    assert [exp(log(value)) for value in VALUES[1:-1]] == [
        pytest.approx(value, rel=1e-13) for value in VALUES[1:-1]
    ]
