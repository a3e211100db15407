"""The closed loop of encoding: each frame is predicted from what the decoder will have.

The encoder and the training data of the inter networks come from this one loop, so that the
networks meet in training what they will meet in use::

    frame -> motion search -> vectors -> prediction -+-> network -> symbols -> coder
               ^                                     |      |
               |              decoded frame          |      v
               +-------------------------------------+--- state -> next frame
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from colorvid.codec.settings import EncoderSettings
from colorvid.config import quantiser_step
from colorvid.frame import Frame
from colorvid.motion.estimate import MotionEstimator
from colorvid.motion.field import Vectors
from colorvid.motion.native import motion_coder


class HasPicture(Protocol):
    """What the coder of a frame gives."""

    @property
    def picture(self) -> Frame:
        """The frame as every decoder shows it."""


R = TypeVar("R", bound=HasPicture)
R_co = TypeVar("R_co", bound=HasPicture, covariant=True)


class FrameEncoder(Protocol[R_co]):
    """What codes single frames and keeps the last one."""

    def encode(self, quality: int, vectors: Vectors | None, frame: Frame) -> R_co:
        """Code a frame: a key frame if ``vectors`` is None."""


@dataclass(frozen=True, slots=True)
class CodedStep(Generic[R]):
    """One frame that went through the loop.

    Attributes:
        quality: index of the frame, 0..63.
        vectors: int16 ``(ceil(H/8), ceil(W/8), 2)``, see `colorvid.motion.field`; None for a key
            frame.
        motion: the coded vectors; empty if nothing moves, and for a key frame.
        coded: what the coder of the frame gave.
        motion_seconds: time spent on search and coding of the vectors.
    """

    quality: int
    vectors: Vectors | None
    motion: bytes
    coded: R
    motion_seconds: float

    @property
    def is_key(self) -> bool:
        """Whether the frame needs no other one."""
        return self.vectors is None


class ClosedLoop(Generic[R]):
    """Sends frames of one size through the codec, group of pictures after group of pictures."""

    def __init__(self, frames: FrameEncoder[R], settings: EncoderSettings) -> None:
        """Prepare; the first frame becomes a key frame."""
        self._frames, self._settings = frames, settings
        self._since_key = 0
        self._last: Frame | None = None
        self._estimator: MotionEstimator | None = None
        self._vectors: Vectors | None = None
        self._motion = motion_coder()

    def push(self, frame: Frame) -> CodedStep[R]:
        """Code the next frame: 8-bit planes, of the size of all others."""
        if self._since_key >= self._settings.gop:
            self._last, self._since_key = None, 0
        quality = self._settings.quality_of(self._since_key)
        start = time.perf_counter()
        if self._last is None:
            vectors, motion = None, b""
            self._start_group()
        else:
            vectors, motion = self._move(frame, self._last)
        seconds = time.perf_counter() - start
        coded = self._frames.encode(quality, vectors, frame)
        self._last = coded.picture
        self._since_key += 1
        return CodedStep(quality, vectors, motion, coded, seconds)

    def _start_group(self) -> None:
        self._estimator = self._vectors = None
        if self._settings.gop > 1:
            step = quantiser_step(self._settings.quality_of(1))
            self._estimator = MotionEstimator(step)
        self._motion.reset()

    def _move(self, frame: Frame, last: Frame) -> tuple[Vectors, bytes]:
        """Vectors from the last decoded frame, and their bytes."""
        assert self._estimator is not None
        self._vectors = self._estimator.estimate(frame.y, last.y, self._motion, self._vectors)
        return self._vectors, self._motion.encode(self._vectors)
