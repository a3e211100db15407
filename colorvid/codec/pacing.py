"""Rates for videos that are read only once: every group gets its quality when it begins.

The first frames are coded in a rehearsal, whose size tells what the first groups will take. Later
groups follow those that are finished by then::

    frame -> group n begins -> quality from groups up to n - LAG -> workers -> packets -> note

As only groups at least ``LAG`` before count, and no more than ``MOST_GROUPS`` are under way when
one begins, the result is the same for any number of threads. It is on any machine, too: `log` and
`exp` are our own, and sums those of `math.fsum`, as `sum` rounds in another way since Python 3.12.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

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
"""Frames that are coded in the rehearsal: a key frame, and the longest mini-GOP."""
RISE = 4
"""Most by which quality rises from a group to the next; for a goal, also by which it falls."""
_SAFE = 0.8  # share of a buffer that is planned with
_RECENT = 3  # groups from which the next one is guessed
_CATCH_UP = 6  # groups over which a rate makes good what it is off


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
    """A group that has begun."""

    quality: int
    guard: Guard | None
    frames: int = 0
    packets: int = 0
    bits: float = 0.0

    @property
    def level(self) -> float:
        """Logarithm of its bits a frame, as they would be at quality 0."""
        return log(self.bits / self.packets) - BITS.slope * self.quality


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
        self._level = 0.0  # from the rehearsal
        self._bucket = Bucket(pace.peak or 0.0)
        self.fullest = 0.0

    def plan(self, model: Model, frames: Iterable[Frame]) -> Iterator[PlannedFrame]:
        """The frames with their key frames and qualities; read as `encode_planned` does."""
        source = iter(frames)
        first = list(islice(source, min(REHEARSED, self._settings.gop)))
        if first:
            self._rehearse(model, first)
        keys = KeyFrames(self._settings)
        guard: Guard | None = None
        for number, frame in enumerate(chain(first, source)):
            begins = keys.begins(frame)
            if begins:
                guard = self._begin()
            group = self._groups[-1]
            group.frames += 1
            yield PlannedFrame(number, frame, begins, group.quality, guard)

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

    def _rehearse(self, model: Model, frames: Sequence[Frame]) -> None:
        """Code the first frames as a group, to see what they take."""
        quality = self._settings.quality
        if self._pace.goal is not None:
            pixels = frames[0].size.pixels
            quality = Aim(BITS, self._pace.goal / pixels, 0.0).start
        self._level = self._try(model, frames, quality)
        if self._pace.goal is not None:
            self._level = self._try(model, frames, self._fitting(self._pace.goal, self._level))

    def _try(self, model: Model, frames: Sequence[Frame], quality: int) -> float:
        """Level of a whole group that goes on as these frames do at a quality."""
        settings = replace(self._settings, quality=quality)
        encoder = GroupEncoder(model, settings, frames[0].size, 0, depth=frames[0].depth)
        coded = [*chain.from_iterable(encoder.push(frame) for frame in frames), *encoder.flush()]
        key, *others = (8 * item.packet.size_bytes for item in coded)
        inter = sum(others) / len(others) if others else key
        gop = self._settings.gop
        return log((key + inter * (gop - 1)) / gop) - BITS.slope * quality

    @staticmethod
    def _fitting(bits: float, level: float) -> int:
        """The quality at which a frame of a group takes so many bits."""
        quality = (log(max(bits, 1.0)) - level) / BITS.slope
        return round(min(max(quality, 0), QUALITIES - 1))

    def _begin(self) -> Guard | None:
        """Begin a group: its quality, and how many bits it may take."""
        known = self._groups[: max(0, len(self._groups) - LAG + 1)]
        running = self._groups[len(known) :]
        recent = [group.level for group in known[-_RECENT:]]
        level = math.fsum(recent) / len(recent) if recent else self._level
        quality = self._settings.quality
        if self._pace.goal is not None:
            quality = self._on_average(known, running, level)
        guard = None
        if self._pace.peak is not None:
            guard = self._guard(known, running)
            frames = self._length(known)
            most = guard.room / frames + guard.flow
            quality = min(quality, self._fitting(most, level))
        if self._groups:
            quality = min(quality, self._groups[-1].quality + RISE)
        self._groups.append(_Group(quality, guard))
        return guard

    def _length(self, known: Sequence[_Group]) -> float:
        """Frames of a group, as far as one can tell."""
        return sum(g.frames for g in known) / len(known) if known else self._settings.gop

    def _on_average(self, known: Sequence[_Group], running: Sequence[_Group], level: float) -> int:
        """The quality that brings the mean rate back to its goal within some groups."""
        goal = self._pace.goal
        assert goal is not None
        spent = math.fsum([*(g.bits for g in known), *(_guess(g, level) for g in running)])
        frames = sum(g.frames for g in (*known, *running))
        over = (spent - goal * frames) / (self._length(known) * _CATCH_UP)
        quality = self._fitting(min(max(goal - over, goal / 3), goal * 3), level)
        if self._groups:
            quality = max(quality, self._groups[-1].quality - RISE)
        return quality

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


def _guess(group: _Group, level: float) -> float:
    """Bits of a group that is being coded."""
    return group.frames * exp(level + BITS.slope * group.quality)
