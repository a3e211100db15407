"""The page of ``colorvid compare``: BD-rates, curves, frames and pictures at about one rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from colorvid.errors import ConfigError
from colorvid.evaluation.compare.choices import OWN
from colorvid.evaluation.compare.clips import Clip, write_y4m
from colorvid.evaluation.compare.codecs import Codec
from colorvid.evaluation.compare.points import Point, temporary_folder
from colorvid.evaluation.compare.report import Comparison
from colorvid.evaluation.compare.rgb import RGB_METRICS
from colorvid.evaluation.compare.tables import (
    MeanPoint,
    bd_tables,
    cell,
    distinct,
    of_codec,
)
from colorvid.evaluation.page.data import (
    ClipPart,
    Curve,
    CurvePoint,
    Curves,
    Page,
    Series,
    Table,
    caption,
    rounded,
    series_of,
    step_for,
)
from colorvid.evaluation.page.pictures import (
    MOST_PICTURE_BYTES,
    Coded,
    middle_frames,
    show_frames,
)
from colorvid.evaluation.score.extra import EXTRA_METRICS
from colorvid.frame import Frame
from colorvid.io import open_reader
from colorvid.quality.metrics import METRICS
from colorvid.system.text import plural, printable

MOST_CLIPS = 6
"""Clips with pictures: the first ones."""
MOST_POINTS = 2_000
"""Points that a page has room for."""

Progress = Callable[[int, int, str], None]
"""Gets the number of clips that were coded for pictures, that of all, and the next one's name."""
P = TypeVar("P", Point, MeanPoint)


def check_points(codecs: Sequence[Codec], sources: Sequence[Path]) -> None:
    """Refuse a comparison that is too large for a page.

    Raises:
        ConfigError: it has more than `MOST_POINTS` points.
    """
    count = len(sources) * sum(len(codec.qualities) for codec in codecs)
    if count > MOST_POINTS:
        raise ConfigError(
            f"a report has room for {MOST_POINTS} points, and these are {count}; compare fewer "
            "clips at once, or pass no report"
        )


def at_equal_rate(points: Sequence[Point]) -> list[Point]:
    """One point of each codec on a clip, at rates as near to each other as there are.

    The first codec's is one from inside its curve, if that has three points or more: the one that
    the points of the others come nearest to, else the one in the middle.

    Args:
        points: of one clip.
    """
    first, *others = (of_codec(points, name) for name in distinct(p.codec for p in points))
    rising = sorted(first, key=lambda point: point.rate_bpp)
    inner = rising[1:-1] or rising
    from_middle = sorted(range(len(inner)), key=lambda place: abs(place - len(inner) // 2))

    def apart(one: Point, two: Point) -> float:
        return abs(math.log(one.rate_bpp / two.rate_bpp))

    def beside(own: Point) -> list[Point]:
        return [min(codec, key=lambda point: apart(own, point)) for codec in others]

    def gap(own: Point) -> float:
        return max((apart(own, point) for point in beside(own)), default=0.0)

    own = min((inner[place] for place in from_middle), key=gap)
    return [own, *beside(own)]


def comparison_page(
    comparison: Comparison,
    codecs: Sequence[Codec],
    clips: Iterable[Clip],
    progress: Progress = lambda done, total, what: None,
) -> Page:
    """The page of a comparison. Codes the shown points of the first clips once more.

    Args:
        comparison: of all points.
        codecs: that the points are of.
        clips: all of them, in the order of the points; read one after the other.
        progress: what it raises ends the work.
    """
    shown = {
        name: at_equal_rate([point for point in comparison.points if point.clip == name])
        for name in comparison.clips
    }
    step = step_for(sum(len(p.per_frame) for points in shown.values() for p in points))
    pictured = min(len(shown), MOST_CLIPS)
    parts = []
    for number, clip in enumerate(clips):
        if number < pictured:
            progress(number, pictured, f"pictures of {clip.name}")
            room = MOST_PICTURE_BYTES // pictured
            parts.append(_with_pictures(clip, shown[clip.name], codecs, step, room))
        else:
            parts.append(_without_pictures(shown[clip.name], step))
    return Page(
        title=f"{OWN} compared" + _against(comparison.codecs[1:]),
        lead=_lead(comparison),
        codecs=tuple(comparison.codecs),
        tables=_bd_tables(comparison),
        curves=_curves(comparison),
        points=_points_table(comparison),
        clips=tuple(parts),
        notes=(*_picture_notes(shown, pictured), *comparison.notes()),
        settings=tuple(comparison.settings().items()),
    )


def _against(names: Sequence[str]) -> str:
    return f" with {', '.join(names)}" if names else ""


def _lead(comparison: Comparison) -> tuple[str, ...]:
    counts = {point.frames for point in comparison.points}
    most = "up to " if len(counts) > 1 else ""
    origin = comparison.origin
    return (
        f"{plural(len(comparison.clips), 'source')}, {most}{plural(max(counts), 'frame')} each: "
        f"{', '.join(map(printable, comparison.clips))}.",
        f"colorvid {origin['version']} ({origin['commit']}), model {origin['model_id']}.",
    )


def _bd_tables(comparison: Comparison) -> tuple[Table, ...]:
    """BD-rates, a table for each anchor."""
    return tuple(
        Table(
            one.title,
            tuple(one.rows[0]),
            tuple(tuple(cell(value) for value in row.values()) for row in one.rows),
            tuple(f"Refused: {reason}." for reason in one.refused),
        )
        for one in bd_tables(comparison.bd_rates)
    )


def _points_table(comparison: Comparison) -> Table:
    """The table of mean curves with all figures."""
    rows = [point.as_row() for point in comparison.means]
    cells = tuple(tuple(cell(value) for value in row.values()) for row in rows)
    return Table(f"Points: {comparison.title()}", tuple(rows[0]), cells)


def _curves(comparison: Comparison) -> tuple[Curves, ...]:
    """Curves of the means, then of each clip."""
    found = []
    if len(comparison.clips) > 1:
        found.append(_curves_of(comparison.title(), comparison.means))
    for name in comparison.clips:
        points = [point for point in comparison.points if point.clip == name]
        found.append(_curves_of(printable(name), points))
    return tuple(found)


def _curves_of(name: str, points: Sequence[P]) -> Curves:
    known = points[0].as_row()
    columns = [c for c in (*METRICS, *RGB_METRICS, *EXTRA_METRICS) if c in known]
    columns = [c for c in columns if any(point.figure(c) is not None for point in points)]
    curves = []
    for codec in distinct(point.codec for point in points):
        rising = sorted(of_codec(points, codec), key=lambda point: point.rate_bpp)
        curves.append(
            Curve(
                codec,
                tuple(
                    CurvePoint(
                        point.quality,
                        round(point.rate_bpp, 6),
                        {column: rounded(point.figure(column)) for column in columns},
                    )
                    for point in rising
                ),
            )
        )
    return Curves(name, tuple(curves))


def _label(point: Point) -> str:
    """Setting and rate of a point."""
    second = f", {point.rate_kbps:.4g} kbit/s" if point.frames > 1 else ""
    return f"quality {point.quality}{second}, {point.rate_bpp:.4g} bit/pixel"


def _without_pictures(points: Sequence[Point], step: int) -> ClipPart:
    first = points[0]
    series = tuple(series_of(p.codec, _label(p), p.per_frame, (), step) for p in points)
    return ClipPart(printable(first.clip), first.size.width, first.size.height, series, None)


def _with_pictures(
    clip: Clip, points: Sequence[Point], codecs: Sequence[Codec], step: int, room_bytes: int
) -> ClipPart:
    """Frames and pictures of the points of a clip, coded once more for the pictures."""
    numbers = middle_frames(len(clip.frames))
    series: list[Series] = []
    coded: list[Coded] = []
    for point in points:
        codec = next(codec for codec in codecs if codec.name == point.codec)
        frames, types = _code_again(codec, clip, point.quality, numbers)
        series.append(series_of(point.codec, _label(point), point.per_frame, types, step))
        lines = [caption(point.per_frame[n], types[n] if n < len(types) else None) for n in numbers]
        coded.append(Coded(point.codec, frames, lines))
    originals = [clip.frames[number] for number in numbers]
    pictures = show_frames(numbers, originals, coded, clip.spec, room_bytes)
    size = points[0].size
    return ClipPart(printable(clip.name), size.width, size.height, tuple(series), pictures)


def _code_again(
    codec: Codec, clip: Clip, quality: int, numbers: range
) -> tuple[list[Frame], list[str]]:
    """Decoded frames with these numbers, and the types of all frames."""
    with temporary_folder(None) as folder:
        source, target = folder / "source.y4m", folder / "decoded.y4m"
        coded = folder / f"coded{codec.run.suffix}"
        write_y4m(source, clip)
        codec.run.encode(source, coded, quality)
        codec.run.decode(coded, target, clip.info)
        with open_reader(target) as reader:
            frames = [frame for number, frame in enumerate(reader) if number in numbers]
        return frames, codec.run.frame_types(coded)


def _picture_notes(shown: dict[str, list[Point]], pictured: int) -> list[str]:
    """What the frames and the pictures are of."""
    lines = [
        "Frames and pictures are of the measured points whose rates are nearest to each other.",
        "Pictures are those of the decoded files, without loss; maps of dE00 are not. Frames are "
        "from the middle of the clip, and parts from the middle of large pictures.",
    ]
    if pictured < len(shown):
        lines.append(f"Pictures are of the first {pictured} of {len(shown)} clips.")
    return lines
