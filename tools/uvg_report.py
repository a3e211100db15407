"""What tools/eval_uvg.py writes: CSV of every frame, tables, plots, and all of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import colorvid
from colorvid.errors import OutputError
from colorvid.evaluation import uvg
from colorvid.evaluation.frames import write_csv
from colorvid.evaluation.origin import commit, machine
from colorvid.evaluation.plots import Points, rate_distortion
from colorvid.evaluation.published import (
    DEFINITIONS,
    Curve,
    compare,
    load_curves,
    measured_points,
)
from colorvid.evaluation.runs import COLUMNS, Row
from colorvid.evaluation.tables import (
    bd_markdown,
    bd_table,
    markdown,
    mean_curves,
    names,
    with_ratios,
    write_tsv,
)
from colorvid.io.files import os_errors, output_text

PUBLISHED = Path(__file__).with_name("published") / "uvg.json"
TEST = "colorvid"
PLOTTED = ("psnr_y_db", "psnr_yuv611_db", "ms_ssim_y_db", "de00_mean")


@dataclass(frozen=True)
class Report:
    """One evaluation.

    Attributes:
        rows: points of `colorvid.evaluation.runs.run_all`.
        data: ``UVG`` or ``synthetic``; stands in every output.
        frames, gop: frames coded of each sequence, and distance of key frames.
        model_id: of colorvid, in hexadecimal.
        missing, refused: sequences left out, with reasons.
    """

    rows: list[Row]
    data: str
    frames: int
    gop: int
    model_id: str
    missing: dict[str, str]
    refused: dict[str, str]

    @property
    def anchors(self) -> list[str]:
        """Names of the other codecs."""
        return [name for name in names(self.rows, "codec") if name != TEST]

    @property
    def title(self) -> str:
        """One line that tells what was coded."""
        clips = names(self.rows, "clip")
        return (
            f"{self.data}: {len(clips)} of {len(uvg.SEQUENCES)} sequences, {self.frames} frames, "
            f"key frame every {self.gop}"
        )

    @cached_property
    def curves(self) -> list[Row]:
        """Mean over frames, then over sequences: a row for each codec and quality."""
        rows = with_ratios(self.rows, self.anchors[0]) if self.anchors else self.rows
        return mean_curves(rows)

    @cached_property
    def bd(self) -> list[Row]:
        """BD-rates against the codecs of the same run."""
        return bd_table(self.rows, TEST, self.anchors)

    @cached_property
    def published(self) -> list[Row]:
        """BD-rates against published curves; indicative, and refused where they mean nothing."""
        own = [row for row in self.rows if row["codec"] == TEST]
        refuse = "" if self.data == "UVG" else f"the sequences are {self.data}"
        return compare(own, load_curves(PUBLISHED), uvg.SEQUENCES, refuse)

    def marked(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that say which data, commit and model they are of."""
        origin = {"data": self.data, "commit": commit(), "model_id": self.model_id}
        return [row | origin for row in rows]


def write_report(report: Report, folder: Path) -> str:
    """Write all outputs into a folder, in place of older ones.

    Returns:
        The tables as Markdown.

    Raises:
        OutputError: a file cannot be written.
    """
    with os_errors(str(folder), OutputError):
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        (folder / "plots").mkdir(exist_ok=True)
    for row in report.rows:
        name = f"{row['clip']}_{row['codec']}_q{row['quality']}.csv"
        frames = [frame | {"data": report.data} for frame in row["per_frame"]]
        write_csv(folder / "frames" / name, frames)
    points = [{column: row[column] for column in COLUMNS} for row in report.rows]
    write_tsv(folder / "points.tsv", report.marked(points))
    write_tsv(folder / "curves.tsv", report.marked(report.curves))
    if report.bd:
        write_tsv(folder / "bdrate.tsv", report.marked(report.bd))
    write_tsv(folder / "published.tsv", report.marked(report.published))
    write_plots(report, folder / "plots")
    text = tables(report)
    for path, content in (
        (folder / "tables.md", text),
        (folder / "summary.json", json.dumps(summary(report), indent=1)),
    ):
        with output_text(path, overwrite=True) as file:
            file.write(f"{content}\n")
    return text


def summary(report: Report) -> dict[str, Any]:
    """All figures but those of single frames, with what they depend on."""
    return {
        "data": report.data,
        "sequences": names(report.rows, "clip"),
        "left_out": dict(report.missing) | dict(report.refused),
        "frames": report.frames,
        "gop": report.gop,
        "rate_fps": float(uvg.RATE),
        "colorvid": colorvid.__version__,
        "commit": commit(),
        "model_id": report.model_id,
        "machine": machine(),
        "averages": "over frames, then over sequences",
        "points": [{column: row[column] for column in COLUMNS} for row in report.rows],
        "curves": report.curves,
        "bd_rates": report.bd,
        "bd_rates_published_indicative": report.published,
    }


def tables(report: Report) -> str:
    """Mean curves and BD-rates as Markdown."""
    cached = sum(row["cached"] for row in report.rows)
    parts = [
        f"# {report.title}",
        f"Model `{report.model_id}`, commit `{commit()}`, {machine()}. Figures are means over "
        f"frames, then over sequences; the rate is every byte of the file. Of "
        f"{len(report.rows)} points {cached} were kept from an earlier run; speed ratios are "
        "given only between points of one run.",
    ]
    if report.missing or report.refused:
        left_out = (report.missing | report.refused).items()
        parts.append("Left out:\n\n" + "\n".join(f"- {n}: {reason}" for n, reason in left_out))
    parts += ["## Mean curves", markdown(report.curves)]
    if report.bd:
        parts += ["## BD-rates against codecs of this run", bd_markdown(report.bd)]
    parts += ["## Published curves: indicative only", _published(report)]
    return "\n\n".join(parts)


def _published(report: Report) -> str:
    lines = [
        {
            "published curve": row["published"],
            "PSNR": row["psnr"],
            "BD-rate": _percent(row),
            "frames there": row["published_frames"],
            "frames here": report.frames,
            "key frames there": row["published_gop"],
            "here every": report.gop,
        }
        for row in report.published
    ]
    refused = [
        f"- {row['published']}: refused: {row['refused_because']}."
        for row in report.published
        if row["refused_because"]
    ]
    kinds = dict.fromkeys((row["psnr"], row["definition"]) for row in report.published)
    words = [f"- `{name}`: {definition}." for name, definition in kinds]
    return (
        "Figures of others, not measured here. Each is compared by its own definition of PSNR, "
        "but frames and key frames differ: take the BD-rates as a hint.\n\n"
        + markdown(lines)
        + "\n\n"
        + "\n".join([*refused, *words])
    )


def _percent(row: Row) -> str:
    value = row["bd_rate_percent"]
    return "-" if value is None else f"{value:+.1f} % ({row['overlap_share']:.2f})"


def write_plots(report: Report, folder: Path) -> None:
    """Mean curves, those of each sequence, and the published ones; a panel for each figure."""
    _plot(folder / "mean.png", report.curves, f"{report.title}; mean")
    for clip in names(report.rows, "clip"):
        rows = [row for row in report.rows if row["clip"] == clip]
        _plot(folder / f"{clip}.png", rows, f"{report.data}: {clip}")
    if report.data == "UVG":
        _plot_published(report, folder / "published.png")


def _plot(path: Path, rows: Sequence[Row], title: str) -> None:
    curves = {}
    for metric in PLOTTED:
        known = [row for row in rows if row.get(metric) is not None]
        if known:
            curves[metric] = {
                codec: [(row["rate_bpp"], row[metric]) for row in known if row["codec"] == codec]
                for codec in names(known, "codec")
            }
    rate_distortion(path, curves, title=title)


def _plot_published(report: Report, path: Path) -> None:
    """A panel for each definition of PSNR that colorvid's figures were computed by."""
    own = [row for row in report.rows if row["codec"] == TEST]
    clips = names(own, "clip")
    complete = set(clips) == set(uvg.SEQUENCES)
    panels: dict[str, dict[str, Points]] = {}
    for curve in load_curves(PUBLISHED):
        comparable = bool(curve.sequences) or complete
        if curve.psnr in DEFINITIONS and comparable:
            panel = panels.setdefault(curve.psnr, {TEST: measured_points(own, curve.psnr)})
            panel[f"{curve.name}, published"] = curve.points(clips, complete)
    title = f"{report.title}; published curves differ in both"
    rate_distortion(path, panels, log_rate=True, title=title)
