"""Tables of evaluated points: mean curves, BD-rates, Markdown and TSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from colorvid.evaluation.compare.points import DRIFT, PEAKS, RATIOS, Point
from colorvid.evaluation.compare.rgb import RGB_METRICS
from colorvid.evaluation.score.extra import EXTRA_METRICS
from colorvid.io.files import output_text
from colorvid.quality.metrics import METRICS, BdRate, bd_rate
from colorvid.system.text import printable

_ALL_METRICS = METRICS | EXTRA_METRICS
BD_METRICS = tuple(name for name, metric in METRICS.items() if metric.curves)
"""Figures that BD-rates are always taken over; where lower is better, over the negated figure."""
DRIFT_FRAMES = 8
CURVE_COLUMNS = (
    *("rate_bpp", "rate_kbps"),
    *METRICS,
    *EXTRA_METRICS,
    *RGB_METRICS,
    DRIFT,
    *RATIOS,
    *PEAKS,
)
AVERAGE = "average"
MEAN_CURVE = "mean curve"

Curve = list[tuple[float, float]]
"""Pairs of a rate and a quality."""


class Rated(Protocol):
    """What has a place on a curve: a `Point`, a `MeanPoint`, or a point of a tool's own."""

    @property
    def codec(self) -> str:
        """Name of the codec."""
        ...

    @property
    def quality(self) -> int:
        """Setting of the codec."""
        ...

    @property
    def rate_bpp(self) -> float:
        """Bits per luma sample."""
        ...

    def figure(self, column: str) -> float | None:
        """A figure by its column; ``None`` = there is none."""
        ...


class RatedClip(Rated, Protocol):
    """The same on one clip."""

    @property
    def clip(self) -> str:
        """Name of the clip."""
        ...


@dataclass(frozen=True, slots=True)
class MeanPoint:
    """A codec at one quality over all clips.

    Attributes:
        codec: name.
        quality: setting of the codec.
        clips: how many.
        figures: by column; ``None`` where no clip has one.
    """

    codec: str
    quality: int
    clips: int
    figures: Mapping[str, float | None]

    @property
    def rate_bpp(self) -> float:
        """Mean of the rates, bits per luma sample."""
        rate = self.figures["rate_bpp"]
        assert rate is not None
        return rate

    def figure(self, column: str) -> float | None:
        """A figure by its column; ``None`` = no clip has it."""
        return self.figures.get(column)

    def as_row(self) -> dict[str, Any]:
        """Everything by column."""
        names = {"codec": self.codec, "quality": self.quality, "clips": self.clips}
        return names | dict(self.figures)


@dataclass(frozen=True, slots=True)
class BdFigure:
    """One BD-rate of a table.

    Attributes:
        test, anchor: names of the codecs.
        metric: column that stands for quality.
        clip: name, ``AVERAGE`` or ``MEAN_CURVE``.
        result: the figure, or why there is none.
    """

    test: str
    anchor: str
    metric: str
    clip: str
    result: BdRate

    def as_row(self) -> dict[str, Any]:
        """Everything by column."""
        return {
            "test": self.test,
            "anchor": self.anchor,
            "metric": self.metric,
            "clip": self.clip,
            "bd_rate_percent": self.result.percent,
            "overlap_share": self.result.overlap,
            "refused_because": self.result.reason,
        }


R = TypeVar("R", bound=Rated)


def distinct(values: Iterable[str]) -> list[str]:
    """Each value once, in order of appearance."""
    return list(dict.fromkeys(values))


def with_ratios(points: Sequence[Point], reference: str) -> list[Point]:
    """Points with their speeds relative to that of ``reference`` on the same clip.

    The speed of the reference is that of all its points on the clip, frames over seconds. Only
    points of one run, hence of one machine, are compared, and none that were measured while
    others were: the ratio is ``None`` there, also for points from a cache that another run filled.
    """
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        if point.codec == reference and point.jobs == 1:
            groups.setdefault((point.clip, point.run), []).append(point)
    result = []
    for point in points:
        others = groups.get((point.clip, point.run), []) if point.jobs == 1 else []
        encode = _ratio(point.encode.fps, [other.encode.fps for other in others])
        decode = _ratio(point.decode.fps, [other.decode.fps for other in others])
        result.append(
            replace(
                point,
                encode=replace(point.encode, ratio=encode),
                decode=replace(point.decode, ratio=decode),
            )
        )
    return result


def _ratio(fps: float, others: Sequence[float]) -> float | None:
    return fps / statistics.harmonic_mean(others) if others else None


def with_drift(points: Sequence[Point], gop: int) -> list[Point]:
    """Points with their drift: PSNR of Y late in the first group of pictures minus early.

    That is the mean of its last `DRIFT_FRAMES` frames minus that of the first ones behind the key
    frame, in dB; ``None`` if the group, ``gop`` frames or the whole clip, is too short for both.
    What the clip shows changes too: compare with other codecs on the same clip.
    """
    result = []
    for point in points:
        values = [frame.scores.psnr_y_db for frame in point.per_frame[:gop]]
        first, last = values[1 : 1 + DRIFT_FRAMES], values[-DRIFT_FRAMES:]
        long = len(values) > 2 * DRIFT_FRAMES
        drift = statistics.fmean(last) - statistics.fmean(first) if long else None
        result.append(replace(point, drift_db=drift))
    return result


def mean_curves(points: Sequence[Rated], columns: Sequence[str] = CURVE_COLUMNS) -> list[MeanPoint]:
    """One point per codec and quality: each figure over the clips that have it.

    That is the mean; of the ratios of ``RATIOS`` the geometric mean, and of peaks the highest.
    A column in which no point has a figure is left out.
    """
    known = [c for c in columns if any(point.figure(c) is not None for point in points)]
    groups: dict[tuple[str, int], list[Rated]] = {}
    for point in points:
        groups.setdefault((point.codec, point.quality), []).append(point)
    result = []
    for (codec, quality), members in groups.items():
        figures: dict[str, float | None] = {}
        for column in known:
            found = (member.figure(column) for member in members)
            values = [value for value in found if value is not None]
            figures[column] = _summary(column)(values) if values else None
        result.append(MeanPoint(codec, quality, len(members), figures))
    return result


def _summary(column: str) -> Callable[[list[float]], float]:
    """How a figure of several clips becomes one."""
    if column in RATIOS:
        return statistics.geometric_mean
    return max if column in PEAKS else statistics.fmean


def plotted(points: Iterable[Rated], metric: str) -> Curve:
    """Pairs ``(rate_bpp, figure)`` as they are; points that lack the figure are left out."""
    found = ((point.rate_bpp, point.figure(metric)) for point in points)
    return [(rate, value) for rate, value in found if value is not None]


def curve(points: Iterable[Rated], metric: str) -> Curve:
    """The same with quality rising: a figure where lower is better is negated."""
    sign = 1 if _ALL_METRICS[metric].better == "higher" else -1
    return [(rate, sign * value) for rate, value in plotted(points, metric)]


def curve_metrics(points: Iterable[Point]) -> tuple[str, ...]:
    """Figures that BD-rates of these points are taken over: `BD_METRICS`, and those on request."""
    known = {name for point in points for name, value in point.extra.items() if value is not None}
    asked = (name for name, metric in EXTRA_METRICS.items() if metric.curves and name in known)
    return (*BD_METRICS, *asked)


def of_codec(points: Iterable[R], codec: str) -> list[R]:
    """The points of one codec."""
    return [point for point in points if point.codec == codec]


def bd_rates(points: Sequence[RatedClip], test: str, anchor: str, metric: str) -> dict[str, BdRate]:
    """BD-rate of ``test`` against ``anchor`` per clip, then averaged in two ways.

    Returns:
        By clip; under ``"average"`` the mean of the BD-rates of the clips that have one (its
        overlap is the smallest of theirs); under ``"mean curve"`` the BD-rate between curves
        of mean rate and mean quality over the clips that have the figure.
    """
    usable = [point for point in points if point.figure(metric) is not None]
    result: dict[str, BdRate] = {}
    for clip in distinct(point.clip for point in points):
        here = [point for point in usable if point.clip == clip]
        if here:
            result[clip] = _compare(here, test, anchor, metric)
        else:  # MS-SSIM of a small picture
            result[clip] = BdRate(None, 0.0, f"{clip} is too small for {metric}")
    if not usable:
        reason = f"no clip is large enough for {metric}"
        return result | dict.fromkeys((AVERAGE, MEAN_CURVE), BdRate(None, 0.0, reason))
    valid = [bd for bd in result.values() if bd.percent is not None]
    if valid:
        percent = statistics.fmean(bd.percent for bd in valid if bd.percent is not None)
        average = BdRate(percent, min(bd.overlap for bd in valid))
    else:
        average = BdRate(None, 0.0, "no clip has a BD-rate")
    means = mean_curves(usable, ("rate_bpp", metric))
    return result | {AVERAGE: average, MEAN_CURVE: _compare(means, test, anchor, metric)}


def _compare(points: Sequence[Rated], test: str, anchor: str, metric: str) -> BdRate:
    first, second = (curve(of_codec(points, name), metric) for name in (anchor, test))
    return bd_rate(first, second)


def bd_table(points: Sequence[Point], test: str, anchors: Sequence[str]) -> list[BdFigure]:
    """BD-rates of ``test`` against every anchor: one for each anchor, metric and clip."""
    return [
        BdFigure(test, anchor, metric, clip, result)
        for anchor in anchors
        for metric in curve_metrics(points)
        for clip, result in bd_rates(points, test, anchor, metric).items()
    ]


@dataclass(frozen=True, slots=True)
class BdTable:
    """BD-rates against one anchor, for people.

    Attributes:
        title: above it.
        rows: cells by column, a row for each clip; a dash stands for a refused figure.
        refused: why figures are refused.
    """

    title: str
    rows: list[dict[str, str]]
    refused: list[str]


def bd_tables(table: Sequence[BdFigure]) -> list[BdTable]:
    """One table for each anchor."""
    tables = []
    for anchor in distinct(figure.anchor for figure in table):
        part = [figure for figure in table if figure.anchor == anchor]
        rows: list[dict[str, str]] = []
        for clip in distinct(figure.clip for figure in part):
            found = {f.metric: percent_cell(f.result) for f in part if f.clip == clip}
            rows.append({"clip": clip} | found)
        title = f"BD-rate of {part[0].test} against {anchor} (overlap in brackets)"
        refused = sorted({f.result.reason for f in part if f.result.reason})
        tables.append(BdTable(title, rows, refused))
    return tables


def bd_markdown(table: Sequence[BdFigure]) -> str:
    """BD-rates as Markdown, one table per anchor; a dash stands for a refused figure."""
    parts = []
    for one in bd_tables(table):
        note = "".join(f"\nRefused: {reason}." for reason in one.refused)
        parts.append(f"### {one.title}\n\n{markdown(one.rows)}{note}")
    return "\n\n".join(parts)


def percent_cell(result: BdRate) -> str:
    """A BD-rate with its overlap, as tables show it; a dash where it is refused."""
    if result.percent is None:
        return "-"
    return f"{result.percent:+.1f} % ({result.overlap:.2f})"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of rows with the same keys."""
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([_cell(row[c]) for c in header] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: object) -> str:
    """A cell as people read it: a dash for None, four digits of a number that is not whole."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else printable(value)


def _cell(value: object) -> str:
    return cell(value).replace("|", r"\|")  # names of clips may hold anything


def write_tsv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as tab-separated values; ``None`` becomes an empty field.

    The file appears under its name when it is complete, in place of an older one.

    Raises:
        OutputError: it cannot be written.
    """
    with output_text(path, overwrite=True) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
