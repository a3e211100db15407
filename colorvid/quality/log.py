"""The CSV log of ``encode --csv``, ``eval`` and ``compare``: a line for each frame."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, TextIO

from colorvid.bitstream import FrameType, Packet
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.io.files import os_errors, output_text
from colorvid.quality.scores import QUICK_METRICS, FrameScores


class LogRow(Protocol):
    """What a line of the log is made of."""

    def as_dict(self) -> Mapping[str, object]:
        """Cells by column."""
        ...


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One line of the CSV log; the parts of the bytes add up to ``bytes``.

    Attributes:
        frame: number from 0, in the order of display.
        type: ``key``, ``I``, ``P``, ``B``, or ``b``, a B frame that is not kept.
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
    scores: FrameScores | None
    seconds: float

    @staticmethod
    def of(
        packet: Packet, bits: Mapping[str, float], scores: FrameScores | None, seconds: float
    ) -> FrameRow:
        """The row of a coded frame; ``bits`` of ``luma``, ``chroma`` and ``side``."""
        header = packet.header
        size = packet.size_bytes
        luma, chroma, side = split_bytes(
            header.latents_bytes, [bits[name] for name in ("luma", "chroma", "side")]
        )
        return FrameRow(
            frame=packet.display_number,
            type=FrameType(packet.frame_type).label,
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

    def as_dict(self) -> dict[str, object]:
        """Cells by column, those of the scores in their place; MS-SSIM has no column here."""
        scores = self.scores
        row: dict[str, object] = {}
        for field in fields(self):
            if field.name == "scores":
                row |= {n: None if scores is None else scores.figure(n) for n in QUICK_METRICS}
            else:
                row[field.name] = getattr(self, field.name)
        return row


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


def _columns() -> tuple[str, ...]:
    names = [field.name for field in fields(FrameRow)]
    at = names.index("scores")
    return (*names[:at], *QUICK_METRICS, *names[at + 1 :])


COLUMNS = _columns()
"""Columns of the log of an encoding."""


class FrameLog:
    """Writes a CSV log (RFC 4180, with a header line): one line for each frame.

    Floats have six digits behind the point; ``None`` becomes an empty field.
    """

    def __init__(self, file: TextIO, name: str, columns: Sequence[str] = COLUMNS) -> None:
        """Write the header line to ``file``; ``name`` stands in messages.

        Raises:
            OutputError: that fails.
        """
        self._name, self._columns = name, columns
        self._writer = csv.writer(file)
        with os_errors(name, OutputError):
            self._writer.writerow(columns)

    def write(self, row: LogRow) -> None:
        """Append a line; raises ``OutputError`` if that fails."""
        cells = row.as_dict()
        with os_errors(self._name, OutputError):
            self._writer.writerow(_cell(cells[column]) for column in self._columns)


def _cell(value: object) -> object:
    return f"{value:.6f}" if isinstance(value, float) else value


@contextmanager
def open_log(
    path: str | Path, *, overwrite: bool, columns: Sequence[str] = COLUMNS
) -> Iterator[FrameLog]:
    """A CSV log that appears under its name when the block ends well.

    Raises:
        OutputError: see `colorvid.io.files.OutputFile`.
        ConfigError: ``path`` is ``-``.
    """
    if str(path) == "-":
        raise ConfigError("csv=- is not allowed; give the name of a file")
    with output_text(Path(path), overwrite=overwrite) as file:
        yield FrameLog(file, str(path), columns)


def write_log(path: str | Path, rows: Sequence[LogRow], *, overwrite: bool = True) -> None:
    """Write a CSV log of rows with the same columns; it appears when it is complete.

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
    with open_log(path, overwrite=overwrite, columns=tuple(rows[0].as_dict())) as log:
        for row in rows:
            log.write(row)
