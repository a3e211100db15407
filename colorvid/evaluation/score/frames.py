"""Scores of a video frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest

from colorvid.errors import InputError
from colorvid.evaluation.score.extra import EXTRA_CHOICES, ExtraScorer, Scene, Scores, check_extra
from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec
from colorvid.quality.metrics import METRICS
from colorvid.quality.scores import FrameScores, at_one_depth, score_frame


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """One frame of a decoded video.

    Attributes:
        frame: number from 0.
        size_bytes: coded size; ``None`` = not known.
        scores: against the original.
        extra: metrics on request, by column; ``None`` where a figure cannot be computed.
    """

    frame: int
    size_bytes: int | None
    scores: FrameScores
    extra: Mapping[str, float | None] = field(default_factory=dict)

    def figure(self, metric: str) -> float | None:
        """A figure by its column, of ``METRICS`` or an extra one; ``None`` = there is none.

        Raises:
            KeyError: no such figure was asked for.
        """
        return self.extra[metric] if metric in self.extra else self.scores.figure(metric)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Columns of all figures."""
        return (*METRICS, *self.extra)

    def as_dict(self) -> dict[str, float | None]:
        """A line of a CSV or JSON file, by column, see `columns`."""
        return {
            "frame": self.frame,
            "bytes": self.size_bytes,
            **self.scores.as_dict(),
            **self.extra,
        }

    @staticmethod
    def of(row: Mapping[str, float | None]) -> ScoredFrame:
        """The frame that `as_dict` gave this line for.

        Raises:
            KeyError: a column is missing.
        """
        rest = dict(row)
        number, size = rest.pop("frame"), rest.pop("bytes")
        assert number is not None
        figures = {name: rest.pop(name) for name in METRICS}
        scores = FrameScores(**figures)  # type: ignore[arg-type]  # as `as_dict` had them
        return ScoredFrame(int(number), None if size is None else int(size), scores, rest)


def columns(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Columns of a scored frame, in order.

    Args:
        extra: names in ``EXTRA_CHOICES``.

    Raises:
        ColorvidError: an extra metric is unknown, or cannot be computed here.
    """
    check_extra(extra)
    further = (column for name in dict.fromkeys(extra) for column in EXTRA_CHOICES[name].columns)
    return ("frame", "bytes", *METRICS, *further)


def score_frames(
    reference: Iterable[Frame],
    decoded: Iterable[Frame],
    spec: ColorSpec,
    *,
    frame_bytes: Sequence[int] | None = None,
    extra: Sequence[str] = (),
    rate: Fraction | None = None,
) -> Iterator[ScoredFrame]:
    """Score decoded frames against their references, as they come.

    One frame of each side is held at a time. Figures of a `LateScorer` are ``None`` until the
    iterator has ended; then they are in all frames that it gave.

    Args:
        reference, decoded: frames of one size, in display order.
        spec: what the samples of both mean.
        frame_bytes: coded size of each frame, in display order; ``None`` = not known.
        extra: names in ``EXTRA_CHOICES``, computed besides ``METRICS``.
        rate: frames per second; ``None`` = not known.

    Yields:
        Each frame with the figures of `colorvid.quality.scores.score_frame` and the extra ones.

    Raises:
        InputError: the numbers of frames differ (both are named), or the sizes do.
        ColorvidError: an extra metric is unknown, or cannot be computed here.
    """
    columns(extra)
    first, second = iter(reference), iter(decoded)
    given: list[Scores] = []
    with ExtraScorer(tuple(dict.fromkeys(extra)), Scene(spec, rate)) as further:
        for count, (one, two) in enumerate(zip_longest(first, second)):
            if one is None or two is None:
                raise _counts_differ(count, one, two, first, second)
            scores = score_frame(one, two, spec)
            given.append(further(*at_one_depth(one, two)))
            yield ScoredFrame(count, _entry(frame_bytes, count), scores, given[-1])
        further.finish(given)
    count = len(given)
    if frame_bytes is not None and len(frame_bytes) != count:
        raise InputError(f"{len(frame_bytes)} coded sizes for {count} frames; give one for each")


def _entry(frame_bytes: Sequence[int] | None, index: int) -> int | None:
    """Coded size of a frame, if there is one; a wrong number of them is reported at the end."""
    if frame_bytes is None or index >= len(frame_bytes):
        return None
    return frame_bytes[index]


def _counts_differ(
    count: int,
    one: Frame | None,
    two: Frame | None,
    first: Iterator[Frame],
    second: Iterator[Frame],
) -> InputError:
    """The error after ``count`` pairs; reads the longer side to its end to learn its length."""
    counts = [
        count + (0 if frame is None else 1 + sum(1 for _ in rest))
        for frame, rest in ((one, first), (two, second))
    ]
    return InputError(
        f"the reference has {counts[0]} frames, the decoded video {counts[1]}; compare videos "
        f"of one length, or the first {min(counts)} frames with frames={min(counts)}"
    )
