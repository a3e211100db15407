"""Rates for videos that are read only once: every group gets its quality when it begins.

With B frames, for whose sake the encoder waits anyway, the first frames of each group are coded in
a rehearsal, whose size tells what the group will take. Without them later groups follow those that
are finished by then::

    first frames -> rehearsal -> quality, with groups up to n - LAG -> workers -> packets -> note

As only groups at least ``LAG`` before count, and no more than ``MOST_GROUPS`` are under way when
one begins, the result is the same for any number of threads. It is on any machine, too: `log` and
`exp` are our own, and sums those of `math.fsum`, as `sum` rounds in another way since Python 3.12.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, islice, takewhile

from colorvid.bitstream import Packet
from colorvid.codec.encoder import GroupEncoder, Guard
from colorvid.codec.groups import PlannedFrame
from colorvid.codec.logarithm import exp, log
from colorvid.codec.lookahead import KeyFrames
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.targets import BITS, Aim
from colorvid.config import QUALITIES
from colorvid.frame import Frame
from colorvid.models.loading import Model

LAG = 4
"""A group follows those at least so many before it."""
MOST_GROUPS = LAG - 1
"""Most groups under way, so that these are finished when one begins."""
REHEARSED = 17
"""Frames that are coded in a rehearsal: a key frame, and the longest mini-GOP."""
STEP = 4
"""Most by which quality changes from a group to the next to make good what the rate is off, besides
what another content asks for."""
_CURVE = ((0, -1.48), (8, -1.40), (16, -1.18), (24, -0.83), (40, 0.0), (54, 0.72), (63, 1.38))
"""Qualities, and how the logarithm of bits goes with them in most videos: steeper where noise is
coded too, flat where hardly anything is. Means of twelve clips, ten of them of training."""
_REHEARSAL = "fast"  # preset
_NEAR = 8  # qualities over which a rehearsal tells the size well enough
_SAFE = 0.8  # share of a buffer that is planned with
_SPARE = 0.6  # share of a group that one without a rehearsal may have beyond its bits
_RECENT = 3  # groups from which the next one is guessed
_CATCH_UP = 3  # groups over which a rate makes good what it is off


@dataclass(frozen=True, slots=True)
class Pace:
    """What is to be kept to.

    Attributes:
        goal: mean bits a frame; None = the quality of the settings.
        peak: bits a frame that leave the buffer of a receiver, on average; None = no limit.
        buffer: bits that such a buffer holds.
    """

    goal: float | None
    peak: float | None = None
    buffer: float = 0.0


@dataclass(slots=True)
class _Group:
    """A group that has begun.

    Levels are logarithms of bits a frame, as they would be at quality 40.
    """

    quality: int
    guard: Guard | None
    rehearsed: float  # its level by the rehearsal
    expected: float  # the same, corrected by what became of groups before
    frames: int = 0
    packets: int = 0
    bits: float = 0.0

    @property
    def level(self) -> float:
        """What became of it."""
        return log(self.bits / self.packets) - _growth(self.quality)

    @property
    def guess(self) -> float:
        """Bits that it will take."""
        return self.frames * exp(self.expected + _growth(self.quality))


class Bucket:
    """The buffer of a receiver that takes in a steady stream: how full the sender's side is."""

    def __init__(self, peak: float) -> None:
        """Empty; ``peak`` bits leave with each frame."""
        self._peak = peak
        self.full = 0.0

    def add(self, bits: float, frames: int = 1) -> None:
        """Put in frames, and let flow out what leaves meanwhile."""
        self.full = max(0.0, self.full + bits - self._peak * frames)


class Pacer:
    """Chooses the qualities of groups as they begin.

    Attributes:
        fullest: most bits that a receiver's buffer had to hold; 0 without a peak.
    """

    def __init__(self, pace: Pace, settings: EncoderSettings) -> None:
        """Prepare.

        Args:
            pace: what is to be kept to.
            settings: of the encoder; its quality counts if there is no goal.
        """
        self._pace, self._settings = pace, settings
        self._groups: list[_Group] = []
        self._noted = 0  # groups all of whose packets are noted
        self._bucket = Bucket(pace.peak or 0.0)
        self.fullest = 0.0

    def plan(self, model: Model, frames: Iterable[Frame]) -> Iterator[PlannedFrame]:
        """The frames with their key frames and qualities; read as `encode_planned` does."""
        keys = KeyFrames(self._settings)
        source = ((frame, keys.begins(frame)) for frame in frames)
        ahead: deque[tuple[Frame, bool]] = deque()
        group: _Group | None = None
        for number in count():
            ahead.extend(islice(source, 0 if ahead else 1))
            if not ahead:
                return
            if ahead[0][1]:
                if group is None or self._settings.most_bframes:
                    ahead.extend(islice(source, REHEARSED - len(ahead)))
                own = [ahead[0][0]]
                own += [f for f, _ in takewhile(lambda item: not item[1], islice(ahead, 1, None))]
                group = self._begin(model, own, whole=len(own) < len(ahead))
                self._groups.append(group)
            assert group is not None
            group.frames += 1
            frame, begins = ahead.popleft()
            yield PlannedFrame(number, frame, begins, group.quality, group.guard)

    def note(self, packet: Packet) -> None:
        """Take a packet that is coded; they come in the order of the stream."""
        group, bits = self._groups[self._noted], 8.0 * packet.size_bytes
        if packet.is_key and group.packets:
            self._noted += 1
            group = self._groups[self._noted]
        group.packets += 1
        group.bits += bits
        if self._pace.peak is not None:
            self.fullest = max(self.fullest, self._bucket.full + bits)
            self._bucket.add(bits)

    def _begin(self, model: Model, frames: Sequence[Frame], *, whole: bool) -> _Group:
        """Begin a group: its quality, and how many bits it may take.

        Args:
            model: encodes.
            frames: the first of the group; for a rehearsal all but one alone.
            whole: whether these are all.
        """
        known = self._groups[: max(0, len(self._groups) - LAG + 1)]
        running = self._groups[len(known) :]
        length = len(frames) if whole else max(len(frames), self._length(known))
        guard = None
        if self._pace.peak is not None:
            guard = self._guard(known, running)
        elif self._groups and not self._settings.most_bframes:
            assert self._pace.goal is not None
            guard = Guard(self._pace.goal * length * _SPARE, self._pace.goal)
        quality = self._groups[-1].quality if self._groups else self._start(frames[0])
        for _ in range(2):
            before = quality
            if self._groups and not self._settings.most_bframes:
                rehearsed = expected = self._as_before(known)
            else:
                rehearsed = self._rehearse(model, frames, quality, length)
                expected = rehearsed + _mean([g.level - g.rehearsed for g in known[-_RECENT:]])
            quality = self._quality(expected, length, known, running, guard)
            if abs(quality - before) <= _NEAR:
                break
        return _Group(quality, guard, rehearsed, expected)

    def _start(self, frame: Frame) -> int:
        """The quality to begin with."""
        if self._pace.goal is None:
            return self._settings.quality
        return Aim(BITS, self._pace.goal / frame.size.pixels, 0.0).start

    def _as_before(self, known: Sequence[_Group]) -> float:
        """The level of a group that is like those before."""
        recent = [group.level for group in known[-_RECENT:]]
        return _mean(recent) if recent else self._groups[0].expected

    def _rehearse(
        self, model: Model, frames: Sequence[Frame], quality: int, length: float
    ) -> float:
        """Level of a group of some length that goes on as these frames do at a quality."""
        settings = replace(self._settings, quality=quality, preset=_REHEARSAL)
        encoder = GroupEncoder(model, settings, frames[0].size, 0, depth=frames[0].depth)
        coded = [*chain.from_iterable(encoder.push(frame) for frame in frames), *encoder.flush()]
        key, *others = (8 * item.packet.size_bytes for item in coded)
        inter = sum(others) / len(others) if others else key
        return log((key + inter * (length - 1)) / length) - _growth(quality)

    @staticmethod
    def _fitting(bits: float, level: float) -> int:
        """The quality at which a frame of a group takes so many bits."""
        wanted = log(max(bits, 1.0)) - level
        return min(range(QUALITIES), key=lambda quality: abs(_growth(quality) - wanted))

    def _quality(
        self,
        level: float,
        length: float,
        known: Sequence[_Group],
        running: Sequence[_Group],
        guard: Guard | None,
    ) -> int:
        """The quality of a group of a level and a length."""
        quality = self._settings.quality
        if self._pace.goal is not None:
            quality = self._on_average(self._pace.goal, level, length, known, running)
        if guard is not None and self._pace.peak is not None:
            most = guard.room / length + guard.flow
            quality = min(quality, self._fitting(most, level))
        if self._groups:
            last = self._groups[-1].quality
            quality = min(quality, max(last, self._as_last(level)) + STEP)
        return quality

    def _length(self, known: Sequence[_Group]) -> float:
        """Frames of a group, as far as one can tell."""
        return sum(g.frames for g in known) / len(known) if known else self._settings.gop

    def _on_average(
        self,
        goal: float,
        level: float,
        length: float,
        known: Sequence[_Group],
        running: Sequence[_Group],
    ) -> int:
        """The quality that brings the mean rate back to its goal within some groups."""
        spent = math.fsum([*(g.bits for g in known), *(g.guess for g in running)])
        frames = sum(g.frames for g in (*known, *running))
        over = (spent - goal * frames) / (length * _CATCH_UP)
        quality = self._fitting(min(max(goal - over, goal / 3), goal * 3), level)
        if self._groups:
            last = self._groups[-1].quality
            quality = max(quality, min(last, self._as_last(level)) - STEP)
        return quality

    def _as_last(self, level: float) -> int:
        """The quality at which this content takes as many bits as the last group; see ``STEP``."""
        last = self._groups[-1]
        if not self._settings.most_bframes:  # what the content is, nobody knows yet
            return last.quality
        return self._fitting(exp(last.expected + _growth(last.quality)), level)

    def _guard(self, known: Sequence[_Group], running: Sequence[_Group]) -> Guard:
        """Half of what the buffer has room for if all groups that are being coded use theirs."""
        assert self._pace.peak is not None
        bucket = Bucket(self._pace.peak)
        for group in known:
            bucket.add(group.bits, group.frames)
        buffer = self._pace.buffer * _SAFE
        free = buffer - bucket.full
        free -= math.fsum(g.guard.room for g in running if g.guard is not None)
        return Guard(max(free, buffer / 16) / 2, self._pace.peak)


def _growth(quality: int) -> float:
    """How much larger the logarithm of bits is than at quality 40, by the curve of most videos."""
    for (low, before), (high, behind) in itertools.pairwise(_CURVE):
        if quality <= high:
            return before + (behind - before) * (quality - low) / (high - low)
    raise ValueError(quality)


def _mean(values: Sequence[float]) -> float:
    """The mean; 0 of none."""
    return math.fsum(values) / len(values) if values else 0.0
