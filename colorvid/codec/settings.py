"""What a user chooses for the encoder, and the quality that each frame gets from it."""

from __future__ import annotations

from dataclasses import dataclass

from colorvid.codec import structure
from colorvid.codec.structure import Place
from colorvid.config import (
    DEFAULT_BFRAMES,
    DEFAULT_GOP,
    DEFAULT_QUALITY,
    MOST_BFRAMES,
    QUALITIES,
    is_whole,
)
from colorvid.errors import ConfigError

INTER_OFFSET = 20
"""Without B frames, P frames are coded this many quality indices below the key frame."""
RISE_PERIOD = 5
RISE = 6
"""Every five frames they get one index finer, six in all: the first live on the key frame."""
REFRESH_PERIOD = 8
REFRESH_OFFSET = 2
"""Every eighth frame of a GOP is only this far below: what it mends, the next frames inherit."""
LEVEL_OFFSETS = (2, 8, 12, 16, 20)
"""With B frames, how far below the key frame the frames of each temporal level are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What a user chooses.

    Attributes:
        quality: 0..63 of key frames, higher is better.
        gop: frames from key frame to key frame, at least 1.
        bframes: most B frames between two P frames, 0..15; 0 = none, and then every frame can be
            decoded as soon as it is coded.
        inter_quality: 0..63 of all P and B frames. By default, with B frames: ``quality - 2`` for P
            frames, and ``quality - 8`` to ``quality - 20`` for B frames by their level. Without:
            ``quality - 2`` for every eighth frame, and for the others ``quality - 20``, rising to
            ``quality - 14``. Not below 0.

    Raises:
        ConfigError: a value is out of its range.
    """

    quality: int = DEFAULT_QUALITY
    gop: int = DEFAULT_GOP
    bframes: int = DEFAULT_BFRAMES
    inter_quality: int | None = None

    def __post_init__(self) -> None:
        """Refuse values out of their ranges."""
        for name, value in (("quality", self.quality), ("inter_quality", self.inter_quality)):
            if value is not None and not is_whole(value, 0, QUALITIES - 1):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be 0..{QUALITIES - 1}")
        if not is_whole(self.gop, 1):
            raise ConfigError(f"gop {self.gop!r} is not allowed; it must be at least 1")
        if not is_whole(self.bframes, 0, MOST_BFRAMES):
            raise ConfigError(
                f"bframes {self.bframes!r} is not allowed; it must be 0..{MOST_BFRAMES}"
            )

    @property
    def most_bframes(self) -> int:
        """Most B frames between two P frames that fit into a GOP."""
        return min(self.bframes, max(0, self.gop - 2))

    @property
    def reorder(self) -> int:
        """Most frames that come before one that is shown earlier, as in the stream header."""
        return structure.reorder(self.most_bframes)

    @property
    def references(self) -> int:
        """Most pictures that a decoder keeps, as in the stream header."""
        return structure.references(self.most_bframes)

    def quality_of(self, place: Place) -> int:
        """Quality of a frame at a place in its group of pictures."""
        if place.number == 0:
            return self.quality
        if self.inter_quality is not None:
            return self.inter_quality
        if self.most_bframes:
            below = LEVEL_OFFSETS[min(place.level, len(LEVEL_OFFSETS) - 1)]
        elif place.number % REFRESH_PERIOD == 0:
            below = REFRESH_OFFSET
        else:
            below = INTER_OFFSET - min(place.number // RISE_PERIOD, RISE)
        return max(0, self.quality - below)
