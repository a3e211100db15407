"""Ways to code the next frames of a group, of which the encoder keeps the cheapest.

How far apart P frames should be, and how coarse the B frames between, depends on what moves. A
slow encoder codes the same frames in several ways and looks at what came out. Streams do not say
that there was a choice: every frame has its distances and its quality.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from colorvid.codec.settings import USUAL_SCALE
from colorvid.frame import Frame

SCALES = (6, 11)
"""Scales of the quality offsets of B frames that are tried besides `USUAL_SCALE`."""

_LEAST_GAIN = 64
"""Shorter mini-GOPs that are cheaper by less than one part in so many are not taken: what comes
later may lose more."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to code frames.

    Attributes:
        lengths: frames of each mini-GOP.
        scale: of the quality offsets of B frames, see `EncoderSettings.quality_of`.
    """

    lengths: tuple[int, ...]
    scale: int = USUAL_SCALE

    def halved(self) -> Plan:
        """The same frames in mini-GOPs of half the length."""
        halves = [(length // 2, length - length // 2) for length in self.lengths]
        return Plan(tuple(part for pair in halves for part in pair if part), self.scale)


@dataclass(frozen=True, slots=True)
class Spent:
    """What coding took and left.

    Attributes:
        bits: of the frames.
        error: squared, summed over all samples of all planes.
    """

    bits: int = 0
    error: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Of both."""
        return Spent(self.bits + other.bits, self.error + other.error)

    @property
    def cost(self) -> int:
        """What is to be small: half the error for twice the bits is no gain.

        About so, the error falls with the bits on every clip, fast or still; the price of a bit
        that holds within a frame does not tell what later frames inherit.
        """
        return self.bits * self.error


def squared_error(a: Frame, b: Frame) -> int:
    """Over all samples of two frames of one size."""
    planes = zip(a.planes, b.planes, strict=True)
    return sum(int(np.square(p.astype(np.int32) - q).sum(dtype=np.int64)) for p, q in planes)


def cheapest(
    length: int, scales: Sequence[int], run: Callable[[Plan, Result | None], tuple[int, Result]]
) -> Result:
    """The best of what plans for the same frames give.

    Mini-GOPs are halved as long as that pays; then come the scales.

    Args:
        length: of the mini-GOP that comes first.
        scales: to try, besides the usual one.
        run: carries out a plan, given the best result so far, which must stay whole; its cost and
            what it gives.
    """
    best = plan = Plan((length,))
    lowest, result = run(plan, None)
    while max(plan.lengths) > 1:
        plan = plan.halved()
        cost, other = run(plan, result)
        if cost * _LEAST_GAIN >= lowest * (_LEAST_GAIN - 1):
            break
        best, lowest, result = plan, cost, other
    for scale in scales if max(best.lengths) > 1 else ():
        cost, other = run(Plan(best.lengths, scale), result)
        if cost < lowest:
            lowest, result = cost, other
    return result
