"""What a page shows, as typed parts; `Page.as_json` is what its script reads.

Figures are rounded to six digits behind the point, as in the CSV files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from colorvid.evaluation.plots import LABELS
from colorvid.evaluation.score.frames import ScoredFrame
from colorvid.evaluation.score.pictures import SCALE_DE, heat_map

BITS = "bits"
"""Column of the bits of a frame."""
MOST_ROWS = 39_000
"""Frames whose figures a page has; of longer videos it has every second, every third, ..."""
_HEAT_STEPS = 11


@dataclass(frozen=True, slots=True)
class Table:
    """A table, every cell as text.

    Attributes:
        title: above it.
        columns: names.
        rows: cells in the order of the columns.
        notes: lines below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A codec at one quality.

    Attributes:
        quality: setting of the codec.
        rate_bpp: bits per luma sample.
        figures: by column; ``None`` = there is none.
    """

    quality: int
    rate_bpp: float
    figures: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Curve:
    """Rate and quality of a codec, by rising rate."""

    codec: str
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves of all codecs on a clip, or of means over clips."""

    name: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Frames of one coded clip.

    Attributes:
        codec: its name.
        label: setting and rate.
        step: 1 if it has all frames, 2 if every second, ...
        columns: names of the figures.
        rows: figures of each frame; ``None`` = there is none.
        types: how each of these frames is coded; empty = not known.
    """

    codec: str
    label: str
    step: int
    columns: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecodedPictures:
    """What one codec made of the frames of a viewer.

    Attributes:
        pictures: decoded, an image each, as data URIs.
        maps: of the colour difference from the original, likewise.
        captions: figures of each frame, as text.
    """

    codec: str
    pictures: tuple[str, ...]
    maps: tuple[str, ...]
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of some frames of a clip.

    Attributes:
        window: left column, top row, width and height of what is shown, luma samples.
        frames: their numbers, rising.
        originals: as data URIs.
        decoded: one for each codec.
    """

    window: tuple[int, int, int, int]
    frames: tuple[int, ...]
    originals: tuple[str, ...]
    decoded: tuple[DecodedPictures, ...]


@dataclass(frozen=True, slots=True)
class ClipPart:
    """What a page shows of one clip.

    Attributes:
        name: of the clip.
        width_px, height_px: of luma.
        series: one for each codec.
        pictures: ``None`` = none are shown.
    """

    name: str
    width_px: int
    height_px: int
    series: tuple[Series, ...]
    pictures: Pictures | None


@dataclass(frozen=True, slots=True)
class Page:
    """All that a page shows; a part that is empty is left out.

    Attributes:
        title: of the page.
        lead: lines below the title.
        codecs: names in the order of their colours.
        tables: what it comes to.
        curves: to choose from.
        points: the points of the curves.
        clips: to choose from.
        notes: how it was measured.
        settings: name and settings of each codec.
    """

    title: str
    lead: tuple[str, ...]
    codecs: tuple[str, ...]
    tables: tuple[Table, ...]
    curves: tuple[Curves, ...] = ()
    points: Table | None = None
    clips: tuple[ClipPart, ...] = ()
    notes: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = field(default=())

    def as_json(self) -> str:
        """For the script of the page; no text in it can end the element that it stands in."""
        columns = [c for one in self.curves for c in one.curves[0].points[0].figures]
        columns += [c for clip in self.clips for one in clip.series for c in one.columns]
        colors = heat_map(np.linspace(0, SCALE_DE, _HEAT_STEPS)[None], SCALE_DE)[0]
        values = asdict(self) | {
            "metrics": {c: _described(c) for c in dict.fromkeys(columns)},
            "heat": {"most": SCALE_DE, "colors": [f"rgb({r} {g} {b})" for r, g, b in colors]},
        }
        return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _described(column: str) -> str:
    """Name of a figure on an axis."""
    return "bits of the frame" if column == BITS else LABELS[column]


def rounded(value: float | None) -> float | None:
    """A figure as a page has it."""
    return None if value is None else round(value, 6)


def series_of(
    codec: str,
    label: str,
    frames: Sequence[ScoredFrame],
    types: Sequence[str],
    step: int,
) -> Series:
    """Figures of every ``step``-th frame; columns that no frame has are left out.

    Args:
        codec: its name.
        label: setting and rate.
        frames: all of the video, at least one.
        types: how each is coded; empty = not known.
        step: 1 = all.
    """
    taken = frames[::step]
    known = [c for c in frames[0].metrics if any(f.figure(c) is not None for f in taken)]
    sized = all(frame.size_bytes is not None for frame in taken)
    rows = tuple(
        (
            *([8 * (frame.size_bytes or 0)] if sized else []),
            *(rounded(frame.figure(column)) for column in known),
        )
        for frame in taken
    )
    columns = (*([BITS] if sized else []), *known)
    return Series(codec, label, step, columns, rows, tuple(types[::step]))


def step_for(frames: int) -> int:
    """Distance of the frames whose figures are kept, for a number of frames in all series."""
    return max(1, -(-frames // MOST_ROWS))


def caption(frame: ScoredFrame, kind: str | None) -> str:
    """What stands under a picture: type, bits and two figures, where they are known."""
    parts = [] if kind is None else [f"{kind} frame"]
    if frame.size_bytes is not None:
        parts.append(f"{8 * frame.size_bytes:,} bits")
    parts.append(f"{frame.scores.psnr_yuv611_db:.2f} dB")
    if frame.scores.de00_mean is not None:
        parts.append(f"dE00 {frame.scores.de00_mean:.2f}")
    return ", ".join(parts)
