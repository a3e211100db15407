"""``colorvid info``, ``model`` and ``selftest``: what a stream, a model or this machine is."""

from __future__ import annotations

import argparse
import dataclasses
import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from colorvid.bitstream import FrameSummary, FrameType, StreamHeader, StreamSummary
from colorvid.bitstream.headers import STREAM_HEADER
from colorvid.cli.options import Command, add_device, add_input
from colorvid.cli.terminal import Signals, say, show, show_to_reader
from colorvid.colors import Light
from colorvid.config import PACKAGE_VERSION, TUNES
from colorvid.errors import DamagedStream
from colorvid.files.streams import name_of, probe, released_model
from colorvid.io.base import UNSPECIFIED
from colorvid.quality.metrics import bits_per_pixel, kbit_per_second
from colorvid.system.text import duration, file_size, frame_rate, plural, printable


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
    parser.add_argument(
        "--shares", action="store_true", help="tell luma from chroma, which takes decoding"
    )
    parser.add_argument("--model", metavar="FILE", help="model file, for --shares")


def _info(options: Namespace, signals: Signals) -> int:
    share = None
    if options.shares:
        from colorvid.files.shares import chroma_share

        share = chroma_share(options.input, options.model)
    summary = probe(options.input)
    undecodable = options.shares and share is None and bool(summary.frames)
    kinds = bytes_by_kind(summary)
    if share is not None:
        kinds = with_chroma(kinds, share)
    if options.json:
        text = json.dumps(as_json(summary, kinds, frames=options.frames), indent=2)
    else:
        name = name_of(options.input, "stdin")
        text = as_text(summary, kinds, name=name, frames=options.frames)
    if not show_to_reader(text):
        return 0
    for damage in summary.damage:
        say(str(damage), "warning")
    if summary.damages > len(summary.damage):
        say(f"{summary.damages - len(summary.damage)} more places are not shown", "warning")
    if undecodable:
        say("no frame can be decoded, so luma and chroma are not told apart", "warning")
    return DamagedStream.exit_code if summary.damage or undecodable else 0


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


def with_chroma(kinds: dict[str, int], share: float) -> dict[str, int]:
    """The same bytes with luma and chroma, which has a share of 0..1, in place of latents."""
    latents = kinds["latents"]
    chroma = round(share * latents)
    rest = {name: size for name, size in kinds.items() if name not in ("motion", "latents")}
    return {"motion": kinds["motion"], "luma": latents - chroma, "chroma": chroma, **rest}


def as_json(summary: StreamSummary, kinds: dict[str, int], *, frames: bool) -> dict[str, Any]:
    """The stream as JSON values; sizes in bytes (``kinds``: by kind), times in seconds.

    ``rate_kbps`` and ``rate_bpp`` count all readable bytes; both are null without frames.
    """
    header = dataclasses.asdict(summary.header)
    header["model_id"] = summary.header.model_id.hex()
    if summary.header.light == Light():
        del header["light"]
    count = len(summary.frames)
    rate = summary.header.fps
    result: dict[str, Any] = {
        "header": header,
        "model": released_model(summary.header.model_id),
        "total_frames": summary.total_frames,
        "readable_frames": count,
        "seconds": float(count / rate),
        "rate_kbps": kbit_per_second(summary.total_bytes, count, rate) if count else None,
        "rate_bpp": _bpp(summary) if count else None,
        "bytes": {**kinds, "total": summary.total_bytes},
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
    """One packet as JSON values; frames by their display numbers, ``packet`` by its own."""
    header = frame.header
    return {
        "packet": header.frame_number,
        "frame": header.display_number,
        "type": FrameType(header.frame_type).label,
        "level": header.level,
        "references": list(header.references),
        "quality": header.quality,
        "offset": frame.offset,
        "bytes": frame.packet_bytes,
        "bytes_motion": header.motion_bytes,
        "bytes_latents": header.latents_bytes,
        "bytes_header": frame.packet_bytes - header.payload_bytes,
        "crc": f"{header.frame_crc:04x}",
    }


def as_text(summary: StreamSummary, kinds: dict[str, int], *, name: str, frames: bool) -> str:
    """The stream in words, with bytes by kind, and a line per frame if asked for."""
    rows = {
        "stream": f"{printable(name)}, {file_size(summary.total_bytes)}",
        "video": _video(summary),
        "colours": _colours(summary.header),
        "light": _light(summary.header.light),
        "coding": _coding(summary),
        "rate": _rate(summary),
        "bytes": _shares(summary, kinds),
        "model": _model_name(summary.header),
        "state": _state(summary),
    }
    lines = [f"{key:<9}{text}" for key, text in rows.items() if text]
    if frames:
        lines += ["", *_table([_frame(frame) for frame in summary.frames])]
    return "\n".join(lines)


def _video(summary: StreamSummary) -> str:
    """Size, rate, frames and duration."""
    header, count = summary.header, len(summary.frames)
    rate = header.fps
    parts = [f"{header.size}", f"{frame_rate(rate)} fps", plural(count, "frame")]
    if header.depth > 8:
        parts.insert(1, f"{header.depth} bits")
    parts.append(duration(float(count / rate)))
    if header.sar_num and header.sar_num != header.sar_den:
        parts.append(f"samples of {header.sar_num}:{header.sar_den}")
    return ", ".join(parts)


def _colours(header: StreamHeader) -> str:
    """What the samples mean, by name."""
    names = {
        field.name: field.labels.get(getattr(header, field.name))
        or f"code {getattr(header, field.name)}"
        for field in STREAM_HEADER.fields
        if field.labels
    }
    matrix, primaries, transfer = (names[n] for n in ("matrix", "primaries", "transfer"))
    colour = f"matrix {matrix}, primaries {primaries}, transfer {transfer}"
    if matrix == primaries == transfer:
        colour = "not stated" if header.matrix == UNSPECIFIED else matrix
    return f"{colour}; range {names['color_range']}; chroma {names['chroma_location']}"


def _light(light: Light) -> str:
    """What is stated of the display and of the content; empty if nothing is."""
    parts = []
    if light.brightest or light.darkest:
        parts.append(f"display {light.darkest / 10000:g} to {light.brightest / 10000:g} cd/m2")
    places = {
        name: (getattr(light, f"{name}_x"), getattr(light, f"{name}_y"))
        for name in ("red", "green", "blue", "white")
    }
    if any(map(any, places.values())):
        shown = (f"{name} {x / 50000:g} {y / 50000:g}" for name, (x, y) in places.items())
        parts.append(", ".join(shown))
    if light.max_cll or light.max_fall:
        parts.append(f"content {light.max_cll} cd/m2 at most, {light.max_fall} on average")
    return "; ".join(parts)


def _coding(summary: StreamSummary) -> str:
    """Groups, qualities, and what order and references ask of a decoder."""
    lengths = [len(group) for group in groups(summary)]
    if not lengths:
        return ""
    frames = "1 frame" if max(lengths) == 1 else f"{_span(lengths)} frames"
    parts = [f"{plural(len(lengths), 'group')} of {frames}"]
    for kind, wanted in (("key", True), ("inter", False)):
        found = [f.header.quality for f in summary.frames if f.is_key == wanted]
        if found:
            parts.append(f"quality of {kind} frames {_span(found)}")
    header = summary.header
    parts.append(f"reorder {header.reorder}, {plural(header.references, 'reference picture')}")
    return ", ".join(parts)


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _rate(summary: StreamSummary) -> str:
    """Bits by time and by pixel; empty without frames."""
    count = len(summary.frames)
    if not count:
        return ""
    rate = summary.header.fps
    kbps = kbit_per_second(summary.total_bytes, count, rate)
    return f"{kbps:.2f} kbit/s, {_bpp(summary):.4f} bit/pixel"


def _shares(summary: StreamSummary, by_kind: dict[str, int]) -> str:
    """Shares of all bytes: of key and inter frames, and of what they hold."""
    total = summary.total_bytes
    assert total >= summary.header.size_bytes
    key = sum(frame.packet_bytes for frame in summary.frames if frame.is_key)
    inter = sum(frame.packet_bytes for frame in summary.frames) - key
    frames = {"key frames": key, "inter frames": inter}
    parts = (
        ", ".join(f"{name} {n / total:.1%}" for name, n in shares.items())
        for shares in (frames, by_kind)
    )
    return "; ".join(parts)


def _model_name(header: StreamHeader) -> str:
    """Name of the model, if it is a released one, and the start of its hash."""
    known = released_model(header.model_id)
    identity = header.model_id.hex()
    return f"{known} of colorvid {PACKAGE_VERSION} ({identity})" if known else f"{identity}"


def _state(summary: StreamSummary) -> str:
    """Whether all is there, and what is missing, as far as that can be known."""
    if not summary.damages:
        return "whole"
    text = f"damaged in {plural(summary.damages, 'place')}"
    count = len(summary.frames)
    if summary.total_frames is not None:
        return f"{text}; {summary.total_frames - count} of {summary.total_frames} frames missing"
    last = summary.frames[-1].header.frame_number + 1 if count else 0
    holes = f"{plural(last - count, 'frame')} missing before its end, " if last > count else ""
    return f"{text}; {holes}how many are missing at its end is not known"


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows of one set of keys, right-aligned under them; lists with commas, ``-`` if empty."""
    if not rows:
        return
    cells = [list(rows[0]), *([_cell(v) for v in row.values()] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _cell(value: object) -> str:
    return ",".join(map(str, value)) or "-" if isinstance(value, list) else str(value)
