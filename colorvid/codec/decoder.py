"""Packets to frames, one by one. A key frame resets all state."""

from __future__ import annotations

import time

import torch

from colorvid.bitstream import Packet
from colorvid.codec.encoder import Timings
from colorvid.config import MAX_SIDE, is_whole
from colorvid.entropy.rans import SymbolReader
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.exact.guard import exact_torch, prove
from colorvid.frame import Frame, Size
from colorvid.models.modelfile import Model
from colorvid.models.planes import padded
from colorvid.models.video import State
from colorvid.motion.field import grid_shape
from colorvid.motion.native import motion_coder


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
        prove(str(model.network.device), model.network.carrier)
        self.model, self.size = model, size
        self.timings = Timings()
        self._state: State | None = None
        self._motion = motion_coder()

    def push(self, packet: Packet) -> Frame:
        """Decode the next packet and compare its picture with the hash in the packet.

        Raises:
            DamagedStream: an inter frame without its reference, or broken motion.
            HashMismatch: the picture is not the one that was encoded; only a key frame can
                follow.
        """
        if not packet.is_key and self._state is None:
            raise DamagedStream(f"frame {packet.frame_number}: the frame before it is missing")
        try:
            with exact_torch():
                picture = self._decode(packet)
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
        return picture

    def lose(self) -> None:
        """Forget the state because a frame was lost; only a key frame can follow."""
        self._state = None

    def _decode(self, packet: Packet) -> Frame:
        start = time.perf_counter()
        network = self.model.network
        most = 2 * padded(self.size.height) * padded(self.size.width)
        reader = SymbolReader(packet.latents, most)
        luma, chroma = self.model.pair("intra" if packet.is_key else "inter")
        coders = (reader.branch(luma), reader.branch(chroma))
        motion = 0.0
        if packet.is_key:
            self._motion.reset()
            self._state = network.code_key(coders, None, self.size.shape, packet.quality)
        else:
            assert self._state is not None
            field = self._motion.decode(packet.motion, grid_shape(*self.size.shape))
            vectors = torch.from_numpy(field).to(network.device)
            motion = time.perf_counter() - start
            self._state = network.code_inter(coders, None, vectors, self._state, packet.quality)
        entropy = coders[0].seconds + coders[1].seconds
        self.timings.motion += motion
        self.timings.entropy += entropy
        self.timings.networks += time.perf_counter() - start - motion - entropy
        return self._state.picture.frame()
