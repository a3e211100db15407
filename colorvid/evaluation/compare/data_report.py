"""What ``tools/eval_uvg.py`` writes besides the files of ``colorvid compare``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from colorvid.evaluation.compare.choices import OWN
from colorvid.evaluation.compare.data_sets import SYNTHETIC
from colorvid.evaluation.compare.panels import write_published
from colorvid.evaluation.compare.points import Point
from colorvid.evaluation.compare.published import (
    PublishedBd,
    PublishedCurve,
    PublishedRate,
    compare,
    published_bd_markdown,
    rates_markdown,
)
from colorvid.evaluation.compare.report import Comparison
from colorvid.evaluation.compare.tables import (
    of_codec,
    write_tsv,
)
from colorvid.io.files import output_text


@dataclass(frozen=True)
class Report:
    """One evaluation.

    Attributes:
        comparison: all points, and what follows from them alone.
        data: name of the set; stands in every output.
        frames, gop: frames coded of each sequence, and distance of key frames.
        left_out: sequences that are missing or refused, with reasons.
        curves: published ones to compare with.
        rates: published BD-rates, to show beside.
    """

    comparison: Comparison
    data: str
    frames: int
    gop: int
    left_out: Mapping[str, str]
    curves: Sequence[PublishedCurve]
    rates: Sequence[PublishedBd] = ()

    @property
    def own(self) -> list[Point]:
        """Points of colorvid."""
        return of_codec(self.comparison.points, OWN)

    @property
    def refuse(self) -> str:
        """Why nothing is compared with published curves; empty = it is."""
        return f"the sequences are {self.data}" if self.data == SYNTHETIC.name else ""

    @cached_property
    def published(self) -> list[PublishedRate]:
        """BD-rates against published curves; indicative, and refused where they mean nothing."""
        return compare(self.own, self.curves, self.refuse)

    def as_markdown(self) -> str:
        """All tables."""
        count = len(self.comparison.clips)
        out = [f"- {name} is left out: {reason}" for name, reason in self.left_out.items()]
        parts = [
            f"# {self.data}: {count} sequence{'s' if count > 1 else ''}, {self.frames} frames, key "
            f"frame every {self.gop}",
            "Figures are means over frames, then over sequences; the rate is every byte of a file.",
            *(["\n".join(out)] if out else []),
            self.comparison.as_markdown(),
        ]
        if self.curves:
            parts.append(f"## Published curves, indicative only ({self.data})")
            parts.append(rates_markdown(self.published, self.frames, self.gop))
        if self.rates:
            parts.append(published_bd_markdown(self.rates))
        return "\n\n".join(parts)

    def write(self, folder: Path) -> None:
        """Write all files into a folder, in place of those of an earlier evaluation.

        Raises:
            OutputError: a file cannot be written.
        """
        self.comparison.write(folder)
        for old in folder.glob("published.*"):
            old.unlink()
        origin = self.comparison.origin
        rows = [point.as_row() | origin for point in self.comparison.means]
        write_tsv(folder / "curves.tsv", rows)
        if self.curves:
            write_published(folder, self.own, self.curves, origin, self.refuse)
        name = self.data.lower().replace(" ", "-")
        for path, text in (
            (folder / f"{name}.md", self.as_markdown()),
            (folder / f"{name}.json", json.dumps(self._summary(), indent=1)),
        ):
            with output_text(path, overwrite=True) as file:
                file.write(f"{text}\n")

    def _summary(self) -> dict[str, Any]:
        return {
            **self.comparison.origin,
            "sequences": self.comparison.clips,
            "left_out": dict(self.left_out),
            "frames": self.frames,
            "gop": self.gop,
            "averages": "over frames, then over sequences",
            "mean_curves": [point.as_row() for point in self.comparison.means],
            "bd_rates": [figure.as_row() for figure in self.comparison.bd_rates],
            "bd_rates_published_indicative": [rate.as_row() for rate in self.published],
            "bd_rates_published": [asdict(rate) for rate in self.rates],
        }


def marked(comparison: Comparison, data: str) -> Comparison:
    """A comparison with the name of its data in every table and title."""
    origin = comparison.origin | {"data": data}
    return replace(comparison, origin=origin, what=f"{data} sequence")
