"""Figures and tables of ``tools/eval_kodak.py``, and the published curves beside them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorvid.evaluation.compare.clips import Clip
from colorvid.evaluation.compare.patches import Patch, Shown, draw_patches
from colorvid.evaluation.compare.rgb import RGB_METRICS
from colorvid.evaluation.compare.tables import (
    AVERAGE,
    MEAN_CURVE,
    Row,
    bd_table,
    markdown,
    mean_curves,
    names,
    write_tsv,
)
from colorvid.evaluation.plots import rate_distortion
from colorvid.io.files import output_text
from colorvid.quality.metrics import METRICS, bd_rate, ms_ssim_db

Curve = list[tuple[float, float]]

PUBLISHED = Path(__file__).parent / "published" / "kodak.json"
DRAWN = ("colorvid", "jpeg", "x265-intra", "svtav1-intra")
"""Curves of the first figure; what else was measured is in the tables alone."""
MOST_BPP = 2.0
"""Where the curves are cut; higher rates are in the tables."""
PANELS = ("psnr_yuv611_db", "ms_ssim_y_db", "de00_mean")
POINT_COLUMNS = (
    *("codec", "clip", "quality", "size_bytes", "rate_bpp"),
    *METRICS,
    *RGB_METRICS,
    *("encode_fps", "decode_fps"),
)
BD_TITLES = {
    "psnr_yuv611_db": "PSNR YUV",
    "psnr_y_db": "PSNR Y",
    "ms_ssim_y_db": "MS-SSIM Y",
    "de00_mean": "dE00",
    "psnr_rgb_db": "PSNR RGB",
    "ms_ssim_rgb_db": "MS-SSIM RGB",
}
INTRODUCTION = """\
Every codec gets the same 4:2:0 planes: the RGB pictures converted to BT.709, limited range, chroma
on even columns. The decoded file is scored; the rate is every byte of it. Every point:
`points.tsv`; settings and versions: `settings.tsv`; BD-rates of each image: `bdrate.tsv`.

Model `{model_id}`, commit `{commit}`. Measured on: {machine}."""
RGB_NOTE = """\
The decoded planes are converted back to RGB, chroma upsampled bilinearly, and compared with the
original picture. PSNR is over R, G and B together, MS-SSIM the mean of the three; both are means
over the images, and dB of MS-SSIM are those of that mean. **The conversion to 4:2:0 alone limits
both**: with no loss besides they are {psnr:.2f} dB and {similarity} (each image: `limit.tsv`)."""
PUBLISHED_NOTE = """\
The curves beside it are **published, not measured here**; `tools/published/kodak.json` says where
they are from and what they mean. bmshj2018, cheng2020 and vtm code three planes at full resolution
and are not limited in that way: BD-rates against them charge colorvid with the conversion too.
jpeg is 4:2:0 as well."""
NOT_PUBLISHED_NOTE = """\
Published curves are means over all 24 images; they are left out, as not all were measured."""


@dataclass(frozen=True)
class Results:
    """Everything that was measured.

    Attributes:
        rows: a point for each image, codec and quality.
        missing: names of images that were asked for and are not there.
        limits: figures in RGB of each image converted to 4:2:0 and back.
        published: curves to compare with, see `published_curves`; may be empty.
        clip: the image of the patch, if it is there.
        patch: what was cut out of it.
        shown: what each codec makes of the patch.
        origin: ``model_id`` and ``commit``.
    """

    rows: list[Row]
    missing: list[str]
    limits: list[Row]
    published: dict[str, list[Row]]
    clip: Clip | None
    patch: Patch
    shown: list[Shown]
    origin: dict[str, str]

    def means(self, codec: str) -> list[Row]:
        """Mean over the images of each quality of a codec."""
        return [row for row in mean_curves(self.rows) if row["codec"] == codec]

    def limit(self) -> dict[str, float | None]:
        """Mean figures in RGB of the conversion to 4:2:0 and back."""
        means: dict[str, float | None] = {}
        for key in RGB_METRICS:
            values = [row[key] for row in self.limits]
            means[key] = None if None in values else statistics.fmean(values)
        return means

    def bd_rates(self) -> list[Row]:
        """BD-rates of colorvid against what was measured, and against published curves."""
        anchors = [name for name in names(self.rows, "codec") if name != "colorvid"]
        measured = bd_table(self.rows, "colorvid", anchors)
        return measured + published_bd(self.means("colorvid"), self.published)


def published_curves(path: Path = PUBLISHED) -> dict[str, list[Row]]:
    """Published mean curves by name of the codec, a row for each point; the file explains them."""
    keys = ("rate_bpp", *RGB_METRICS)
    curves: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["curves"]
    result = {}
    for name, curve in curves.items():
        points = zip(*(curve[key] for key in keys), strict=True)
        result[f"{name} (published)"] = [dict(zip(keys, p, strict=True)) for p in points]
    return result


def rgb_curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """Points ``(rate_bpp, quality)`` of mean rows; MS-SSIM in dB of the mean."""
    similar = [(r["rate_bpp"], r["ms_ssim_rgb"]) for r in rows if r.get("ms_ssim_rgb") is not None]
    return {
        "psnr_rgb_db": [(row["rate_bpp"], row["psnr_rgb_db"]) for row in rows],
        "ms_ssim_rgb_db": [(rate, ms_ssim_db(value)) for rate, value in similar],
    }


def published_bd(test: Sequence[Row], published: Mapping[str, Sequence[Row]]) -> list[Row]:
    """BD-rates of colorvid's mean rows against each published curve, as `bd_table` has them."""
    own = rgb_curves(test)
    table = []
    for name, rows in published.items():
        for metric, points in rgb_curves(rows).items():
            result = bd_rate(points, own[metric])
            table.append(
                {
                    "test": "colorvid",
                    "anchor": name,
                    "metric": metric,
                    "clip": MEAN_CURVE,
                    "bd_rate_percent": result.percent,
                    "overlap_share": result.overlap,
                    "refused_because": result.reason,
                }
            )
    return table


def write_report(results: Results, folder: Path) -> str:
    """Write every file into a folder that exists; gives the text of ``tables.md``.

    Raises:
        OutputError: a file cannot be written.
    """
    points = [{key: _short(row[key]) for key in POINT_COLUMNS} for row in results.rows]
    write_tsv(folder / "points.tsv", [row | results.origin for row in points])
    write_tsv(folder / "limit.tsv", [row | results.origin for row in results.limits])
    write_tsv(folder / "settings.tsv", _settings(results))
    table = results.bd_rates()
    if table:
        rows = [{k: _short(v) for k, v in r.items()} | results.origin for r in table]
        write_tsv(folder / "bdrate.tsv", rows)
    _draw(results, folder)
    text = _tables(results, table)
    with output_text(folder / "tables.md", overwrite=True) as file:
        file.write(text)
    return text


def _short(value: object) -> object:
    """Six digits are enough for a file."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _settings(results: Results) -> list[Row]:
    """One row for each codec and quality."""
    found = {(r["codec"], r["quality"]): r for r in results.rows}
    keys = ("codec", "quality", "machine", "settings")
    return [{key: row[key] for key in keys} | results.origin for row in found.values()]


def _draw(results: Results, folder: Path) -> None:
    """All three figures, as far as there is something to draw."""
    drawn = [name for name in DRAWN if name in names(results.rows, "codec")]
    means = {name: results.means(name) for name in drawn}
    count = len(results.limits)
    planes = {
        metric: {name: [(r["rate_bpp"], r[metric]) for r in rows] for name, rows in means.items()}
        for metric in PANELS
        if all(row.get(metric) is not None for rows in means.values() for row in rows)
    }
    title = f"Kodak, mean over {count} images, 4:2:0 planes"
    rate_distortion(folder / "figure2-yuv.svg", _cut(planes), title=title)
    curves = {name: rgb_curves(rows) for name, rows in (means | results.published).items()}
    limits = {m: p[0][1] for m, p in rgb_curves([{"rate_bpp": 0, **results.limit()}]).items() if p}
    rate_distortion(
        folder / "figure2-rgb.svg",
        _cut({m: {name: curve[m] for name, curve in curves.items()} for m in limits}),
        title=f"Kodak, mean over {count} images, against the RGB original",
        dashed=results.published,
        limits={metric: ("4:2:0 alone", value) for metric, value in limits.items()},
    )
    if results.clip is not None:
        draw_patches(folder / "figure3.png", results.clip, results.patch, results.shown)


def _cut(panels: Mapping[str, Mapping[str, Curve]]) -> dict[str, dict[str, Curve]]:
    """Curves up to the highest rate that is drawn; codecs with no point there are left out."""
    return {
        metric: {
            name: kept
            for name, curve in curves.items()
            if (kept := [p for p in curve if p[0] <= MOST_BPP])
        }
        for metric, curves in panels.items()
    }


def _tables(results: Results, table: Sequence[Row]) -> str:
    """The text of ``tables.md``."""
    machines = "; ".join(names(results.rows, "machine"))
    count = len(results.limits)
    missing = f" Missing: {', '.join(results.missing)}." if results.missing else ""
    bound = results.limit()
    similarity = bound["ms_ssim_rgb"]
    note = RGB_NOTE.format(
        psnr=bound["psnr_rgb_db"],
        similarity="-" if similarity is None else f"{similarity:.4f}",
    )
    means = mean_curves(results.rows)
    plane_keys = ("codec", "quality", "rate_bpp", *METRICS)
    rgb_keys = ("codec", "quality", "rate_bpp", *RGB_METRICS)
    own_rates = [row for row in table if row["anchor"] not in results.published]
    other_rates = [row for row in table if row["anchor"] in results.published]
    parts = [
        f"# Kodak: {count} images\n\n"
        + INTRODUCTION.format(machine=machines, **results.origin)
        + missing,
        "## Planes\n\n![Rate and quality of the planes](figure2-yuv.svg)",
        _means_table(means, plane_keys),
        _bd_table("BD-rate of colorvid, mean over the images", own_rates, AVERAGE),
        f"## RGB\n\n![Rate and quality in RGB](figure2-rgb.svg)\n\n{note}",
        PUBLISHED_NOTE if results.published else NOT_PUBLISHED_NOTE,
        _means_table(means, rgb_keys),
        _bd_table("BD-rate of colorvid between mean curves", other_rates, MEAN_CURVE),
        _patch_table(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _means_table(means: Sequence[Row], keys: Sequence[str]) -> str:
    return markdown([{key: row.get(key) for key in keys} for row in means])


def _bd_table(title: str, table: Sequence[Row], clip: str) -> str:
    """One line for each codec: BD-rate and overlap of each metric; a dash where refused."""
    lines = []
    for anchor in names(table, "anchor"):
        line: Row = {"against": anchor}
        for row in table:
            if (row["anchor"], row["clip"]) == (anchor, clip):
                value, overlap = row["bd_rate_percent"], row["overlap_share"]
                cell = "-" if value is None else f"{value:+.1f} % ({overlap:.2f})"
                line[BD_TITLES[row["metric"]]] = cell
        lines.append(line)
    if not lines:
        return ""
    refused = {
        f"{row['anchor']}, {BD_TITLES[row['metric']]}: {row['refused_because']}"
        for row in table
        if row["clip"] == clip and row["refused_because"]
    }
    note = "".join(f"\n\nRefused: {reason}." for reason in sorted(refused))
    head = f"{title} (overlap in brackets; negative: colorvid needs fewer bits):"
    return f"{head}\n\n{markdown(lines)}{note}"


def _patch_table(results: Results) -> str:
    if results.clip is None:
        return ""
    p = results.patch
    lines = [
        {
            "codec": s.codec,
            "quality": s.quality,
            "rate_bpp": s.rate_bpp,
            "psnr_yuv611_db": s.psnr_yuv611_db,
            "de00_mean": s.de00_mean,
        }
        for s in results.shown
    ]
    return (
        f"## A patch of {results.clip.name}\n\n![The same patch from each codec](figure3.png)\n\n"
        f"{p.width}x{p.height} samples at {p.x}, {p.y}. Each codec at its best setting that does "
        "not exceed the rate asked for; rate, PSNR YUV and dE00 are those of the whole "
        f"picture.\n\n{markdown(lines)}"
    )
