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
"""Without B frames, refreshing P frames are coded this many quality indices below the key frame,
unless set otherwise: what they mend, many frames inherit."""
P_OFFSET = 20
"""The same for other P frames."""
RISE_PERIOD = 5
RISE = 6
"""Of these, all get one index finer every five frames, six in all: the first live on the key
frame."""
SLOPE = 117
"""With B frames, quality indices for a weight of 16 doublings: where an error lives on in twice as
many frames, a bit may cost half as much error, which is 7.3 indices."""
USUAL_WEIGHT = 980
"""Of a key frame that gets just the quality that was asked for, in 1/256 doublings."""
SPAN = 12
"""Quality indices that a key frame may be above or below that, at most; it is the most by which any
frame is above."""
_TOP = 8  # qualities at the upper end over which key frames come back to the one asked for
_LOST_PICTURES = 2
"""Kept while the same frames are coded in several ways: what all begin with, and the best end."""


@dataclass(frozen=True, slots=True)
class Weight:
    """How much later frames inherit; see `colorvid.codec.lookahead.weights`.

    Attributes:
        own: of a frame.
        key: of the key frame of its group.
    """

    own: int
    key: int


def _indices(weight: int) -> int:
    """Quality indices for so many 1/256 doublings."""
    return (weight * SLOPE + 2048) >> 12


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What a user chooses.

    Attributes:
        quality: 0..63, higher is better: that of key frames from which as much is inherited as
            usual. With B frames, qualities of all frames follow what later frames inherit from
            them, see `quality_of`.
        gop: every so many frames there is a key frame, at least 1.
        scenecut: whether a new scene begins with a key frame too.
        min_gop: frames from a key frame to one of a new scene, at least.
        bframes: most B frames between two P frames, 0..15; fewer where motion is fast. 0 = none,
            and then every frame can be decoded as soon as it is coded.
        inter_quality: 0..63 of all P and B frames, where key frames have just ``quality``.
        preset: ``fast``, ``medium``, ``slow`` or ``best``: the time that the encoder takes.

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
        return self.effort.attempts > 0 and self.most_bframes > 0

    def lowered(self, by: int) -> EncoderSettings:
        """The same with all qualities lower, as far as they go."""
        inter = None if self.inter_quality is None else max(0, self.inter_quality - by)
        return replace(self, quality=max(0, self.quality - by), inter_quality=inter)

    def quality_of(self, place: Place, weight: Weight | None = None) -> int:
        """Quality of a frame at a place in its group of pictures.

        With B frames a bit has one price in the whole video: a frame is finer where later frames
        inherit more from it. Key frames of slow scenes come out up to 12 above ``quality``, those
        of fast ones up to 12 below; B frames without heirs are some 28 below. Without B frames
        every eighth P frame is 2 below, others 20 to 14.

        Args:
            place: of the frame.
            weight: how much is inherited from it; None without B frames.
        """
        if self.inter_quality is not None:
            return self.quality if place.is_key else self.inter_quality
        if weight is not None:
            key = min(max(-SPAN, _indices(weight.key - USUAL_WEIGHT)), SPAN)
            key = key * min(QUALITIES - 1 - self.quality, _TOP) // _TOP
            above = min(key + _indices(weight.own - weight.key), SPAN)
            return min(max(0, self.quality + above), QUALITIES - 1)
        if place.is_key:
            return self.quality
        below = REFRESH_OFFSET
        if not place.refresh:
            below = P_OFFSET - min(place.number // RISE_PERIOD, RISE)
        return max(0, self.quality - below)
