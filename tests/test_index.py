from __future__ import annotations

import struct
import zlib

import pytest

from colorvid.bitstream.index import KeyFrame, StreamIndex, build_index
from colorvid.errors import DamagedStream
from tests.clv import parts

# marker, CRC, 6 frames, 2 key frames, (0, 64), (3, 149), size 48, marker
GOLDEN = bytes.fromhex(
    "f5435649 803eaee3 06000000 02000000 000000004000000000000000 030000009500000000000000"
    "30000000 f5435645"
)


def forged(total: int, keys: list[tuple[int, int]], count: int, size: int) -> bytes:
    """An index with a right CRC and any content."""
    body = struct.pack("<II", total, count)
    body += b"".join(struct.pack("<IQ", *key) for key in keys)
    body += struct.pack("<I", size) + b"\xf5CVE"
    return b"\xf5CVI" + struct.pack("<I", zlib.crc32(body)) + body


def test_golden_bytes() -> None:
    keys = (KeyFrame(0, 64), KeyFrame(3, 149))
    assert build_index(6, b"".join(key.to_bytes() for key in keys)) == GOLDEN
    assert parts()[-1] == GOLDEN
    assert forged(6, list(keys), 2, 48) == GOLDEN
    assert StreamIndex.from_bytes(GOLDEN) == StreamIndex(6, keys)


def test_empty_index() -> None:
    assert StreamIndex.from_bytes(build_index(0, b"")) == StreamIndex(0, ())


def test_key_at() -> None:
    index = StreamIndex(9, (KeyFrame(2, 64), KeyFrame(5, 100)))
    found = [key.number if (key := index.key_at(n)) else None for n in range(9)]
    assert found == [None, None, 2, 2, 2, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOLDEN[:-1], "index has 47 bytes; 2 key frames need 48"),
        (GOLDEN[:10], "index header: total_frames is cut"),
        (GOLDEN[:4] + b"1234" + GOLDEN[8:], "index is corrupt: its CRC is 34333231, its bytes"),
        (forged(1, [(0, 64), (1, 70)], 2, 48), "index lists 2 key frames for 1 frames"),
        (forged(1, [], 0, 24), "index lists 0 key frames for 1 frames"),
        (forged(6, [(0, 64)], 1, 48), "index has 48 bytes; 1 key frames need 36"),
        (forged(6, [(0, 64)], 2**32 - 1, 36), "key_frames is 4294967295; allowed is 0..357913939"),
        (forged(6, [(3, 64), (3, 70)], 2, 48), "index is out of order at key frame 3"),
        (forged(6, [(0, 64), (3, 64)], 2, 48), "index is out of order at key frame 3"),
        (forged(6, [(0, 64), (6, 70)], 2, 48), "index lists key frame 6 of 6 frames"),
        (forged(6, [(0, 63)], 1, 36), "key_offset is 63; allowed is 64..9223372036854775807"),
    ],
)
def test_index_that_cannot_be(data: bytes, message: str) -> None:
    with pytest.raises(DamagedStream) as caught:
        StreamIndex.from_bytes(data)
    assert message in str(caught.value)
