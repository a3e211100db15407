"""``colorvid info``, ``model`` and ``selftest``: what a stream, a model or this machine is."""

from __future__ import annotations

import argparse
import dataclasses
import json
from argparse import Namespace
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from colorvid.bitstream import FrameSummary, FrameType, StreamSummary, describe
from colorvid.bitstream.headers import STREAM_HEADER_BYTES
from colorvid.cli.options import Command, add_device, add_input
from colorvid.cli.terminal import Signals, say, show
from colorvid.config import TUNES
from colorvid.errors import DamagedStream
from colorvid.files.streams import probe
from colorvid.quality.metrics import bits_per_pixel, kbit_per_second


def add_commands(command: Command) -> None:
    """Add the commands of this family."""
    _add_info(command("info", "show what a .clv stream holds, without decoding it"))
    selftest = command("selftest", "prove that this machine decodes exactly")
    selftest.set_defaults(run=_selftest)
    add_device(selftest)
    model = command("model", "show what a model consists of and what it costs")
    model.set_defaults(run=_model)
    model.add_argument(
        "name", nargs="?", default=TUNES[0],
        help=f"{', '.join(TUNES)} or a model file (default: {TUNES[0]})",
    )  # fmt: skip


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_info)
    add_input(parser, "the .clv stream; - = stdin")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--frames", action="store_true", help="print a line for each frame too")


def _info(options: Namespace, signals: Signals) -> int:
    summary = probe(options.input)
    if options.json:
        show(json.dumps(as_json(summary, frames=options.frames), indent=2))
    else:
        show(as_text(summary, frames=options.frames))
    for damage in summary.damage:
        say(str(damage), "warning")
    if summary.damages > len(summary.damage):
        say(f"{summary.damages - len(summary.damage)} more places are not shown", "warning")
    return DamagedStream.exit_code if summary.damage else 0


def _selftest(options: Namespace, signals: Signals) -> int:
    from colorvid.files.selftest import run

    for line in run(options.device):
        show(line)
    return 0


def _model(options: Namespace, signals: Signals) -> int:
    from colorvid.models.complexity import describe_model
    from colorvid.models.loading import load_model

    show(describe_model(options.name, load_model(options.name)))
    return 0


def groups(summary: StreamSummary) -> Iterator[list[FrameSummary]]:
    """The readable packets, group of pictures by group."""
    group: list[FrameSummary] = []
    for frame in summary.frames:
        if frame.is_key and group:
            yield group
            group = []
        group.append(frame)
    if group:
        yield group


def bytes_by_kind(summary: StreamSummary) -> dict[str, int]:
    """Readable bytes: motion, latents, headers (of stream and packets), index."""
    headers = summary.overhead_bytes - summary.index_bytes
    return {**summary.section_bytes, "headers": headers, "index": summary.index_bytes}


def as_json(summary: StreamSummary, *, frames: bool) -> dict[str, Any]:
    """The stream as JSON values; sizes in bytes, times in seconds.

    ``kbps`` and ``bpp`` count all readable bytes; both are null without frames.
    """
    header = dataclasses.asdict(summary.header)
    header["model_id"] = summary.header.model_id.hex()
    count = len(summary.frames)
    rate = Fraction(summary.header.rate_num, summary.header.rate_den)
    result: dict[str, Any] = {
        "header": header,
        "total_frames": summary.total_frames,
        "readable_frames": count,
        "seconds": float(count / rate),
        "kbps": kbit_per_second(summary.total_bytes, count, rate) if count else None,
        "bpp": _bpp(summary) if count else None,
        "bytes": {**bytes_by_kind(summary), "total": summary.total_bytes},
        "gops": [
            {
                "frame": group[0].header.frame_number,
                "frames": len(group),
                "bytes": sum(frame.packet_bytes for frame in group),
            }
            for group in groups(summary)
        ],
        "damages": summary.damages,
        "damage": [str(damage) for damage in summary.damage],
    }
    if frames:
        result["frames"] = [_frame(frame) for frame in summary.frames]
    return result


def _bpp(summary: StreamSummary) -> float:
    header = summary.header
    return bits_per_pixel(summary.total_bytes, len(summary.frames), header.height, header.width)


def _frame(frame: FrameSummary) -> dict[str, Any]:
    """One packet as JSON values."""
    header = frame.header
    return {
        "frame": header.frame_number,
        "type": FrameType(header.frame_type).name.lower(),
        "quality": header.quality,
        "offset": frame.offset,
        "bytes": frame.packet_bytes,
        "bytes_motion": header.motion_bytes,
        "bytes_latents": header.latents_bytes,
        "crc": f"{header.frame_crc:08x}",
    }


def as_text(summary: StreamSummary, *, frames: bool) -> str:
    """The stream in words: header, totals, bytes by kind, and a line per frame if asked for."""
    lines = [describe(summary.header), "", *_totals(summary)]
    if frames:
        lines += ["", *_table([_frame(frame) for frame in summary.frames])]
    return "\n".join(lines)


def _totals(summary: StreamSummary) -> list[str]:
    """Frames, groups, rate and bytes."""
    count = len(summary.frames)
    rate = Fraction(summary.header.rate_num, summary.header.rate_den)
    lines = [f"frames   {count} in {float(count / rate):.3f} s at {float(rate):.3f} per second"]
    if summary.total_frames not in (None, count):
        lines[0] += f"; the stream had {summary.total_frames}"
    lengths = [len(group) for group in groups(summary)]
    if lengths:
        span = f"{min(lengths)} to {max(lengths)}" if len(set(lengths)) > 1 else f"{lengths[0]}"
        lines.append(f"GOPs     {len(lengths)} of {span} frames")
        kbps = kbit_per_second(summary.total_bytes, count, rate)
        lines.append(f"rate     {kbps:.2f} kb/s, {_bpp(summary):.4f} bits per pixel")
    total = summary.total_bytes
    parts = (f"{name} {n} ({n / total:.1%})" for name, n in bytes_by_kind(summary).items())
    lines.append(f"bytes    {total}: {', '.join(parts)}")
    lines.append(f"state    {_state(summary)}")
    assert total >= STREAM_HEADER_BYTES
    return lines


def _state(summary: StreamSummary) -> str:
    if not summary.damage:
        return "whole"
    places = summary.damages
    return f"damaged in {places} place{'s' if places > 1 else ''}"


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows of one set of keys, right-aligned under them."""
    if not rows:
        return
    cells = [list(rows[0]), *([str(v) for v in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
