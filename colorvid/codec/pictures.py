"""What comes out of the pipeline for each frame; free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from colorvid.bitstream import Packet
from colorvid.frame import Frame
from colorvid.quality.log import FrameRow


@dataclass(frozen=True, slots=True)
class Encoded:
    """A packet and its line in the log."""

    packet: Packet
    row: FrameRow


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a packet or of damage.

    Attributes:
        frame: the picture; None if it could not be decoded.
        size_bytes: of the packet.
        lost: frames that have no picture because of this.
        problem: what is wrong, in one line, where it begins; None otherwise.
        mismatch: the picture decoded, but is not the one that was encoded.
    """

    frame: Frame | None
    size_bytes: int = 0
    lost: int = 0
    problem: str | None = None
    mismatch: bool = False
