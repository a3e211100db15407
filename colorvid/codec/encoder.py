"""Frames to packets: the closed loop of `colorvid.codec.loop` with a real coder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from colorvid.bitstream import Packet
from colorvid.bitstream.packets import short_crc
from colorvid.codec.lookahead import KeyFrames
from colorvid.codec.loop import ClosedLoop, CodedStep, Step
from colorvid.codec.settings import EncoderSettings
from colorvid.config import QUALITIES, check_type
from colorvid.errors import ConfigError
from colorvid.frame import Frame, Size
from colorvid.models.loading import Model
from colorvid.native.model import Coded, Work, added_up


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


@dataclass(frozen=True, slots=True)
class Guard:
    """Bits that a group may take; where it comes near to them, its quality falls.

    Attributes:
        room: bits at its begin.
        flow: bits more with each frame.
    """

    room: float
    flow: float

    def less(self, spent: float, frames: int) -> int:
        """By how much quality must be lower, after so many bits and frames.

        From half of the room on quality falls, by 24 where all is used up.
        """
        used = (spent - self.flow * frames) / self.room
        return min(max(0, math.ceil((used - 0.5) * 48)), QUALITIES - 1)


def _bits(step: CodedStep[Coded]) -> int:
    """What a frame took, but for the header of its packet, which all have."""
    return 8 * (len(step.coded.latents) + len(step.motion_bytes))


class GroupEncoder:
    """Encodes the frames of one group of pictures; they come in order of display.

    `push` and `flush` do it at once. With `plan` and `rest` in their place, the caller has `encode`
    do it, in any threads.

    Attributes:
        size: of the frames.
    """

    def __init__(
        self,
        model: Model,
        settings: EncoderSettings,
        size: Size,
        first: int,
        guard: Guard | None = None,
        reach: int = 1,
        *,
        depth: int = 8,
    ) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            settings: qualities and B frames.
            size: of the frames.
            first: number of the key frame in the stream.
            guard: of its bits; None = they are not limited.
            reach: see `ClosedLoop`; 1 with a guard, with attempts, and without the native core.
            depth: bits of a sample, 8 or 10.
        """
        self._first, self.size = first, size
        self._guard, self._bits = guard, 0.0
        self._settings = settings
        slots = settings.slots + reach - 1
        self._frames = model.frames(size, slots, depth=depth, tries=settings.effort.tries)
        self._loop: ClosedLoop[Coded] = ClosedLoop(self._frames, settings, size, _bits, reach)

    def push(self, frame: Frame) -> list[CodedFrame]:
        """Take the next frame; the packets that are ready then, in decoding order.

        Raises:
            ConfigError: there is no native core to choose motion.
        """
        return [self.encode(step) for step in self.plan(frame)]

    def flush(self) -> list[CodedFrame]:
        """Encode the frames that wait for more: the group ends."""
        return [self.encode(step) for step in self.rest()]

    def plan(self, frame: Frame) -> Iterator[Step]:
        """Take the next frame; what can be encoded then. Read it to its end before the next."""
        return self._loop.push(frame)

    def rest(self) -> Iterator[Step]:
        """The frames that wait for more: the group ends."""
        return self._loop.flush()

    def encode(self, step: Step) -> CodedFrame:
        """Encode a frame, once those that it refers to are encoded.

        Raises:
            ConfigError: there is no native core to choose motion.
        """
        done = self._loop.code(step)
        place, coded = done.place, done.coded
        number = self._first + step.index
        packet = Packet(
            frame_type=place.frame_type,
            quality=done.quality,
            frame_number=number,
            shift=self._first + place.number - number,
            level=place.level,
            past=place.past,
            future=place.future,
            frame_crc=short_crc(coded.picture.crc32()),
            motion=done.motion_bytes,
            latents=coded.latents,
        )
        if self._guard is not None:
            self._bits += 8 * packet.size_bytes
            less = self._guard.less(self._bits, step.index + 1)
            self._loop.settings = self._settings.lowered(less)
        return CodedFrame(packet, done.source, coded.picture, coded.bits)

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        return {"motion": Work(self._loop.motion_seconds)} | self._frames.work()


class Encoder:
    """Encodes frames of one size and depth, in order of display, to packets in decoding order."""

    def __init__(self, model: Model, settings: EncoderSettings, first: int = 0) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            settings: qualities, key frames and B frames.
            first: number of the first frame in the stream; it becomes a key frame.
        """
        self.model, self.settings = model, settings
        self._number = first
        self._keys = KeyFrames(settings)
        self._size: Size | None = None
        self._depth = 8
        self._group: GroupEncoder | None = None
        self._done: dict[str, Work] = {}  # by groups before the present one

    def __repr__(self) -> str:
        """What it encodes."""
        size = "" if self._size is None else f" {self._size}"
        return f"<Encoder{size} quality={self.settings.quality} at frame {self._number}>"

    @property
    def size(self) -> Size | None:
        """Of the frames; None before the first."""
        return self._size

    @property
    def depth(self) -> int:
        """Bits of a sample of the frames, 8 before the first."""
        return self._depth

    def push(self, frame: Frame) -> list[CodedFrame]:
        """Take the next frame; the packets that are ready then, in decoding order.

        B frames wait for the P frame behind them. Without B frames there is one packet for each
        frame, at once.

        Raises:
            ConfigError: this is no `Frame`, it has another size or depth than the frame before, or
                there is no native core to choose motion.
        """
        check_type("frame", frame, Frame, "colorvid.Frame(y, u, v)")
        if self._size is None:
            self._size, self._depth = frame.size, frame.depth
        if self._depth != frame.depth:
            raise ConfigError(
                f"frame {self._number} has {frame.depth} bits a sample; "
                f"all frames must have {self._depth} as the first"
            )
        if self._size != frame.size:
            raise ConfigError(
                f"frame {self._number} is {frame.size}; "
                f"all frames must be {self._size} as the first"
            )
        ready: list[CodedFrame] = []
        if self._keys.begins(frame) or self._group is None:
            ready = self.flush()
            self._group = GroupEncoder(
                self.model, self.settings, frame.size, self._number, depth=frame.depth
            )
        self._number += 1
        return ready + self._group.push(frame)

    def flush(self) -> list[CodedFrame]:
        """Encode the frames that wait for more; the next frame becomes a key frame."""
        if self._group is None:
            return []
        ready = self._group.flush()
        self._done = self.work()
        self._group = None
        return ready

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        if self._group is None:
            return self._done
        return added_up(self._done, self._group.work())
