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
        rounds: of the refinement of both vectors of a B frame's macroblock together, 0..16.
    """

    around: bool = True
    split_bits: int = 6
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Effort:
    """What the encoder takes on for better choices.

    Attributes:
        search: for motion.
        trial: whether inter frames are coded twice, the second time without what was not worth its
            bits.
        attempts: whether the same frames are coded in mini-GOPs of other lengths.
        scales: whether also with finer and coarser B frames.
    """

    search: SearchEffort = SearchEffort()
    trial: bool = True
    attempts: bool = False
    scales: bool = False


MEDIUM = Effort()
PRESETS = {
    "fast": Effort(SearchEffort(around=False, split_bits=40, rounds=0), trial=False),
    "medium": MEDIUM,
    "slow": Effort(SearchEffort(rounds=2), attempts=True),
    "best": Effort(SearchEffort(rounds=4), attempts=True, scales=True),
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
