from __future__ import annotations

import zlib

import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.bitstream.packets import header_is_complete, parse_header, parse_packet
from colorvid.errors import DamagedStream, HeaderError
from tests.clv import packet

# marker, CRC, type 1 and quality 11, picture CRC, number, two sizes, "mv" "latents"
GOLDEN = bytes.fromhex("f550 b86a9371 4b 04030201 01 02 07 6d76 6c6174656e7473")
LIMIT = 80128


def test_golden_bytes() -> None:
    assert packet(1).to_bytes() == GOLDEN
    parsed = parse_header(GOLDEN, LIMIT)
    assert (parsed.size, parsed.packet_bytes, parsed.packet_crc) == (14, 23, 0x71936AB8)
    assert parsed.header == packet(1).header
    assert parse_packet(GOLDEN, parsed) == packet(1)


def test_crc_covers_everything_behind_itself() -> None:
    assert int.from_bytes(GOLDEN[2:6], "little") == zlib.crc32(GOLDEN[6:])


def test_largest_values_survive() -> None:
    big = packet(0, frame_number=2**32 - 2, frame_crc=2**32 - 1, quality=63, latents=b"x" * 70000)
    data = big.to_bytes() + b"next packet"
    assert parse_packet(data, parse_header(data, LIMIT)) == big


@pytest.mark.parametrize("number", [0, 1, 127])
def test_small_packet_has_14_bytes_of_header(number: int) -> None:
    for frame_type in FrameType:
        small = Packet(
            frame_type=frame_type, quality=63, frame_number=number, frame_crc=2**32 - 1,
            latents=bytes(100),
        )  # fmt: skip
        assert len(small.to_bytes()) == small.size_bytes == 14 + 100


def test_both_sections_may_be_empty() -> None:
    empty = Packet(frame_type=FrameType.INTER, quality=0, frame_number=1, frame_crc=0)
    data = empty.to_bytes()
    assert len(data) == 14
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
            {"latents": bytes(2**26 + 1)},
            "packet header: latents_bytes is 67108865; allowed is 0..67108864",
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
        (0, "f543", "packet header: packet_marker is f543; allowed is F5 50"),
        (6, "cb", "packet header: reserved is 1; allowed is 0"),
        (6, "0b", "packet header: motion_bytes is 2 in a key frame; allowed is 0"),
        (11, "ffffffff0f", "frame_number is 4294967295; allowed is 0..4294967294"),
        (11, "8000", "packet header: frame_number is not a varint in shortest form"),
        (12, "81808020", "packet header: motion_bytes is 67108865; allowed is 0..67108864"),
        (12, "8080808020", "packet header: motion_bytes is not a varint in shortest form"),
        (
            13,
            "80f204",
            "packet header: payload has 80130 bytes; at most 80128 are allowed for this picture",
        ),
    ],
)
def test_header_out_of_limits_is_refused(at: int, data: str, message: str) -> None:
    raw = bytes.fromhex(data)
    changed = GOLDEN[:at] + raw + GOLDEN[at + (1 if at >= 11 else len(raw)) :]
    with pytest.raises(DamagedStream) as caught:
        parse_header(changed, LIMIT)
    assert message in str(caught.value)


def test_corrupt_payload() -> None:
    changed = GOLDEN[:-1] + b"?"
    with pytest.raises(DamagedStream, match="packet is corrupt: its CRC is 71936ab8, its bytes"):
        parse_packet(changed, parse_header(changed, LIMIT))


def test_header_is_complete_at_its_last_byte() -> None:
    data = packet(1, latents=bytes(300)).to_bytes()
    size = parse_header(data, LIMIT).size
    assert [header_is_complete(data[:n]) for n in range(size + 1)] == [False] * size + [True]
    assert header_is_complete(b"\xff" * 24)
