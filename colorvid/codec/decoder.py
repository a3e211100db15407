"""Packets to frames, one by one. A key frame resets all state."""

from __future__ import annotations

import time

from colorvid.bitstream import Packet
from colorvid.config import MAX_SIDE, is_whole
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.frame import Frame, Size
from colorvid.models.loading import Model
from colorvid.motion.field import Vectors, grid_shape
from colorvid.motion.native import motion_coder
from colorvid.native.model import Work


class Decoder:
    """Decodes packets of one stream; each push gives one frame at once."""

    def __init__(self, model: Model, size: Size) -> None:
        """Prepare for pictures of ``size``, 1..8192 luma samples to a side.

        Raises:
            ConfigError: a side is longer or shorter.
        """
        for name, value in (("width", size.width), ("height", size.height)):
            if not is_whole(value, 1, MAX_SIDE):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be 1..{MAX_SIDE}")
        self.model, self.size = model, size
        self._frames = model.frames(size)
        self._ready = False  # whether there is a frame to predict from
        self._motion_seconds = 0.0
        self._motion = motion_coder()

    def push(self, packet: Packet) -> Frame:
        """Decode the next packet and compare its picture with the hash in the packet.

        Raises:
            DamagedStream: an inter frame without its reference, or broken motion.
            HashMismatch: the picture is not the one that was encoded; only a key frame can
                follow.
        """
        if not packet.is_key and not self._ready:
            raise DamagedStream(f"frame {packet.frame_number}: the frame before it is missing")
        try:
            picture = self._frames.decode(packet.quality, self._vectors(packet), packet.latents)
        except DamagedStream:
            self.lose()
            raise
        if picture.crc32() != packet.frame_crc:
            self.lose()
            raise HashMismatch(
                f"frame {packet.frame_number}: the decoded picture has CRC "
                f"{picture.crc32():08x}, the stream says {packet.frame_crc:08x}; the stream is "
                "damaged or colorvid has a fault"
            )
        self._ready = True
        return picture

    def lose(self) -> None:
        """Forget the state because a frame was lost; only a key frame can follow."""
        self._ready = False
        self._frames.forget()

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        return {"motion": Work(self._motion_seconds)} | self._frames.work()

    def _vectors(self, packet: Packet) -> Vectors | None:
        """The vectors of an inter frame."""
        if packet.is_key:
            self._motion.reset()
            return None
        start = time.perf_counter()
        field = self._motion.decode(packet.motion, grid_shape(*self.size.shape))
        self._motion_seconds += time.perf_counter() - start
        return field
