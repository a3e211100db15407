from __future__ import annotations

import binascii
from typing import Any

import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.bitstream.packets import header_is_complete, parse_header, parse_packet
from colorvid.errors import DamagedStream, HeaderError
from tests.clv import packet

# marker, CRC, type 1 and quality 11, level 0 and shift 1, distance 2, picture CRC, number, two
# sizes, "mv" "ten latents"
GOLDEN = bytes.fromhex("f550 4a90 4b 48 01 0201 01 02 0b 6d76 74656e206c6174656e7473")
# The same with type 3 and quality 12, level 1 and shift -1, distances 1 and 1.
GOLDEN_B = bytes.fromhex("f550 77f9 cc 39 00 0402 02 02 0c 6d76 74656e206c6174656e747373")
LIMIT = 80128


def test_golden_bytes() -> None:
    assert packet(1).to_bytes() == GOLDEN
    parsed = parse_header(GOLDEN, LIMIT, 0)
    assert (parsed.size, parsed.packet_bytes, parsed.packet_crc) == (12, 25, 0x904A)
    assert parsed.header == packet(1).header
    assert parse_packet(GOLDEN, parsed) == packet(1)
    assert packet(2).to_bytes() == GOLDEN_B
    assert parse_packet(GOLDEN_B, parse_header(GOLDEN_B, LIMIT, 1)) == packet(2)


def test_places_and_references() -> None:
    places = [
        (p.is_key, p.is_kept, p.display_number, p.past_number, p.future_number, p.references)
        for p in (
            packet(3),
            packet(4),
            packet(5),
            packet(5, frame_type=2, past=2, future=9),
            packet(4, future=-5),
            packet(4, frame_type=4, past=0, motion=b""),
        )
        for p in (p, p.header)
    ]
    assert places == [
        *[(True, True, 3, None, None, ())] * 2,
        *[(False, True, 5, 3, None, (3,))] * 2,
        *[(False, False, 4, 3, 5, (3, 5))] * 2,
        *[(False, True, 4, 2, 13, (2, 13))] * 2,
        *[(False, True, 5, 3, 0, (3, 0))] * 2,
        *[(False, True, 5, None, None, ())] * 2,
    ]
    assert [kind.label for kind in FrameType] == ["key", "P", "B", "b", "I"]
    assert [packet(n).is_intra for n in range(3)] == [True, False, False]
    assert packet(4, frame_type=4, past=0, motion=b"").is_intra


PLACES = [
    {"frame_type": 1, "shift": 16, "past": 16},
    {"frame_type": 1, "shift": -8, "past": 1},
    {"frame_type": 1, "shift": 0, "level": 7, "past": 1, "future": -2},
    {"frame_type": 1, "shift": 0, "level": 1, "past": 1, "future": -16},
    {"frame_type": 1, "shift": 0, "past": 15, "future": -16},
    {"frame_type": 2, "shift": 0, "level": 1, "past": 1, "future": 16},
    {"frame_type": 3, "shift": -8, "level": 7, "past": 16, "future": 1},
    {"frame_type": 4, "shift": 16, "past": 0, "motion": b""},
    {"frame_type": 4, "shift": 0, "level": 7, "past": 0, "motion": b""},
]


@pytest.mark.parametrize("place", PLACES)
def test_every_place_survives(place: dict[str, Any]) -> None:
    made = packet(2, frame_number=20, **{"level": 0, "future": 0, **place})
    data = made.to_bytes()
    assert parse_packet(data, parse_header(data, LIMIT, 8)) == made


def test_a_frame_later_than_the_stream_header_says() -> None:
    with pytest.raises(DamagedStream) as caught:
        parse_header(GOLDEN_B, LIMIT, 0)
    assert str(caught.value) == (
        "packet header: shift is -1; the stream header says that it is at least 0"
    )


def test_crc_covers_everything_behind_itself() -> None:
    assert int.from_bytes(GOLDEN[2:4], "little") == binascii.crc_hqx(GOLDEN[4:], 0xFFFF)


def test_largest_values_survive() -> None:
    big = packet(0, frame_number=2**32 - 2, frame_crc=2**16 - 1, quality=63, latents=b"x" * 70000)
    data = big.to_bytes() + b"next packet"
    assert parse_packet(data, parse_header(data, LIMIT, 0)) == big


@pytest.mark.parametrize("number", [0, 1, 127])
def test_small_packet_has_12_bytes_of_header(number: int) -> None:
    for kind in range(3):
        small = packet(
            kind, quality=63, frame_number=number, shift=0, frame_crc=2**16 - 1, motion=b"",
            latents=bytes(100),
        )  # fmt: skip
        assert len(small.to_bytes()) == small.size_bytes == 12 + 100


def test_both_sections_may_be_empty() -> None:
    empty = Packet(frame_type=FrameType.P, quality=0, frame_number=1, past=1, frame_crc=0)
    data = empty.to_bytes()
    assert len(data) == 12
    assert parse_packet(data, parse_header(data, LIMIT, 0)) == empty


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_type": 5}, "packet header: frame_type is 5; allowed is 0..4"),
        ({"frame_type": -1}, "packet header: frame_type is -1; allowed is 0..4"),
        ({"quality": 64}, "packet header: quality is 64; allowed is 0..63"),
        ({"quality": -1}, "packet header: quality is -1; allowed is 0..63"),
        (
            {"frame_number": 2**32 - 1},
            "packet header: frame_number is 4294967295; allowed is 0..4294967294",
        ),
        ({"frame_crc": -1}, "packet header: frame_crc is -1; allowed is 0..65535"),
        (
            {"latents": bytes(2**26 + 1)},
            "packet header: latents_bytes is 67108865; allowed is 0..67108864",
        ),
        ({"shift": 17}, "packet header: shift is 17; allowed is -8..16"),
        ({"shift": -9}, "packet header: shift is -9; allowed is -8..16"),
        ({"level": 8}, "packet header: level is 8; allowed is 0..7"),
        ({"past": -1}, "packet header: past is -1; allowed is 1..16"),
        ({"future": 17}, "packet header: future is 17; allowed is 1..16"),
        ({"motion": b"m"}, "packet header: motion_bytes is 1 in a key frame; allowed is 0"),
        ({"level": 1}, "packet header: level is 1 in a key frame; allowed is 0"),
        ({"shift": 1}, "packet header: shift is 1 in a key frame; allowed is 0"),
        ({"past": 1}, "packet header: past is 1 in a key frame; allowed is 0"),
        ({"future": 16}, "packet header: future is 16 in a key frame; allowed is 0"),
        ({"frame_type": 1}, "packet header: past is 0 in a P frame; allowed is 1..16"),
        (
            {"frame_type": 1, "past": 1, "future": 1},
            "packet header: future is 1 in a P frame; allowed is -16..0",
        ),
        (
            {"frame_type": 1, "past": 9, "future": -17},
            "packet header: future is -17 in a P frame; allowed is -16..0",
        ),
        (
            {"frame_type": 1, "past": 9, "future": -9},
            "packet header: future is -9 in a P frame; a second reference is more than past, 9 "
            "frames, before",
        ),
        (
            {"frame_type": 2, "past": 1, "future": 1},
            "packet header: level is 0 in a B frame; allowed is 1..7",
        ),
        (
            {"frame_type": 3, "level": 1, "past": 1},
            "packet header: future is 0 in a b frame; allowed is 1..16",
        ),
        (
            {"frame_type": 3, "level": 1, "future": 1},
            "packet header: past is 0 in a b frame; allowed is 1..16",
        ),
        (
            {"frame_type": 4, "past": 1},
            "packet header: past is 1 in an I frame; allowed is 0",
        ),
        (
            {"frame_type": 4, "future": 2},
            "packet header: future is 2 in an I frame; allowed is 0",
        ),
        (
            {"frame_type": 1, "past": 1, "shift": -1},
            "packet header: the display number is -1; allowed is 0..4294967294",
        ),
        (
            {"frame_type": 1, "past": 1, "shift": 1, "frame_number": 2**32 - 2},
            "packet header: the display number is 4294967295; allowed is 0..4294967294",
        ),
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
        (4, "8b", "packet header: level is 0 in a B frame; allowed is 1..7"),
        (4, "0b4000", "packet header: motion_bytes is 2 in a key frame; allowed is 0"),
        (4, "0b4100", "packet header: level is 1 in a key frame; allowed is 0"),
        (4, "0b4800", "packet header: shift is 1 in a key frame; allowed is 0"),
        (4, "0b4001", "packet header: motion_bytes is 2 in an I frame; allowed is 0"),
        (4, "0b4011", "packet header: future is 2 in an I frame; allowed is 0"),
        (4, "0b4002", "packet header: past is 3 in a key frame; allowed is 0"),
        (4, "0b4010", "packet header: future is 2 in a key frame; allowed is 0"),
        (5, "c8", "packet header: shift is 17; allowed is -8..16"),
        (5, "f8", "packet header: shift is 23; allowed is -8..16"),
        (5, "30", "packet header: the display number is -1; allowed is 0..4294967294"),
        (6, "f1", "packet header: future is -17 in a P frame; allowed is -16..0"),
        (9, "ffffffff0f", "frame_number is 4294967295; allowed is 0..4294967294"),
        (9, "8000", "packet header: frame_number is not a varint in shortest form"),
        (10, "81808020", "packet header: motion_bytes is 67108865; allowed is 0..67108864"),
        (10, "8080808020", "packet header: motion_bytes is not a varint in shortest form"),
        (
            11,
            "80f204",
            "packet header: payload has 80130 bytes; at most 80128 are allowed for this picture",
        ),
    ],
)
def test_header_out_of_limits_is_refused(at: int, data: str, message: str) -> None:
    raw = bytes.fromhex(data)
    changed = GOLDEN[:at] + raw + GOLDEN[at + (1 if at >= 9 else len(raw)) :]
    with pytest.raises(DamagedStream) as caught:
        parse_header(changed, LIMIT, 15)
    assert message in str(caught.value)


def test_corrupt_payload() -> None:
    changed = GOLDEN[:-1] + b"?"
    with pytest.raises(DamagedStream, match="packet is corrupt: its CRC is 904a, its bytes"):
        parse_packet(changed, parse_header(changed, LIMIT, 0))


def test_header_is_complete_at_its_last_byte() -> None:
    data = packet(1, latents=bytes(300)).to_bytes()
    size = parse_header(data, LIMIT, 0).size
    assert [header_is_complete(data[:n]) for n in range(size + 1)] == [False] * size + [True]
    assert header_is_complete(b"\xff" * 22)
