"""Mutations of bytes for fuzzing, and checksums put right again afterwards."""

from __future__ import annotations

import binascii
import random
import zlib
from collections.abc import Sequence

from colorvid.bitstream.headers import MOST_REORDER, header_size
from colorvid.bitstream.index import INDEX_CRC_START, INDEX_MARKER
from colorvid.bitstream.packets import PACKET_MARKER, parse_header
from colorvid.errors import DamagedStream

MAX_BYTES = 1 << 16
"""Most bytes of a mutated input."""
_CRC_AT = len(PACKET_MARKER)
_EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\x80\x80\x80\x80\x01", b"\xff" * 9)


def mutate(
    data: bytes, corpus: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random
) -> bytes:
    """``data`` after one to eight random edits.

    Args:
        data: the input to start from.
        corpus: inputs that pieces are taken from.
        tokens: strings that mean something in this kind of input.
        rng: decides everything; the same state gives the same result.
    """
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        start = rng.randrange(len(out) + 1)
        end = min(len(out), start + rng.choice((0, 1, 1, 2, 4, 8, 30, 200)))
        out[start:end] = _replacement(bytes(out), start, end, corpus, tokens, rng)
    return bytes(out[:MAX_BYTES])


def _replacement(
    data: bytes,
    start: int,
    end: int,
    corpus: Sequence[bytes],
    tokens: Sequence[bytes],
    rng: random.Random,
) -> bytes:
    """What stands in the place of ``data[start:end]``."""
    piece = data[start:end]
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return rng.randbytes(len(piece))
    if kind == 2 and piece:
        flipped = bytearray(piece)
        flipped[rng.randrange(len(piece))] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    if kind == 3:
        return rng.choice(_EXTREMES)
    if kind == 4:
        return piece * rng.choice((2, 3, 50))
    if kind == 5:
        other = rng.choice(corpus)
        at = rng.randrange(len(other) + 1)
        return other[at : at + rng.choice((1, 4, 30, 200, 2000))]
    if kind == 6 and len(data) > end:
        at = rng.randrange(end, len(data))
        return data[at : at + len(piece)]
    return rng.choice(tokens)


def repair(data: bytes) -> bytes:
    """A stream with the CRCs of header, packets and index made right, as far as it can be read."""
    out = bytearray(data)
    at = header_size(out)
    if len(out) >= at:
        out[at - 4 : at] = zlib.crc32(out[: at - 4]).to_bytes(4, "little")
    while (at := out.find(PACKET_MARKER[:1], at)) >= 0:
        at += _repair_at(out, at)
    return bytes(out)


def _repair_at(out: bytearray, at: int) -> int:
    """Make the CRC of what may start at ``at`` right; gives its size, at least 1."""
    if out.startswith(INDEX_MARKER, at):
        covered, size, end = at + INDEX_CRC_START, 4, len(out)
    elif out.startswith(PACKET_MARKER, at):
        try:
            parsed = parse_header(bytes(out[at : at + 64]), len(out), MOST_REORDER)
            end = at + parsed.packet_bytes
        except DamagedStream:
            return 1
        covered, size = at + _CRC_AT + 2, 2
    else:
        return 1
    if end > len(out) or covered > end:
        return 1
    data = out[covered:end]
    crc = zlib.crc32(data) if size == 4 else binascii.crc_hqx(data, 0xFFFF)
    out[covered - size : covered] = crc.to_bytes(size, "little")
    return end - at
