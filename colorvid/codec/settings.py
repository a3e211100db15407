"""What a user chooses for the encoder, and the quality that each frame gets from it."""

from __future__ import annotations

from dataclasses import dataclass

from colorvid.config import DEFAULT_GOP, DEFAULT_QUALITY, QUALITIES, is_whole
from colorvid.errors import ConfigError

INTER_OFFSET = 20
"""Inter frames are coded this many quality indices below the key frame, unless set otherwise."""
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
        for name, value in (("quality", self.quality), ("inter_quality", self.inter_quality)):
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
