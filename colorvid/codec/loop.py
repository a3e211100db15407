"""The closed loop of encoding: each frame is predicted from what the decoder will have.

The encoder and the training data of the inter networks come from this one loop, so that the
networks meet in training what they will meet in use::

    frame -> structure -> motion search -> motion -> prediction -+-> network -> symbols -> coder
                               ^                                 |      |
                               |             decoded frames      |      v
                               +---------------------------------+--- slots -> later frames
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from colorvid.codec.attempts import SCALES, Plan, Spent, cheapest
from colorvid.codec.lookahead import mini_gop_length, small
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.slots import Slots
from colorvid.codec.structure import KEY, REFRESH_PERIOD, Place, mini_gop
from colorvid.config import quantiser_step
from colorvid.frame import Frame, Links, Motion, Size
from colorvid.motion.estimate import MotionEstimator
from colorvid.native.motion import Pyramid


class HasPicture(Protocol):
    """What the coder of a frame gives."""

    @property
    def picture(self) -> Frame:
        """The frame as every decoder shows it."""


R = TypeVar("R", bound=HasPicture)
R_co = TypeVar("R_co", bound=HasPicture, covariant=True)


class FrameEncoder(Protocol[R_co]):
    """What codes single frames and keeps them in slots; see `colorvid.models.frames.FrameCodec`."""

    def encode_key(self, quality: int, target: int, frame: Frame) -> R_co:
        """Code a key frame."""

    def encode_inter(self, quality: int, links: Links, motion: Motion, frame: Frame) -> R_co:
        """Code a P or B frame."""


@dataclass(frozen=True, slots=True)
class CodedStep(Generic[R]):
    """One frame that went through the loop.

    Attributes:
        place: in its group of pictures.
        source: the frame.
        quality: index of the frame, 0..63.
        motion: how it was predicted; None for a key frame.
        motion_bytes: the coded motion; empty if nothing moves, and for a key frame.
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


@dataclass(frozen=True, slots=True)
class _Tried(Generic[R]):
    """Frames that were coded, and how far the loop had come then."""

    steps: list[CodedStep[R]]
    end: _Stand


class ClosedLoop(Generic[R]):
    """Sends frames of one size through the codec, as one group of pictures.

    Attributes:
        settings: qualities may change from frame to frame.
        motion_seconds: time spent on search and coding of motion so far.
    """

    def __init__(
        self,
        frames: FrameEncoder[R],
        settings: EncoderSettings,
        size: Size,
        meter: Callable[[CodedStep[R]], Spent] | None = None,
    ) -> None:
        """Prepare; the first frame becomes a key frame.

        Args:
            frames: with as many slots as ``settings`` says.
            settings: qualities, B frames and effort; the loop does not end a group by itself.
            size: of the frames.
            meter: what a frame took; None = every frame is coded once.
        """
        self._frames, self.settings = frames, settings
        self._slots = Slots(settings.slots, settings.references)
        self._size = size
        self._meter = meter if settings.attempts else None
        self._spent = Spent()
        self.motion_seconds = 0.0
        self._motion: MotionEstimator | None = None  # as long as there are key frames alone
        self._waiting: list[Frame] = []
        self._small: list[Pyramid] = []  # of the last coded frame, and of those that wait
        self._count = 0  # frames of the group that are coded
        self._refreshed = 0  # the last frame of high quality

    def push(self, frame: Frame) -> Iterator[CodedStep[R]]:
        """Take the next frame in order of display; code those that can be coded then.

        Read the iterator to its end before the next call.
        """
        if self.settings.most_bframes:
            self._small.append(small(frame))
        if self._count == 0:
            yield self._key(frame)
            return
        self._waiting.append(frame)
        if len(self._waiting) > self.settings.most_bframes:
            yield from self._mini_gop()

    def flush(self) -> Iterator[CodedStep[R]]:
        """Code the frames that wait for more: the group ends."""
        while self._waiting:
            yield from self._mini_gop()

    def _key(self, frame: Frame) -> CodedStep[R]:
        quality = self.settings.quality_of(KEY)
        target = self._slots.free()
        coded = self._frames.encode_key(quality, target, frame)
        if self.settings.gop > 1:
            self._motion = MotionEstimator(
                self._size.shape, self._slots.count, self.settings.effort.search
            )
            self._motion.start(target)
        self._keep(KEY, target, coded.picture)
        self._count = 1
        return self._metered(CodedStep(KEY, frame, quality, None, b"", coded))

    def _mini_gop(self) -> Iterator[CodedStep[R]]:
        """Code the first frames that wait, the last one of them as a P frame."""
        length = mini_gop_length(self._small) if self.settings.most_bframes else 1
        frames = self._waiting[:length]
        if self._meter is None:
            yield from self._run(frames, Plan((length,)))
        else:
            yield from self._cheapest(frames)
        del self._waiting[:length], self._small[:length]

    def _cheapest(self, frames: list[Frame]) -> list[CodedStep[R]]:
        """Code frames in several ways, and go on from the cheapest.

        A slot is not used again while a picture in it may be needed: the last one before them, and
        the last one of the best way.
        """
        start, before = self._stand(), self._count - 1

        def run(plan: Plan, best: _Tried[R] | None) -> tuple[int, _Tried[R]]:
            barred = {start.slots.place(before)}
            if best is not None:
                barred.add(best.end.slots.place(best.end.count - 1))
            self._resume(start)
            self._slots = start.slots.onward(before, frozenset(barred))
            steps = list(self._run(frames, plan))
            return self._spent.cost, _Tried(steps, self._stand())

        scales = SCALES if self.settings.scales else ()
        best = cheapest(len(frames), scales, run)
        self._resume(best.end)
        return best.steps

    def _stand(self) -> _Stand:
        return _Stand(self._slots, self._count, self._refreshed, self._spent)

    def _resume(self, stand: _Stand) -> None:
        self._slots, self._count = stand.slots, stand.count
        self._refreshed, self._spent = stand.refreshed, stand.spent

    def _run(self, frames: list[Frame], plan: Plan) -> Iterator[CodedStep[R]]:
        """Code frames as planned."""
        for length in plan.lengths:
            first = self._count - 1
            last = first + length
            refresh = last - self._refreshed >= REFRESH_PERIOD
            if refresh:
                self._refreshed = last
            for place in mini_gop(first, last, refresh=refresh):
                yield self._inter(place, frames[place.number - first - 1], plan.scale)
            self._count += length
            frames = frames[length:]

    def _inter(self, place: Place, frame: Frame, scale: int) -> CodedStep[R]:
        assert self._motion is not None
        start = time.perf_counter()
        quality = self.settings.quality_of(place, scale)
        links = self._slots.links(place)
        motion, data = self._motion.code(links, frame.y, quantiser_step(quality))
        self.motion_seconds += time.perf_counter() - start
        coded = self._frames.encode_inter(quality, links, motion, frame)
        self._keep(place, links.target, coded.picture)
        return self._metered(CodedStep(place, frame, quality, motion, data, coded))

    def _metered(self, step: CodedStep[R]) -> CodedStep[R]:
        if self._meter is not None:
            self._spent += self._meter(step)
        return step

    def _keep(self, place: Place, target: int, picture: Frame) -> None:
        self._slots.follow(place, target)
        if place.is_kept and self._motion is not None:
            self._motion.keep(target, picture.y)
