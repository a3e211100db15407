"""Logarithm and exponential that give the same bits on every machine.

Those of C libraries differ in the last bits, and a quality that is rounded from them could then
differ, and with it the stream. Here they are sums, products and quotients, whose rounding IEEE 754
defines.
"""

from __future__ import annotations

import math

_LN_2 = 0.6931471805599453
_ROOT = 0.7071067811865476  # of a half
_TERMS = 12  # of the series of the logarithm: x below 0.18, so that x^25 is below 1e-18
_DEGREE = 16  # of the series of the exponential: x below 0.35


def log(value: float) -> float:
    """The natural logarithm of a positive number, to a relative error of 1e-14 or so."""
    mantissa, exponent = math.frexp(value)
    if mantissa < _ROOT:
        mantissa, exponent = 2 * mantissa, exponent - 1
    x = (mantissa - 1) / (mantissa + 1)
    total = 0.0
    for term in reversed(range(_TERMS)):
        total = total * x * x + 1 / (2 * term + 1)
    return 2 * x * total + exponent * _LN_2


def exp(value: float) -> float:
    """e to a power of -700 to 700, to a relative error of 1e-13 or so."""
    exponent = math.floor(value / _LN_2 + 0.5)
    x = value - exponent * _LN_2
    total = 1.0
    for divisor in range(_DEGREE, 0, -1):
        total = 1 + total * x / divisor
    return math.ldexp(total, exponent)
