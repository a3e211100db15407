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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

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
        motion_seconds: time spent on search and coding of the motion.
    """

    place: Place
    source: Frame
    quality: int
    motion: Motion | None
    motion_bytes: bytes
    coded: R
    motion_seconds: float


class ClosedLoop(Generic[R]):
    """Sends frames of one size through the codec, as one group of pictures.

    Attributes:
        settings: qualities may change from frame to frame.
    """

    def __init__(self, frames: FrameEncoder[R], settings: EncoderSettings, size: Size) -> None:
        """Prepare; the first frame becomes a key frame.

        Args:
            frames: with a slot more than ``settings`` has references.
            settings: qualities and B frames; the loop does not end a group by itself.
            size: of the frames.
        """
        self._frames, self.settings = frames, settings
        self._slots = Slots(settings.references)
        self._size = size
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
            self._motion = MotionEstimator(self._size.shape, self._slots.count)
            self._motion.start(target)
        self._keep(KEY, target, coded.picture)
        self._count = 1
        return CodedStep(KEY, frame, quality, None, b"", coded, 0.0)

    def _mini_gop(self) -> Iterator[CodedStep[R]]:
        """Code the first frames that wait, the last one of them as a P frame."""
        length = mini_gop_length(self._small) if self.settings.most_bframes else 1
        first, frames = self._count - 1, self._waiting[:length]
        last = first + length
        refresh = last - self._refreshed >= REFRESH_PERIOD
        if refresh:
            self._refreshed = last
        for place in mini_gop(first, last, refresh=refresh):
            yield self._inter(place, frames[place.number - first - 1])
        self._count += length
        del self._waiting[:length], self._small[:length]

    def _inter(self, place: Place, frame: Frame) -> CodedStep[R]:
        assert self._motion is not None
        start = time.perf_counter()
        quality = self.settings.quality_of(place)
        links = self._slots.links(place)
        motion, data = self._motion.code(links, frame.y, quantiser_step(quality))
        seconds = time.perf_counter() - start
        coded = self._frames.encode_inter(quality, links, motion, frame)
        self._keep(place, links.target, coded.picture)
        return CodedStep(place, frame, quality, motion, data, coded, seconds)

    def _keep(self, place: Place, target: int, picture: Frame) -> None:
        self._slots.follow(place, target)
        if place.is_kept and self._motion is not None:
            self._motion.keep(target, picture.y)
