"""Frames to packets, one by one: the closed loop of `colorvid.codec.loop` with a real coder."""

from __future__ import annotations

from dataclasses import dataclass

from colorvid.bitstream import FrameType, Packet
from colorvid.codec.loop import ClosedLoop
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError
from colorvid.frame import Frame, Size
from colorvid.models.frames import FrameCodec
from colorvid.models.loading import Model
from colorvid.native.model import Coded, Work


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """A packet, the picture that every decoder will show, and what the bits went to.

    Attributes:
        bits: information of ``luma``, ``chroma`` and ``side`` (hyper-latents) in bits.
    """

    packet: Packet
    picture: Frame
    bits: dict[str, float]


class Encoder:
    """Encodes frames of one size; each push gives one packet at once."""

    def __init__(self, model: Model, settings: EncoderSettings, first: int = 0) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            settings: quality and GOP.
            first: number of the first frame in the stream; it becomes a key frame.
        """
        self.model, self.settings = model, settings
        self._number = first
        self._size: Size | None = None
        self._frames: FrameCodec | None = None
        self._loop: ClosedLoop[Coded] | None = None
        self._motion_seconds = 0.0

    def push(self, frame: Frame) -> CodedFrame:
        """Encode the next frame.

        Raises:
            ConfigError: the frame has another size than the frame before.
        """
        if self._loop is None:
            self._size = frame.size
            self._frames = self.model.frames(frame.size)
            self._loop = ClosedLoop(self._frames, self.settings)
        if self._size != frame.size:
            raise ConfigError(
                f"frame {self._number} is {frame.size}; "
                f"all frames must be {self._size} as the first"
            )
        step = self._loop.push(frame)
        packet = Packet(
            frame_type=FrameType.KEY if step.is_key else FrameType.P,
            quality=step.quality,
            frame_number=self._number,
            past=0 if step.is_key else 1,
            frame_crc=step.coded.picture.crc32(),
            motion=step.motion,
            latents=step.coded.latents,
        )
        self._number += 1
        self._motion_seconds += step.motion_seconds
        return CodedFrame(packet, step.coded.picture, step.coded.bits)

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        done = {} if self._frames is None else self._frames.work()
        return {"motion": Work(self._motion_seconds)} | done
