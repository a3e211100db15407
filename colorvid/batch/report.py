"""What became of every file: a line of CSV and of JSON each, and the sums."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from colorvid.batch.state import Json
from colorvid.errors import OutputError
from colorvid.io.files import os_errors, output_text
from colorvid.quality.scores import FrameScores

CSV_NAME = "batch.csv"
JSON_NAME = "batch.json"
Outcome = Literal["done", "damaged", "failed", "open"]
"""``damaged``: decoded or checked, but the stream is damaged; ``open``: not finished yet."""


@dataclass
class Row:
    """What became of a file.

    Attributes:
        input: its path.
        output: of what was made, inside the folder of outputs; of ``verify``, the name of the job.
        task: one of `colorvid.batch.options.TASKS`.
        outcome: see `Outcome`.
        earlier: whether an earlier run has finished it.
        frames: coded, decoded or scored ones.
        size_bytes: of the ``.clv`` stream that was made or checked, or of the output.
        seconds: of all workers together.
        parts: that it was cut into.
        tries: of its part with most of them.
        workers: names, separated by spaces.
        scores: means over all frames: figures of `colorvid.quality.scores.FrameScores`.
        exit_code: of the error, or 0.
        error: one line; empty without one.
        warnings: what is doubtful, a line each.
    """

    input: str
    output: str
    task: str
    outcome: Outcome = "open"
    earlier: bool = False
    frames: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    parts: int = 0
    tries: int = 0
    workers: str = ""
    scores: dict[str, float | None] = field(default_factory=dict)
    exit_code: int = 0
    error: str = ""
    warnings: list[str] = field(default_factory=list)

    def add(self, facts: Json, tries: int) -> None:
        """Count a finished part."""
        before, frames = self.frames, facts["frames"]
        scores = facts.get("scores")
        if scores and frames:
            self.scores = {
                name: _mean(self.scores.get(name, 0.0), before, value, frames)
                for name, value in scores.items()
            }
        self.frames += frames
        self.size_bytes += facts["bytes"]
        self.seconds = round(self.seconds + facts.get("seconds", 0.0), 3)
        self.parts += 1
        self.tries = max(self.tries, tries)
        known = self.workers.split()
        if facts["worker"] not in known:
            self.workers = " ".join([*known, facts["worker"]])
        if frames:  # the warnings of the last part, which reads to the end, are those of the file
            self.warnings = facts.get("warnings", [])
        if facts.get("damage"):
            self.exit_code, self.error = facts["damage"]

    def as_dict(self) -> dict[str, Any]:
        """Cells of CSV by column."""
        values = asdict(self)
        values |= {f.name: values["scores"].get(f.name) for f in fields(FrameScores)}
        values["warnings"] = "; ".join(values["warnings"])
        del values["scores"]
        return values


def _mean(a: float | None, n: int, b: float | None, m: int) -> float | None:
    """Mean over ``n`` frames with the mean ``a`` and ``m`` with ``b``; None if any has none."""
    return None if a is None or b is None else (a * n + b * m) / (n + m)


def exit_code(rows: Sequence[Row]) -> int:
    """That of the first file, in the order of the inputs, that failed or is damaged; else 0."""
    return next((row.exit_code for row in rows if row.exit_code), 0)


def write_report(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``batch.csv`` and ``batch.json`` into a folder, in the place of earlier ones.

    Raises:
        OutputError: a file cannot be written.
    """
    text = io.StringIO()
    columns = list(Row("", "", "").as_dict())
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.as_dict() for row in rows)
    with os_errors(str(folder), OutputError):
        folder.mkdir(parents=True, exist_ok=True)
    with output_text(folder / CSV_NAME, overwrite=True) as file:
        file.write(text.getvalue())
    with output_text(folder / JSON_NAME, overwrite=True) as file:
        json.dump([asdict(row) for row in rows], file, indent=1)
        file.write("\n")
