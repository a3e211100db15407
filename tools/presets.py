"""What presets cost and gain: ``python tools/presets.py --data DATA/dev``.

Codes clips with every preset of colorvid and with a fast, a medium and a slow one of x264, x265
and SVT-AV1: 32 frames, one key frame, one thread each. Speeds are compared within the run, so
nothing else must run meanwhile; ``--cache`` keeps points. ``docs/results/presets`` gets the points,
their table (speed, and BD-rate against colorvid's medium) and a plot; then ``tools/results.py``
shows them.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.config import MEASURED_GOP
from colorvid.effort import DEFAULT_PRESET, PRESETS
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.choices import (
    ANCHORS,
    COMPARED_FRAMES,
    INTER_QUALITIES,
    OWN,
    check_packages,
)
from colorvid.evaluation.compare.clips import find_sources
from colorvid.evaluation.compare.codecs import Codec, ColorvidRun
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.points import Measuring, Point
from colorvid.evaluation.compare.running import run_all
from colorvid.evaluation.compare.tables import AVERAGE, bd_rates, distinct, write_tsv
from colorvid.evaluation.plots import figure
from colorvid.system.text import plural

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "presets"
OTHERS = {
    "x264": ("veryfast", "medium", "veryslow"),
    "x265": ("veryfast", "medium", "slower"),
    "svtav1": ("12", "8", "4"),
}
"""Presets of the other encoders: a fast, a medium and a slow one."""
SHOWN = {"psnr_yuv611_db": "PSNR YUV", "ms_ssim_y_db": "MS-SSIM Y", "de00_mean": "dE00"}
"""Figures that BD-rates are taken over, with their titles."""
MEDIUM = f"{OWN} {DEFAULT_PRESET}"

Row = dict[str, Any]


def codecs(
    qualities: Sequence[int] = INTER_QUALITIES, others: Mapping[str, Sequence[str]] = OTHERS
) -> list[Codec]:
    """Every codec with every preset, as ``name preset``."""
    found = [
        Codec(f"{OWN} {preset}", tuple(qualities), ColorvidRun(MEASURED_GOP, preset=preset))
        for preset in PRESETS
    ]
    for name, presets in others.items():
        for preset in presets:
            run = AnchorRun(name, MEASURED_GOP, preset=preset)
            found.append(Codec(f"{name} {preset}", ANCHORS[name].qualities, run))
    return found


def megapixels(points: Sequence[Point]) -> float:
    """Luma samples encoded a second, millions, over all points together."""
    pixels = sum(point.frames * point.size.pixels for point in points)
    return pixels / sum(point.frames / point.encode.fps for point in points) / 1e6


def table(points: Sequence[Point]) -> list[Row]:
    """A row for each codec and preset: speed, and mean BD-rates against `MEDIUM`."""
    rows: list[Row] = []
    made = commit()
    for name in distinct(point.codec for point in points):
        rates = {
            f"bd_{metric}": bd_rates(points, name, MEDIUM, metric)[AVERAGE].percent
            for metric in SHOWN
        }
        speed = megapixels([point for point in points if point.codec == name])
        rows.append({"codec": name, "encode_mpixel_s": speed, **rates, "commit": made})
    return rows


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Speed against BD-rate, a line for each codec, a panel for each figure."""
    from matplotlib.ticker import LogLocator, NullFormatter

    with figure(path, 1, len(SHOWN), (4.5, 4)) as axes:
        for panel, (metric, title) in zip(axes[0], SHOWN.items(), strict=True):
            for name in distinct(row["codec"].split(" ")[0] for row in rows):
                own = [row for row in rows if row["codec"].split(" ")[0] == name]
                there = [row for row in own if row[f"bd_{metric}"] is not None]
                speeds = [row["encode_mpixel_s"] for row in there]
                rates = [row[f"bd_{metric}"] for row in there]
                panel.plot(speeds, rates, "o-", linewidth=2 if name == OWN else 1, label=name)
                for row, at in zip(there, zip(speeds, rates, strict=True), strict=True):
                    text = row["codec"].split(" ")[1]
                    panel.annotate(text, at, (2, 3), textcoords="offset points", rotation=45)
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set_xlabel("encoding, million luma samples a second")
            panel.set_ylabel(f"BD-rate of {title} against {MEDIUM} [%]")
        axes[0][0].legend()


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = tool_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--cache", type=Path, help="folder that keeps points")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    parser.add_argument("--frames", type=int, default=COMPARED_FRAMES, help="of each clip")
    options = parser.parse_args(arguments)
    check_packages()
    sources = find_sources([options.data])

    def progress(done: int, total: int, what: str) -> None:
        print(f"{done} of {plural(total, 'point')} {what}", file=sys.stderr, flush=True)

    how = Measuring(cache=options.cache)
    points = run_all(codecs(), sources, options.frames, how, progress=progress)
    rows = table(points)
    options.out.mkdir(parents=True, exist_ok=True)
    write_tsv(options.out / "points.tsv", [point.as_row() for point in points])
    write_tsv(options.out / "presets.tsv", rows)
    plot(options.out / "speed.svg", rows)
    return 0
