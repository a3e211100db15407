"""Typed configuration of the models, read from TOML; unknown keys are refused."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from colorvid.errors import ConfigError

Number = TypeVar("Number")

PACKAGE_VERSION = "0.1.0"
"""Of this package; `colorvid.__version__`."""

STREAM_SIGN = b"\x89CLV"
"""First bytes of every ``.clv`` stream, also of one that went through a transfer as text."""

VARIABLES = {
    "COLORVID_NATIVE": "plain, avx2, avx512, avx512vnni or neon: kernels; 0: PyTorch decodes",
    "COLORVID_TRACEBACK": "1: show where an error comes from",
}
"""Environment variables that colorvid reads, and what their values do."""

MAX_SIDE = 8192
"""Largest width and height of a picture, in luma samples."""
LAMBDA_MIN = 40.0
LAMBDA_MAX = 16000.0
QUALITIES = 64
"""Number of quality indices, 0 to 63."""
DEFAULT_QUALITY = 44
DEFAULT_GOP = 128
MEASURED_GOP = 32
"""Frames from key frame to key frame in comparisons of moving clips, for every codec."""
DEFAULT_MIN_GOP = 8
"""Frames from a key frame to one of a new scene, at least."""
MOST_BFRAMES = 15
"""Most B frames between two P frames."""
DEFAULT_BFRAMES = 15
TUNES = ("default", "color")
"""Released models: for the squared error of Y, U and V, and for colour difference."""
ZEROLATENCY = "zerolatency"
"""What the command line calls encoding without B frames."""
INTRA_BLOCK = 16
"""Luma samples to a latent position of key frames, in each direction; pictures are padded to it."""
INTER_BLOCK = 8
"""Luma samples to a latent position of inter frames, and to a motion vector."""
MOTION_FEATURES = 4
"""Channels in which the prior of inter frames sees the motion around a block."""


def is_whole(value: object, low: int, high: int | None = None) -> bool:
    """Whether a value from outside is a plain integer from ``low`` to ``high`` (None = no limit).

    True and False are none, nor are the integers of NumPy.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return low <= value and (high is None or value <= high)


def check_type(name: str, value: object, kind: type, remedy: str) -> None:
    """Refuse an argument of another type.

    Args:
        name: of the argument.
        value: that was given.
        kind: that it must be.
        remedy: how to get one, or what to use instead.

    Raises:
        ConfigError: ``value`` is of another type.
    """
    if not isinstance(value, kind):
        found = type(value).__name__
        raise ConfigError(f"{name} is of type {found}; it must be a {kind.__name__} ({remedy})")


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


def samples(planes: int, side: int) -> int:
    """Channels that hold all samples of ``planes`` planes in a square of ``side`` samples."""
    return planes * side**2


@dataclass(frozen=True, slots=True)
class BranchConfig:
    """Sizes of one branch.

    How they follow from each other: the linear path maps each block of each plane to as many
    coefficients, so there are ``planes * block^2`` latents. The non-linear paths begin and end at
    ``2 / block`` of the resolution, where a position holds ``planes * (block / 2)^2`` samples, and
    have a deeper part at ``1 / block``. The prior runs at ``1 / block``, its hyper-latents at a
    quarter of that.

    Attributes:
        planes: planes that it codes: 1 for luma, 2 for chroma.
        block: side of a block in samples of its own planes: a power of two, 4 or more.
        analysis_widths, synthesis_widths: channels of the non-linear paths at ``2 / block`` and at
            ``1 / block`` of the resolution; None leaves out the path.
        prior_width: channels of the prior's features, and of its hyper-analysis.
        hyper: channels of the hyper-latents.
        context_steps: steps in which the latents are decoded: 1, 2 or 5, see `colorvid.nn.steps`.
        predict_mean: whether the prior predicts a mean; without it the mean of all latents is 0.
        step_ratio: quantiser step at the start of training, over `unit_step` of the quality.
        rounding: what the quantiser adds to magnitudes before it takes the integer part: 0.5
            rounds, less makes a dead zone. Smaller magnitudes may still win by their bits.
        sample_weight: weight of the squared error of a sample where the quantiser compares it
            with bits.
        rate_weight: factor on the price of a bit there; 0 leaves the rounding alone.
        reference_planes: planes of a prediction that the non-linear analysis sees too. More than
            0 also means that the branch codes residuals, which are scaled alike at all frequencies.
        analysis_blocks, synthesis_blocks: residual blocks of the non-linear paths at
            ``1 / block``, besides the last one, which may attend.
        analysis_fine: residual blocks of the analysis at ``2 / block``.
        synthesis_fine: residual blocks of the synthesis at ``2 / block``, after the deeper part.
        analysis_kernel, synthesis_kernel, prior_kernel: sides of the depthwise filters of residual
            blocks in these networks: odd.
        synthesis_condition: channels of further inputs of the non-linear synthesis, at
            ``2 / block``.
        prior_condition: channels of further inputs of the prior, at ``1 / block``.
        dct: whether the linear path is fixed to the DCT; without it, it is learned, from a random
            orthogonal basis.
        attention: whether the last block of the non-linear paths at ``1 / block`` attends;
            without it, it is a plain residual block.
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
    analysis_fine: int = 2
    synthesis_blocks: int = 0
    synthesis_fine: int = 2
    analysis_kernel: int = 3
    synthesis_kernel: int = 3
    prior_kernel: int = 3
    synthesis_condition: int = 0
    prior_condition: int = 0
    dct: bool = True
    attention: bool = True

    @property
    def latents(self) -> int:
        """Channels of y: every coefficient of every plane."""
        return samples(self.planes, self.block)

    def bit_worth(self) -> list[float]:
        """What a bit is worth to the quantiser, in squared sample values, by quality index.

        Divided by the square of a quantiser step it is the price of a bit in squared steps.
        """
        worth = self.rate_weight * 255**2 / self.sample_weight
        return [worth / lambda_of_quality(float(quality)) for quality in range(QUALITIES)]


@dataclass(frozen=True, slots=True)
class IntraConfig:
    """Sizes of the intra codec; defaults are those of `configs/intra.toml`.

    Attributes:
        luma_widths, chroma_widths: channels of both non-linear paths of a branch, see
            ``analysis_widths`` of `BranchConfig`.
        luma_analysis, chroma_analysis: those of the analysis; None = as the synthesis has them.
        luma_prior, chroma_prior: ``prior_width`` of the branches.
        luma_hyper, chroma_hyper: ``hyper`` of the branches.
        chroma_from_luma: whether the prior of chroma sees the decoded luma latents.
        chroma_offset: quality indices by which chroma is finer than luma; the sum is limited to
            0..63.
        analysis_blocks, synthesis_blocks, synthesis_fine, analysis_kernel, synthesis_kernel,
            prior_kernel, context_steps, rate_weight, dct, attention: of both branches, see
            `BranchConfig`; the last two are switched off only to learn what they are worth.
    """

    luma_widths: tuple[int, int] = (96, 192)
    chroma_widths: tuple[int, int] = (48, 96)
    luma_analysis: tuple[int, int] | None = None
    chroma_analysis: tuple[int, int] | None = None
    luma_prior: int = 192
    chroma_prior: int = 96
    luma_hyper: int = 48
    chroma_hyper: int = 24
    analysis_blocks: int = 2
    synthesis_blocks: int = 1
    synthesis_fine: int = 2
    analysis_kernel: int = 3
    synthesis_kernel: int = 3
    prior_kernel: int = 3
    context_steps: int = 5
    chroma_from_luma: bool = True
    chroma_offset: int = 0
    rate_weight: float = 0.3
    dct: bool = True
    attention: bool = True

    def __post_init__(self) -> None:
        """Check the sides of filters.

        Raises:
            ConfigError: one is even, or not positive.
        """
        for name in ("analysis_kernel", "synthesis_kernel", "prior_kernel"):
            side = getattr(self, name)
            if side < 1 or side % 2 == 0:
                raise ConfigError(f"{name} is {side}; it must be odd and at least 1")

    def luma(self) -> BranchConfig:
        """The luma branch."""
        return BranchConfig(
            planes=1,
            block=INTRA_BLOCK,
            analysis_widths=self.luma_analysis or self.luma_widths,
            synthesis_widths=self.luma_widths,
            prior_width=self.luma_prior,
            hyper=self.luma_hyper,
            analysis_blocks=self.analysis_blocks,
            synthesis_blocks=self.synthesis_blocks,
            synthesis_fine=self.synthesis_fine,
            analysis_kernel=self.analysis_kernel,
            synthesis_kernel=self.synthesis_kernel,
            prior_kernel=self.prior_kernel,
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
        """The chroma branch; its blocks cover the same area. Synthesis sees the decoded luma."""
        block = INTRA_BLOCK // 2
        luma = samples(1, INTRA_BLOCK)
        return BranchConfig(
            planes=2,
            block=block,
            analysis_widths=self.chroma_analysis or self.chroma_widths,
            synthesis_widths=self.chroma_widths,
            prior_width=self.chroma_prior,
            hyper=self.chroma_hyper,
            analysis_blocks=self.analysis_blocks,
            synthesis_blocks=self.synthesis_blocks,
            synthesis_fine=self.synthesis_fine,
            analysis_kernel=self.analysis_kernel,
            synthesis_kernel=self.synthesis_kernel,
            prior_kernel=self.prior_kernel,
            context_steps=self.context_steps,
            predict_mean=True,
            step_ratio=0.8,
            rounding=0.5,
            sample_weight=4.0,
            rate_weight=self.rate_weight,
            synthesis_condition=samples(1, block),
            prior_condition=luma if self.chroma_from_luma else 0,
            dct=self.dct,
            attention=self.attention,
        )


@dataclass(frozen=True, slots=True)
class InterConfig:
    """Sizes of the inter codec; the defaults leave out the non-linear paths.

    Without them the codec is a block transform with learned entropy coding. Networks inside the
    loop must improve not only a frame but also the frames predicted from it.

    Attributes:
        luma_analysis, luma_synthesis, chroma_analysis, chroma_synthesis: channels of the
            non-linear paths, see ``analysis_widths`` of `BranchConfig`.
        luma_prior, chroma_prior: ``prior_width`` of the branches.
        luma_hyper, chroma_hyper: ``hyper`` of the branches.
        chroma_from_luma: whether the prior of chroma sees the decoded luma latents.
        context: whether the priors see the prediction, the symbols of the nearer reference and the
            motion.
        chroma_offset: see `IntraConfig`.
        context_steps, rounding, rate_weight: of both branches, see `BranchConfig`.
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
        """The luma branch, which codes a residual. Synthesis sees the prediction."""
        return BranchConfig(
            planes=1,
            reference_planes=1,
            block=INTER_BLOCK,
            analysis_widths=self.luma_analysis,
            synthesis_widths=self.luma_synthesis,
            synthesis_condition=samples(1, INTER_BLOCK // 2),
            prior_width=self.luma_prior,
            prior_condition=self._context(1, INTER_BLOCK),
            hyper=self.luma_hyper,
            context_steps=self.context_steps,
            predict_mean=False,
            step_ratio=1.0,
            rounding=self.rounding,
            sample_weight=0.75,
            rate_weight=self.rate_weight,
        )

    def chroma(self) -> BranchConfig:
        """The chroma branch; its blocks cover the same area.

        Synthesis sees the prediction and the decoded luma.
        """
        block = INTER_BLOCK // 2
        luma = samples(1, INTER_BLOCK) if self.chroma_from_luma else 0
        return BranchConfig(
            planes=2,
            reference_planes=2,
            block=block,
            analysis_widths=self.chroma_analysis,
            synthesis_widths=self.chroma_synthesis,
            synthesis_condition=samples(2, block // 2) + samples(1, block),
            prior_width=self.chroma_prior,
            prior_condition=self._context(2, block) + luma,
            hyper=self.chroma_hyper,
            context_steps=self.context_steps,
            predict_mean=False,
            step_ratio=0.6,
            rounding=self.rounding,
            sample_weight=3.0,
            rate_weight=self.rate_weight,
        )

    def _context(self, planes: int, block: int) -> int:
        """Channels of what a prior sees: prediction of all planes, its own symbols, motion."""
        prediction = samples(1, INTER_BLOCK) + samples(2, INTER_BLOCK // 2)
        return prediction + samples(planes, block) + MOTION_FEATURES if self.context else 0


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
    # Here, as only training reads such files: an installation without tomli codes all the same.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
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
