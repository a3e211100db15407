"""What a user chooses for the encoder, and the quality that each frame gets from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from colorvid.codec import structure
from colorvid.codec.structure import Place
from colorvid.config import (
    DEFAULT_BFRAMES,
    DEFAULT_GOP,
    DEFAULT_MIN_GOP,
    DEFAULT_QUALITY,
    MOST_BFRAMES,
    QUALITIES,
    is_whole,
)
from colorvid.effort import DEFAULT_PRESET, Effort, effort_of
from colorvid.errors import ConfigError

REFRESH_OFFSET = 2
"""Refreshing P frames are coded this many quality indices below the key frame, unless set
otherwise: what they mend, many frames inherit."""
P_OFFSETS = {1: 20, 2: 10, 4: 8}
"""The same for other P frames, by the distance to their reference, or the next shorter one."""
RISE_PERIOD = 5
RISE = 6
"""Of these, those next to their reference get one index finer every five frames, six in all: the
first live on the key frame."""
ANCHOR_OFFSET = 6
"""Refreshing P frames behind B frames, at qualities up to 40; from there to `REFRESH_OFFSET` at 63:
the B frames between inherit from the key frame too."""
LEVEL_OFFSETS = (0, 12, 18, 24, 28)
"""B frames by their temporal level."""
_LOST_PICTURES = 2
"""Kept while the same frames are coded in several ways: what all begin with, and the best end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What a user chooses.

    Attributes:
        quality: 0..63 of key frames, higher is better.
        gop: every so many frames there is a key frame, at least 1.
        scenecut: whether a new scene begins with a key frame too.
        min_gop: frames from a key frame to one of a new scene, at least.
        bframes: most B frames between two P frames, 0..15; fewer where motion is fast. 0 = none,
            and then every frame can be decoded as soon as it is coded.
        inter_quality: 0..63 of all P and B frames. By default ``quality - 2`` to ``quality - 6``
            for P frames at least eight frames behind the last of that quality, ``quality - 8`` to
            ``quality - 20`` for those between, and ``quality - 12`` to ``quality - 28`` for B
            frames by their level. Not below 0.
        preset: ``fast``, ``medium`` or ``slow``: the time that the encoder takes.

    Raises:
        ConfigError: a value is out of its range.
    """

    quality: int = DEFAULT_QUALITY
    gop: int = DEFAULT_GOP
    scenecut: bool = True
    min_gop: int = DEFAULT_MIN_GOP
    bframes: int = DEFAULT_BFRAMES
    inter_quality: int | None = None
    preset: str = DEFAULT_PRESET

    def __post_init__(self) -> None:
        """Refuse values out of their ranges."""
        for name, value in (("quality", self.quality), ("inter_quality", self.inter_quality)):
            unset = name == "inter_quality" and value is None
            if not unset and not is_whole(value, 0, QUALITIES - 1):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be 0..{QUALITIES - 1}")
        for name, value in (("gop", self.gop), ("min_gop", self.min_gop)):
            if not is_whole(value, 1):
                raise ConfigError(f"{name} {value!r} is not allowed; it must be at least 1")
        if not is_whole(self.bframes, 0, MOST_BFRAMES):
            raise ConfigError(
                f"bframes {self.bframes!r} is not allowed; it must be 0..{MOST_BFRAMES}"
            )
        effort_of(self.preset)

    @property
    def effort(self) -> Effort:
        """What the preset stands for."""
        return effort_of(self.preset)

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
        return structure.references(self.most_bframes) + self.second_references

    @property
    def second_references(self) -> bool:
        """Whether P frames may have two references."""
        return self.effort.seconds > 0 and self.most_bframes == 0 and self.gop > 2

    @property
    def slots(self) -> int:
        """Most pictures that an encoder keeps, with the one that is coded."""
        return self.references + 1 + (_LOST_PICTURES if self.attempts else 0)

    @property
    def attempts(self) -> bool:
        """Whether frames are coded in several ways, see `colorvid.codec.attempts`."""
        return self.effort.attempts and self.most_bframes > 0

    def _anchor_offset(self) -> int:
        above = max(0, self.quality - 40)
        return ANCHOR_OFFSET - above * (ANCHOR_OFFSET - REFRESH_OFFSET) // 23

    def lowered(self, by: int) -> EncoderSettings:
        """The same with all qualities lower, as far as they go."""
        inter = None if self.inter_quality is None else max(0, self.inter_quality - by)
        return replace(self, quality=max(0, self.quality - by), inter_quality=inter)

    def quality_of(self, place: Place) -> int:
        """Quality of a frame at a place in its group of pictures."""
        if place.is_key:
            return self.quality
        if self.inter_quality is not None:
            return self.inter_quality
        if place.future > 0:
            below = LEVEL_OFFSETS[min(place.level, len(LEVEL_OFFSETS) - 1)]
        elif place.refresh:
            below = REFRESH_OFFSET if place.past == 1 else self._anchor_offset()
        else:
            below = P_OFFSETS[max(distance for distance in P_OFFSETS if distance <= place.past)]
            if place.past == 1:
                below -= min(place.number // RISE_PERIOD, RISE)
        return max(0, self.quality - below)
