"""Figures of merit that are computed on request only: slow, or of use for comparison alone.

An entry in ``EXTRA_CHOICES`` is all that a metric needs besides its function: options, tables,
files, plots and BD-rates follow from it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

from colorvid.errors import ConfigError
from colorvid.evaluation.score.ciede_vmaf import ciede_vmaf
from colorvid.evaluation.score.skvideo_measures import niqe, strred_pair
from colorvid.evaluation.score.vmaf import VMAF_MIN_SIDE_PX, VmafScorer, check_vmaf
from colorvid.evaluation.score.xpsnr import XPSNR_MIN_SIDE_PX, XpsnrScorer, check_xpsnr
from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec, frame_to_rgb
from colorvid.quality.metrics import QUALITY_CAP_DB, Metric, psnr, weighted_psnr

Scores = dict[str, float | None]

Scorer = Callable[[Frame, Frame], Scores]
"""Gets reference and decoded frame, in display order and each pair once; gives the columns."""


@runtime_checkable
class LateScorer(Protocol):
    """A `Scorer` whose figures are known at the end alone; until then it gives ``None``."""

    def __call__(self, reference: Frame, decoded: Frame) -> Scores:
        """Take the next frame of both videos."""

    def finish(self) -> list[Scores]:
        """The columns of every frame."""

    def close(self) -> None:
        """Free what is held; called in any case."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of the videos that are compared.

    Attributes:
        spec: what the samples of both mean.
        rate: frames per second; ``None`` = not known.
    """

    spec: ColorSpec
    rate: Fraction | None = None


def _nothing() -> None:
    """What needs no check."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A metric on request.

    Attributes:
        columns: its figures, by name.
        scorer: makes what computes them for one video.
        check: raises `ColorvidError` where it cannot be computed.
    """

    columns: dict[str, Metric]
    scorer: Callable[[Scene], Scorer]
    check: Callable[[], None] = _nothing


class _StrredScorer:
    """Scores pairs of frames when the second one comes; the first one has no figures."""

    def __init__(self, scene: Scene) -> None:
        self._spec = scene.spec
        self._first: tuple[Frame, Frame] | None = None

    def __call__(self, reference: Frame, decoded: Frame) -> Scores:
        """Take the next frame of both videos; their luma counts at 8 bits."""
        reference, decoded = reference.at_depth(8), decoded.at_depth(8)
        if self._first is None:
            self._first = reference, decoded
            return dict.fromkeys(_STRRED)
        before, self._first = self._first, None
        parts = strred_pair((before[0].y, reference.y), (before[1].y, decoded.y), self._spec)
        return dict(zip(_STRRED, parts, strict=True))


def _ciede_vmaf(scene: Scene) -> Scorer:
    return lambda reference, decoded: {
        "ciede_vmaf": ciede_vmaf(reference.at_depth(8), decoded.at_depth(8))
    }


def _niqe(scene: Scene) -> Scorer:
    return lambda reference, decoded: {
        "niqe": niqe(decoded.search_luma(), scene.spec),
        "niqe_reference": niqe(reference.search_luma(), scene.spec),
    }


def _rgb(scene: Scene) -> Scorer:
    """PSNR of both frames as 8-bit RGB."""

    def score(reference: Frame, decoded: Frame) -> Scores:
        one, two = (frame_to_rgb(frame, scene.spec) for frame in (reference, decoded))
        return {"psnr_rgb420_db": min(psnr(one, two), QUALITY_CAP_DB)}

    return score


def _xpsnr(scene: Scene) -> Scorer:
    scorer = XpsnrScorer(scene.rate)

    def score(reference: Frame, decoded: Frame) -> Scores:
        planes = scorer(reference, decoded)
        if planes is None:
            return dict.fromkeys(_XPSNR)
        return dict(zip(_XPSNR, (*planes, weighted_psnr(planes)), strict=True))

    return score


def _vmaf(scene: Scene) -> Scorer:
    return VmafScorer(scene.rate)


_SMALL = f"a side of luma is below {XPSNR_MIN_SIDE_PX} samples"
_XPSNR = {
    "xpsnr_y_db": Metric("dB", "higher", "XPSNR of Y [dB]", curves=True, absent=_SMALL),
    "xpsnr_u_db": Metric("dB", "higher", "XPSNR of U [dB]", absent=_SMALL),
    "xpsnr_v_db": Metric("dB", "higher", "XPSNR of V [dB]", absent=_SMALL),
    "xpsnr_yuv611_db": Metric(
        "dB", "higher", "XPSNR of YUV, 6:1:1 [dB]", curves=True, absent=_SMALL
    ),
}
_SHORT = "needs two frames or more"
_STRRED = {
    f"strred_{part}": Metric(
        "ST-RRED", "lower", f"ST-RRED, {part} part (lower is better)", absent=_SHORT
    )
    for part in ("spatial", "temporal")
}

EXTRA_CHOICES: dict[str, Extra] = {
    "ciede_vmaf": Extra(
        {"ciede_vmaf": Metric("dB", "higher", "ciede2000 of libvmaf [dB]")}, _ciede_vmaf
    ),
    "niqe": Extra(
        {
            "niqe": Metric("NIQE", "lower", "NIQE (lower is better)"),
            "niqe_reference": Metric("NIQE", "lower", "NIQE of the original (lower is better)"),
        },
        _niqe,
    ),
    "rgb": Extra(
        {"psnr_rgb420_db": Metric("dB", "higher", "PSNR of RGB of 4:2:0 [dB]", curves=True)}, _rgb
    ),
    "strred": Extra(_STRRED, _StrredScorer),
    "vmaf": Extra(
        {
            "vmaf": Metric(
                "VMAF",
                "higher",
                "VMAF",
                curves=True,
                absent=f"a side of luma is below {VMAF_MIN_SIDE_PX} samples",
            )
        },
        _vmaf,
        check_vmaf,
    ),
    "xpsnr": Extra(_XPSNR, _xpsnr, check_xpsnr),
}
"""What can be asked for, by name."""

EXTRA_METRICS: dict[str, Metric] = {
    name: metric for extra in EXTRA_CHOICES.values() for name, metric in extra.columns.items()
}
"""All their columns."""


def check_extra(names: Sequence[str]) -> None:
    """Refuse metrics that cannot be computed, before anything is.

    Raises:
        ConfigError: a name is not in ``EXTRA_CHOICES``.
        ColorvidError: something is missing for it.
    """
    for name in names:
        if name not in EXTRA_CHOICES:
            raise ConfigError(f"metric {name!r} is unknown; use {', '.join(EXTRA_CHOICES)}")
        EXTRA_CHOICES[name].check()


class ExtraScorer:
    """Computes the extra metrics of one video; a context manager."""

    def __init__(self, names: Sequence[str], scene: Scene) -> None:
        """Prepare.

        Args:
            names: of ``EXTRA_CHOICES``, checked by the caller.
            scene: what is known of the video.
        """
        self._scorers = [EXTRA_CHOICES[name].scorer(scene) for name in names]
        self._late = [scorer for scorer in self._scorers if isinstance(scorer, LateScorer)]

    def __call__(self, reference: Frame, decoded: Frame) -> Scores:
        """The columns of the next frame; those of a `LateScorer` are ``None``."""
        scores: Scores = {}
        for scorer in self._scorers:
            scores |= scorer(reference, decoded)
        return scores

    def finish(self, given: Sequence[Scores]) -> None:
        """Put the late figures into what was given, at the end of the video."""
        for scorer in self._late:
            for scores, late in zip(given, scorer.finish(), strict=True):
                scores |= late

    def __enter__(self) -> ExtraScorer:
        """The scorer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free what is held."""
        with ExitStack() as stack:
            for scorer in self._late:
                stack.callback(scorer.close)


def strred(frames: Sequence[Mapping[str, float | None]]) -> float | None:
    """ST-RRED of a video from the columns of its frames: 0 for equal videos, lower is better.

    Returns:
        Mean of the spatial parts times mean of the temporal ones over pairs of frames; ``None``
        with fewer than two frames or without the columns.
    """
    means = []
    for column in _STRRED:
        found = (frame.get(column) for frame in frames)
        values = [value for value in found if value is not None]
        if not values:
            return None
        means.append(statistics.fmean(values))
    return means[0] * means[1]
