"""The closed loop of encoding: each frame is predicted from what the decoder will have.

The encoder and the training data of the inter networks come from this one loop, so that the
networks meet in training what they will meet in use::

    frame -> structure -> motion search -> motion -> prediction -+-> network -> symbols -> coder
                               ^                                 |      |
                               |             decoded frames      |      v
                               +---------------------------------+--- slots -> later frames
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from colorvid.bitstream import FrameType
from colorvid.codec.attempts import Lengths, Spent, cheapest, squared_error
from colorvid.codec.crew import Lane, Task
from colorvid.codec.logarithm import exp
from colorvid.codec.lookahead import mini_gop_length, small, weights
from colorvid.codec.settings import EncoderSettings, Weight
from colorvid.codec.slots import Order, Slots
from colorvid.codec.structure import KEY, REFRESH_PERIOD, Place, low_delay, mini_gop
from colorvid.codec.temporal_filter import SHARES, filtered
from colorvid.config import quantiser_step
from colorvid.frame import Frame, Links, Motion, Size
from colorvid.motion.estimate import MotionEstimator
from colorvid.native.motion import Pyramid

_LEAST_SHARE = 0.8
"""P frames that take less than this share of an I frame's bits are not tried as such."""
_INDICES_TO_E = 24
"""Quality indices in which the bits of intra-coded frames grow to e times as many."""


class HasPicture(Protocol):
    """What the coder of a frame gives."""

    @property
    def picture(self) -> Frame:
        """The frame as every decoder shows it."""


T = TypeVar("T")
R = TypeVar("R", bound=HasPicture)
R_co = TypeVar("R_co", bound=HasPicture, covariant=True)


class FrameEncoder(Protocol[R_co]):
    """What codes single frames and keeps them in slots; see `colorvid.models.frames.FrameCodec`."""

    def encode_key(self, quality: int, target: int, frame: Frame) -> R_co:
        """Code a key or I frame."""

    def encode_inter(self, quality: int, links: Links, motion: Motion, frame: Frame) -> R_co:
        """Code a P or B frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One frame on its way through the loop.

    Attributes:
        index: place in decoding order, from 0.
        planned: what is to be done; None in a mini-GOP that is coded in several ways.
        seen: such a mini-GOP, in the step of its first frame.
    """

    index: int
    planned: Planned | None
    seen: _Seen | None = None

    def submit(self, lane: Lane, code: Callable[[], T]) -> Task[T]:
        """Have the frame coded; one without a plan in a lane that works in order."""
        return lane.submit(code) if self.planned is None else self.planned.order.submit(lane, code)


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """What is done with a frame.

    Attributes:
        place: in its group of pictures.
        source: the frame.
        order: what it needs.
        weight: how much it is inherited from; None without B frames.
        behind: frames that it is averaged with before it is coded.
    """

    place: Place
    source: Frame
    order: Order
    weight: Weight | None = None
    behind: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Frames of a mini-GOP, as the look-ahead sees them.

    Attributes:
        frames: of the mini-GOP.
        small: the frame before them, and these; empty without B frames.
        to_come: frames of the group behind them, as far as is known.
    """

    frames: tuple[Frame, ...]
    small: tuple[Pyramid, ...]
    to_come: int

    def parts(self, lengths: Lengths) -> Iterator[_Seen]:
        """The same frames in mini-GOPs of these lengths."""
        end = 0
        for length in lengths:
            first, end = end, end + length
            behind = self.to_come + len(self.frames) - end
            yield _Seen(self.frames[first:end], self.small[first : end + 1], behind)


@dataclass(frozen=True, slots=True)
class CodedStep(Generic[R]):
    """One frame that went through the loop.

    Attributes:
        place: in its group of pictures.
        source: the frame.
        quality: index of the frame, 0..63.
        motion: how it was predicted; None for a key or I frame.
        motion_bytes: the coded motion; empty if nothing moves, and for these.
        coded: what the coder of the frame gave.
    """

    place: Place
    source: Frame
    quality: int
    motion: Motion | None
    motion_bytes: bytes
    coded: R


@dataclass(frozen=True, slots=True)
class _Stand:
    """How far a loop has come; see its fields."""

    slots: Slots
    count: int
    refreshed: int
    spent: Spent
    intra: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Tried(Generic[R]):
    """Frames that were coded, and how far the loop had come then."""

    steps: list[CodedStep[R]]
    end: _Stand


class ClosedLoop(Generic[R]):
    """Sends frames of one size through the codec, as one group of pictures.

    What is done with a frame is planned ahead, from the sources alone, and `code` does it. Where
    mini-GOPs are coded in several ways, the first frame of each does it for all of them.

    Attributes:
        settings: qualities may change from frame to frame.
        motion_seconds: time spent on search and coding of motion so far.
    """

    def __init__(
        self,
        frames: FrameEncoder[R],
        settings: EncoderSettings,
        size: Size,
        bits: Callable[[CodedStep[R]], int] = lambda step: 0,
        reach: int = 1,
    ) -> None:
        """Prepare; the first frame becomes a key frame.

        Args:
            frames: with as many slots as ``settings`` says, and ``reach - 1`` more.
            settings: qualities, B frames and effort; the loop does not end a group by itself.
            size: of the frames.
            bits: that a frame took; without it no P frame becomes an I frame.
            reach: no frame is coded so many places behind the first one not coded yet, or more; 1
                where mini-GOPs are coded in several ways.
        """
        self._frames, self.settings = frames, settings
        self._slots = Slots(settings.slots + reach - 1, settings.references)
        self._size = size
        self._bits, self._attempts = bits, settings.attempts
        self._spent = Spent()
        self.motion_seconds = 0.0
        self._lock = threading.Lock()  # of these seconds
        self._motion: MotionEstimator | None = None  # as long as there are key frames alone
        self._key: Frame | None = None  # until it is known what inherits from it
        self._waiting: list[Frame] = []
        self._small: list[Pyramid] = []  # of the last planned frame, and of those that wait
        self._steps = 0  # that were given
        self._count = 0  # frames of the group whose way is known
        self._key_weight: int | None = None
        self._refreshed = 0  # the last frame of high quality
        self._seconded = False  # whether the last P frame has two references
        self._intra = (0, 0)  # bits and quality of the last frame that was coded by itself
        self._ready: deque[CodedStep[R]] = deque()  # coded in the best way

    def push(self, frame: Frame) -> Iterator[Step]:
        """Take the next frame in order of display; plan those that can be coded then.

        Read the iterator to its end before the next call.
        """
        if self.settings.most_bframes:
            self._small.append(small(frame))
        if self._count == 0:
            if self.settings.gop > 1:
                self._motion = MotionEstimator(
                    self._size.shape, self._slots.count, self.settings.effort.search
                )
            self._count = 1
            self._key = frame
            if not self.settings.most_bframes:
                yield from map(self._step, self._begin())
            return
        self._waiting.append(frame)
        if len(self._waiting) > self.settings.most_bframes:
            yield from self._mini_gop(self.settings.gop - self._count - len(self._waiting))

    def flush(self) -> Iterator[Step]:
        """Plan the frames that wait for more: the group ends."""
        while self._waiting:
            yield from self._mini_gop(0)
        yield from map(self._step, self._begin())

    def code(self, step: Step) -> CodedStep[R]:
        """Code a frame, once those that it refers to are coded.

        Threads may code frames at the same time, within reach.

        Raises:
            ConfigError: there is no native core to choose motion.
        """
        if step.planned is not None:
            return self._code(step.planned)
        if step.seen is not None:
            self._ready.extend(self._cheapest(step.seen))
        return self._ready.popleft()

    def _begin(self, weight: Weight | None = None) -> Iterator[Planned]:
        """Plan the key frame, unless that is done."""
        if self._key is not None:
            key, self._key = self._key, None
            behind = tuple(self._waiting[: len(SHARES)])
            yield Planned(KEY, key, self._slots.plan(KEY), weight, behind)

    def _mini_gop(self, to_come: int) -> Iterator[Step]:
        """Plan the first frames that wait, the last one of them as a P frame.

        ``to_come``: frames of the group that do not wait yet.
        """
        length = 1
        if self.settings.most_bframes:
            length = mini_gop_length(self._small, self.settings.effort.look_ahead)
        behind = max(0, to_come) + len(self._waiting) - length
        seen = _Seen(tuple(self._waiting[:length]), tuple(self._small[: length + 1]), behind)
        if not self._attempts:
            yield from map(self._step, self._run(seen, (length,)))
        else:
            if self._key is not None:
                weight = self._weights(seen, tuple(mini_gop(0, length)))[0]
                yield from map(self._step, self._begin(weight))
            yield self._step(None, seen)
            for _ in seen.frames[1:]:
                yield self._step(None)
        del self._waiting[:length], self._small[:length]

    def _step(self, planned: Planned | None, seen: _Seen | None = None) -> Step:
        self._steps += 1
        return Step(self._steps - 1, planned, seen)

    def _cheapest(self, seen: _Seen) -> list[CodedStep[R]]:
        """Code frames in several ways, and go on from the cheapest.

        A slot is not used again while a picture in it may be needed: the last one before them, and
        the last one of the best way.
        """
        start, before = self._stand(), self._count - 1

        def run(lengths: Lengths, best: _Tried[R] | None) -> tuple[int, _Tried[R]]:
            barred = {start.slots.place(before)}
            if best is not None:
                barred.add(best.end.slots.place(best.end.count - 1))
            self._resume(start)
            self._slots = start.slots.onward(before, frozenset(barred))
            steps = list(map(self._code, self._run(seen, lengths)))
            return self._spent.cost, _Tried(steps, self._stand())

        thorough = self.settings.effort.attempts > 1
        best = cheapest(len(seen.frames), run, thorough=thorough)
        self._resume(best.end)
        return best.steps

    def _stand(self) -> _Stand:
        return _Stand(self._slots, self._count, self._refreshed, self._spent, self._intra)

    def _resume(self, stand: _Stand) -> None:
        self._slots, self._count = stand.slots, stand.count
        self._refreshed, self._spent = stand.refreshed, stand.spent
        self._intra = stand.intra

    def _run(self, seen: _Seen, lengths: Lengths) -> Iterator[Planned]:
        """What is done with frames in mini-GOPs of these lengths."""
        for part in seen.parts(lengths):
            first = self._count - 1
            last = first + len(part.frames)
            refreshed = self._refreshed
            refresh = last - refreshed >= REFRESH_PERIOD
            if refresh:
                self._refreshed = last
            places = tuple(mini_gop(first, last, refresh=refresh))
            if self.settings.second_references:
                places = (low_delay(last, refreshed, refresh=refresh),)
            found = self._weights(part, places) if part.small else {}
            yield from self._begin(found.get(first))
            for place in places:
                frame = part.frames[place.number - first - 1]
                yield self._planned(place, frame, found.get(place.number))
            self._count += len(part.frames)

    def _weights(self, seen: _Seen, places: tuple[Place, ...]) -> dict[int, Weight]:
        """Of the frame before a mini-GOP and of its frames, by their numbers."""
        search = self.settings.effort.look_ahead.weighs
        found = weights(seen.small, places, seen.to_come, search=search)
        if self._key_weight is None:
            self._key_weight = found[0]
        return {number: Weight(weight, self._key_weight) for number, weight in found.items()}

    def _planned(self, place: Place, frame: Frame, weight: Weight | None = None) -> Planned:
        return Planned(place, frame, self._slots.plan(place), weight)

    def _code(self, planned: Planned) -> CodedStep[R]:
        place = planned.place
        quality = self.settings.quality_of(place, planned.weight)
        with self._slots.coding(planned.order) as target:
            if place.is_key:
                step = self._code_key(planned, quality, target)
            else:
                step = self._code_inter(planned, quality, target)
            if place.is_kept and self._motion is not None:
                self._motion.keep(target, step.coded.picture.search_luma())
        if self._attempts:
            self._spent += self._spent_on(step)
        return step

    def _code_key(self, planned: Planned, quality: int, target: int) -> CodedStep[R]:
        effort = self.settings.effort.search
        source, step = planned.source, quantiser_step(quality)
        wanted = filtered(source, planned.behind, step, effort)
        coded = self._frames.encode_key(quality, target, wanted)
        if self._motion is not None:
            self._motion.start(target)
        made = CodedStep(planned.place, source, quality, None, b"", coded)
        self._intra = self._bits(made), quality
        return made

    def _code_inter(self, planned: Planned, quality: int, target: int) -> CodedStep[R]:
        """Code a P or B frame; in place of a P frame an I frame, if that is cheaper."""
        place, frame = planned.place, planned.source
        links = planned.order.links(target)
        if place.future < 0 and not self._tries_second(place):
            links = links.alone
        motion, data = self._moved(links, frame, quality)
        if place.future < 0:
            self._seconded = motion.future is not None
            if not self._seconded:
                links, place = links.alone, replace(place, future=0)
        coded = self._frames.encode_inter(quality, links, motion, frame)
        step = CodedStep(place, frame, quality, motion, data, coded)
        if place.frame_type != FrameType.P or self._is_cheap(step):
            return step
        coded = self._frames.encode_key(quality, target, frame)
        alone = CodedStep(place.alone, frame, quality, None, b"", coded)
        self._intra = self._bits(alone), quality
        if self._weighed(alone) < self._weighed(step):
            assert self._motion is not None
            self._motion.start(target)
            return alone
        return replace(step, coded=self._frames.encode_inter(quality, links, motion, frame))

    def _is_cheap(self, step: CodedStep[R]) -> bool:
        """Whether a P frame takes clearly fewer bits than an I frame would.

        Judged by the last frame that was coded by itself. P frames follow each other in one order,
        whatever threads there are.
        """
        bits, quality = self._intra
        expected = bits * exp((step.quality - quality) / _INDICES_TO_E)
        return self._bits(step) <= _LEAST_SHARE * expected

    def _spent_on(self, step: CodedStep[R]) -> Spent:
        return Spent(self._bits(step), squared_error(step.source, step.coded.picture))

    def _weighed(self, step: CodedStep[R]) -> float:
        return self._spent_on(step).weighed(step.quality, step.source.depth)

    def _tries_second(self, place: Place) -> bool:
        """Whether to search in the second reference of a P frame; such are coded in order."""
        return self.settings.effort.seconds > 1 or place.refresh or self._seconded

    def _moved(self, links: Links, frame: Frame, quality: int) -> tuple[Motion, bytes]:
        """Choose and code the motion of a frame."""
        assert self._motion is not None
        start = time.perf_counter()
        motion = self._motion.code(links, frame.search_luma(), quantiser_step(quality))
        with self._lock:
            self.motion_seconds += time.perf_counter() - start
        return motion
