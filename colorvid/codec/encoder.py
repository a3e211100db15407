"""Frame by frame: `Encoder` turns frames into packets, `Decoder` packets into frames.

A key frame resets all state on both sides. Nothing here opens files.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch

from colorvid.bitstream import FrameType, Packet
from colorvid.bitstream.headers import MAX_SIDE_PX
from colorvid.config import DEFAULT_GOP, DEFAULT_QUALITY, QUALITIES, is_whole, quantiser_step
from colorvid.entropy.binary import BinaryDecoder, BinaryEncoder
from colorvid.entropy.rans import BranchWriter, SymbolReader, SymbolWriter
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.exact.guard import exact_torch, prove
from colorvid.frame import Frame
from colorvid.models.modelfile import Model
from colorvid.models.planes import Picture, padded
from colorvid.models.video import State
from colorvid.motion.coding import MotionCoder
from colorvid.motion.estimate import MotionEstimator
from colorvid.motion.field import Vectors, grid_shape

INTER_OFFSET = 20
"""Inter frames are coded this many quality indices below the key frame, unless told otherwise."""
RISE_PERIOD = 5
RISE = 6
"""Every five frames they get one index finer, six in all: the first live on the key frame."""
REFRESH_PERIOD = 8
REFRESH_OFFSET = 2
"""Every eighth frame of a GOP is only this far below: what it mends, the next frames inherit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What a user chooses.

    Attributes:
        quality: 0..63 of key frames, higher is better.
        gop: frames from key frame to key frame, at least 1.
        inter_quality: 0..63 of all inter frames; by default ``quality - 2`` for every eighth, and
            for the others ``quality - 20``, rising to ``quality - 14``; not below 0.

    Raises:
        ConfigError: a value is out of its range.
    """

    quality: int = DEFAULT_QUALITY
    gop: int = DEFAULT_GOP
    inter_quality: int | None = None

    def __post_init__(self) -> None:
        """Refuse values out of their ranges."""
        for name, value in (("quality", self.quality), ("inter quality", self.inter_quality)):
            if value is not None and not is_whole(value, 0, QUALITIES - 1):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be 0..{QUALITIES - 1}")
        if not is_whole(self.gop, 1):
            raise ConfigError(f"gop {self.gop!r} is not allowed; it must be at least 1")

    def quality_of(self, number: int) -> int:
        """Quality of the frame ``number`` frames after its key frame."""
        if number == 0:
            return self.quality
        if self.inter_quality is not None:
            return self.inter_quality
        if number % REFRESH_PERIOD == 0:
            return max(0, self.quality - REFRESH_OFFSET)
        return max(0, self.quality - INTER_OFFSET + min(number // RISE_PERIOD, RISE))


@dataclass(slots=True)
class Timings:
    """Seconds spent in each stage."""

    motion: float = 0.0
    networks: float = 0.0
    entropy: float = 0.0


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """A packet, the picture that every decoder will show, and what the bits went to.

    Attributes:
        bits: information of ``luma``, ``chroma`` and ``side`` (hyper-latents) in bits.
        timings: seconds in each stage of this frame.
    """

    packet: Packet
    picture: Frame
    bits: dict[str, float]
    timings: Timings = field(default_factory=Timings)


class Encoder:
    """Encodes frames of one size; each push gives one packet at once."""

    def __init__(self, model: Model, settings: EncoderSettings, first: int = 0) -> None:
        """Prepare.

        Args:
            model: as `colorvid.models.modelfile.load_model` gives.
            settings: quality and GOP.
            first: number of the first frame in the stream; it becomes a key frame.
        """
        prove(str(model.network.device), model.network.carrier)
        self.model, self.settings = model, settings
        self._number, self._since_key = first, 0
        self._size: tuple[int, int] | None = None
        self._state: State | None = None
        self._estimator: MotionEstimator | None = None
        self._motion = MotionCoder()

    def push(self, frame: Frame) -> CodedFrame:
        """Encode the next frame.

        Raises:
            ConfigError: the frame has another size than the frame before.
        """
        size = (frame.height, frame.width)
        if self._size is not None and self._size != size:
            raise ConfigError(
                f"frame {self._number} is {frame.width}x{frame.height}; "
                f"all frames must be {self._size[1]}x{self._size[0]} as the first"
            )
        self._size = size
        if self._since_key >= self.settings.gop:
            self._state, self._since_key = None, 0
        quality = self.settings.quality_of(self._since_key)
        with exact_torch():
            key = self._state is None
            coded = self._key(frame, quality) if key else self._inter(frame, quality)
        self._number += 1
        self._since_key += 1
        return coded

    def _key(self, frame: Frame, quality: int) -> CodedFrame:
        start = time.perf_counter()
        self._estimator = None
        if self.settings.gop > 1:
            step = quantiser_step(self.settings.quality_of(1))
            self._estimator = MotionEstimator(frame.width, frame.height, step)
            self._estimator.start(frame)
        self._motion.reset()
        timings = Timings(motion=time.perf_counter() - start)
        writer = SymbolWriter()
        coders = self._coders(writer, "intra")
        picture = Picture.of(frame, self.model.network.device)
        size = (frame.height, frame.width)
        self._state = self.model.network.code_key(coders, picture, size, quality)
        packet = self._packet(FrameType.INTRA, quality, b"", writer)
        return self._finish(packet, coders, timings, start)

    def _inter(self, frame: Frame, quality: int) -> CodedFrame:
        assert self._estimator is not None and self._state is not None
        start = time.perf_counter()
        reference = self._state.picture.y.cpu().numpy()
        field_of_vectors = self._estimator.estimate(frame, reference, self._motion)
        motion = self._code_motion(field_of_vectors)
        timings = Timings(motion=time.perf_counter() - start)
        writer = SymbolWriter()
        coders = self._coders(writer, "inter")
        network = self.model.network
        picture = Picture.of(frame, network.device)
        vectors = torch.from_numpy(field_of_vectors).to(network.device)
        self._state = network.code_inter(coders, picture, vectors, self._state, quality)
        packet = self._packet(FrameType.INTER, quality, motion, writer)
        return self._finish(packet, coders, timings, start)

    def _code_motion(self, vectors: Vectors) -> bytes:
        """Bytes of a vector field; none if nothing moves."""
        coder = BinaryEncoder()
        self._motion.code(coder, vectors, (vectors.shape[0], vectors.shape[1]))
        return coder.finish() if vectors.any() else b""

    def _coders(self, writer: SymbolWriter, kind: str) -> tuple[BranchWriter, BranchWriter]:
        luma, chroma = self.model.pair(kind)
        return writer.branch(luma), writer.branch(chroma)

    def _packet(
        self, kind: FrameType, quality: int, motion: bytes, writer: SymbolWriter
    ) -> tuple[Packet, Frame]:
        """The packet of the state just reached, and its picture."""
        assert self._state is not None
        picture = self._state.picture.frame()
        packet = Packet(
            frame_type=kind,
            quality=quality,
            frame_number=self._number,
            frame_crc=picture.crc32(),
            motion=motion,
            latents=writer.finish(),
        )
        return packet, picture

    @staticmethod
    def _finish(
        packet: tuple[Packet, Frame],
        coders: tuple[BranchWriter, BranchWriter],
        timings: Timings,
        start: float,
    ) -> CodedFrame:
        """Add up what the coders counted."""
        luma, chroma = coders
        timings.entropy = luma.seconds + chroma.seconds
        timings.networks = time.perf_counter() - start - timings.motion - timings.entropy
        bits = {
            "luma": luma.latent_bits,
            "chroma": chroma.latent_bits,
            "side": luma.hyper_bits + chroma.hyper_bits,
        }
        return CodedFrame(*packet, bits, timings)


class Decoder:
    """Decodes packets of one stream; each push gives one frame at once."""

    def __init__(self, model: Model, height: int, width: int) -> None:
        """Prepare for luma planes of ``height`` x ``width``, 1..8192 each.

        Raises:
            ConfigError: a size is none of these.
        """
        for name, value in (("height", height), ("width", width)):
            if not is_whole(value, 1, MAX_SIDE_PX):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be 1..{MAX_SIDE_PX}")
        prove(str(model.network.device), model.network.carrier)
        self.model, self.size = model, (height, width)
        self.timings = Timings()
        self._state: State | None = None
        self._motion = MotionCoder()

    def push(self, packet: Packet) -> Frame:
        """Decode the next packet and compare its picture with the hash in the packet.

        Raises:
            DamagedStream: an inter frame without the frame before it, or broken motion.
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
        reader = SymbolReader(packet.latents, 2 * padded(self.size[0]) * padded(self.size[1]))
        luma, chroma = self.model.pair("intra" if packet.is_key else "inter")
        coders = (reader.branch(luma), reader.branch(chroma))
        motion = 0.0
        if packet.is_key:
            self._motion.reset()
            self._state = network.code_key(coders, None, self.size, packet.quality)
        else:
            assert self._state is not None
            vectors = torch.from_numpy(self._read_motion(packet.motion)).to(network.device)
            motion = time.perf_counter() - start
            self._state = network.code_inter(coders, None, vectors, self._state, packet.quality)
        entropy = coders[0].seconds + coders[1].seconds
        self.timings.motion += motion
        self.timings.entropy += entropy
        self.timings.networks += time.perf_counter() - start - motion - entropy
        return self._state.picture.frame()

    def _read_motion(self, data: bytes) -> Vectors:
        """Vectors of a frame; no bytes mean that nothing moves."""
        shape = grid_shape(*self.size)
        if not data:
            still = np.zeros((*shape, 2), np.int16)
            return self._motion.code(BinaryEncoder(), still, shape)
        decoder = BinaryDecoder(data)
        vectors = self._motion.code(decoder, None, shape)
        decoder.finish()
        return vectors
