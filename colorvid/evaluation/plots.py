"""Plots of rate and quality, as PNG or SVG by the suffix of the file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colorvid.evaluation.compare.rgb import RGB_METRICS
from colorvid.evaluation.score.extra import EXTRA_METRICS
from colorvid.io.files import write_output
from colorvid.quality.metrics import METRICS
from colorvid.system.packages import needed_for
from colorvid.system.text import printable

Points = Sequence[tuple[float, float]]

LABELS = {
    **{name: metric.label for name, metric in (METRICS | EXTRA_METRICS | RGB_METRICS).items()},
    "yuv611_mean_of_frames": "PSNR of YUV, 6:1:1, mean of frames [dB]",
    "yuv411_mean_of_frames": "PSNR of YUV, 4:1:1, mean of frames [dB]",
    "yuv411_of_mean_error": "PSNR of YUV, 4:1:1, of the mean error [dB]",
    "ms_ssim_rgb_db": "MS-SSIM of RGB [dB]",
    "rate_bpp": "bits per pixel",
    "rate_kbps": "kbit/s",
}
"""Axis labels by column."""

_LEGEND_INCHES = 2
_SETTINGS: dict[Any, Any] = {
    "figure.dpi": 100,
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "svg.hashsalt": "colorvid",  # the same file from the same figures
}


@contextmanager
def figure(
    path: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (5, 4)
) -> Iterator[Any]:
    """A grid of axes to draw on, written to ``path`` at the end of the ``with`` block.

    Args:
        path: ``.png`` or ``.svg``; replaced if it exists.
        rows, columns: of axes; the block gets a NumPy array of them, always 2-D.
        size: width and height of one of the axes, inches at 100 dots each.

    Raises:
        ColorvidError: matplotlib is missing.
        OutputError: the file cannot be written.
    """
    with needed_for("a plot"):
        import matplotlib
        from matplotlib.figure import Figure
    form = path.suffix.lower().lstrip(".")
    data = io.BytesIO()
    with matplotlib.rc_context(_SETTINGS):
        drawing = Figure((size[0] * columns, size[1] * rows), layout="constrained")
        yield drawing.subplots(rows, columns, squeeze=False)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # drawn as a box
            drawing.savefig(data, format=form, metadata=metadata)
    write_output(path, data.getvalue(), overwrite=True)


def label(name: str) -> str:
    """A name as text of a plot: no formula, no control character, never left out of a legend."""
    text = printable(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def rate_distortion(
    path: Path,
    curves: Mapping[str, Mapping[str, Points]],
    *,
    log_rate: bool = False,
    title: str = "",
    dashed: Container[str] = (),
    limits: Mapping[str, tuple[str, float]] | None = None,
) -> None:
    """Rate-distortion curves side by side, one panel for each figure of merit, one legend.

    Args:
        path: ``.png`` or ``.svg``.
        curves: by metric (see `LABELS`), then by name of the codec: points ``(rate, quality)``.
        log_rate: whether the axis of the rates is logarithmic.
        title: above the first panel.
        dashed: names of curves to draw dashed.
        limits: by metric, the name and the value of a horizontal line.
    """
    size = (5 + _LEGEND_INCHES / len(curves), 4)
    with figure(path, 1, len(curves), size) as axes:
        codecs = list(dict.fromkeys(name for by_codec in curves.values() for name in by_codec))
        for panel, (metric, by_codec) in zip(axes[0], curves.items(), strict=True):
            for name, points in by_codec.items():
                style = "o--" if name in dashed else "o-"
                _curve(panel, name, points, f"C{codecs.index(name) % 10}{style}")
            if limits and metric in limits:
                name, value = limits[metric]
                panel.axhline(value, color="black", linestyle=":", linewidth=1, label=label(name))
            panel.set_xlabel(LABELS["rate_bpp"])
            panel.set_xscale("log" if log_rate else "linear")
            panel.set_ylabel(LABELS[metric])
        axes[0][0].set_title(label(title), loc="left")
        _legend(axes[0])


def _curve(panel: Any, name: str, points: Points, style: str) -> None:
    rates, quality = zip(*sorted(points), strict=True)
    width = 2 if name.startswith("colorvid") else 1
    panel.plot(rates, quality, style, markersize=3, linewidth=width, label=label(name))


def _legend(panels: Any) -> None:
    """One legend for all panels, to the right of the last one."""
    entries: dict[str, Any] = {}
    for panel in panels:
        lines, labels = panel.get_legend_handles_labels()
        entries = dict(zip(labels, lines, strict=True)) | entries
    panels[-1].legend(
        entries.values(),
        entries.keys(),
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
    )
