"""Published rate-quality curves to compare with, each by its own definition of PSNR.

A bare "PSNR of YUV" means nothing: publications weight the planes differently, and average
decibels or errors. ``DEFINITIONS`` recomputes colorvid's figure from the scores of single frames
in the way of each publication; a curve whose definition is not among them is refused.

Frames and key frames of a publication usually differ from those of a run, so that the BD-rates
are indicative only. The rows of :func:`compare` say so.
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
from colorvid.io.files import os_errors
from colorvid.quality.metrics import bd_rate, weighted_psnr

Row = dict[str, Any]
FrameScores = Sequence[Mapping[str, Any]]
"""Scores of the frames of one decoded file, with ``psnr_y_db``, ``psnr_u_db``, ``psnr_v_db``."""
Points = list[tuple[float, float]]
"""Pairs ``(rate_bpp, psnr_db)``."""

_PLANES = ("psnr_y_db", "psnr_u_db", "psnr_v_db")


def _mean_of_frames(weights: str) -> Callable[[FrameScores], float]:
    def figure(frames: FrameScores) -> float:
        values = (weighted_psnr([row[p] for p in _PLANES], weights) for row in frames)
        return statistics.fmean(values)

    return figure


def _of_mean_error(weights: str) -> Callable[[FrameScores], float]:
    def figure(frames: FrameScores) -> float:
        errors = (statistics.fmean(10 ** (-row[p] / 10) for row in frames) for p in _PLANES)
        return weighted_psnr([-10 * math.log10(error) for error in errors], weights)

    return figure


DEFINITIONS: dict[str, Callable[[FrameScores], float]] = {
    "yuv611_mean_of_frames": _mean_of_frames("yuv611"),
    "yuv411_mean_of_frames": _mean_of_frames("yuv411"),
    "yuv411_of_mean_error": _of_mean_error("yuv411"),
}
"""PSNR of one decoded sequence in dB, by definition: planes weighted 6:1:1 or 4:1:1; either the
mean of the frames' decibels, or the decibels of the squared error averaged over the frames."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A published curve.

    Attributes:
        name: as printed.
        source: repository, commit and file that the figures were copied from.
        codec: what was run, in the words of the source.
        psnr: name of the definition of PSNR; may be missing in ``DEFINITIONS``.
        definition: the same in words.
        frames, gop: frames coded and distance of key frames, in words.
        note: what else differs; may be empty.
        mean: points of the mean over all sequences; empty if given by sequence.
        sequences: points by sequence; empty if only the mean was published.
    """

    name: str
    source: str
    codec: str
    psnr: str
    definition: str
    frames: str
    gop: str
    note: str
    mean: Points
    sequences: dict[str, Points]

    def points(self, names: Sequence[str], complete: bool) -> Points:
        """Mean curve over the named sequences, as far as it was published.

        Args:
            names: sequences, at least one.
            complete: whether these are all that the publication is about.

        Raises:
            InputError: nothing comparable was published.
        """
        if not self.sequences:
            if not complete:
                raise InputError("published only as the mean over all sequences; some are not here")
            return self.mean
        unknown = [name for name in names if name not in self.sequences]
        if unknown:
            raise InputError(f"nothing is published for {', '.join(unknown)}")
        columns = zip(*(self.sequences[name] for name in names), strict=True)
        return [_mean_point(column) for column in columns]


def _mean_point(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    rates, quality = zip(*points, strict=True)
    return statistics.fmean(rates), statistics.fmean(quality)


def load_curves(path: Path) -> list[Curve]:
    """Read published curves from JSON.

    Raises:
        InputError: the file cannot be read or is not such a file.
    """
    with os_errors(str(path), InputError):
        text = path.read_text(encoding="utf-8")
    try:
        data = json.loads(text)
        return [_curve(entry, data["definitions"]) for entry in data["curves"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of published curves ({error!r})") from None


def _curve(entry: Mapping[str, Any], definitions: Mapping[str, str]) -> Curve:
    texts = {key: str(entry[key]) for key in ("name", "source", "codec", "psnr", "frames", "gop")}
    return Curve(
        **texts,
        definition=definitions[entry["psnr"]],
        note=str(entry["note"]),
        mean=_points(entry["mean"]) if "mean" in entry else [],
        sequences={name: _points(one) for name, one in entry.get("sequences", {}).items()},
    )


def _points(entry: Mapping[str, Sequence[float]]) -> Points:
    pairs = zip(entry["rate_bpp"], entry["psnr_db"], strict=True)
    return [(float(rate), float(quality)) for rate, quality in pairs]


def measured_points(points: Sequence[Row], psnr: str) -> Points:
    """Mean curve of a codec by one definition of PSNR.

    Args:
        points: with ``quality``, ``rate_bpp``, and the scores of the frames in ``per_frame``.
        psnr: a name in ``DEFINITIONS``.

    Returns:
        For each quality setting, in order of appearance: mean rate and mean PSNR over sequences.
    """
    by_quality: dict[Any, Points] = {}
    for row in points:
        point = row["rate_bpp"], DEFINITIONS[psnr](row["per_frame"])
        by_quality.setdefault(row["quality"], []).append(point)
    return [_mean_point(members) for members in by_quality.values()]


def compare(
    points: Sequence[Row],
    curves: Sequence[Curve],
    sequences: Sequence[str],
    refuse: str = "",
) -> list[Row]:
    """BD-rate of a codec against published curves, one row for each; indicative only.

    Args:
        points: of one codec, with ``clip``, ``quality``, ``rate_bpp`` and ``per_frame``.
        curves: what to compare with.
        sequences: all that the publications are about.
        refuse: why no comparison is made at all; empty = they are made.

    Returns:
        Rows with ``bd_rate_percent`` (``None`` where ``refused_because`` says why), the overlap
        of the curves, and what the publication says about frames, key frames and PSNR.
    """
    names = list(dict.fromkeys(row["clip"] for row in points))
    return [
        {
            "published": curve.name,
            "psnr": curve.psnr,
            **_against(points, curve, names, set(names) == set(sequences), refuse),
            "published_frames": curve.frames,
            "published_gop": curve.gop,
            "definition": curve.definition,
            "note": curve.note,
            "source": curve.source,
        }
        for curve in curves
    ]


def _against(
    points: Sequence[Row],
    curve: Curve,
    names: Sequence[str],
    complete: bool,
    refuse: str,
) -> Row:
    percent, overlap, reason = None, 0.0, refuse
    if refuse:
        pass
    elif curve.psnr not in DEFINITIONS:
        reason = f"its PSNR is not measured here: {curve.definition}"
    else:
        try:
            result = bd_rate(curve.points(names, complete), measured_points(points, curve.psnr))
            percent, overlap, reason = result.percent, result.overlap, result.reason
        except InputError as error:
            reason = str(error)
    return {"bd_rate_percent": percent, "overlap_share": overlap, "refused_because": reason}
