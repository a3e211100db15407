"""Figures of merit that are computed on request only: slow, or of use for comparison alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from colorvid.evaluation.score.ciede_vmaf import ciede_vmaf
from colorvid.evaluation.score.skvideo_measures import niqe, strred_pair
from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec
from colorvid.quality.metrics import Metric

Scores = dict[str, float | None]

EXTRA_METRICS: dict[str, Metric] = {
    "ciede_vmaf": Metric("dB", "higher"),
    "niqe": Metric("NIQE", "lower"),
    "niqe_reference": Metric("NIQE", "lower"),
    "strred_spatial": Metric("ST-RRED", "lower"),
    "strred_temporal": Metric("ST-RRED", "lower"),
}
"""Columns of the extra metrics."""

EXTRA_CHOICES: dict[str, tuple[str, ...]] = {
    "ciede_vmaf": ("ciede_vmaf",),
    "niqe": ("niqe", "niqe_reference"),
    "strred": ("strred_spatial", "strred_temporal"),
}
"""Columns, in ``EXTRA_METRICS``, of each name that can be asked for."""

Scorer = Callable[[Frame, Frame], Scores]
"""Gets reference and decoded frame, in display order and each pair once; gives the columns."""


def extra_scorer(names: Sequence[str], spec: ColorSpec) -> Scorer:
    """What computes the extra metrics of one video.

    Args:
        names: of ``EXTRA_CHOICES``, checked by the caller.
        spec: what the samples mean.
    """
    scorers = [_SCORERS[name](spec) for name in names]

    def score(reference: Frame, decoded: Frame) -> Scores:
        scores: Scores = {}
        for scorer in scorers:
            scores |= scorer(reference, decoded)
        return scores

    return score


def strred(frames: Sequence[Mapping[str, float | None]]) -> float | None:
    """ST-RRED of a video from the columns of its frames: 0 for equal videos, lower is better.

    Returns:
        Mean of the spatial parts times mean of the temporal ones over pairs of frames; ``None``
        with fewer than two frames or without the columns.
    """
    means = []
    for column in EXTRA_CHOICES["strred"]:
        found = (frame.get(column) for frame in frames)
        values = [value for value in found if value is not None]
        if not values:
            return None
        means.append(statistics.fmean(values))
    return means[0] * means[1]


class _StrredScorer:
    """Scores pairs of frames when the second one comes; the first one has no figures."""

    def __init__(self, spec: ColorSpec) -> None:
        self._spec = spec
        self._first: tuple[Frame, Frame] | None = None

    def __call__(self, reference: Frame, decoded: Frame) -> Scores:
        """Take the next frame of both videos."""
        if self._first is None:
            self._first = reference, decoded
            return dict.fromkeys(EXTRA_CHOICES["strred"])
        before, self._first = self._first, None
        parts = strred_pair((before[0].y, reference.y), (before[1].y, decoded.y), self._spec)
        return dict(zip(EXTRA_CHOICES["strred"], parts, strict=True))


def _ciede_vmaf(spec: ColorSpec) -> Scorer:
    return lambda reference, decoded: {"ciede_vmaf": ciede_vmaf(reference, decoded)}


def _niqe(spec: ColorSpec) -> Scorer:
    return lambda reference, decoded: {
        "niqe": niqe(decoded.y, spec),
        "niqe_reference": niqe(reference.y, spec),
    }


_SCORERS: dict[str, Callable[[ColorSpec], Scorer]] = {
    "ciede_vmaf": _ciede_vmaf,
    "niqe": _niqe,
    "strred": _StrredScorer,
}
