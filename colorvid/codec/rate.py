"""Finding the qualities of the groups of a video with which it meets a target.

Groups of pictures are coded, their figures noted, and better qualities derived, until the mean is
near enough. What was coded once at a quality counts for good::

    first guess, all groups --> figures of the groups --> model of each group over quality
                                        ^                              |
                                        |                              v
                      code those not coded yet <-- step of the ladder that meets the target

Everything follows from the figures alone, so that the result is the same for any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from colorvid.codec.targets import Aim, Figure
from colorvid.config import QUALITIES

TOP = QUALITIES - 1
MOST_ROUNDS = 8
_GOLDEN = 0.6180339887498949  # its multiples fill 0..1 evenly


class Ladder:
    """Qualities of all groups, from the lowest to the highest, one group at a time.

    On step ``s`` of ``n`` groups every group has the quality ``s // n``, and ``s % n`` of them,
    spread evenly, have one more: neighbours never differ by more than one.
    """

    def __init__(self, groups: int) -> None:
        """Build it for a number of groups, 1 or more."""
        self._order = sorted(range(groups), key=lambda group: group * _GOLDEN % 1)
        self._groups = groups

    @property
    def last(self) -> int:
        """The highest step."""
        return TOP * self._groups

    def qualities(self, step: int) -> list[int]:
        """Qualities of the groups on a step, 0..``last``."""
        low, finer = divmod(step, self._groups)
        qualities = [low] * self._groups
        for group in self._order[:finer]:
            qualities[group] += 1
        return qualities

    def climber(self, step: int) -> tuple[int, int]:
        """The group that gets finer behind a step, and its quality before."""
        low, place = divmod(step, self._groups)
        return self._order[place], low


class Curve:
    """A figure of one group over quality: as measured, between and beyond by straight lines."""

    def __init__(self, figure: Figure) -> None:
        """Begin without a measurement."""
        self._figure = figure
        self._measured: dict[int, float] = {}
        self._bent: list[tuple[int, float]] = []

    def note(self, quality: int, value: float) -> None:
        """Take a measurement."""
        self._measured[quality] = value
        self._bent = sorted((q, self._figure.bend(v)) for q, v in self._measured.items())

    def knows(self, quality: int) -> bool:
        """Whether it was measured there."""
        return quality in self._measured

    def slope(self) -> float | None:
        """From its lowest quality to its highest; None with fewer than two."""
        (low, first), (high, last) = self._bent[0], self._bent[-1]
        return (last - first) / (high - low) if high > low else None

    def at(self, quality: int, slope: float) -> float:
        """The figure, at least one quality being measured; ``slope`` holds beyond them."""
        if quality in self._measured:
            return self._measured[quality]
        below = [point for point in self._bent if point[0] < quality]
        above = [point for point in self._bent if point[0] > quality]
        x, y = below[-1] if below else above[0]
        if below and above:
            slope = (above[0][1] - y) / (above[0][0] - x)
        return self._figure.unbend(y + slope * (quality - x))


class Search:
    """Looks for the step of the ladder that meets an aim; see the top of this file.

    Attributes:
        step: of the ladder, where the search stands.
    """

    def __init__(self, aim: Aim, frames: Sequence[int], start: int) -> None:
        """Prepare.

        Args:
            aim: what the mean over all frames must be.
            frames: how many each group has.
            start: quality of all groups at first.
        """
        self._aim, self._frames = aim, frames
        self._ladder = Ladder(len(frames))
        self._curves = [Curve(aim.figure) for _ in frames]
        self._tried: dict[int, float] = {}
        self.step = start * len(frames)

    @property
    def qualities(self) -> list[int]:
        """Of the groups, where the search stands."""
        return self._ladder.qualities(self.step)

    def wanted(self) -> dict[int, int]:
        """Groups that must be coded now, and their qualities."""
        pairs = enumerate(self.qualities)
        return {group: q for group, q in pairs if not self._curves[group].knows(q)}

    def note(self, group: int, quality: int, value: float) -> None:
        """Take the mean figure of the frames of a group that was coded."""
        self._curves[group].note(quality, value)

    def advance(self) -> bool:
        """Go on from a step all of whose groups are coded; whether there is another to try.

        If not, the search stands at the best step.
        """
        here = self._mean(self.qualities)
        self._tried[self.step] = here
        if self._aim.is_met(here):
            return False
        better = self._solution()
        if better in self._tried or len(self._tried) == MOST_ROUNDS:
            self.step = min(self._tried, key=lambda step: self._aim.distance(self._tried[step]))
            return False
        self.step = better
        return True

    @property
    def reached(self) -> float:
        """The figure at the step where the search has ended."""
        return self._tried[self.step]

    @property
    def end(self) -> int | None:
        """Quality of all groups if it is the lowest or the highest there is; else None."""
        return self.step // len(self._frames) if self.step in (0, self._ladder.last) else None

    def _mean(self, qualities: Sequence[int]) -> float:
        """Mean over all frames, by the model where it was not measured."""
        slope = self._slope()
        values = (c.at(q, slope) for c, q in zip(self._curves, qualities, strict=True))
        total = math.fsum(n * value for n, value in zip(self._frames, values, strict=True))
        return total / sum(self._frames)

    def _slope(self) -> float:
        """Mean of those that groups have; the usual one as long as there are none."""
        slopes = [slope for curve in self._curves if (slope := curve.slope()) is not None]
        usual = self._aim.figure.slope
        if not slopes:
            return usual
        mean = math.fsum(slopes) / len(slopes)
        return mean if mean * usual > 0 else usual

    def _solution(self) -> int:
        """The step at which the model comes nearest to the goal."""
        slope, frames = self._slope(), sum(self._frames)
        mean = self._mean(self._ladder.qualities(0))
        best, least = 0, self._aim.distance(mean)
        for step in range(self._ladder.last):
            group, quality = self._ladder.climber(step)
            curve = self._curves[group]
            rise = curve.at(quality + 1, slope) - curve.at(quality, slope)
            mean += rise * self._frames[group] / frames
            distance = self._aim.distance(mean)
            if distance < least:
                best, least = step + 1, distance
        return best
