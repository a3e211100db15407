"""Figures of merit that are computed on request only: slow, or of use for comparison alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from colorvid.evaluation.ciede_vmaf import ciede_vmaf
from colorvid.frame import Frame
from colorvid.metrics import Metric, Scores

EXTRA_METRICS: dict[str, Metric] = {
    "ciede_vmaf": Metric("dB", "higher"),
}
"""Columns of the extra metrics."""

EXTRA_CHOICES: dict[str, tuple[str, ...]] = {
    "ciede_vmaf": ("ciede_vmaf",),
}
"""Columns, in ``EXTRA_METRICS``, of each name that can be asked for."""

Scorer = Callable[[Frame, Frame], Scores]
"""Gets reference and decoded frame, in display order and each pair once; gives the columns."""


def extra_scorer(names: Sequence[str]) -> Scorer:
    """What computes the extra metrics of one video.

    Args:
        names: of ``EXTRA_CHOICES``, checked by the caller.
    """
    scorers = [_SCORERS[name]() for name in names]

    def score(reference: Frame, decoded: Frame) -> Scores:
        scores: Scores = {}
        for scorer in scorers:
            scores |= scorer(reference, decoded)
        return scores

    return score


def _ciede_vmaf(reference: Frame, decoded: Frame) -> Scores:
    return {"ciede_vmaf": ciede_vmaf(reference, decoded)}


_SCORERS: dict[str, Callable[[], Scorer]] = {
    "ciede_vmaf": lambda: _ciede_vmaf,
}
