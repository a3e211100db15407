"""The presets of the encoder: how much work it takes on. Decoders need not know."""

from __future__ import annotations

from dataclasses import dataclass

from colorvid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SearchEffort:
    """How hard the encoder searches for motion.

    Attributes:
        around: whether the last level of the pyramid compares what is around a cell too.
        split_bits: what a split of a macroblock must be worth to be searched for, 0..1000.
        rounds: of the refinement of both vectors of a B frame's macroblock together, 0..16; for P
            frames with two references it does not pay.
    """

    around: bool = True
    split_bits: int = 6
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class LookAhead:
    """How the encoder finds out how far apart P frames may be, and what frames inherit.

    Attributes:
        halvings: of the sides of pictures before they are compared, 1..5.
        weighs: whether it finds out what frames inherit from each other; else from the structure
            alone.
        longest: whether mini-GOPs are as long as they may be, whatever moves.
    """

    halvings: int = 2
    weighs: bool = True
    longest: bool = False


@dataclass(frozen=True, slots=True)
class Effort:
    """What the encoder takes on for better choices.

    Attributes:
        look_ahead: for the length of mini-GOPs.
        search: for motion.
        tries: whether inter frames are tried before they are coded, to leave out areas that are
            not worth their bits.
        attempts: at coding the same frames in shorter mini-GOPs. 0 = none, 1 = mini-GOPs are halved
            as long as that pays, 2 = down to single frames, and then each by itself.
        seconds: which P frames may have a second reference, where there are no B frames: 0 = none,
            1 = the refreshing ones, and those behind one that has it, 2 = all.
    """

    look_ahead: LookAhead = LookAhead()
    search: SearchEffort = SearchEffort()
    tries: bool = True
    attempts: int = 0
    seconds: int = 1


MEDIUM = Effort()
PRESETS = {
    "fast": Effort(
        LookAhead(halvings=3, weighs=False),
        SearchEffort(around=False, split_bits=40, rounds=0),
        tries=False,
        seconds=0,
    ),
    "medium": MEDIUM,
    "slow": Effort(search=SearchEffort(rounds=2), attempts=1, seconds=2),
    "best": Effort(LookAhead(longest=True), SearchEffort(rounds=2), attempts=2, seconds=2),
}
"""Efforts by name, the fastest first."""
DEFAULT_PRESET = "medium"


def effort_of(preset: str) -> Effort:
    """What a preset stands for.

    Raises:
        ConfigError: there is no such preset.
    """
    if preset not in PRESETS:
        *others, last = PRESETS
        raise ConfigError(f"preset {preset!r} is unknown; use {', '.join(others)} or {last}")
    return PRESETS[preset]
