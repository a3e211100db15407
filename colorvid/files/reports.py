"""What happened to a whole file: the progress of the work, and what it comes to at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from colorvid.bitstream import FrameType, Packet
from colorvid.errors import DamagedStream, HashMismatch
from colorvid.frame import Frame
from colorvid.quality.metrics import kbit_per_second
from colorvid.quality.scores import FrameScores

Scorer = Callable[[Frame, Frame], FrameScores]
"""Scores a decoded frame, the second one, against its source."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the work stands, for a progress callback.

    Attributes:
        frames: finished so far, in all groups that are worked on.
        total: frames in all; None = not known.
        size_bytes: bytes of the ``.clv`` stream so far.
        rate: frames per second of the video.
        seconds: since the first frame was begun.
        written: frames that ``size_bytes`` holds; None = all that are finished.
        turn: number of the pass over the video, from 1; 0 = there is only one.
    """

    frames: int
    total: int | None
    size_bytes: int
    rate: Fraction
    seconds: float
    written: int | None = None
    turn: int = 0

    @property
    def fps(self) -> float:
        """Frames finished per second."""
        return self.frames / max(self.seconds, 1e-9)

    @property
    def kbps(self) -> float:
        """Bit rate so far in kbit/s (1000 bits); 0 without frames."""
        count = self.frames if self.written is None else self.written
        return kbit_per_second(self.size_bytes, count, self.rate) if count else 0.0

    @property
    def expected_bytes(self) -> int | None:
        """Size of the whole stream if it goes on so; None if the number of frames is not known."""
        count = self.frames if self.written is None else self.written
        return round(self.size_bytes / count * self.total) if count and self.total else None


class FrameCounter:
    """Counts frames that workers have finished, in whatever order."""

    def __init__(self) -> None:
        """None so far."""
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self) -> None:
        """One more; any thread may say so."""
        with self._lock:
            self._count += 1

    def counting(self, score: Scorer | None) -> Callable[[Frame, Frame], FrameScores | None]:
        """A scorer that counts frames, and scores them if there is one to do so."""

        def count(source: Frame, decoded: Frame) -> FrameScores | None:
            scores = None if score is None else score(source, decoded)
            self()
            return scores

        return count

    def at_least(self, count: int) -> int:
        """The number, or ``count`` if it is larger, as for lost frames that nobody decodes."""
        return max(self._count, count)


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of the frames takes, and how good it is.

    Attributes:
        name: ``key``, ``P``, ``B1`` and so on by level; of a group ``frames 128 to 255``.
        frames: how many.
        size_bytes: of their packets.
        quality: mean index, 0..63.
        psnr_db: mean PSNR of YUV (6:1:1); None = they were not scored.
    """

    name: str
    frames: int
    size_bytes: int
    quality: float
    psnr_db: float | None


class Sum:
    """A `Share` that grows."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.frames = 0
        self._bytes = self._qualities = 0
        self._psnr: float | None = 0.0

    def add(self, packet: Packet, scores: FrameScores | None) -> None:
        """Count a frame."""
        self.frames += 1
        self._bytes += packet.size_bytes
        self._qualities += packet.quality
        if scores is None or self._psnr is None:
            self._psnr = None
        else:
            self._psnr += scores.psnr_yuv611_db

    def share(self, name: str) -> Share:
        """What it comes to; not without frames."""
        psnr = None if self._psnr is None else self._psnr / self.frames
        return Share(name, self.frames, self._bytes, self._qualities / self.frames, psnr)


class Shares:
    """Sums up frames by level, and looks for the worst group of pictures."""

    def __init__(self) -> None:
        """Nothing so far."""
        self._levels: dict[str, Sum] = {}
        self._group, self._key = Sum(), (0, 0)  # number and quality of its key frame
        self._groups: list[tuple[float, Share]] = []  # the worst one and the best one

    def add(self, packet: Packet, scores: FrameScores | None) -> None:
        """Count a frame; they come in the order of the stream."""
        if packet.is_key:
            self._end_group()
            self._group, self._key = Sum(), (packet.frame_number, packet.quality)
        self._group.add(packet, scores)
        name = FrameType(packet.frame_type).label
        name = f"B{packet.level}" if packet.future > 0 else name
        self._levels.setdefault(name, Sum()).add(packet, scores)

    def levels(self) -> tuple[Share, ...]:
        """Of the frames by level, in the order in which they are coded first."""
        order = sorted(self._levels, key=lambda name: (name[0] == "B", name != "key", name))
        return tuple(self._levels[name].share(name) for name in order)

    def worst(self) -> Share | None:
        """The group of the lowest PSNR, or without scores of the coarsest key frame.

        Returns:
            None if all are alike.
        """
        self._end_group()
        if not self._groups or self._groups[0][0] == self._groups[-1][0]:
            return None
        return self._groups[0][1]

    def _end_group(self) -> None:
        if not self._group.frames:
            return
        first, quality = self._key
        share = self._group.share(f"frames {first} to {first + self._group.frames - 1}")
        value = quality if share.psnr_db is None else share.psnr_db
        ordered = sorted([*self._groups, (value, share)], key=lambda pair: pair[0])
        self._groups, self._group = [ordered[0], ordered[-1]], Sum()


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """Result of `encode_file`.

    Attributes:
        frames: coded frames.
        size_bytes: bytes of the whole stream, with header and index.
        rate: frames per second of the video.
        seconds: from the first frame to the last.
        scores: means over frames; None = not asked for.
        warnings: what is doubtful about the source, a line each.
        quality: mean index of the frames, 0..63.
        passes: over the video, or parts of it.
        levels: the frames by their level.
        worst: the worst group of pictures; None if all are alike.
    """

    frames: int
    size_bytes: int
    rate: Fraction
    seconds: float
    scores: FrameScores | None
    warnings: tuple[str, ...] = ()
    quality: float = 0.0
    passes: int = 1
    levels: tuple[Share, ...] = ()
    worst: Share | None = None

    @property
    def fps(self) -> float:
        """Frames coded per second."""
        return self.frames / max(self.seconds, 1e-9)

    @property
    def kbps(self) -> float:
        """Bit rate of the stream in kbit/s (1000 bits)."""
        return kbit_per_second(self.size_bytes, self.frames, self.rate)


@dataclass(frozen=True, slots=True)
class DecodeReport:
    """Result of `decode_file` and of `verify_file`.

    Attributes:
        frames: decoded frames with the right hash.
        lost: frames known to be lost.
        concealed: lost frames in whose place another one was repeated.
        damages: number of places where something was wrong.
        damage: a line for each, the first ``DAMAGE_LINES``.
        mismatches: frames that decoded to other planes than the stream says.
        size_bytes: bytes of the header, the packets and the index that were read.
        rate: frames per second of the video.
        seconds: from the first packet to the last.
        depth: bits of a sample, 8 or 10.
    """

    frames: int
    lost: int
    concealed: int
    damages: int
    damage: tuple[str, ...]
    mismatches: int
    size_bytes: int
    rate: Fraction
    seconds: float
    depth: int = 8

    @property
    def ok(self) -> bool:
        """Whether the stream is whole and every frame is right."""
        return not self.damages

    def problem(self, *, decoded: bool) -> str:
        """What is wrong, in one line; ``decoded`` if lost frames were replaced in an output."""
        places = f"{self.damages} place{'s' if self.damages > 1 else ''}"
        text = f"the stream is damaged in {places}; {self.lost} frames are lost"
        if decoded:
            text += f", {self.concealed} of them replaced"
        if self.mismatches:
            text += f"; {self.mismatches} decoded to another picture than was encoded"
        return text

    @property
    def exit_code(self) -> int:
        """What the command line returns: 0, 5 for damage, 6 if a hash differs."""
        if self.mismatches:
            return HashMismatch.exit_code
        return DamagedStream.exit_code if self.damages else 0

    @property
    def fps(self) -> float:
        """Frames per second, repeated ones included."""
        return (self.frames + self.concealed) / max(self.seconds, 1e-9)

    @property
    def kbps(self) -> float:
        """Bit rate of the stream in kbit/s (1000 bits); 0 without frames."""
        count = self.frames + self.concealed
        return kbit_per_second(self.size_bytes, count, self.rate) if count else 0.0
