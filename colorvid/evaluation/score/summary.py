"""One decoded video against its original: every frame, a summary, and a plot of both."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from colorvid.errors import InputError
from colorvid.evaluation.plots import figure, label
from colorvid.evaluation.score.extra import EXTRA_METRICS, strred
from colorvid.evaluation.score.frames import ScoredFrame, score_frames
from colorvid.evaluation.score.pictures import FramePairs
from colorvid.evaluation.score.video import Colors, Video
from colorvid.files.reports import Progress
from colorvid.quality.metrics import (
    METRICS,
    bits_per_pixel,
    kbit_per_second,
)
from colorvid.system.text import printable

_ALL_METRICS = METRICS | EXTRA_METRICS
FIGURE_COLUMNS = ("metric", "mean", "worst", "at frame", "unit")
"""Columns of the table of a summary."""
_LINE = "{:<16}{:>12}{:>12}{:>10}  {}"


def check_sizes(reference: Video, decoded: Video) -> None:
    """Refuse videos whose frames cannot be compared.

    Raises:
        InputError: they differ in width or height.
    """
    one, two = reference.info, decoded.info
    if one.size != two.size:
        raise InputError(
            f"{reference.name} is {one.size}, {decoded.name} {two.size}"
            "; both must have one size, so scale or crop one of them first"
        )


def score_videos(
    reference: Video,
    decoded: Video,
    colors: Colors,
    *,
    extra: Sequence[str] = (),
    pictures: Sequence[FramePairs] = (),
    progress: Callable[[Progress], None] | None = None,
) -> list[ScoredFrame]:
    """Score every frame.

    Args:
        reference, decoded: open videos.
        colors: what their samples mean.
        extra: see `colorvid.evaluation.score.frames.score_frames`.
        pictures: each gets the frames too.
        progress: called after every frame.

    Returns:
        The frames as `colorvid.evaluation.score.frames.score_frames` gives them.

    Raises:
        InputError: sizes or numbers of frames differ, or a frame for ``pictures`` is not there.
    """
    check_sizes(reference, decoded)
    originals, results = reference.frames, decoded.frames
    for one in pictures:
        originals, results = one.originals(originals), one.decoded(results)
    rows: list[ScoredFrame] = []
    start, size = time.perf_counter(), 0
    scored = score_frames(
        originals,
        results,
        colors.spec,
        frame_bytes=decoded.frame_bytes,
        extra=extra,
        rate=decoded.rate or reference.rate,
    )
    for row in scored:
        rows.append(row)
        size += row.size_bytes or 0
        if progress is not None:
            total = decoded.info.frames or reference.info.frames
            rate, seconds = decoded.rate or Fraction(1), time.perf_counter() - start
            progress(Progress(len(rows), total, size, rate, seconds))
    if not rows:
        raise InputError(f"{reference.name} and {decoded.name} hold no frame")
    missing = {number for one in pictures for number in one.missing}
    if missing:
        raise InputError(
            f"at={min(missing)} is no frame of these videos; they have {len(rows)}, "
            f"numbered 0 to {len(rows) - 1}"
        )
    return rows


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric over the frames of a video.

    Attributes:
        mean: over the frames that have it.
        worst: its worst value.
        frame: the first frame with that value.
    """

    mean: float
    worst: float
    frame: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What the rows of two videos come to.

    Attributes:
        reference, decoded: names.
        width_px, height_px: of luma.
        frames: compared.
        fps: frames per second; ``None`` = not known.
        colors: what the samples were taken to mean.
        figures: of each metric; ``None`` where no frame has it.
        strred: ST-RRED of the video; ``None`` = not asked for.
        size_bytes: that the rate is taken from; ``None`` = not known.
        size_of: ``file``, or ``packets`` where the file holds more than these frames.
        file_bytes: size of the file; ``None`` = not coded.
    """

    reference: str
    decoded: str
    width_px: int
    height_px: int
    frames: int
    fps: Fraction | None
    colors: Colors
    figures: dict[str, Figure | None]
    strred: float | None
    size_bytes: int | None
    size_of: str
    file_bytes: int | None

    @property
    def rate_bpp(self) -> float | None:
        """Bits per luma sample; ``None`` = not known."""
        if self.size_bytes is None:
            return None
        return bits_per_pixel(self.size_bytes, self.frames, self.height_px, self.width_px)

    @property
    def rate_kbps(self) -> float | None:
        """kbit/s (1000 bits); ``None`` = not known."""
        if self.size_bytes is None or self.fps is None:
            return None
        return kbit_per_second(self.size_bytes, self.frames, self.fps)


def summarise(
    reference: Video, decoded: Video, colors: Colors, rows: Sequence[ScoredFrame]
) -> Summary:
    """Means, worst frames and the rate.

    Args:
        reference, decoded: the videos.
        colors: what their samples were taken to mean.
        rows: of all compared frames, at least one.
    """
    size = decoded.file_bytes if decoded.whole else None
    if size is None and decoded.frame_bytes is not None:
        size = sum(decoded.frame_bytes)
    return Summary(
        reference=reference.name,
        decoded=decoded.name,
        width_px=reference.info.width,
        height_px=reference.info.height,
        frames=len(rows),
        fps=decoded.rate or reference.rate,
        colors=colors,
        figures={name: _figure(name, rows) for name in rows[0].metrics},
        strred=strred([row.extra for row in rows]),
        size_bytes=size,
        size_of="file" if decoded.whole else "packets",
        file_bytes=decoded.file_bytes,
    )


def _figure(name: str, rows: Sequence[ScoredFrame]) -> Figure | None:
    """Mean and worst value of a metric."""
    found = [(row.figure(name), row.frame) for row in rows]
    known = [(value, frame) for value, frame in found if value is not None]
    if not known:
        return None
    sign = 1 if _ALL_METRICS[name].better == "higher" else -1
    worst, frame = min(known, key=lambda pair: (sign * pair[0], pair[1]))
    return Figure(statistics.fmean(value for value, _ in known), worst, frame)


def facts(summary: Summary) -> dict[str, str]:
    """What was compared and what its rate is, in words."""
    fps = "frame rate not known" if summary.fps is None else f"{float(summary.fps):.6g} per second"
    return {
        "original": printable(summary.reference),
        "decoded": printable(summary.decoded),
        "frames": f"{summary.frames} of {summary.width_px}x{summary.height_px}, {fps}",
        "colours": str(summary.colors),
        "rate": _rate(summary),
    }


def figure_rows(summary: Summary) -> list[tuple[str, str, str, str, str]]:
    """A line of `FIGURE_COLUMNS` for each metric, as text; a dash stands for what there is not."""
    rows = []
    for name, found in summary.figures.items():
        metric = _ALL_METRICS[name]
        if found is None:
            rows.append((name, "-", "-", "-", metric.absent))
            continue
        unit = "0..1" if metric.unit == "1" else metric.unit
        text = f"{unit}, {metric.better} is better"
        rows.append((name, f"{found.mean:.4f}", f"{found.worst:.4f}", str(found.frame), text))
    if summary.strred is not None:
        text = "ST-RRED of the video, lower is better"
        rows.append(("strred", f"{summary.strred:.4f}", "-", "-", text))
    return rows


def as_text(summary: Summary) -> str:
    """The summary in words, as ``colorvid eval`` prints it."""
    lines = [f"{name:<10}{text}" for name, text in facts(summary).items()]
    rows = (FIGURE_COLUMNS, *figure_rows(summary))
    return "\n".join([*lines, "", *(_LINE.format(*row) for row in rows)])


def _rate(summary: Summary) -> str:
    """The rate in words."""
    if summary.rate_bpp is None:
        return "not known: the decoded video is not a coded file"
    parts = [] if summary.rate_kbps is None else [f"{summary.rate_kbps:.2f} kbit/s"]
    parts.append(f"{summary.rate_bpp:.4f} bit/pixel")
    source = (
        "every byte of the file"
        if summary.size_of == "file"
        else f"the packets of these frames; the file has {summary.file_bytes}"
    )
    return f"{', '.join(parts)} ({summary.size_bytes} bytes: {source})"


def as_json(summary: Summary, rows: Sequence[ScoredFrame]) -> str:
    """Summary and rows as JSON; figures that do not exist are ``null``."""
    colors = summary.colors
    values = {
        "reference": summary.reference,
        "decoded": summary.decoded,
        "width_px": summary.width_px,
        "height_px": summary.height_px,
        "frames": summary.frames,
        "fps": None if summary.fps is None else float(summary.fps),
        "colors": {
            key: {"value": value, "origin": colors.origin[key]}
            for key, value in colors.values.items()
        },
        "size_bytes": summary.size_bytes,
        "size_of": None if summary.size_bytes is None else summary.size_of,
        "file_bytes": summary.file_bytes,
        "rate_bpp": summary.rate_bpp,
        "rate_kbps": summary.rate_kbps,
        "strred": summary.strred,
        "metrics": {
            name: None
            if found is None
            else asdict(found)
            | {"unit": _ALL_METRICS[name].unit, "better": _ALL_METRICS[name].better}
            for name, found in summary.figures.items()
        },
        "rows": [row.as_dict() for row in rows],
    }
    return json.dumps(values, indent=1, allow_nan=False)


def plot_frames(path: Path, rows: Sequence[ScoredFrame], *, title: str = "") -> None:
    """Draw bits (where known), PSNR and dE00 of each frame, one panel above the other.

    Args:
        path: ``.png`` or ``.svg``; replaced if it exists.
        rows: of `score_videos`.
        title: above the first panel.

    Raises:
        ColorvidError: matplotlib is missing.
        OutputError: the file cannot be written.
    """
    numbers = [row.frame for row in rows]
    panels: list[tuple[str, tuple[str, ...]]] = [
        ("PSNR [dB]", ("psnr_y_db", "psnr_u_db", "psnr_v_db")),
        ("CIEDE2000", ("de00_mean", "de00_p95")),
    ]
    bits = all(row.size_bytes is not None for row in rows)
    with figure(path, len(panels) + bits, 1, size=(8, 2.3)) as axes:
        if bits:
            axes[0][0].bar(numbers, [8 * (row.size_bytes or 0) for row in rows], width=0.9)
            axes[0][0].set_ylabel("bits")
        for panel, (axis, columns) in zip(axes[int(bits) :, 0], panels, strict=True):
            for column in columns:
                panel.plot(numbers, [row.figure(column) for row in rows], label=column)
            panel.set_ylabel(axis)
            panel.legend()
        axes[-1][0].set_xlabel("frame")
        axes[0][0].set_title(label(title), loc="left")
