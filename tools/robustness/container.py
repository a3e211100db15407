"""Whole streams in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence

from colorvid.bitstream import ClvWriter, Packet, StreamHeader


def container(header: StreamHeader, packets: Sequence[Packet]) -> bytes:
    """A whole stream of these packets."""
    file = io.BytesIO()
    writer = ClvWriter(file)
    writer.write_header(header)
    for packet in packets:
        writer.write_packet(packet)
    writer.finish()
    return file.getvalue()
