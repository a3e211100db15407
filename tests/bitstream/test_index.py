from __future__ import annotations

import struct
import zlib

import pytest

from colorvid.bitstream.fields import write_varint
from colorvid.bitstream.index import NO_KEY, KeyFrame, StreamIndex, build_index
from colorvid.errors import DamagedStream
from tests.clv import parts

# marker, CRC, 6 frames, 2 key frames, (0, 62), 3 frames and 73 bytes on, size 22, marker
GOLDEN = bytes.fromhex("f5435649 7d077da2 06 02 013e 0349 16000000 f5435645")
KEYS = [(0, 62), (3, 135)]


def forged(total: int, keys: list[tuple[int, int]], count: int, size: int) -> bytes:
    """An index with a right CRC and any content; ``keys`` are frame numbers and offsets."""
    body = write_varint(total) + write_varint(count)
    for (number, offset), key in zip([(-1, 0), *keys], keys, strict=False):
        body += write_varint(key[0] - number) + write_varint(key[1] - offset)
    body += struct.pack("<I", size) + b"\xf5CVE"
    return b"\xf5CVI" + struct.pack("<I", zlib.crc32(body)) + body


def test_golden_bytes() -> None:
    first, second = KeyFrame(0, 62), KeyFrame(3, 135)
    entries = first.to_bytes(NO_KEY) + second.to_bytes(first)
    assert build_index(6, 2, entries) == GOLDEN
    assert parts()[-1] == GOLDEN
    assert forged(6, KEYS, 2, 22) == GOLDEN
    assert StreamIndex.from_bytes(GOLDEN) == StreamIndex(6, (first, second))


def test_empty_index() -> None:
    assert len(build_index(0, 0, b"")) == 18
    assert StreamIndex.from_bytes(build_index(0, 0, b"")) == StreamIndex(0, ())


def test_far_key_frames_survive() -> None:
    keys = (KeyFrame(0, 2**40), KeyFrame(2**32 - 2, 2**63 - 1))
    entries = keys[0].to_bytes(NO_KEY) + keys[1].to_bytes(keys[0])
    data = build_index(2**32 - 1, 2, entries)
    assert StreamIndex.from_bytes(data) == StreamIndex(2**32 - 1, keys)


def test_key_at() -> None:
    index = StreamIndex(9, (KeyFrame(2, 62), KeyFrame(5, 100)))
    found = [key.number if (key := index.key_at(n)) else None for n in range(9)]
    assert found == [None, None, 2, 2, 2, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOLDEN[:9], "index header: key_frames is cut"),
        (GOLDEN[:-1], "index is corrupt: its CRC is "),
        (GOLDEN[:4] + b"1234" + GOLDEN[8:], "index is corrupt: its CRC is 34333231, its bytes"),
        (forged(1, [(0, 62), (1, 80)], 2, 22), "index lists 2 key frames for 1 frames"),
        (forged(1, [], 0, 18), "index lists 0 key frames for 1 frames"),
        (forged(6, [(0, 62)], 1, 22), "index should have 22 bytes; its entries end after 20"),
        (forged(6, [(0, 62)], 3, 20), "index entry: offset_step is 0; allowed is 12..9223372036"),
        (forged(2**32 - 1, [], 2**28 + 1, 22), "key_frames is 268435457; allowed is 0..268435456"),
        (forged(6, [(3, 62), (3, 80)], 2, 22), "number_step is 0; allowed is 1..4294967295"),
        (forged(6, [(0, 62), (3, 73)], 2, 22), "offset_step is 11; allowed is 12..92233720368547"),
        (forged(6, [(0, 62), (6, 80)], 2, 22), "index lists key frame 6 of 6 frames"),
        (forged(6, [(0, 61)], 1, 20), "key frame 0 starts at byte 61, inside the stream header"),
    ],
)
def test_index_that_cannot_be(data: bytes, message: str) -> None:
    with pytest.raises(DamagedStream) as caught:
        StreamIndex.from_bytes(data)
    assert message in str(caught.value)
