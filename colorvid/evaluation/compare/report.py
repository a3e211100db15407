"""``colorvid compare``: what is compared, and what is written about it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from colorvid.config import DEFAULT_GOP, PACKAGE_VERSION, QUALITIES
from colorvid.errors import ColorvidError, ConfigError, OutputError
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.choices import (
    INTER_ANCHORS,
    INTER_QUALITIES,
    INTRA_ANCHORS,
    INTRA_QUALITIES,
    NO_ANCHORS,
)
from colorvid.evaluation.compare.clips import is_still
from colorvid.evaluation.compare.codecs import Codec, ColorvidRun, model_identity
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.tables import (
    BD_METRICS,
    DRIFT,
    DRIFT_FRAMES,
    bd_markdown,
    bd_table,
    markdown,
    mean_curves,
    names,
    with_drift,
    with_ratios,
    write_tsv,
)
from colorvid.evaluation.plots import rate_distortion
from colorvid.evaluation.score.frames import ScoredFrame
from colorvid.io.files import os_errors, output_text
from colorvid.quality.log import write_log

Row = dict[str, Any]

OWN = "colorvid"

_PACKAGES = ("bjontegaard", "matplotlib", "PIL", "pytorch_msssim")
_FORMAT = 1  # of compare.json
_FILES = ("points.tsv", "bdrate.tsv", "compare.json", "tables.md", "rd-*.svg", "frames/*.csv")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user chooses; ``None`` = by the sources.

    Attributes:
        gop: distance of key frames; by default 1 if all sources are stills, else 32.
        anchors: names of ``ANCHORS``, or ``none`` alone; by default intra ones with a ``gop`` of 1,
            else low-delay ones.
        qualities: of colorvid, 0..63.
        inter_quality: of colorvid's inter frames; ``None`` = colorvid's own choice.
        model: of colorvid.
        threads: of every codec.
    """

    gop: int | None = None
    anchors: tuple[str, ...] | None = None
    qualities: tuple[int, ...] | None = None
    inter_quality: int | None = None
    model: str = "default"
    threads: int = 1

    def codecs(self, sources: Sequence[Path]) -> list[Codec]:
        """colorvid, then the anchors.

        Raises:
            ConfigError: an anchor is unknown or a quality is not allowed.
            ModelMismatch: there is no such model.
        """
        gop = self.gop or (1 if all(is_still(path) for path in sources) else DEFAULT_GOP)
        anchors = self.anchors or (INTRA_ANCHORS if gop == 1 else INTER_ANCHORS)
        if NO_ANCHORS in anchors:
            if len(anchors) > 1:
                raise ConfigError(f"anchors are {', '.join(anchors)}; {NO_ANCHORS} stands alone")
            anchors = ()
        chosen = self.qualities or (INTRA_QUALITIES if gop == 1 else INTER_QUALITIES)
        for quality in chosen:
            if not 0 <= quality < QUALITIES:
                raise ConfigError(
                    f"quality {quality} is not allowed; it must be 0..{QUALITIES - 1}"
                )
        own = ColorvidRun(gop, self.inter_quality, self.model, self.threads)
        own.settings(0)  # an unknown model is told now
        return [
            Codec(OWN, tuple(sorted(chosen, reverse=True)), own),
            *(AnchorRun(name, gop, self.threads).codec() for name in anchors),
        ]


def check_packages() -> None:
    """Refuse to start what would fail at the end.

    Raises:
        ColorvidError: a package of the extra ``eval`` is missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ColorvidError(
            f"comparing needs {', '.join(missing)}; install it with: pip install 'colorvid[eval]'"
        )


def default_cache() -> Path:
    """Folder for points in the user's cache directory of the platform (XDG on Linux).

    Raises:
        ConfigError: there is no home directory.
    """
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise ConfigError("there is no home directory; pass --cache DIR or --no-cache") from None
    return base / "colorvid-cache"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Points of colorvid and of anchors, and what follows from them.

    Attributes:
        points: all rows of `colorvid.evaluation.compare.runs.run_all`, with the ratios of speed.
        origin: commit, version and model of colorvid.
        what: what the clips are called in titles, in the singular.
    """

    points: list[Row]
    origin: dict[str, str]
    what: str = "source"

    @staticmethod
    def of(rows: Sequence[Row], model: str) -> Comparison:
        """Compare rows; the speed of the first anchor is the reference (or colorvid's, alone)."""
        points = with_ratios(with_drift(rows, _gop(rows)), _reference(rows))
        origin = {"commit": commit(), "version": PACKAGE_VERSION, "model_id": model_identity(model)}
        return Comparison(points, origin)

    @property
    def bd_rates(self) -> list[Row]:
        """BD-rates of colorvid against each anchor; none without anchors."""
        _, *anchors = names(self.points, "codec")
        return bd_table(self.points, OWN, anchors)

    def as_markdown(self) -> str:
        """Tables of mean curves, settings and BD-rates."""
        parts = [
            f"## M{self._title()[1:]}",
            markdown(mean_curves(self.points)),
            self._notes(),
            "### Settings",
            "\n".join(f"- {name}: `{_settings(self.points, name)}`" for name in self._codecs()),
        ]
        bd = self.bd_rates
        return "\n\n".join([*parts, bd_markdown(bd)] if bd else parts) + "\n"

    def _title(self) -> str:
        count = len(names(self.points, "clip"))
        return f"mean over {count} {self.what}{'s' if count > 1 else ''}"

    def _codecs(self) -> list[str]:
        return names(self.points, "codec")

    def _notes(self) -> str:
        """What the columns of speed and memory mean here."""
        cached = sum(row["cached"] for row in self.points)
        lines = [
            f"Measured on: {'; '.join(names(self.points, 'machine'))}. "
            f"Points from the cache: {cached} of {len(self.points)}.",
            f"Ratios: frames per second over those of {_reference(self.points)} on the same clip "
            "in the same run, file to file, without start-up; - where the run was another one or "
            "had several jobs.",
            "Peaks: most resident memory of a process of its own, 10^6 bytes, Python and libraries "
            "included; highest over the clips.",
            f"{DRIFT}: mean PSNR of Y of the last {DRIFT_FRAMES} frames of the first group of "
            f"pictures minus that of the first {DRIFT_FRAMES} behind its key frame.",
        ]
        return "\n".join(f"- {line}" for line in lines)

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
                for old in _earlier(folder):
                    old.unlink()
                (folder / "frames").mkdir(exist_ok=True)
                for path in [p for p in made.rglob("*") if p.is_file()]:
                    path.replace(folder / path.relative_to(made))

    def _write_tables(self, folder: Path) -> None:
        flat = [{k: v for k, v in row.items() if k != "per_frame"} for row in self.points]
        write_tsv(folder / "points.tsv", [row | self.origin for row in flat])
        bd = self.bd_rates
        if bd:
            write_tsv(folder / "bdrate.tsv", [row | self.origin for row in bd])
        with output_text(folder / "tables.md", overwrite=True) as file:
            file.write(self.as_markdown())
        everything = {
            "format": _FORMAT,
            **self.origin,
            "points": self.points,
            "mean_curves": mean_curves(self.points),
            "bd_rates": bd,
        }
        with output_text(folder / "compare.json", overwrite=True) as file:
            json.dump(everything, file)

    def _write_frames(self, folder: Path) -> None:
        folder.mkdir()
        for row in self.points:
            path = folder / f"{row['clip']}-{row['codec']}-{row['quality']}.csv"
            write_log(path, [ScoredFrame.of(frame) for frame in row["per_frame"]])

    def _draw(self, folder: Path) -> None:
        means = mean_curves(self.points)
        for metric in BD_METRICS:
            curves = {
                name: [
                    (row["rate_bpp"], row[metric])
                    for row in means
                    if row["codec"] == name and row.get(metric) is not None
                ]
                for name in self._codecs()
            }
            drawn = {name: points for name, points in curves.items() if points}
            if drawn:
                path = folder / f"rd-{metric.replace('_', '-')}.svg"
                rate_distortion(path, {metric: drawn}, title=self._title())


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot take results, before anything is run.

    Raises:
        OutputError: it is a file, or holds results that must not be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; give the name of a folder")
    if not overwrite and any(True for _ in _earlier(folder)):
        raise OutputError(f"{folder} holds results; pass -y to replace them")


def _earlier(folder: Path) -> list[Path]:
    """Files of an earlier comparison."""
    return [path for pattern in _FILES for path in folder.glob(pattern)]


def _reference(rows: Sequence[Row]) -> str:
    """The codec whose speed is 1: the first anchor, or colorvid alone."""
    return names(rows, "codec")[:2][-1]


def _gop(rows: Sequence[Row]) -> int:
    """Distance of key frames, as colorvid's settings have it; 1 where it is not told."""
    own = dict(item.partition("=")[::2] for item in rows[0]["settings"].split(" "))
    return int(own.get("gop", 1))


def _settings(rows: Sequence[Row], codec: str) -> str:
    """Settings of all points of a codec; values that differ stand side by side, with slashes."""
    merged: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["codec"] == codec:
            for item in row["settings"].split(" "):
                key, _, value = item.partition("=")
                merged.setdefault(key, {})[value] = None
    return " ".join(f"{key}={'/'.join(values)}" for key, values in merged.items())
