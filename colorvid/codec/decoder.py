"""Packets to frames. A key frame resets all state; other frames need their references alone."""

from __future__ import annotations

import threading
import time

from colorvid.bitstream import DisplayOrder, Due, Packet
from colorvid.bitstream.headers import MOST_REFERENCES, MOST_REORDER
from colorvid.bitstream.packets import short_crc
from colorvid.codec.slots import Order, Slots
from colorvid.config import MAX_SIDE, check_type, is_whole
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.frame import DEPTHS, Frame, Links, Motion, Size
from colorvid.models.loading import Model
from colorvid.motion.field import grid_shape
from colorvid.motion.native import motion_coder
from colorvid.native.model import Decoded, Work


class MissingReference(DamagedStream):
    """A frame refers to one that was lost."""


class PacketDecoder:
    """Decodes packets of one stream: `plan` takes them in decoding order, `decode` in any threads.

    A frame that cannot be decoded costs those that refer to it, and no others.
    """

    def __init__(
        self, model: Model, size: Size, references: int, reach: int = 1, *, depth: int = 8
    ) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            size: of the pictures, 1..8192 luma samples to a side.
            references: most pictures to keep, 1..16, as in the stream header.
            reach: no frame is decoded so many places behind the first one not decoded yet, or more;
                1 without the native core, at most 16 with it.
            depth: bits of a sample, 8 or 10.
        """
        self._slots = Slots(references + reach, references)
        self._frames = model.frames(size, self._slots.count, depth=depth)
        self._motion = motion_coder(grid_shape(*size.shape), self._slots.count)
        self._motion_seconds = 0.0
        self._lock = threading.Lock()  # of the count of seconds

    def plan(self, packet: Packet) -> Order:
        """Take the next packet in decoding order."""
        return self._slots.plan(packet)

    def decode(self, packet: Packet, order: Order) -> Decoded:
        """Decode a frame, once those that it refers to are decoded, or could not be.

        Raises:
            MissingReference: one of these is missing.
            DamagedStream: the motion is broken.
            HashMismatch: the picture is not the one that was encoded.
        """
        missing = order.missing()
        with self._slots.coding(order) as target:
            if missing is not None:
                raise MissingReference(
                    f"frame {packet.display_number}: frame {missing}, which it refers to, is "
                    "missing"
                )
            if packet.is_intra:
                self._motion.start(target)
                decoded = self._frames.decode_key(packet.quality, target, packet.latents)
            else:
                links = order.links(target)
                motion = self._motion_of(packet, links)
                decoded = self._frames.decode_inter(packet.quality, links, motion, packet.latents)
            crc = short_crc(decoded.picture.crc32())
            if crc != packet.frame_crc:
                raise HashMismatch(
                    f"frame {packet.display_number}: the decoded picture has CRC {crc:04x}, the "
                    f"stream says {packet.frame_crc:04x}; the stream is damaged or colorvid has a "
                    "fault"
                )
        return decoded

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        return {"motion": Work(self._motion_seconds)} | self._frames.work()

    def _motion_of(self, packet: Packet, links: Links) -> Motion:
        start = time.perf_counter()
        motion = self._motion.decode(links, packet.motion)
        with self._lock:
            self._motion_seconds += time.perf_counter() - start
        return motion


class Decoder:
    """Decodes packets of one stream, in decoding order."""

    def __init__(
        self,
        model: Model,
        size: tuple[int, int],
        *,
        references: int = MOST_REFERENCES,
        reorder: int = MOST_REORDER,
        depth: int = 8,
    ) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.loading.load_model` gives.
            size: width and height of the pictures, 1..8192 luma samples.
            references: most pictures to keep, 1..16, as in the stream header.
            reorder: most packets that `push` waits for, 0..15, as in the stream header.
            depth: bits of a sample, 8 or 10, as in the stream header.

        Raises:
            ConfigError: a value is out of its range, or of another type.
        """
        if not isinstance(size, tuple) or len(size) != 2:
            raise ConfigError(f"size {size!r} is not allowed; it must be (width, height)")
        size = Size(*size)
        for name, value, low, high in (
            ("width", size.width, 1, MAX_SIDE),
            ("height", size.height, 1, MAX_SIDE),
            ("references", references, 1, MOST_REFERENCES),
            ("reorder", reorder, 0, MOST_REORDER),
        ):
            if not is_whole(value, low, high):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be {low}..{high}")
        if depth not in DEPTHS:
            raise ConfigError(f"depth {depth!r} is not allowed; it must be 8 or 10")
        self.model, self.size = model, size
        self._packets = PacketDecoder(model, size, references, depth=depth)
        self._bits: tuple[float, float] | None = None
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
            ConfigError: this is no `Packet`.
        """
        check_type("packet", packet, Packet, "colorvid.open and colorvid.decode read streams")
        decoded = self._packets.decode(packet, self._packets.plan(packet))
        self._bits = decoded.bits
        return decoded.picture

    def decoded_bits(self) -> tuple[float, float] | None:
        """Information of luma and of chroma in the frame decoded last, in bits.

        Both with their hyper-latents; None without the native core.
        """
        return self._bits

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
        return self._packets.work()


def _frames(due: list[Due[Frame]]) -> list[Frame]:
    return [frame.item for frame in due if frame.item is not None]
