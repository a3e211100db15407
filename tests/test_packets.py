from __future__ import annotations

import zlib

import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.bitstream.packets import header_is_complete, parse_header, parse_packet
from colorvid.errors import DamagedStream, HeaderError
from tests.clv import packet

# marker, CRC, type, quality, picture CRC, number, four sizes, "mv" "ss" "luma" "uv"
GOLDEN = bytes.fromhex(
    "f5435650 bc3a398b 01 0b 04030201 01 02 02 04 02 6d76 7373 6c756d61 7576".replace(" ", "")
)
LIMIT = 80128


def test_golden_bytes() -> None:
    assert packet(1).to_bytes() == GOLDEN
    parsed = parse_header(GOLDEN, LIMIT)
    assert (parsed.size, parsed.packet_bytes, parsed.packet_crc) == (19, 29, 0x8B393ABC)
    assert parsed.header == packet(1).header
    assert parse_packet(GOLDEN, parsed) == packet(1)


def test_crc_covers_everything_behind_itself() -> None:
    assert int.from_bytes(GOLDEN[4:8], "little") == zlib.crc32(GOLDEN[8:])


def test_largest_values_survive() -> None:
    big = packet(0, frame_number=2**32 - 2, frame_crc=2**32 - 1, quality=63, luma=b"x" * 70000)
    data = big.to_bytes() + b"next packet"
    assert parse_packet(data, parse_header(data, LIMIT)) == big


def test_all_sections_may_be_empty() -> None:
    empty = Packet(frame_type=FrameType.INTER, quality=0, frame_number=1, frame_crc=0)
    data = empty.to_bytes()
    assert len(data) == 19
    assert parse_packet(data, parse_header(data, LIMIT)) == empty


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_type": 2}, "packet header: frame_type is 2; allowed is 0..1"),
        ({"quality": 64}, "packet header: quality is 64; allowed is 0..63"),
        ({"quality": -1}, "packet header: quality is -1; allowed is 0..63"),
        (
            {"frame_number": 2**32 - 1},
            "packet header: frame_number is 4294967295; allowed is 0..4294967294",
        ),
        ({"frame_crc": -1}, "packet header: frame_crc is -1; allowed is 0..4294967295"),
        (
            {"luma": bytes(2**26 + 1)},
            "packet header: luma_bytes is 67108865; allowed is 0..67108864",
        ),
        ({"motion": b"m"}, "packet header: motion_bytes is 1 in a key frame; allowed is 0"),
    ],
)
def test_packet_out_of_limits_cannot_be_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(HeaderError) as caught:
        packet(0, **changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (0, "f5435649", "packet header: packet_marker is f5435649; allowed is F5 43 56 50"),
        (8, "02", "packet header: frame_type is 2; allowed is 0..1"),
        (9, "40", "packet header: quality is 64; allowed is 0..63"),
        (8, "00", "packet header: motion_bytes is 2 in a key frame; allowed is 0"),
        (14, "ffffffff0f", "frame_number is 4294967295; allowed is 0..4294967294"),
        (14, "8000", "packet header: frame_number is not a varint in shortest form"),
        (15, "81808020", "packet header: motion_bytes is 67108865; allowed is 0..67108864"),
        (
            16,
            "80f204",
            "packet header: payload has 80136 bytes; at most 80128 are allowed for this picture",
        ),
    ],
)
def test_header_out_of_limits_is_refused(at: int, data: str, message: str) -> None:
    raw = bytes.fromhex(data)
    changed = GOLDEN[:at] + raw + GOLDEN[at + (1 if at >= 14 else len(raw)) :]
    with pytest.raises(DamagedStream) as caught:
        parse_header(changed, LIMIT)
    assert message in str(caught.value)


def test_corrupt_payload() -> None:
    changed = GOLDEN[:-1] + b"?"
    with pytest.raises(DamagedStream, match="packet is corrupt: its CRC is 8b393abc, its bytes"):
        parse_packet(changed, parse_header(changed, LIMIT))


def test_header_is_complete_at_its_last_byte() -> None:
    data = packet(1, luma=bytes(300)).to_bytes()
    size = parse_header(data, LIMIT).size
    assert [header_is_complete(data[:n]) for n in range(size + 1)] == [False] * size + [True]
    assert header_is_complete(b"\xff" * 39)
