"""What is written about a comparison: tables, curves, every frame."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from colorvid.config import PACKAGE_VERSION
from colorvid.errors import OutputError
from colorvid.evaluation.compare.choices import OWN
from colorvid.evaluation.compare.codecs import model_identity
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.panels import FILES, Beside
from colorvid.evaluation.compare.points import DRIFT, Point
from colorvid.evaluation.compare.tables import (
    DRIFT_FRAMES,
    BdFigure,
    MeanPoint,
    bd_markdown,
    bd_table,
    curve_metrics,
    distinct,
    markdown,
    mean_curves,
    of_codec,
    plotted,
    with_drift,
    with_ratios,
    write_tsv,
)
from colorvid.evaluation.plots import rate_distortion
from colorvid.io.files import file_name, os_errors, output_text
from colorvid.quality.log import write_log
from colorvid.system.text import plural

_FORMAT = 1  # of compare.json
SHOWN = ("rate_kbps", "psnr_yuv611_db", "psnr_y_db", "ms_ssim_y_db", "de00_mean")
"""Columns of the table of curves on a terminal, behind codec and quality."""
_FILES = (
    "points.tsv",
    "bdrate.tsv",
    "compare.json",
    "tables.md",
    "rd-*.svg",
    "clip-*.svg",
    "frames/*.csv",
    *FILES,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Points of colorvid and of anchors, and what follows from them.

    Attributes:
        points: all of `colorvid.evaluation.compare.running.run_all`, with ratios and drift.
        origin: commit, version and model of colorvid.
        what: what the clips are called in titles, in the singular.
        beside: what was asked for besides.
    """

    points: list[Point]
    origin: dict[str, str]
    what: str = "source"
    beside: Beside = field(default_factory=Beside)

    @staticmethod
    def of(measured: Sequence[Point], model: str, beside: Beside | None = None) -> Comparison:
        """Compare points; the speed of the first anchor is the reference (or colorvid's, alone)."""
        points = with_ratios(with_drift(measured, _gop(measured)), _reference(measured))
        origin = {"commit": commit(), "version": PACKAGE_VERSION, "model_id": model_identity(model)}
        return Comparison(points, origin, beside=beside or Beside())

    @property
    def means(self) -> list[MeanPoint]:
        """One point per codec and quality over all clips."""
        return mean_curves(self.points)

    @property
    def bd_rates(self) -> list[BdFigure]:
        """BD-rates of colorvid against each anchor; none without anchors."""
        _, *anchors = self.codecs
        return bd_table(self.points, OWN, anchors)

    def as_markdown(self) -> str:
        """BD-rates, mean curves with all figures, settings, and what stands beside."""
        return self._page(list(self.means[0].as_row()))

    def as_text(self) -> str:
        """The same for a terminal: the table of curves has the figures that most people want."""
        known = self.means[0].as_row()  # no MS-SSIM of small pictures
        return self._page(["codec", "quality", *(column for column in SHOWN if column in known)])

    def _page(self, columns: list[str]) -> str:
        rows = [point.as_row() for point in self.means]
        bd = self.bd_rates
        parts = [
            *([bd_markdown(bd)] if bd else []),
            f"## M{self.title()[1:]}",
            markdown([{column: row[column] for column in columns} for row in rows]),
            "\n".join(f"- {line}" for line in self.notes()),
            "### Settings",
            "\n".join(f"- {name}: `{text}`" for name, text in self.settings().items()),
            *self.beside.as_markdown(self.points, _gop(self.points)),
        ]
        return "\n\n".join(parts) + "\n"

    def settings(self) -> dict[str, str]:
        """Settings of each codec in one line."""
        return {name: _merged(of_codec(self.points, name)) for name in self.codecs}

    def title(self) -> str:
        """What the mean curves are of."""
        count = len(self.clips)
        return f"mean over {count} {self.what}{'s' if count > 1 else ''}"

    @property
    def codecs(self) -> list[str]:
        """Names of the codecs, colorvid first."""
        return distinct(point.codec for point in self.points)

    @property
    def clips(self) -> list[str]:
        """Names of the clips."""
        return distinct(point.clip for point in self.points)

    def notes(self) -> list[str]:
        """What the columns of speed and memory mean here."""
        cached = sum(point.cached for point in self.points)
        found = [point.settings.get("threads") for point in self.points]
        threads = "/".join(distinct(count for count in found if count is not None)) or "not known"
        return [
            f"Measured on: {'; '.join(distinct(point.machine for point in self.points))}. "
            f"Threads of each codec: {threads}. "
            f"Points from the cache: {cached} of {len(self.points)}.",
            f"Ratios: frames per second over those of {_reference(self.points)} on the same clip "
            "in the same run, file to file, without start-up; - where the run was another one or "
            "had several jobs.",
            "Peaks: most resident memory of a process of its own, 10^6 bytes, Python and libraries "
            "included; highest over the clips.",
            f"{DRIFT}: mean PSNR of Y of the last {DRIFT_FRAMES} frames of the first group of "
            f"pictures minus that of the first {DRIFT_FRAMES} behind its key frame.",
        ]

    def write(self, folder: Path) -> None:
        """Write all files into a folder; what an earlier comparison wrote there is replaced.

        They are made in a folder beside it first, so that an interruption changes nothing.

        Raises:
            OutputError: a file cannot be written.
        """
        with os_errors(str(folder), OutputError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as name:
                made = Path(name)
                self._write_tables(made)
                self._write_frames(made / "frames")
                self._draw(made)
                self.beside.write(made, self.points, self.origin)
                for old in _earlier(folder):
                    old.unlink()
                (folder / "frames").mkdir(exist_ok=True)
                for path in [p for p in made.rglob("*") if p.is_file()]:
                    path.replace(folder / path.relative_to(made))

    def _write_tables(self, folder: Path) -> None:
        rows = [point.as_row() | self.origin for point in self.points]
        write_tsv(folder / "points.tsv", rows)
        bd = [figure.as_row() for figure in self.bd_rates]
        if bd:
            write_tsv(folder / "bdrate.tsv", [row | self.origin for row in bd])
        with output_text(folder / "tables.md", overwrite=True) as file:
            file.write(self.as_markdown())
        everything = {
            "format": _FORMAT,
            **self.origin,
            "points": [point.as_json() for point in self.points],
            "mean_curves": [point.as_row() for point in self.means],
            "bd_rates": bd,
        }
        with output_text(folder / "compare.json", overwrite=True) as file:
            json.dump(everything, file)

    def _write_frames(self, folder: Path) -> None:
        folder.mkdir()
        for point in self.points:
            name = file_name("", point.clip, f"-{point.codec}-{point.quality}.csv")
            write_log(folder / name, point.per_frame)

    def _draw(self, folder: Path) -> None:
        means = self.means
        for metric in curve_metrics(self.points):
            curves = {name: plotted(of_codec(means, name), metric) for name in self.codecs}
            drawn = {name: points for name, points in curves.items() if points}
            if drawn:
                path = folder / f"rd-{metric.replace('_', '-')}.svg"
                rate_distortion(path, {metric: drawn}, title=self.title())
        for clip in self.clips if len(self.clips) > 1 else ():
            self._draw_clip(folder, clip)

    def _draw_clip(self, folder: Path, clip: str) -> None:
        """The curves of one clip, all metrics side by side."""
        points = [point for point in self.points if point.clip == clip]
        panels = {}
        for metric in curve_metrics(points):
            curves = {name: plotted(of_codec(points, name), metric) for name in self.codecs}
            drawn = {name: pairs for name, pairs in curves.items() if pairs}
            if drawn:
                panels[metric] = drawn
        frames = plural(points[0].frames, "frame")
        path = folder / file_name("clip-", clip, ".svg")
        rate_distortion(path, panels, title=f"{clip}, {frames}")


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot take results, before anything is run.

    Raises:
        OutputError: it is a file, or holds results that must not be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; give the name of a folder")
    if not overwrite and any(True for _ in _earlier(folder)):
        raise OutputError(f"{folder} holds results; pass overwrite=True to replace them")


def _earlier(folder: Path) -> list[Path]:
    """Files of an earlier comparison."""
    return [path for pattern in _FILES for path in folder.glob(pattern)]


def _reference(points: Sequence[Point]) -> str:
    """The codec whose speed is 1: the first anchor, or colorvid alone."""
    return distinct(point.codec for point in points)[:2][-1]


def _gop(points: Sequence[Point]) -> int:
    """Distance of key frames, as colorvid's settings have it; 1 where they do not say."""
    return int(points[0].settings.get("gop") or 1)


def _merged(points: Sequence[Point]) -> str:
    """Settings of all points of a codec; values that differ stand side by side, with slashes."""
    merged: dict[str, dict[str, None]] = {}
    for point in points:
        for name, value in point.settings.items:
            merged.setdefault(name, {})[value] = None
    return " ".join(f"{name}={'/'.join(values)}" for name, values in merged.items())
