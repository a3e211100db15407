"""Tables of evaluated points: mean curves, BD-rates, Markdown and TSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from colorvid.evaluation.compare.rgb import RGB_METRICS
from colorvid.evaluation.score.extra import EXTRA_METRICS
from colorvid.io.files import output_text
from colorvid.quality.metrics import METRICS, BdRate, bd_rate

Row = dict[str, Any]

BD_METRICS = ("psnr_y_db", "psnr_yuv611_db", "ms_ssim_y_db", "de00_mean")
"""Figures that BD-rates are taken over; where lower is better, over the negated figure."""

RATIOS = {"encode_ratio": "encode_fps", "decode_ratio": "decode_fps"}
"""Speeds relative to a reference, and the speeds they are made of."""
PEAKS = ("encode_peak_mb", "decode_peak_mb")
DRIFT = "psnr_y_drift_db"
"""Change of quality along a group of pictures, see `with_drift`."""
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


def names(rows: Sequence[Row], column: str) -> list[str]:
    """Distinct values of a column, in order of appearance."""
    return list(dict.fromkeys(row[column] for row in rows))


def with_ratios(rows: Sequence[Row], reference: str) -> list[Row]:
    """Points with the columns of ``RATIOS``: speed over that of ``reference`` on the same clip.

    The speed of the reference is that of all its points on the clip, frames over seconds. Only
    points of one run, hence of one machine, are compared, and none that were measured while
    others were: the ratio is ``None`` there, also for points from a cache that another run filled.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["codec"] == reference and row["jobs"] == 1:
            groups.setdefault((row["clip"], row["run"]), []).append(row)
    result = []
    for row in rows:
        others = groups.get((row["clip"], row["run"]), []) if row["jobs"] == 1 else []
        ratios = {
            ratio: row[speed] / statistics.harmonic_mean([other[speed] for other in others])
            if others
            else None
            for ratio, speed in RATIOS.items()
        }
        result.append(row | ratios)
    return result


def with_drift(rows: Sequence[Row], gop: int) -> list[Row]:
    """Points with the column `DRIFT`: PSNR of Y late in the first group of pictures minus early.

    That is the mean of its last `DRIFT_FRAMES` frames minus that of the first ones behind the key
    frame, in dB; ``None`` if the group, ``gop`` frames or the whole clip, is too short for both.
    What the clip shows changes too: compare with other codecs on the same clip.
    """
    result = []
    for row in rows:
        values = [frame["psnr_y_db"] for frame in row["per_frame"][:gop]]
        first, last = values[1 : 1 + DRIFT_FRAMES], values[-DRIFT_FRAMES:]
        long = len(values) > 2 * DRIFT_FRAMES
        drift = statistics.fmean(last) - statistics.fmean(first) if long else None
        result.append(row | {DRIFT: drift})
    return result


def mean_curves(rows: Sequence[Row]) -> list[Row]:
    """One row per codec and quality: each figure over the clips that have it.

    That is the mean; of the ratios of ``RATIOS`` the geometric mean, and of peaks the highest.
    A column in which no point has a figure is left out.
    """
    columns = [c for c in CURVE_COLUMNS if any(row.get(c) is not None for row in rows)]
    groups: dict[tuple[str, Any], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["codec"], row["quality"]), []).append(row)
    result = []
    for (codec, quality), members in groups.items():
        mean: Row = {"codec": codec, "quality": quality, "clips": len(members)}
        for column in columns:
            values = [m[column] for m in members if m.get(column) is not None]
            mean[column] = _summary(column)(values) if values else None
        result.append(mean)
    return result


def _summary(column: str) -> Callable[[list[float]], float]:
    """How a figure of several clips becomes one."""
    if column in RATIOS:
        return statistics.geometric_mean
    return max if column in PEAKS else statistics.fmean


def curve(rows: Sequence[Row], metric: str) -> list[tuple[float, float]]:
    """Points ``(rate_bpp, quality)`` with quality rising; without points that lack the figure."""
    sign = 1 if METRICS[metric].better == "higher" else -1
    return [(row["rate_bpp"], sign * row[metric]) for row in rows if row[metric] is not None]


def bd_rates(rows: Sequence[Row], test: str, anchor: str, metric: str) -> dict[str, BdRate]:
    """BD-rate of ``test`` against ``anchor`` per clip, then averaged in two ways.

    Returns:
        By clip; under ``"average"`` the mean of the BD-rates of the clips that have one (its
        overlap is the smallest of theirs); under ``"mean curve"`` the BD-rate between curves
        of mean rate and mean quality over the clips that have the figure.
    """
    usable = [row for row in rows if row[metric] is not None]
    result: dict[str, BdRate] = {}
    for clip in names(rows, "clip"):
        here = [row for row in usable if row["clip"] == clip]
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
    return result | {
        AVERAGE: average,
        MEAN_CURVE: _compare(mean_curves(usable), test, anchor, metric),
    }


def _compare(rows: Sequence[Row], test: str, anchor: str, metric: str) -> BdRate:
    chosen = ([row for row in rows if row["codec"] == name] for name in (anchor, test))
    first, second = (curve(points, metric) for points in chosen)
    return bd_rate(first, second)


def bd_table(rows: Sequence[Row], test: str, anchors: Sequence[str]) -> list[Row]:
    """BD-rates of ``test`` against every anchor: one row per anchor, metric and clip."""
    table = []
    for anchor in anchors:
        for metric in BD_METRICS:
            for clip, result in bd_rates(rows, test, anchor, metric).items():
                table.append(
                    {
                        "test": test,
                        "anchor": anchor,
                        "metric": metric,
                        "clip": clip,
                        "bd_rate_percent": result.percent,
                        "overlap_share": result.overlap,
                        "refused_because": result.reason,
                    }
                )
    return table


def bd_markdown(table: Sequence[Row]) -> str:
    """BD-rates as Markdown, one table per anchor; a dash stands for a refused figure."""
    parts = []
    for anchor in names(table, "anchor"):
        part = [row for row in table if row["anchor"] == anchor]
        lines: list[Row] = []
        for clip in names(part, "clip"):
            line: Row = {"clip": clip}
            for row in part:
                if row["clip"] == clip:
                    line[row["metric"]] = _percent(row)
            lines.append(line)
        title = f"BD-rate of {part[0]['test']} against {anchor} (overlap in brackets)"
        refused = sorted({r["refused_because"] for r in part if r["refused_because"]})
        note = "".join(f"\nRefused: {reason}." for reason in refused)
        parts.append(f"### {title}\n\n{markdown(lines)}{note}")
    return "\n\n".join(parts)


def _percent(row: Row) -> str:
    value = row["bd_rate_percent"]
    return "-" if value is None else f"{value:+.1f} % ({row['overlap_share']:.2f})"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of rows with the same keys."""
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([_cell(row[c]) for c in header] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
