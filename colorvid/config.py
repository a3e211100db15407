"""Typed configuration of the models, read from TOML; unknown keys are refused."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from colorvid.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LAMBDA_MIN = 40.0
LAMBDA_MAX = 16000.0
QUALITIES = 64
MOTION_FEATURES = 4


def lambda_of_quality(quality: float) -> float:
    """Weight of the unit-range squared error against bits per pixel; 40 to 16000, geometric."""
    return LAMBDA_MIN * math.exp(math.log(LAMBDA_MAX / LAMBDA_MIN) * quality / (QUALITIES - 1))


@dataclass(frozen=True, slots=True)
class BranchConfig:
    """Sizes of one branch.

    Attributes:
        planes: planes it codes: 1 for luma, 2 for chroma.
        reference_planes: further planes that its analysis sees.
        block: samples (of its own planes) to a latent position.
        analysis_widths, synthesis_widths: channels at 2/block and 1/block of the resolution.
        synthesis_condition: channels of further inputs of the synthesis at 2/block.
        prior_width: channels of the prior's features.
        prior_condition: channels of further inputs of the prior at 1/block.
        hyper: channels of the hyper-latents.
        predict_mean: whether the prior says a mean.
        step_ratio: initial quantiser step over ``sqrt(8.66 / lambda)``.
        rounding: added to magnitudes before the floor; 0.5 rounds, less makes a dead zone.
    """

    planes: int
    block: int
    analysis_widths: tuple[int, int]
    synthesis_widths: tuple[int, int]
    prior_width: int
    hyper: int
    predict_mean: bool
    step_ratio: float
    rounding: float
    reference_planes: int = 0
    synthesis_condition: int = 0
    prior_condition: int = 0

    @property
    def latents(self) -> int:
        """Channels of y: every coefficient of every plane."""
        return self.planes * self.block**2


@dataclass(frozen=True, slots=True)
class IntraConfig:
    """Sizes of the intra codec; defaults are the released model's."""

    luma_widths: tuple[int, int] = (96, 192)
    chroma_widths: tuple[int, int] = (48, 96)
    luma_prior: int = 192
    chroma_prior: int = 96
    luma_hyper: int = 48
    chroma_hyper: int = 24
    chroma_from_luma: bool = True

    def luma(self) -> BranchConfig:
        """The luma branch: blocks of 16x16."""
        return BranchConfig(
            planes=1,
            block=16,
            analysis_widths=self.luma_widths,
            synthesis_widths=self.luma_widths,
            prior_width=self.luma_prior,
            hyper=self.luma_hyper,
            predict_mean=True,
            step_ratio=1.0,
            rounding=0.5,
        )

    def chroma(self) -> BranchConfig:
        """The chroma branch: blocks of 8x8 of the half-size planes."""
        return BranchConfig(
            planes=2,
            block=8,
            analysis_widths=self.chroma_widths,
            synthesis_widths=self.chroma_widths,
            prior_width=self.chroma_prior,
            hyper=self.chroma_hyper,
            predict_mean=True,
            step_ratio=0.8,
            rounding=0.5,
            synthesis_condition=64,
            prior_condition=256 if self.chroma_from_luma else 0,
        )


@dataclass(frozen=True, slots=True)
class InterConfig:
    """Sizes of the inter codec; defaults are the released model's.

    Attributes:
        context: feed prediction, previous symbols and motion to the prior.
        rounding: dead zone of both branches, see `BranchConfig`.
    """

    luma_analysis: tuple[int, int] = (24, 64)
    luma_synthesis: tuple[int, int] = (32, 64)
    chroma_analysis: tuple[int, int] = (16, 32)
    chroma_synthesis: tuple[int, int] = (16, 48)
    luma_prior: int = 96
    chroma_prior: int = 48
    luma_hyper: int = 8
    chroma_hyper: int = 4
    chroma_from_luma: bool = True
    context: bool = True
    rounding: float = 0.33

    def luma(self) -> BranchConfig:
        """The luma branch: blocks of 8x8 of the residual."""
        return BranchConfig(
            planes=1,
            reference_planes=1,
            block=8,
            analysis_widths=self.luma_analysis,
            synthesis_widths=self.luma_synthesis,
            synthesis_condition=16,
            prior_width=self.luma_prior,
            prior_condition=(64 + 32 + 64 + MOTION_FEATURES) if self.context else 0,
            hyper=self.luma_hyper,
            predict_mean=False,
            step_ratio=1.0,
            rounding=self.rounding,
        )

    def chroma(self) -> BranchConfig:
        """The chroma branch: blocks of 4x4 of the residual of the half-size planes."""
        context = (64 + 32 + 32 + MOTION_FEATURES) if self.context else 0
        return BranchConfig(
            planes=2,
            reference_planes=2,
            block=4,
            analysis_widths=self.chroma_analysis,
            synthesis_widths=self.chroma_synthesis,
            synthesis_condition=8 + 16,
            prior_width=self.chroma_prior,
            prior_condition=context + (64 if self.chroma_from_luma else 0),
            hyper=self.chroma_hyper,
            predict_mean=False,
            step_ratio=0.8,
            rounding=self.rounding,
        )


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: the file cannot be read or parsed.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error


def from_table(cls: type[Any], table: dict[str, Any], where: str) -> Any:
    """Make a configuration dataclass from a TOML table; lists become tuples.

    Raises:
        ConfigError: a key is unknown, or a value is not of the kind of the field's default.
    """
    defaults = {f.name: f.default for f in fields(cls)}
    for key, value in table.items():
        if key not in defaults:
            allowed = ", ".join(sorted(defaults))
            raise ConfigError(f"{where}: unknown key {key!r}; allowed are {allowed}")
        _check_kind(f"{where}: {key}", value, defaults[key])
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _check_kind(what: str, value: Any, default: Any) -> None:
    """Refuse a value that is not of the kind of ``default``; an int will do for a float."""
    if isinstance(default, tuple):
        kind = f"a list of {len(default)}"
        fits = isinstance(value, list | tuple) and len(value) == len(default)
    else:
        kind = f"{'an' if isinstance(default, int) else 'a'} {type(default).__name__}"
        kind = "a bool" if isinstance(default, bool) else kind
        fits = type(value) is type(default) or (type(default) is float and type(value) is int)
    if not fits:
        raise ConfigError(f"{what} is {value!r}; it must be {kind}")
