"""Published rate-quality curves to compare with, each by its own definition of quality.

A bare "PSNR of YUV" means nothing: publications weight the planes differently, and average
decibels or errors. ``DEFINITIONS`` computes colorvid's figure from the scores of single frames, or
in RGB, in the way of each publication; a curve whose definition is not among them is refused.

Frames and key frames of a publication usually differ from those of a run, so that the BD-rates
are indicative only. The rows of `compare` say so.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorvid.errors import InputError
from colorvid.evaluation.compare.points import Point
from colorvid.evaluation.compare.rgb import RgbScores, mean_rgb
from colorvid.evaluation.compare.tables import Curve, distinct, markdown, percent_cell
from colorvid.io.files import os_errors
from colorvid.quality.metrics import BdRate, bd_rate, ms_ssim_db, weighted_psnr

Figure = Callable[[Sequence[Point]], "float | None"]
"""Quality of a codec at one setting from its points on all clips; None = not measured."""

_PLANES = ("psnr_y_db", "psnr_u_db", "psnr_v_db")


def _mean_of_frames(weights: str) -> Figure:
    def figure(points: Sequence[Point]) -> float:
        return statistics.fmean(
            statistics.fmean(
                weighted_psnr([getattr(frame.scores, p) for p in _PLANES], weights)
                for frame in point.per_frame
            )
            for point in points
        )

    return figure


def _of_mean_error(weights: str) -> Figure:
    def of_clip(point: Point) -> float:
        errors = (
            statistics.fmean(10 ** (-getattr(frame.scores, p) / 10) for frame in point.per_frame)
            for p in _PLANES
        )
        return weighted_psnr([-10 * math.log10(error) for error in errors], weights)

    return lambda points: statistics.fmean(of_clip(point) for point in points)


def _rgb(points: Sequence[Point]) -> RgbScores | None:
    known = [point.rgb for point in points if point.rgb is not None]
    return mean_rgb(known) if len(known) == len(points) else None


def _psnr_rgb(points: Sequence[Point]) -> float | None:
    scores = _rgb(points)
    return None if scores is None else scores.psnr_rgb_db


def _ms_ssim_rgb(points: Sequence[Point]) -> float | None:
    scores = _rgb(points)
    if scores is None or scores.ms_ssim_rgb is None:
        return None
    return ms_ssim_db(scores.ms_ssim_rgb)


DEFINITIONS: dict[str, Figure] = {
    "yuv611_mean_of_frames": _mean_of_frames("yuv611"),
    "yuv411_mean_of_frames": _mean_of_frames("yuv411"),
    "yuv411_of_mean_error": _of_mean_error("yuv411"),
    "psnr_rgb_db": _psnr_rgb,
    "ms_ssim_rgb_db": _ms_ssim_rgb,
}
"""Quality in dB, by definition. Of YUV: planes weighted 6:1:1 or 4:1:1; either the mean of the
frames' decibels, or the decibels of the squared error averaged over the frames; then the mean over
clips. In RGB, for stills: PSNR, its mean; MS-SSIM, the decibels of its mean."""
RGB_DEFINITIONS = ("psnr_rgb_db", "ms_ssim_rgb_db")


@dataclass(frozen=True, slots=True)
class PublishedCurve:
    """A published curve.

    Attributes:
        name: as printed.
        source: repository, commit and file that the figures were copied from.
        codec: what was run, in the words of the source.
        figure: name of the definition of quality; may be missing in ``DEFINITIONS``.
        definition: the same in words.
        frames, gop: frames coded and distance of key frames, in words.
        note: what else differs; may be empty.
        clips: names of all that the publication is about.
        mean: points of the mean over all of them; empty if given by clip.
        by_clip: points by clip; empty if only the mean was published.
    """

    name: str
    source: str
    codec: str
    figure: str
    definition: str
    frames: str
    gop: str
    note: str
    clips: tuple[str, ...]
    mean: Curve
    by_clip: Mapping[str, Curve]

    def points(self, names: Sequence[str]) -> Curve:
        """Mean curve over some clips, as far as it was published.

        Args:
            names: clips, at least one. A file that is called after a clip, with an underscore and
                more behind it, stands for that clip; capitals do not matter.

        Raises:
            InputError: nothing comparable was published.
        """
        known = {name.lower(): name for name in self.clips}
        meant = [known.get(_known_as(name, known), name) for name in names]
        if not self.by_clip:
            if set(meant) != set(self.clips):
                raise InputError("published only as the mean over all sequences; some are not here")
            return self.mean
        unknown = [name for name in meant if name not in self.by_clip]
        if unknown:
            raise InputError(f"nothing is published for {', '.join(unknown)}")
        columns = zip(*(self.by_clip[name] for name in meant), strict=True)
        return [_mean_point(column) for column in columns]


def _known_as(name: str, known: Mapping[str, str]) -> str:
    """The key of ``known`` that a clip or file is called after; its own name if there is none."""
    lower = name.lower()
    return next((key for key in known if lower == key or lower.startswith(f"{key}_")), lower)


def _mean_point(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    rates, quality = zip(*points, strict=True)
    return statistics.fmean(rates), statistics.fmean(quality)


def load_curves(path: Path) -> list[PublishedCurve]:
    """Read published curves from JSON.

    The file has ``clips`` (names of all that they are about), ``definitions`` (of quality, by
    name, in words) and ``curves``, each with the texts of `PublishedCurve` and points under
    ``mean`` or by clip under ``by_clip``: ``rate_bpp`` with ``value_db``, or with ``ms_ssim``
    (0..1), which is turned into dB.

    Raises:
        InputError: the file cannot be read or is not such a file.
    """
    with os_errors(str(path), InputError):
        text = path.read_text(encoding="utf-8")
    try:
        data = json.loads(text)
        clips = tuple(str(name) for name in data["clips"])
        return [_curve(entry, data["definitions"], clips) for entry in data["curves"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of published curves ({error!r})") from None


@dataclass(frozen=True, slots=True)
class PublishedBd:
    """A BD-rate that was published without its curve.

    Attributes:
        name: of the codec.
        anchor: name of the published curve that it is against.
        percent: negative = fewer bits than the anchor.
        source: repository, commit and file.
        note: how it was measured and copied.
    """

    name: str
    anchor: str
    percent: float
    source: str
    note: str


def load_bd_rates(path: Path) -> list[PublishedBd]:
    """The BD-rates of a file of published curves, under ``bd_rates``; none if it has no such key.

    Raises:
        InputError: the file cannot be read or is not such a file.
    """
    with os_errors(str(path), InputError):
        text = path.read_text(encoding="utf-8")
    try:
        return [PublishedBd(**entry) for entry in json.loads(text).get("bd_rates", ())]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: not a file of published curves ({error!r})") from None


def published_bd_markdown(rates: Sequence[PublishedBd]) -> str:
    """BD-rates as others published them, one table for each anchor, with their notes."""
    parts = []
    for anchor in dict.fromkeys(rate.anchor for rate in rates):
        here = [rate for rate in rates if rate.anchor == anchor]
        table = markdown([{"codec": r.name, "BD-rate": f"{r.percent:+.1f} %"} for r in here])
        notes = "\n".join(dict.fromkeys(f"- {r.note} ({r.source})" for r in here))
        parts.append(f"BD-rates against {anchor}, as published:\n\n{table}\n\n{notes}")
    return "\n\n".join(parts)


def _curve(
    entry: Mapping[str, Any], definitions: Mapping[str, str], clips: tuple[str, ...]
) -> PublishedCurve:
    keys = ("name", "source", "codec", "figure", "frames", "gop", "note")
    return PublishedCurve(
        **{key: str(entry[key]) for key in keys},
        definition=definitions[entry["figure"]],
        clips=clips,
        mean=_points(entry["mean"]) if "mean" in entry else [],
        by_clip={name: _points(one) for name, one in entry.get("by_clip", {}).items()},
    )


def _points(entry: Mapping[str, Sequence[float]]) -> Curve:
    if "ms_ssim" in entry:
        values = [ms_ssim_db(float(value)) for value in entry["ms_ssim"]]
    else:
        values = [float(value) for value in entry["value_db"]]
    return list(zip((float(rate) for rate in entry["rate_bpp"]), values, strict=True))


def measured_curve(points: Sequence[Point], figure: str) -> Curve:
    """Mean curve of a codec by one definition of quality.

    Args:
        points: of one codec, with their frames.
        figure: a name in ``DEFINITIONS``.

    Returns:
        For each quality setting, in order of appearance: mean rate and quality over clips;
        settings at which the figure is not known are left out.
    """
    by_quality: dict[int, list[Point]] = {}
    for point in points:
        by_quality.setdefault(point.quality, []).append(point)
    result = []
    for members in by_quality.values():
        value = DEFINITIONS[figure](members)
        if value is not None:
            result.append((statistics.fmean(point.rate_bpp for point in members), value))
    return result


@dataclass(frozen=True, slots=True)
class PublishedRate:
    """BD-rate of a codec against a published curve; indicative only."""

    curve: PublishedCurve
    result: BdRate

    def as_row(self) -> dict[str, Any]:
        """Everything by column, with what the publication says of frames, key frames, quality."""
        curve = self.curve
        return {
            "published": curve.name,
            "psnr": curve.figure,
            "bd_rate_percent": self.result.percent,
            "overlap_share": self.result.overlap,
            "refused_because": self.result.reason,
            "published_frames": curve.frames,
            "published_gop": curve.gop,
            "definition": curve.definition,
            "note": curve.note,
            "source": curve.source,
        }


def compare(
    points: Sequence[Point], curves: Sequence[PublishedCurve], refuse: str = ""
) -> list[PublishedRate]:
    """BD-rate of a codec against published curves, one for each; indicative only.

    Args:
        points: of one codec.
        curves: what to compare with.
        refuse: why no comparison is made at all; empty = they are made.
    """
    return [PublishedRate(curve, _against(points, curve, refuse)) for curve in curves]


def _against(points: Sequence[Point], curve: PublishedCurve, refuse: str) -> BdRate:
    if refuse:
        return BdRate(None, 0.0, refuse)
    if curve.figure not in DEFINITIONS:
        return BdRate(None, 0.0, f"its PSNR is not measured here: {curve.definition}")
    try:
        anchor = curve.points(distinct(point.clip for point in points))
    except InputError as error:
        return BdRate(None, 0.0, str(error))
    own = measured_curve(points, curve.figure)
    if not own:
        return BdRate(None, 0.0, "colorvid's figure is not measured; stills have it with rgb=True")
    return bd_rate(anchor, own)


def panels(
    points: Sequence[Point], own: str, curves: Sequence[PublishedCurve]
) -> dict[str, dict[str, Curve]]:
    """By definition of quality: the curve of a codec, and those published by that definition.

    Args:
        points: of the codec.
        own: its name.
        curves: what to show beside it; what cannot be compared is left out.
    """
    clips = distinct(point.clip for point in points)
    result: dict[str, dict[str, Curve]] = {}
    for curve in curves:
        if curve.figure not in DEFINITIONS:
            continue
        mine = measured_curve(points, curve.figure)
        try:
            theirs = curve.points(clips)
        except InputError:
            continue
        if mine and theirs:
            panel = result.setdefault(curve.figure, {own: mine})
            panel[f"{curve.name}, published"] = theirs
    return result


def rates_markdown(rates: Sequence[PublishedRate], frames: int, gop: int) -> str:
    """A table of BD-rates against published curves, reasons of refusals, and the definitions.

    Args:
        rates: at least one.
        frames: frames of each clip that were coded here.
        gop: distance of key frames here.
    """
    lines = [
        {
            "published curve": rate.curve.name,
            "PSNR": rate.curve.figure,
            "BD-rate (overlap)": percent_cell(rate.result),
            "frames there": rate.curve.frames,
            "frames here": frames,
            "key frames there": rate.curve.gop,
            "here every": gop,
        }
        for rate in rates
    ]
    refused = [
        f"- {rate.curve.name} is refused: {rate.result.reason}."
        for rate in rates
        if rate.result.reason
    ]
    kinds = dict.fromkeys((rate.curve.figure, rate.curve.definition) for rate in rates)
    words = [f"- `{name}`: {definition}." for name, definition in kinds]
    return (
        "Figures of others, not measured here. Each is compared by its own definition of "
        "PSNR, but frames and key frames differ: take the BD-rates as a hint.\n\n"
        + markdown(lines)
        + "\n\n"
        + "\n".join([*refused, *words])
    )
