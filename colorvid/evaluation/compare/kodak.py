"""The 24 Kodak images: what ``tools/eval_kodak.py`` writes, beside published curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorvid.evaluation.compare.choices import OWN
from colorvid.evaluation.compare.panels import (
    RGB_COLUMNS,
    Limit,
    ShownPatch,
    draw_rgb,
    published_name,
    rgb_panels,
)
from colorvid.evaluation.compare.patches import draw_patches
from colorvid.evaluation.compare.points import Point
from colorvid.evaluation.compare.published import PublishedCurve, compare
from colorvid.evaluation.compare.rgb import RGB_METRICS, RgbScores, mean_rgb
from colorvid.evaluation.compare.tables import (
    AVERAGE,
    MEAN_CURVE,
    BdFigure,
    Curve,
    MeanPoint,
    bd_table,
    distinct,
    markdown,
    mean_curves,
    of_codec,
    percent_cell,
    plotted,
    write_tsv,
)
from colorvid.evaluation.plots import rate_distortion
from colorvid.io.files import output_text
from colorvid.quality.metrics import METRICS

IMAGES = tuple(f"kodim{number:02d}" for number in range(1, 25))
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


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured.

    Attributes:
        points: one for each image, codec and quality, with figures in RGB.
        missing: names of images that were asked for and are not there.
        limits: of each image.
        published: curves to compare with; may be empty.
        patch: one image as the codecs show it, if it is there.
        origin: ``model_id`` and ``commit``.
    """

    points: list[Point]
    missing: list[str]
    limits: list[Limit]
    published: list[PublishedCurve]
    patch: ShownPatch | None
    origin: dict[str, str]

    def codecs(self) -> list[str]:
        """Names of all codecs, colorvid first."""
        return distinct(point.codec for point in self.points)

    def limit(self) -> RgbScores:
        """Mean figures in RGB of the conversion to 4:2:0 and back."""
        return mean_rgb(one.scores for one in self.limits)

    def bd_rates(self) -> list[BdFigure]:
        """BD-rates of colorvid against what was measured, and against published curves."""
        anchors = [name for name in self.codecs() if name != OWN]
        measured = bd_table(self.points, OWN, anchors)
        return measured + published_bd(of_codec(self.points, OWN), self.published)


def published_bd(own: Sequence[Point], curves: Sequence[PublishedCurve]) -> list[BdFigure]:
    """BD-rates of colorvid's mean curve against each published curve."""
    return [
        BdFigure(OWN, published_name(rate.curve), rate.curve.figure, MEAN_CURVE, rate.result)
        for rate in compare(own, curves)
    ]


def write_report(results: Results, folder: Path) -> str:
    """Write every file into a folder that exists; gives the text of ``tables.md``.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = [point.as_row() for point in results.points]
    short = [{key: _short(row[key]) for key in POINT_COLUMNS} for row in rows]
    write_tsv(folder / "points.tsv", [row | results.origin for row in short])
    write_tsv(folder / "limit.tsv", [one.as_row() | results.origin for one in results.limits])
    write_tsv(folder / "settings.tsv", _settings(results))
    table = results.bd_rates()
    if table:
        rows = [{k: _short(v) for k, v in figure.as_row().items()} for figure in table]
        write_tsv(folder / "bdrate.tsv", [row | results.origin for row in rows])
    _draw(results, folder)
    text = _tables(results, table)
    with output_text(folder / "tables.md", overwrite=True) as file:
        file.write(text)
    return text


def _short(value: object) -> object:
    """Six digits are enough for a file."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _settings(results: Results) -> list[dict[str, Any]]:
    """One row for each codec and quality."""
    found = {(point.codec, point.quality): point.as_row() for point in results.points}
    keys = ("codec", "quality", "machine", "settings")
    return [{key: row[key] for key in keys} | results.origin for row in found.values()]


def _draw(results: Results, folder: Path) -> None:
    """All three figures, as far as there is something to draw."""
    drawn = [name for name in DRAWN if name in results.codecs()]
    means = {name: of_codec(mean_curves(results.points), name) for name in drawn}
    count = len(results.limits)
    planes = {
        metric: {name: plotted(points, metric) for name, points in means.items()}
        for metric in PANELS
        if all(p.figure(metric) is not None for points in means.values() for p in points)
    }
    title = f"Kodak, mean over {count} images, 4:2:0 planes"
    rate_distortion(folder / "figure2-yuv.svg", _cut(planes), title=title)
    title = f"Kodak, mean over {count} images, against the RGB original"
    curves = _cut(rgb_panels(results.points, drawn, results.published))
    draw_rgb(folder / "figure2-rgb.svg", curves, results.limits, results.published, title)
    if results.patch is not None:
        shown = results.patch
        draw_patches(folder / "figure3.png", shown.clip, shown.patch, shown.shown)


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


def _tables(results: Results, table: Sequence[BdFigure]) -> str:
    """The text of ``tables.md``."""
    machines = "; ".join(distinct(point.machine for point in results.points))
    count = len(results.limits)
    missing = f" Missing: {', '.join(results.missing)}." if results.missing else ""
    bound = results.limit()
    similarity = bound.ms_ssim_rgb
    note = RGB_NOTE.format(
        psnr=bound.psnr_rgb_db,
        similarity="-" if similarity is None else f"{similarity:.4f}",
    )
    means = mean_curves(results.points)
    plane_keys = ("codec", "quality", "rate_bpp", *METRICS)
    own_rates = [figure for figure in table if not _rgb(figure)]
    other_rates = [figure for figure in table if _rgb(figure)]
    parts = [
        f"# Kodak: {count} images\n\n"
        + INTRODUCTION.format(machine=machines, **results.origin)
        + missing,
        "## Planes\n\n![Rate and quality of the planes](figure2-yuv.svg)",
        _means_table(means, plane_keys),
        _bd_markdown("BD-rate of colorvid, mean over the images", own_rates, AVERAGE),
        f"## RGB\n\n![Rate and quality in RGB](figure2-rgb.svg)\n\n{note}",
        PUBLISHED_NOTE if results.published else NOT_PUBLISHED_NOTE,
        _means_table(means, RGB_COLUMNS),
        _bd_markdown("BD-rate of colorvid between mean curves", other_rates, MEAN_CURVE),
        _patch_section(results.patch),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rgb(figure: BdFigure) -> bool:
    """Whether a BD-rate is one against a published curve."""
    return figure.metric not in METRICS


def _means_table(means: Sequence[MeanPoint], keys: Sequence[str]) -> str:
    rows = [point.as_row() for point in means]
    return markdown([{key: row.get(key) for key in keys} for row in rows])


def _bd_markdown(title: str, table: Sequence[BdFigure], clip: str) -> str:
    """One line for each codec: BD-rate and overlap of each metric; a dash where refused."""
    chosen = [figure for figure in table if figure.clip == clip]
    nothing = dict.fromkeys((BD_TITLES[figure.metric] for figure in chosen), "-")
    lines = []
    for anchor in distinct(figure.anchor for figure in chosen):
        cells = {BD_TITLES[f.metric]: percent_cell(f.result) for f in chosen if f.anchor == anchor}
        lines.append({"against": anchor} | nothing | cells)
    if not lines:
        return ""
    refused = {
        f"{figure.anchor}, {BD_TITLES[figure.metric]}: {figure.result.reason}"
        for figure in chosen
        if figure.result.reason
    }
    note = "".join(f"\n\nRefused: {reason}." for reason in sorted(refused))
    head = f"{title} (overlap in brackets; negative: colorvid needs fewer bits):"
    return f"{head}\n\n{markdown(lines)}{note}"


def _patch_section(shown: ShownPatch | None) -> str:
    if shown is None:
        return ""
    p = shown.patch
    return (
        f"## A patch of {shown.clip.name}\n\n![The same patch from each codec](figure3.png)\n\n"
        f"{p.width}x{p.height} samples at {p.x}, {p.y}. Each codec at its best setting that does "
        "not exceed the rate asked for; rate, PSNR YUV and dE00 are those of the whole "
        f"picture.\n\n{shown.as_markdown()}"
    )
