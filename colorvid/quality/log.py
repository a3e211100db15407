"""Figures of single frames, their means, and the CSV log."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from colorvid.bitstream import FrameType, Packet
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.frame import Frame
from colorvid.io import VideoInfo
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL
from colorvid.io.files import os_errors, output_text
from colorvid.quality.color import ColorSpec, Siting, choose_matrix, frame_delta_e
from colorvid.quality.metrics import QUALITY_CAP_DB, psnr, weighted_psnr

_SITINGS: dict[str, Siting] = {"left": "left", "center": "center", "topleft": "topleft"}


@dataclass(frozen=True, slots=True)
class Scores:
    """Quality of a decoded frame, or means over frames.

    Attributes:
        psnr_y, psnr_u, psnr_v: dB, cut at 100 (which an exact copy counts for).
        psnr_yuv: ``(6 Y + U + V) / 8``, dB.
        de00: mean CIEDE2000 over pixels (k = 1); None if the matrix of the video is none of
            BT.601, BT.709 and BT.2020. See `colorvid.quality.color` for the path to CIELAB.
    """

    psnr_y: float
    psnr_u: float
    psnr_v: float
    psnr_yuv: float
    de00: float | None


def color_spec(info: VideoInfo) -> ColorSpec | None:
    """How to see the colours of a video; None if its matrix is not supported.

    What the video leaves open: BT.709 from 720 rows up, else BT.601; limited range. A siting other
    than left, center and topleft is taken as left.
    """
    try:
        matrix = choose_matrix(info.matrix, info.height)
    except InputError:
        return None
    siting = _SITINGS.get(CHROMA_LOCATIONS[info.chroma_location], "left")
    return ColorSpec(matrix, info.color_range == RANGE_FULL, siting)


def score(source: Frame, decoded: Frame, spec: ColorSpec | None) -> Scores:
    """Compare 8-bit planes of one size."""
    planes = [psnr(a, b) for a, b in zip(source.planes, decoded.planes, strict=True)]
    y, u, v = (min(value, QUALITY_CAP_DB) for value in planes)
    difference = None
    if spec is not None:
        difference = float(frame_delta_e(source, decoded, spec).mean(dtype="float64"))
    return Scores(y, u, v, weighted_psnr(planes), difference)


class MeanScores:
    """Running means of `Scores`."""

    def __init__(self) -> None:
        """Start without frames."""
        self._sums = [0.0] * len(fields(Scores))
        self._known = [True] * len(fields(Scores))
        self._count = 0

    def add(self, scores: Scores | None) -> None:
        """Count a frame; None = it was not scored."""
        if scores is None:
            return
        self._count += 1
        for i, value in enumerate(astuple(scores)):
            self._known[i] = self._known[i] and value is not None
            self._sums[i] += value or 0.0

    def means(self) -> Scores | None:
        """Means over the scored frames; None if there are none."""
        if self._count == 0:
            return None
        means = zip(self._sums, self._known, strict=True)
        values: list[Any] = [total / self._count if known else None for total, known in means]
        return Scores(*values)


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One line of the CSV log; the parts of the bytes add up to ``bytes``.

    Attributes:
        frame: number from 0.
        type: ``intra`` or ``inter``.
        quality: index of the frame, 0..63.
        bytes: whole packet.
        bytes_luma, bytes_chroma, bytes_side: latents of luma and chroma, hyper-latents. They
            share one section, which is split by the information that each of them has.
        bytes_motion: motion section.
        bytes_header: packet header.
        scores: None = not asked for.
        seconds: time of one worker on this frame.
    """

    frame: int
    type: str
    quality: int
    bytes: int
    bytes_luma: int
    bytes_chroma: int
    bytes_motion: int
    bytes_side: int
    bytes_header: int
    scores: Scores | None
    seconds: float

    @staticmethod
    def of(
        packet: Packet, bits: Mapping[str, float], scores: Scores | None, seconds: float
    ) -> FrameRow:
        """The row of a coded frame; ``bits`` of ``luma``, ``chroma`` and ``side``."""
        header = packet.header
        size = len(packet.to_bytes())
        luma, chroma, side = split_bytes(
            header.latents_bytes, [bits[name] for name in ("luma", "chroma", "side")]
        )
        return FrameRow(
            frame=packet.frame_number,
            type=FrameType(packet.frame_type).name.lower(),
            quality=packet.quality,
            bytes=size,
            bytes_luma=luma,
            bytes_chroma=chroma,
            bytes_motion=header.motion_bytes,
            bytes_side=side,
            bytes_header=size - header.payload_bytes,
            scores=scores,
            seconds=seconds,
        )


def split_bytes(size: int, shares: list[float]) -> list[int]:
    """Split ``size`` in proportion to ``shares`` into whole numbers that add up to it.

    The largest remainders are rounded up. If all shares are zero, the last part takes all.
    """
    total = math.fsum(shares)
    if total <= 0:
        return [0] * (len(shares) - 1) + [size]
    exact = [size * share / total for share in shares]
    parts = [math.floor(value) for value in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in by_remainder[: size - sum(parts)]:
        parts[i] += 1
    return parts


_ROW_FIELDS = [f.name for f in fields(FrameRow)]
_SCORES_AT = _ROW_FIELDS.index("scores")
COLUMNS = (
    *_ROW_FIELDS[:_SCORES_AT],
    *(f.name for f in fields(Scores)),
    *_ROW_FIELDS[_SCORES_AT + 1 :],
)
"""Columns of the CSV log."""


class FrameLog:
    """Writes the CSV log (RFC 4180, with a header line): one line for each frame."""

    def __init__(self, file: TextIO, name: str) -> None:
        """Write the header line to ``file``; ``name`` stands in messages."""
        self._name = name
        self._writer = csv.writer(file)
        with os_errors(name, OutputError):
            self._writer.writerow(COLUMNS)

    def write(self, row: FrameRow) -> None:
        """Append a line; raises ``OutputError`` if that fails."""
        parts = [getattr(row, name) for name in _ROW_FIELDS]
        scores = [None] * len(fields(Scores)) if row.scores is None else astuple(row.scores)
        cells = [*parts[:_SCORES_AT], *scores, *parts[_SCORES_AT + 1 :]]
        with os_errors(self._name, OutputError):
            self._writer.writerow(f"{c:.4f}" if isinstance(c, float) else c for c in cells)


@contextmanager
def open_log(path: str | Path, *, overwrite: bool) -> Iterator[FrameLog]:
    """A CSV log that appears under its name when the block ends well.

    Raises:
        OutputError: see `colorvid.io.files.OutputFile`.
        ConfigError: ``path`` is ``-``.
    """
    if str(path) == "-":
        raise ConfigError("csv=- is not allowed; give the name of a file")
    with output_text(Path(path), overwrite=overwrite) as file:
        yield FrameLog(file, str(path))
