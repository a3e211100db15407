"""The closed loop of encoding: each frame is predicted from what the decoder will have.

The encoder and the training data of the inter networks come from this one loop, so that the
networks meet in training what they will meet in use::

    frame -> motion search -> vectors -> prediction -+-> network -> symbols -> coder
               ^                                     |      |
               |          decoded frame, symbols     |      v
               +-------------------------------------+--- state -> next frame
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from colorvid.codec.settings import EncoderSettings
from colorvid.config import quantiser_step
from colorvid.frame import Frame
from colorvid.models.branch import Coder
from colorvid.models.planes import FrameTensors
from colorvid.models.video import State, VideoModel
from colorvid.motion.estimate import MotionEstimator
from colorvid.motion.field import Vectors
from colorvid.motion.native import motion_coder

C = TypeVar("C", bound=Coder)


@dataclass(frozen=True, slots=True)
class CodedStep(Generic[C]):
    """One frame that went through the loop.

    Attributes:
        quality: index of the frame, 0..63.
        source: the frame as the networks see it.
        before: what the previous frame left; None for a key frame.
        vectors: int16 ``(ceil(H/8), ceil(W/8), 2)``, see `colorvid.motion.field`; None for a key
            frame.
        motion: the coded vectors; empty if nothing moves, and for a key frame.
        after: what this frame leaves: the decoded picture and its symbols.
        coders: what took the symbols of luma and of chroma.
        motion_seconds: time spent on search and coding of the vectors.
    """

    quality: int
    source: FrameTensors
    before: State | None
    vectors: Vectors | None
    motion: bytes
    after: State
    coders: tuple[C, C]
    motion_seconds: float

    @property
    def is_key(self) -> bool:
        """Whether the frame needs no other one."""
        return self.before is None


class ClosedLoop:
    """Sends frames of one size through the codec, group of pictures after group of pictures."""

    def __init__(self, network: VideoModel, settings: EncoderSettings) -> None:
        """Prepare; the first frame becomes a key frame."""
        self._network, self._settings = network, settings
        self._since_key = 0
        self._state: State | None = None
        self._estimator: MotionEstimator | None = None
        self._motion = motion_coder()

    def push(self, frame: Frame, coders: Callable[[str], tuple[C, C]]) -> CodedStep[C]:
        """Code the next frame.

        Args:
            frame: 8-bit planes, of the size of all others.
            coders: gives the coders of luma and of chroma for a frame of kind ``intra`` or
                ``inter``; called once.
        """
        if self._since_key >= self._settings.gop:
            self._state, self._since_key = None, 0
        quality = self._settings.quality_of(self._since_key)
        if self._state is None:
            step = self._key(frame, quality, coders("intra"))
        else:
            step = self._inter(frame, quality, coders("inter"), self._state)
        self._state = step.after
        self._since_key += 1
        return step

    def _key(self, frame: Frame, quality: int, coders: tuple[C, C]) -> CodedStep[C]:
        start = time.perf_counter()
        self._estimator = None
        if self._settings.gop > 1:
            step = quantiser_step(self._settings.quality_of(1))
            self._estimator = MotionEstimator(frame.size, step)
            self._estimator.start(frame)
        self._motion.reset()
        seconds = time.perf_counter() - start
        source = FrameTensors.of(frame, self._network.device)
        after = self._network.code_key(coders, source, frame.size.shape, quality)
        return CodedStep(quality, source, None, None, b"", after, coders, seconds)

    def _inter(
        self, frame: Frame, quality: int, coders: tuple[C, C], before: State
    ) -> CodedStep[C]:
        assert self._estimator is not None
        start = time.perf_counter()
        reference = before.picture.y.cpu().numpy()
        vectors = self._estimator.estimate(frame, reference, self._motion)
        motion = self._motion.encode(vectors)
        seconds = time.perf_counter() - start
        source = FrameTensors.of(frame, self._network.device)
        field = torch.from_numpy(vectors).to(self._network.device)
        after = self._network.code_inter(coders, source, field, before, quality)
        return CodedStep(quality, source, before, vectors, motion, after, coders, seconds)
