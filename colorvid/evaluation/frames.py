"""Scores of a video frame by frame, and CSV files of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.extra import EXTRA_CHOICES, extra_scorer
from colorvid.frame import Frame
from colorvid.io.files import output_text
from colorvid.quality.color import ColorSpec
from colorvid.quality.metrics import METRICS, score_frame

Row = dict[str, Any]
"""One frame: number, bytes and figures, keyed by column."""


def columns(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Keys of a row of :func:`score_frames`, in order.

    Raises:
        ConfigError: an extra metric is unknown.
    """
    for name in extra:
        if name not in EXTRA_CHOICES:
            raise ConfigError(f"metric {name!r} is unknown; use {', '.join(EXTRA_CHOICES)}")
    further = (column for name in dict.fromkeys(extra) for column in EXTRA_CHOICES[name])
    return ("frame", "bytes", *METRICS, *further)


def score_frames(
    reference: Iterable[Frame],
    decoded: Iterable[Frame],
    spec: ColorSpec,
    *,
    frame_bytes: Sequence[int] | None = None,
    extra: Sequence[str] = (),
) -> Iterator[Row]:
    """Score decoded frames against their references, one row for each, as they come.

    One frame of each side is held at a time.

    Args:
        reference, decoded: frames of one size, in display order.
        spec: what the samples of both mean.
        frame_bytes: coded size of each frame, in display order; ``None`` = not known.
        extra: names in ``EXTRA_CHOICES``, computed besides ``METRICS``.

    Yields:
        Rows with the keys of :func:`columns`: ``frame`` (from 0), ``bytes`` (``None`` if not
        known), the figures of ``METRICS`` as `colorvid.quality.metrics.score_frame` gives them,
        and the extra ones; ``None`` where a figure cannot be computed.

    Raises:
        InputError: the numbers of frames differ (both are named), or the sizes do.
        ConfigError: an extra metric is unknown.
    """
    keys = columns(extra)
    further = extra_scorer(extra, spec)
    first, second = iter(reference), iter(decoded)
    count = 0
    for one, two in zip_longest(first, second):
        if one is None or two is None:
            raise _counts_differ(count, one, two, first, second)
        size = _entry(frame_bytes, count)
        figures = score_frame(one, two, spec) | further(one, two)
        row = {"frame": count, "bytes": size} | figures
        yield {key: row[key] for key in keys}
        count += 1
    if frame_bytes is not None and len(frame_bytes) != count:
        raise InputError(f"{len(frame_bytes)} coded sizes for {count} frames; give one for each")


def _entry(frame_bytes: Sequence[int] | None, index: int) -> int | None:
    """Coded size of a frame, if there is one; a wrong number of them is told at the end."""
    if frame_bytes is None or index >= len(frame_bytes):
        return None
    return frame_bytes[index]


def _counts_differ(
    count: int,
    one: Frame | None,
    two: Frame | None,
    first: Iterator[Frame],
    second: Iterator[Frame],
) -> InputError:
    """The error after ``count`` pairs; reads the longer side to its end to tell its length."""
    counts = [
        count + (0 if frame is None else 1 + sum(1 for _ in rest))
        for frame, rest in ((one, first), (two, second))
    ]
    return InputError(
        f"the reference has {counts[0]} frames, the decoded video {counts[1]}; compare videos "
        f"of one length, or the first {min(counts)} frames with --frames {min(counts)}"
    )


def write_csv(
    path: str | Path, rows: Sequence[Mapping[str, Any]], *, overwrite: bool = True
) -> None:
    """Write rows with the same keys as CSV (RFC 4180, with a header line).

    Floats have 6 significant digits after the point at most; ``None`` becomes an empty field. The
    file appears under its name when it is complete.

    Args:
        path: the file.
        rows: at least one.
        overwrite: whether an existing file is replaced.

    Raises:
        OutputError: the file exists and must not be replaced, or cannot be written.
        InputError: there are no rows.
    """
    if not rows:
        raise InputError(f"{path}: no frames to write; give at least one")
    with output_text(Path(path), overwrite=overwrite) as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)


def _cell(value: object) -> object:
    return f"{value:.6f}" if isinstance(value, float) else value
