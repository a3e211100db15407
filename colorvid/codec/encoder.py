"""Frames to packets: the closed loop of `colorvid.codec.loop` with a real coder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from colorvid.bitstream import Packet
from colorvid.codec.loop import ClosedLoop, CodedStep
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
        packet: of the frame.
        source: the frame that was encoded.
        picture: as every decoder shows it.
        bits: information of ``luma``, ``chroma`` and ``side`` (hyper-latents) in bits.
    """

    packet: Packet
    source: Frame
    picture: Frame
    bits: dict[str, float]


class Encoder:
    """Encodes frames of one size, which come in order of display, to packets in decoding order."""

    def __init__(self, model: Model, settings: EncoderSettings, first: int = 0) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            settings: quality, GOP and B frames.
            first: number of the first frame in the stream; it becomes a key frame.
        """
        self.model, self.settings = model, settings
        self._key, self._coded, self._pushed = first, 0, 0  # of the present group of pictures
        self._size: Size | None = None
        self._frames: FrameCodec | None = None
        self._loop: ClosedLoop[Coded] | None = None
        self._motion_seconds = 0.0

    def push(self, frame: Frame) -> list[CodedFrame]:
        """Take the next frame; the packets that are ready then, in decoding order.

        B frames wait for the P frame behind them. Without B frames there is one packet for each
        frame, at once.

        Raises:
            ConfigError: the frame has another size than the frame before, or there is no native
                core to choose motion.
        """
        if self._size is None:
            self._size = frame.size
            self._frames = self.model.frames(frame.size, self.settings.references + 1)
        if self._size != frame.size:
            raise ConfigError(
                f"frame {self._key + self._pushed} is {frame.size}; "
                f"all frames must be {self._size} as the first"
            )
        ready: list[CodedFrame] = []
        if self._loop is None or self._pushed == self.settings.gop:
            ready = self.flush()
            assert self._frames is not None
            self._loop = ClosedLoop(self._frames, self.settings, frame.size)
        self._pushed += 1
        return ready + self._packets(self._loop.push(frame))

    def flush(self) -> list[CodedFrame]:
        """Encode the frames that wait for more; the next frame becomes a key frame."""
        if self._loop is None:
            return []
        ready = self._packets(self._loop.flush())
        self._key += self._pushed
        self._coded = self._pushed = 0
        self._loop = None
        return ready

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        done = {} if self._frames is None else self._frames.work()
        return {"motion": Work(self._motion_seconds)} | done

    def _packets(self, steps: Iterable[CodedStep[Coded]]) -> list[CodedFrame]:
        return [self._packet(step) for step in steps]

    def _packet(self, step: CodedStep[Coded]) -> CodedFrame:
        place, coded = step.place, step.coded
        packet = Packet(
            frame_type=place.frame_type,
            quality=step.quality,
            frame_number=self._key + self._coded,
            shift=place.number - self._coded,
            level=place.level,
            past=place.past,
            future=place.future,
            frame_crc=coded.picture.crc32(),
            motion=step.motion_bytes,
            latents=coded.latents,
        )
        self._coded += 1
        self._motion_seconds += step.motion_seconds
        return CodedFrame(packet, step.source, coded.picture, coded.bits)
