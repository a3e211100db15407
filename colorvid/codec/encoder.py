"""Frames to packets, one by one: the closed loop of `colorvid.codec.loop` with the range coder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from colorvid.bitstream import FrameType, Packet
from colorvid.codec.loop import ClosedLoop, CodedStep
from colorvid.codec.settings import EncoderSettings
from colorvid.entropy.rans import BranchWriter, SymbolWriter
from colorvid.errors import ConfigError
from colorvid.exact.guard import exact_torch, prove
from colorvid.frame import Frame, Size
from colorvid.models.modelfile import Model


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
        self._number = first
        self._size: Size | None = None
        self._loop = ClosedLoop(model.network, settings)

    def push(self, frame: Frame) -> CodedFrame:
        """Encode the next frame.

        Raises:
            ConfigError: the frame has another size than the frame before.
        """
        if self._size not in (None, frame.size):
            raise ConfigError(
                f"frame {self._number} is {frame.size}; "
                f"all frames must be {self._size} as the first"
            )
        self._size = frame.size
        start = time.perf_counter()
        writer = SymbolWriter()

        def coders(kind: str) -> tuple[BranchWriter, BranchWriter]:
            luma, chroma = self.model.pair(kind)
            return writer.branch(luma), writer.branch(chroma)

        with exact_torch():
            step = self._loop.push(frame, coders)
        picture = step.after.picture.frame()
        packet = Packet(
            frame_type=FrameType.INTRA if step.is_key else FrameType.INTER,
            quality=step.quality,
            frame_number=self._number,
            frame_crc=picture.crc32(),
            motion=step.motion,
            latents=writer.finish(),
        )
        self._number += 1
        return _counted(packet, picture, step, time.perf_counter() - start)


def _counted(
    packet: Packet, picture: Frame, step: CodedStep[BranchWriter], seconds: float
) -> CodedFrame:
    """Add what the coders counted of a frame that took ``seconds`` in all."""
    luma, chroma = step.coders
    bits = {
        "luma": luma.latent_bits,
        "chroma": chroma.latent_bits,
        "side": luma.hyper_bits + chroma.hyper_bits,
    }
    entropy = luma.seconds + chroma.seconds
    networks = seconds - step.motion_seconds - entropy
    return CodedFrame(packet, picture, bits, Timings(step.motion_seconds, networks, entropy))
