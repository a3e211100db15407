"""Typed configuration of the models, read from TOML; unknown keys are refused."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from colorvid.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Number = TypeVar("Number")

PACKAGE_VERSION = "0.1.0"
"""Of this package; `colorvid.__version__`."""

MAX_SIDE = 8192
"""Largest width and height of a picture, in luma samples."""
LAMBDA_MIN = 40.0
LAMBDA_MAX = 16000.0
QUALITIES = 64
"""Number of quality indices, 0 to 63."""
DEFAULT_QUALITY = 44
DEFAULT_GOP = 32
TUNES = ("default", "color")
"""Released models: for the squared error of Y, U and V, and for colour difference."""
MOTION_FEATURES = 4


def is_whole(value: object, low: int, high: int | None = None) -> bool:
    """Whether a value from outside is a plain integer from ``low`` to ``high`` (None = no limit).

    True and False are none, nor are the integers of NumPy.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return low <= value and (high is None or value <= high)


def lambda_of_quality(quality: Number) -> Number:
    """Weight of the unit-range squared error against bits per pixel; 40 to 16000, geometric.

    Takes a number, an array or a tensor of qualities and gives the same kind.
    """
    ratio = LAMBDA_MAX / LAMBDA_MIN
    result: Number = LAMBDA_MIN * ratio ** (quality / (QUALITIES - 1))  # type: ignore[operator]
    return result


def unit_step(quality: float) -> float:
    """Quantiser step that suits the lambda of a quality index, for samples in 0..1.

    High-rate theory: with a squared error of ``step^2 / 12`` and one bit more for half the step,
    ``bits + lambda * error`` is least at ``step^2 = 6 / ln 2 / lambda``.
    """
    return math.sqrt(8.66 / lambda_of_quality(quality))


def quantiser_step(quality: float) -> float:
    """Nominal quantiser step of a quality index, in sample values; 119 at 0, 5.9 at 63."""
    return 255 * unit_step(quality)


@dataclass(frozen=True, slots=True)
class BranchConfig:
    """Sizes of one branch.

    Attributes:
        planes: planes it codes: 1 for luma, 2 for chroma.
        reference_planes: further planes that its analysis sees.
        block: samples (of its own planes) to a latent position.
        analysis_widths, synthesis_widths: channels of the non-linear paths at 2/block and 1/block
            of the resolution; None leaves the linear path alone.
        analysis_blocks, synthesis_blocks: residual blocks of the non-linear paths at 1/block.
        synthesis_condition: channels of further inputs of the synthesis at 2/block.
        prior_width: channels of the prior's features.
        prior_condition: channels of further inputs of the prior at 1/block.
        hyper: channels of the hyper-latents.
        context_steps: steps in which the latents are decoded, see `colorvid.nn.steps`.
        predict_mean: whether the prior says a mean.
        step_ratio: initial quantiser step over ``sqrt(8.66 / lambda)``.
        rounding: added to magnitudes before the floor; 0.5 rounds, less makes a dead zone.
        sample_weight: weight of a squared sample error against luma's, in the rate-distortion
            decisions of the quantiser.
        rate_weight: share of the full price of a bit that the quantiser pays; 0 only rounds.
        dct: fix the linear path to the DCT; without it, it is learned from a random basis.
        attention: give the non-linear paths attention; without it they have a plain block there.
    """

    planes: int
    block: int
    analysis_widths: tuple[int, int] | None
    synthesis_widths: tuple[int, int] | None
    prior_width: int
    hyper: int
    context_steps: int
    predict_mean: bool
    step_ratio: float
    rounding: float
    sample_weight: float
    rate_weight: float
    reference_planes: int = 0
    analysis_blocks: int = 0
    synthesis_blocks: int = 0
    synthesis_condition: int = 0
    prior_condition: int = 0
    dct: bool = True
    attention: bool = True

    @property
    def latents(self) -> int:
        """Channels of y: every coefficient of every plane."""
        return self.planes * self.block**2


@dataclass(frozen=True, slots=True)
class IntraConfig:
    """Sizes of the intra codec; defaults are the released model's. See also `BranchConfig`.

    Attributes:
        chroma_offset: chroma is coded at the quality so many indices above luma's, within 0..63.
        dct, attention: see `BranchConfig`; off to learn what they are worth.
    """

    luma_widths: tuple[int, int] = (96, 192)
    chroma_widths: tuple[int, int] = (48, 96)
    luma_prior: int = 192
    chroma_prior: int = 96
    luma_hyper: int = 48
    chroma_hyper: int = 24
    analysis_blocks: int = 2
    synthesis_blocks: int = 1
    context_steps: int = 5
    chroma_from_luma: bool = True
    chroma_offset: int = 0
    rate_weight: float = 0.3
    dct: bool = True
    attention: bool = True

    def luma(self) -> BranchConfig:
        """The luma branch: blocks of 16x16."""
        return BranchConfig(
            planes=1,
            block=16,
            analysis_widths=self.luma_widths,
            synthesis_widths=self.luma_widths,
            prior_width=self.luma_prior,
            hyper=self.luma_hyper,
            analysis_blocks=self.analysis_blocks,
            synthesis_blocks=self.synthesis_blocks,
            context_steps=self.context_steps,
            predict_mean=True,
            step_ratio=1.0,
            rounding=0.5,
            sample_weight=0.75,
            rate_weight=self.rate_weight,
            dct=self.dct,
            attention=self.attention,
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
            analysis_blocks=self.analysis_blocks,
            synthesis_blocks=self.synthesis_blocks,
            context_steps=self.context_steps,
            predict_mean=True,
            step_ratio=0.8,
            rounding=0.5,
            sample_weight=4.0,
            rate_weight=self.rate_weight,
            synthesis_condition=64,
            prior_condition=256 if self.chroma_from_luma else 0,
            dct=self.dct,
            attention=self.attention,
        )


@dataclass(frozen=True, slots=True)
class InterConfig:
    """Sizes of the inter codec; defaults are the released model's.

    Without non-linear paths the codec is a block transform with learned entropy coding: networks
    inside the loop must not only improve a frame but also the frames predicted from it.

    Attributes:
        luma_analysis, luma_synthesis, chroma_analysis, chroma_synthesis: channels of the
            non-linear paths, see `BranchConfig`.
        context: feed prediction, previous symbols and motion to the prior.
        rounding: dead zone of both branches, see `BranchConfig`.
        context_steps: see `BranchConfig`.
        chroma_offset: see `IntraConfig`.
    """

    luma_analysis: tuple[int, int] | None = None
    luma_synthesis: tuple[int, int] | None = None
    chroma_analysis: tuple[int, int] | None = None
    chroma_synthesis: tuple[int, int] | None = None
    luma_prior: int = 96
    chroma_prior: int = 48
    luma_hyper: int = 8
    chroma_hyper: int = 4
    context_steps: int = 2
    chroma_from_luma: bool = True
    context: bool = True
    chroma_offset: int = 0
    rounding: float = 0.45
    rate_weight: float = 1.1

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
            context_steps=self.context_steps,
            predict_mean=False,
            step_ratio=1.0,
            rounding=self.rounding,
            sample_weight=0.75,
            rate_weight=self.rate_weight,
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
            context_steps=self.context_steps,
            predict_mean=False,
            step_ratio=0.6,
            rounding=self.rounding,
            sample_weight=3.0,
            rate_weight=self.rate_weight,
        )


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """Sizes of both codecs, where they are trained together."""

    intra: IntraConfig
    inter: InterConfig


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
        ConfigError: a key is unknown, or a value is not of the type of its field.
    """
    types = get_type_hints(cls)
    for key, value in table.items():
        if key not in types:
            allowed = ", ".join(sorted(types))
            raise ConfigError(f"{where}: unknown key {key!r}; allowed are {allowed}")
        if not _fits(value, types[key]):
            kind = getattr(types[key], "__name__", "") if type(types[key]) is type else types[key]
            raise ConfigError(f"{where}: {key} is {value!r}; it must be of type {kind}")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of type ``kind``; an int will do for a float, a list for a tuple."""
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        if parts[1:] == (...,) and isinstance(value, list | tuple):
            parts = parts[:1] * len(value)
        fits = isinstance(value, list | tuple) and len(value) == len(parts)
        return fits and all(_fits(v, p) for v, p in zip(value, parts, strict=True))
    if parts:
        return any(_fits(value, part) for part in parts)
    return type(value) is kind or (kind is float and type(value) is int)
