"""Ways to code the next frames of a group, of which the encoder keeps the cheapest.

How far apart P frames should be depends on what moves. A slow encoder codes the same frames in
several ways and looks at what came out. Streams do not say that there was a choice: every frame has
its distances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from colorvid.codec.logarithm import exp, log
from colorvid.config import LAMBDA_MAX, LAMBDA_MIN, QUALITIES
from colorvid.frame import Frame

_LEAST_GAIN = 64
"""Shorter mini-GOPs that are cheaper by less than one part in so many are not taken: what comes
later may lose more."""
_LEAST_GAIN_OF_ONE = 200
"""The same for one mini-GOP of several that is halved."""

_SAMPLE_WEIGHT = 0.75
"""Of the squared error of a sample of any plane, per pixel: as luma has it in training."""

Result = TypeVar("Result")


Lengths = tuple[int, ...]
"""A way to code frames: how many of them each mini-GOP has."""


def halved(lengths: Lengths) -> Lengths:
    """The same frames in mini-GOPs of half the length."""
    halves = [(length // 2, length - length // 2) for length in lengths]
    return tuple(part for pair in halves for part in pair if part)


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

    def weighed(self, quality: int, depth: int) -> float:
        """Bits, and the error at the price that it has at a quality: what one frame costs.

        The same on every machine. ``depth``: bits of a sample.
        """
        ratio = log(LAMBDA_MAX / LAMBDA_MIN) / (QUALITIES - 1)
        weight = LAMBDA_MIN * exp(ratio * quality)
        return self.bits + _SAMPLE_WEIGHT * weight * self.error / ((1 << depth) - 1) ** 2


def squared_error(a: Frame, b: Frame) -> int:
    """Over all samples of two frames of one size."""
    planes = zip(a.planes, b.planes, strict=True)
    return sum(int(np.square(p.astype(np.int32) - q).sum(dtype=np.int64)) for p, q in planes)


def cheapest(
    length: int,
    run: Callable[[Lengths, Result | None], tuple[int, Result]],
    *,
    thorough: bool = False,
) -> Result:
    """The best of what ways to code the same frames give.

    Mini-GOPs are halved as long as that pays.

    Args:
        length: of the mini-GOP that comes first.
        run: codes in a way, given the best result so far, which must stay whole; its cost and what
            it gives.
        thorough: halve down to single frames, whether it pays or not; and then those of the best
            way, each by itself.
    """
    lengths: Lengths = (length,)
    lowest, best = run(lengths, None)
    chosen = lengths
    while max(lengths) > 1:
        lengths = halved(lengths)
        cost, other = run(lengths, best)
        if cost * _LEAST_GAIN < lowest * (_LEAST_GAIN - 1):
            lowest, best, chosen = cost, other, lengths
        elif not thorough:
            break
    at = 0
    while thorough and at < len(chosen):
        lengths = (*chosen[:at], *halved(chosen[at : at + 1]), *chosen[at + 1 :])
        if lengths != chosen:
            cost, other = run(lengths, best)
            if cost * _LEAST_GAIN_OF_ONE < lowest * (_LEAST_GAIN_OF_ONE - 1):
                lowest, best, chosen = cost, other, lengths
                continue
        at += 1
    return best
