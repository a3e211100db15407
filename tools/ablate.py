"""What each idea is worth: ``python tools/ablate.py configs/ablation/intra.toml --data DATA``.

A file of ablations describes a codec, its base, and rows that each change one thing in it. Base and
rows are trained alike: same data, steps and random numbers. Each is exported, and codes real files
of material that it was not trained on (below ``--data``). A row says what its change does to the
base; positive figures mean that the change costs bits. ``--row NAME`` runs that row alone.

Runs and points are kept in ``--runs``, beside the finished runs that a file names: what was stopped
goes on where it was. ``--out FILE.tsv`` puts the rows into a table, in place of older ones.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import csv
import math
import os
import statistics
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.codec import lookahead, loop
from colorvid.config import (
    DEFAULT_BFRAMES,
    InterConfig,
    IntraConfig,
    from_table,
    lambda_of_quality,
    read_toml,
)
from colorvid.errors import ConfigError
from colorvid.evaluation.compare.clips import find_sources
from colorvid.evaluation.compare.codecs import Codec, ColorvidRun, Encoded
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.points import Measuring, Point
from colorvid.evaluation.compare.running import run_all
from colorvid.evaluation.compare.tables import (
    AVERAGE,
    BD_METRICS,
    bd_rates,
    markdown,
    write_tsv,
)
from colorvid.frame import Frame
from colorvid.io import VideoInfo
from colorvid.models.networks import save_model
from colorvid.native.motion import Pyramid, inherited
from colorvid.training.export import assemble
from colorvid.training.filters import without_filters
from colorvid.training.fitted import write_model
from colorvid.training.loop.weights import run_config
from colorvid.training.recipe import Recipe
from colorvid.training.tables import make_tables

Row = dict[str, Any]
BASE = "base"
PATTERN = "pattern"
CONFIGS: dict[str, type[Any]] = {"intra": IntraConfig, "inter": InterConfig}


@dataclass(frozen=True, slots=True)
class Material:
    """What is coded to compare.

    Attributes:
        folder: with clips or pictures, below ``--data``.
        qualities: of the key frames.
        frames: first frames of each clip, one group of pictures.
        every: step through the files; 6 takes every sixth one.
    """

    folder: str
    qualities: tuple[int, ...]
    frames: int = 1
    every: int = 1


def _by_structure(
    pictures: Sequence[Pyramid],
    places: Sequence[tuple[int, int, int]],
    to_come: int,
    *,
    search: bool,
) -> list[int]:
    """What `inherited` finds without looking at the pictures."""
    del search
    return inherited(pictures, places, to_come, search=False)


def _as_it_is(frame: Frame, *_: object) -> Frame:
    """A key frame without the temporal filter."""
    return frame


@dataclass(frozen=True, slots=True)
class PatternRun:
    """colorvid with another pattern of frames than its own.

    Attributes:
        gop: distance of key frames, in frames.
        model: name or file.
        bframes: most B frames between two P frames.
        inter_offset: quality indices of all inter frames below the key frame; None = as usual.
        longest: whether every mini-GOP is as long as it can be.
        weighs: whether qualities follow what frames inherit; else the structure alone.
        temporal: whether key frames are averaged with those behind them.
    """

    gop: int
    model: str
    bframes: int = DEFAULT_BFRAMES
    inter_offset: int | None = None
    longest: bool = False
    weighs: bool = True
    temporal: bool = True
    suffix: str = ".clv"

    def _at(self, quality: int) -> ColorvidRun:
        offset = self.inter_offset
        inter = None if offset is None else max(0, quality - offset)
        return ColorvidRun(self.gop, self.bframes, inter_quality=inter, model=self.model)

    def settings(self, quality: int) -> dict[str, str]:
        """See `ColorvidRun.settings`."""
        ways = {"longest": self.longest, "weighs": self.weighs, "temporal": self.temporal}
        return self._at(quality).settings(quality) | {k: str(v).lower() for k, v in ways.items()}

    def encode(self, source: Path, target: Path, quality: int) -> Encoded:
        """See `ColorvidRun.encode`."""
        far = dict.fromkeys(lookahead.FAR, 1.0) if self.longest else {}
        seen = nullcontext() if self.weighs else patch.object(lookahead, "inherited", _by_structure)
        kept = nullcontext() if self.temporal else patch.object(loop, "filtered", _as_it_is)
        with patch.dict(lookahead.FAR, far), seen, kept:
            return self._at(quality).encode(source, target, quality)

    def decode(self, coded: Path, target: Path, info: VideoInfo) -> float:
        """See `ColorvidRun.decode`."""
        return self._at(0).decode(coded, target, info)

    def frame_types(self, coded: Path) -> list[str]:
        """See `ColorvidRun.frame_types`."""
        return self._at(0).frame_types(coded)


@dataclass(frozen=True, slots=True)
class Ablations:
    """A file of ablations.

    Attributes:
        name: of the file, without suffix.
        table: its contents.
        data, runs: folders, see the top of this file.
    """

    name: str
    table: dict[str, Any]
    data: Path
    runs: Path

    @staticmethod
    def read(path: Path, data: Path, runs: Path) -> Ablations:
        """Read a file.

        Raises:
            ConfigError: it cannot be read, or is no file of ablations.
        """
        table = read_toml(path)
        parts = {"title", "kind", "test", "rows"}
        if table.get("kind") in CONFIGS:
            parts |= {"data", "model", "loss", "schedule"}
        elif table.get("kind") == PATTERN:
            parts |= {"model"}
        else:
            kinds = ", ".join((*CONFIGS, PATTERN))
            raise ConfigError(f"{path}: kind {table.get('kind')!r} is unknown; allowed are {kinds}")
        missing = sorted(parts - set(table))
        if missing:
            raise ConfigError(f"{path}: no file of ablations; it lacks {', '.join(missing)}")
        return Ablations(path.stem, table, data, runs)

    @property
    def material(self) -> Material:
        """What is coded."""
        found: Material = from_table(Material, self.table["test"], self.name)
        return found

    def changed(self, row: str) -> dict[str, Any]:
        """The training configuration of a row, as `Recipe` takes it."""
        result = {"kind": self.table["kind"]}
        for part in ("data", "model", "loss", "schedule"):
            changes = {} if row == BASE else self.table["rows"][row].get(part, {})
            result[part] = self.table[part] | changes
        start = self.table.get("start")
        if start is not None:  # the networks that are kept say their sizes
            kept = asdict(run_config(CONFIGS[result["kind"]], self.runs / start))
            result["model"] = kept | result["model"]
        return result

    def train(self, row: str) -> Path:
        """Train a row, or go on; gives its run. Rows share the base's data if they are equal."""
        table, run = self.changed(row), self.runs / "ablation" / self.name / row
        run.mkdir(parents=True, exist_ok=True)
        if table["data"] == self.changed(BASE)["data"]:
            for path in [*run.parent.glob(f"{BASE}/*.bin"), *run.parent.glob(f"{BASE}/*s.json")]:
                if not (run / path.name).exists():
                    os.link(path, run / path.name)
        start = self.table.get("start")
        recipe = Recipe(table, f"{self.name} {row}", self.data, self.runs)
        recipe.train(run, start=start and self.runs / start)
        return run

    def codec(self, row: str) -> Codec:
        """The codec of a row, ready to code."""
        gop, qualities = self.material.frames, self.material.qualities
        if self.table["kind"] == PATTERN:
            return Codec(row, qualities, self._pattern(row))
        run = self.train(row)
        if self.table["kind"] == "intra":
            network, rates = assemble(run, None)
        else:
            network, rates = assemble(self.runs / self.table["data"]["models"]["intra"], run)
        path = run.with_suffix(".safetensors")
        save_model(path, network, make_tables(network, rates, []), overwrite=True)
        return Codec(row, qualities, ColorvidRun(gop, model=str(path)))

    def _pattern(self, row: str) -> PatternRun:
        """What a row of a file of patterns changes."""
        gop, model = self.material.frames, self.table["model"]
        if row == BASE:
            return PatternRun(gop, model)
        changes = dict(self.table["rows"][row])
        del changes["title"]
        if not changes.pop("filters", True):
            path = self.runs / "ablation" / self.name / f"{row}.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_model(without_filters(model), path, overwrite=True)
            model = str(path)
        run: PatternRun = from_table(PatternRun, {"gop": gop, "model": model, **changes}, row)
        return run

    def points(self, row: str) -> list[Point]:
        """Code all material with a row's codec."""
        sources = find_sources([self.data / self.material.folder])[:: self.material.every]
        how = Measuring(cache=self.runs / "ablation" / "points")
        return run_all([self.codec(row)], sources, self.material.frames, how)

    def compare(self, row: str, base: list[Point]) -> Row:
        """The figures of a row against the points of the base."""
        points = self.points(row)
        both = [*base, *points]
        rates = {m: bd_rates(both, row, BASE, m)[AVERAGE].percent for m in BD_METRICS}
        schedule = self.table.get("schedule", {})
        return {
            "file": self.name,
            "title": self.table["title"],
            "row": row,
            "change": self.table["rows"][row]["title"],
            "steps": schedule.get("steps", 0),
            "cost_percent": 100 * (cost(points) - cost(base)),
            **{f"bd_{metric}": rate for metric, rate in rates.items()},
            "points": len(points),
            "commit": commit(),
            "model_base": _identity(base),
            "model_changed": _identity(points),
        }


def cost(points: Sequence[Point]) -> float:
    """Mean of ``log(bits per pixel + lambda * error)``, the loss of training, of coded files.

    The error is the squared one of Y, U and V, weighted 6:1:1; a difference of 0.01 is one percent.
    """
    costs = []
    for point in points:
        planes = point.scores.psnr_y_db, point.scores.psnr_u_db, point.scores.psnr_v_db
        errors = [10 ** (-psnr / 10) for psnr in planes]
        error = (6 * errors[0] + errors[1] + errors[2]) / 8
        costs.append(math.log(point.rate_bpp + lambda_of_quality(point.quality) * error))
    return statistics.fmean(costs)


def _identity(points: Sequence[Point]) -> str:
    """Identity of the model that coded the points, as their settings have it."""
    return points[0].settings.get("model_id") or ""


def keep(path: Path, rows: Sequence[Row]) -> None:
    """Put rows into a TSV file, in place of those of the same file and name."""
    old: list[Row] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            old = list(csv.DictReader(file, delimiter="\t"))
    new = {(row["file"], row["row"]): row for row in [*old, *rows]}
    write_tsv(path, sorted(new.values(), key=lambda row: str(row["file"])))


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = tool_parser(__doc__)
    parser.add_argument("file", type=Path, help="TOML file of ablations")
    parser.add_argument("--data", type=Path, required=True, help="folder of all data")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    parser.add_argument("--row", action="append", help="a row to run (default: all)")
    parser.add_argument("--out", type=Path, help="TSV file to put the rows into")
    options = parser.parse_args(arguments)
    ablations = Ablations.read(options.file, options.data, options.runs)
    known = ablations.table["rows"]
    for row in options.row or ():
        if row not in known:
            raise ConfigError(f"row {row!r} is unknown; {options.file} has {', '.join(known)}")
    base = ablations.points(BASE)
    for row in options.row or known:
        figures = ablations.compare(row, base)
        print(markdown([figures]), flush=True)
        if options.out is not None:
            keep(options.out, [figures])
    return 0
