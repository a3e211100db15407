"""A small stream for the tests of the container: 6 frames in groups of key, P and B frame.

They are shown in the order 0, 2, 1, 3, 5, 4.
"""

from __future__ import annotations

import io
from typing import Any

from colorvid.bitstream import ClvReader, ClvWriter, Damage, Packet, StreamHeader

HEADER_SIZE = 62


def header(**changes: Any) -> StreamHeader:
    """A stream header with every field away from its default."""
    values: dict[str, Any] = dict(
        width=176, height=144, rate_num=30000, rate_den=1001, sar_num=12, sar_den=11,
        gop_length=3, reorder=1, references=2, color_range=1, matrix=6, primaries=5,
        transfer=1, chroma_location=1, tune=1, model_id=bytes(range(16)),
    )  # fmt: skip
    return StreamHeader(**{**values, **changes})


def packet(number: int, **changes: Any) -> Packet:
    """The packet of one frame: key, P and unkept B frame in turn."""
    key = number % 3 == 0
    place: dict[str, int] = (
        dict(frame_type=0),
        dict(frame_type=1, shift=1, past=2),
        dict(frame_type=3, shift=-1, level=1, past=1, future=1),
    )[number % 3]
    values: dict[str, Any] = dict(
        **place, quality=10 + number, frame_number=number,
        frame_crc=0x0102 * number % 65536, motion=b"" if key else b"mv",
        latents=b"ten latent" + b"s" * number,
    )  # fmt: skip
    return Packet(**{**values, **changes})


def successor(number: int, **changes: Any) -> Packet:
    """A P frame that refers to the one before it, and is shown in its turn."""
    return packet(1, **{"frame_number": number, "shift": 0, "past": 1, **changes})


def parts(frames: int = 6) -> list[bytes]:
    """The bytes of header, packets and index, one element each."""
    file = io.BytesIO()
    writer = ClvWriter(file)
    sizes = [writer.write_header(header())]
    sizes += [writer.write_packet(packet(n)) for n in range(frames)]
    sizes.append(writer.finish())
    data = file.getvalue()
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def stream(frames: int = 6) -> bytes:
    """A whole stream."""
    return b"".join(parts(frames))


def records(data: bytes) -> tuple[list[int], list[Damage]]:
    """Frame numbers and damage that a reader in resync mode yields."""
    numbers, damage = [], []
    for record in ClvReader(io.BytesIO(data), "resync"):
        if isinstance(record, Damage):
            damage.append(record)
        else:
            assert record == packet(record.frame_number), "a changed packet must not get through"
            numbers.append(record.frame_number)
    return numbers, damage
