"""Packets to frames. A key frame resets all state; other frames need their references alone."""

from __future__ import annotations

import time

from colorvid.bitstream import DisplayOrder, Due, Packet
from colorvid.bitstream.headers import MOST_REFERENCES, MOST_REORDER
from colorvid.codec.slots import Slots
from colorvid.config import MAX_SIDE, is_whole
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.frame import Frame, Links, Motion, Size
from colorvid.models.loading import Model
from colorvid.motion.field import grid_shape
from colorvid.motion.native import motion_coder
from colorvid.native.model import Work


class MissingReference(DamagedStream):
    """A frame refers to one that was lost."""


class Decoder:
    """Decodes packets of one stream, in decoding order."""

    def __init__(
        self,
        model: Model,
        size: Size,
        *,
        references: int = MOST_REFERENCES,
        reorder: int = MOST_REORDER,
    ) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            size: of the pictures, 1..8192 luma samples to a side.
            references: most pictures to keep, 1..16, as in the stream header.
            reorder: most packets that `push` waits for, 0..15, as in the stream header.

        Raises:
            ConfigError: a value is out of its range.
        """
        for name, value, low, high in (
            ("width", size.width, 1, MAX_SIDE),
            ("height", size.height, 1, MAX_SIDE),
            ("references", references, 1, MOST_REFERENCES),
            ("reorder", reorder, 0, MOST_REORDER),
        ):
            if not is_whole(value, low, high):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be {low}..{high}")
        self.model, self.size = model, size
        self._slots = Slots(references + 1, references)
        self._frames = model.frames(size, self._slots.count)
        self._motion = motion_coder(grid_shape(*size.shape), self._slots.count)
        self._motion_seconds = 0.0
        self._order: DisplayOrder[Frame] = DisplayOrder(reorder)
        self._begun = False

    def push(self, packet: Packet) -> list[Frame]:
        """Decode the next packet; the frames that are due then, in order of display.

        Raises:
            DamagedStream: see `decode`.
            HashMismatch: see `decode`.
        """
        frame = self.decode(packet)
        if not self._begun:
            self._order.restart(packet.display_number)
            self._begun = True
        return _frames(
            self._order.push(
                packet.frame_number, packet.display_number, frame, is_key=packet.is_key
            )
        )

    def flush(self) -> list[Frame]:
        """The frames that are left at the end."""
        return _frames(self._order.flush())

    def decode(self, packet: Packet) -> Frame:
        """Decode the next packet, and compare its picture with the hash in the packet.

        Unlike `push` it gives frames in decoding order.

        A frame that cannot be decoded costs those that refer to it, and no others.

        Raises:
            MissingReference: a frame that it refers to is missing.
            DamagedStream: the motion is broken.
            HashMismatch: the picture is not the one that was encoded.
        """
        if packet.is_key:
            self._slots.reset()
            target = self._slots.free()
            self._motion.start(target)
            picture = self._frames.decode_key(packet.quality, target, packet.latents)
        else:
            missing = self._slots.missing(packet)
            if missing is not None:
                raise MissingReference(
                    f"frame {packet.display_number}: frame {missing}, which it refers to, is "
                    "missing"
                )
            links = self._slots.links(packet)
            target = links.target
            motion = self._motion_of(packet, links)
            picture = self._frames.decode_inter(packet.quality, links, motion, packet.latents)
        if picture.crc32() != packet.frame_crc:
            raise HashMismatch(
                f"frame {packet.display_number}: the decoded picture has CRC "
                f"{picture.crc32():08x}, the stream says {packet.frame_crc:08x}; the stream is "
                "damaged or colorvid has a fault"
            )
        self._slots.follow(packet, target)
        return picture

    def decoded_bits(self) -> tuple[float, float] | None:
        """Information of luma and of chroma in the frame decoded last, in bits.

        Both with their hyper-latents; None without the native core.
        """
        return self._frames.decoded_bits()

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        return {"motion": Work(self._motion_seconds)} | self._frames.work()

    def _motion_of(self, packet: Packet, links: Links) -> Motion:
        start = time.perf_counter()
        motion = self._motion.decode(links, packet.motion)
        self._motion_seconds += time.perf_counter() - start
        return motion


def _frames(due: list[Due[Frame]]) -> list[Frame]:
    return [frame.item for frame in due if frame.item is not None]
