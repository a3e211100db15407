"""What tools/eval_uvg.py writes besides the files of `colorvid compare`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from colorvid.evaluation.compare import uvg
from colorvid.evaluation.compare.published import DEFINITIONS, compare, load_curves, measured_points
from colorvid.evaluation.compare.report import OWN, Comparison
from colorvid.evaluation.compare.runs import Row
from colorvid.evaluation.compare.tables import BD_METRICS, markdown, mean_curves, names, write_tsv
from colorvid.evaluation.plots import Points, rate_distortion
from colorvid.io.files import output_text

PUBLISHED = Path(__file__).with_name("published") / "uvg.json"
UVG, SYNTHETIC = "UVG", "synthetic"


@dataclass(frozen=True)
class Report:
    """One evaluation.

    Attributes:
        comparison: all points, and what follows from them alone.
        data: ``UVG`` or ``synthetic``; stands in every output.
        frames, gop: frames coded of each sequence, and distance of key frames.
        left_out: sequences that are missing or refused, with reasons.
    """

    comparison: Comparison
    data: str
    frames: int
    gop: int
    left_out: Mapping[str, str]

    @staticmethod
    def of(
        rows: Sequence[Row],
        model: str,
        *,
        data: str,
        frames: int,
        gop: int,
        left_out: Mapping[str, str],
    ) -> Report:
        """Compare rows of `colorvid.evaluation.compare.runs.run_all`."""
        plain = Comparison.of(rows, model)
        marked = replace(plain, origin=plain.origin | {"data": data}, what=f"{data} sequence")
        return Report(marked, data, frames, gop, left_out)

    @property
    def own(self) -> list[Row]:
        """Points of colorvid."""
        return [row for row in self.comparison.points if row["codec"] == OWN]

    @cached_property
    def published(self) -> list[Row]:
        """BD-rates against published curves; indicative, and refused where they mean nothing."""
        refuse = "" if self.data == UVG else f"the sequences are {self.data}"
        return compare(self.own, load_curves(PUBLISHED), uvg.SEQUENCES, refuse)

    def as_markdown(self) -> str:
        """All tables."""
        count = len(names(self.own, "clip"))
        out = [f"- {name} is left out: {reason}" for name, reason in self.left_out.items()]
        parts = [
            f"# {self.data}: {count} sequence{'s' if count > 1 else ''}, {self.frames} frames, key "
            f"frame every {self.gop}",
            "Figures are means over frames, then over sequences; the rate is every byte of a file.",
            *(["\n".join(out)] if out else []),
            self.comparison.as_markdown(),
            f"## Published curves of UVG, indicative only ({self.data})",
            self._published_markdown(),
        ]
        return "\n\n".join(parts)

    def _published_markdown(self) -> str:
        lines = [
            {
                "published curve": row["published"],
                "PSNR": row["psnr"],
                "BD-rate (overlap)": _percent(row),
                "frames there": row["published_frames"],
                "frames here": self.frames,
                "key frames there": row["published_gop"],
                "here every": self.gop,
            }
            for row in self.published
        ]
        refused = [
            f"- {row['published']} is refused: {row['refused_because']}."
            for row in self.published
            if row["refused_because"]
        ]
        kinds = dict.fromkeys((row["psnr"], row["definition"]) for row in self.published)
        words = [f"- `{name}`: {definition}." for name, definition in kinds]
        return (
            "Figures of others, not measured here. Each is compared by its own definition of "
            "PSNR, but frames and key frames differ: take the BD-rates as a hint.\n\n"
            + markdown(lines)
            + "\n\n"
            + "\n".join([*refused, *words])
        )

    def write(self, folder: Path) -> None:
        """Write all files into a folder, in place of those of an earlier evaluation.

        Raises:
            OutputError: a file cannot be written.
        """
        self.comparison.write(folder)
        for old in [*folder.glob("sequence-*.svg"), *folder.glob("published.*")]:
            old.unlink()
        origin = self.comparison.origin
        curves = mean_curves(self.comparison.points)
        write_tsv(folder / "curves.tsv", [row | origin for row in curves])
        write_tsv(folder / "published.tsv", [row | origin for row in self.published])
        for path, text in (
            (folder / "uvg.md", self.as_markdown()),
            (folder / "uvg.json", json.dumps(self._summary(), indent=1)),
        ):
            with output_text(path, overwrite=True) as file:
                file.write(f"{text}\n")
        self._draw(folder)

    def _summary(self) -> dict[str, Any]:
        return {
            **self.comparison.origin,
            "sequences": names(self.own, "clip"),
            "left_out": dict(self.left_out),
            "frames": self.frames,
            "gop": self.gop,
            "averages": "over frames, then over sequences",
            "mean_curves": mean_curves(self.comparison.points),
            "bd_rates": self.comparison.bd_rates,
            "bd_rates_published_indicative": self.published,
        }

    def _draw(self, folder: Path) -> None:
        """The curves of each sequence, and the published ones."""
        for clip in names(self.own, "clip"):
            rows = [row for row in self.comparison.points if row["clip"] == clip]
            panels = {metric: _curves(rows, metric) for metric in BD_METRICS}
            known = {metric: curves for metric, curves in panels.items() if curves}
            path = folder / f"sequence-{clip}.svg"
            rate_distortion(path, known, title=f"{self.data}: {clip}, {self.frames} frames")
        if self.data == UVG:
            title = "colorvid and curves of others, which are of other frames and key frames"
            panels = self._published_panels()
            rate_distortion(folder / "published.svg", panels, log_rate=True, title=title)

    def _published_panels(self) -> dict[str, dict[str, Points]]:
        """By definition of PSNR: colorvid's curve, and those published by it."""
        clips = names(self.own, "clip")
        complete = set(clips) == set(uvg.SEQUENCES)
        panels: dict[str, dict[str, Points]] = {}
        for curve in load_curves(PUBLISHED):
            if curve.psnr in DEFINITIONS and (complete or curve.sequences):
                own: Points = measured_points(self.own, curve.psnr)
                panel = panels.setdefault(curve.psnr, {OWN: own})
                panel[f"{curve.name}, published"] = curve.points(clips, complete)
        return panels


def _curves(rows: Sequence[Row], metric: str) -> dict[str, Points]:
    """Points of each codec that has the figure."""
    known = [row for row in rows if row[metric] is not None]
    return {
        codec: [(row["rate_bpp"], row[metric]) for row in known if row["codec"] == codec]
        for codec in names(known, "codec")
    }


def _percent(row: Row) -> str:
    value = row["bd_rate_percent"]
    return "-" if value is None else f"{value:+.1f} % ({row['overlap_share']:.2f})"
