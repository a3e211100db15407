"""Every way in which a stream can be wrong has a message; all of them are listed here."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import pytest

from colorvid.bitstream import ClvReader, Damage, Packet
from colorvid.bitstream.index import StreamIndex
from colorvid.bitstream.packets import parse_header
from colorvid.errors import (
    ColorvidError,
    DamagedStream,
    HeaderError,
    ModelMismatch,
    UnsupportedVersion,
)
from colorvid.files.streams import info_of
from colorvid.models.loading import model_for
from colorvid.models.modelfile import RELEASED, model_identity
from colorvid.system.limits import check_picture
from tests.bitstream.test_index import KEYS, forged
from tests.clv import HEADER_SIZE, header, packet, parts, records, successor

PARTS = parts()
STREAM = b"".join(PARTS)
HEAD = PARTS[0]


def sealed(start: bytes, at: int, data: bytes) -> bytes:
    """A stream header with other bytes at one place, under a right CRC."""
    body = bytearray(start[:-4])
    body[at : at + len(data)] = data
    return bytes(body) + zlib.crc32(body).to_bytes(4, "little")


def read(data: bytes) -> None:
    for _ in ClvReader(io.BytesIO(data)):
        pass


def seek(data: bytes) -> None:
    ClvReader(io.BytesIO(data)).seek_to_key(5)


def with_index(index: bytes) -> bytes:
    return b"".join([*PARTS[:-1], index])


def stream_with(others: dict[int, Packet]) -> bytes:
    """The stream with other packets at their places."""
    packets = (others.get(n, packet(n)).to_bytes() for n in range(6))
    return b"".join([HEAD, *packets, PARTS[-1]])


def packet_start(body: bytes) -> bytes:
    """A stream whose first packet begins with the fixed fields and goes on with ``body``."""
    return HEAD + b"\xf5P00\x00\x40\x00" + bytes(2) + body


PADDED_INDEX = forged(6, [(0, 62)], 1, 99)
PADDED_INDEX = PADDED_INDEX[:-8] + bytes(79) + PADDED_INDEX[-8:]

WRONG: dict[str, tuple[Callable[[], object], type[ColorvidError]]] = {
    "empty": (lambda: read(b""), HeaderError),
    "other file": (lambda: read(b"RIFF1234" + bytes(80)), HeaderError),
    "text mode": (lambda: read(STREAM.replace(b"\r\n", b"\n", 1)), HeaderError),
    "cut header": (lambda: read(HEAD[:30]), HeaderError),
    "header CRC": (lambda: read(HEAD[:20] + b"?" + HEAD[21:]), HeaderError),
    "version 0": (lambda: read(sealed(HEAD, 8, b"\0")), HeaderError),
    "version 1": (lambda: read(HEAD[:8] + b"\1" + HEAD[9:]), UnsupportedVersion),
    "version 3": (lambda: read(HEAD[:8] + b"\3" + HEAD[9:]), UnsupportedVersion),
    "width 65535": (lambda: read(sealed(HEAD, 9, b"\xff\xff")), HeaderError),
    "height 65535": (lambda: read(sealed(HEAD, 11, b"\xff\xff")), HeaderError),
    "height 0": (lambda: read(sealed(HEAD, 11, b"\0\0")), HeaderError),
    "rate": (lambda: read(sealed(HEAD, 17, bytes(4))), HeaderError),
    "aspect": (lambda: read(sealed(HEAD, 21, bytes(4))), HeaderError),
    "reorder": (lambda: read(sealed(HEAD, 33, b"\x10")), HeaderError),
    "references": (lambda: read(sealed(HEAD, 34, b"\0")), HeaderError),
    "ratio": (lambda: info_of(header(rate_num=2**32 - 1, rate_den=1)), HeaderError),
    "too large": (lambda: check_picture(header().size, 9), HeaderError),
    "no model": (lambda: model_for(bytes(16), "cpu", None), ModelMismatch),
    "marker": (lambda: read(HEAD + b"what"), DamagedStream),
    "cut marker": (lambda: read(HEAD + b"\xf5CV"), DamagedStream),
    "cut packet header": (lambda: read(HEAD + PARTS[1][:8]), DamagedStream),
    "long varint": (lambda: read(packet_start(b"\x80\0\0\0")), DamagedStream),
    "level": (lambda: read(HEAD + b"\xf5P00\x00\x41" + bytes(7)), DamagedStream),
    "shift": (lambda: read(HEAD + b"\xf5P00\x40\xc8" + bytes(7)), DamagedStream),
    "order": (lambda: read(HEAD + b"\xf5P00\x80\x31" + bytes(3) + b"\4\0\0"), DamagedStream),
    "number": (lambda: read(HEAD + b"\xf5P00\x80\x39" + bytes(6)), DamagedStream),
    "section 2^26 + 1": (lambda: read(packet_start(b"\0\0\x81\x80\x80\x20")), DamagedStream),
    "payload": (lambda: read(packet_start(b"\0\0\x80\x80\x80\x20")), DamagedStream),
    "key motion": (lambda: read(packet_start(b"\0\1\0?")), DamagedStream),
    "cut payload": (lambda: read(packet_start(b"\0\0\x7f")), DamagedStream),
    "packet CRC": (lambda: read(packet_start(b"\0\0\0")), DamagedStream),
    "packet gone": (lambda: read(b"".join([*PARTS[:2], *PARTS[3:]])), DamagedStream),
    "packets gone": (lambda: read(b"".join([*PARTS[:2], *PARTS[4:]])), DamagedStream),
    "packet twice": (lambda: read(b"".join([*PARTS[:3], *PARTS[2:]])), DamagedStream),
    "shown twice": (lambda: read(stream_with({2: successor(2)})), DamagedStream),
    "shown early": (lambda: read(stream_with({4: successor(4, shift=-1)})), DamagedStream),
    "shown late": (lambda: read(stream_with({1: successor(1), 2: successor(2, shift=1)})),
                   DamagedStream),
    "no key": (lambda: read(HEAD + successor(0).to_bytes()), DamagedStream),
    "cut between packets": (lambda: read(b"".join(PARTS[:-1])), DamagedStream),
    "more bytes": (lambda: read(STREAM + b"?"), DamagedStream),
    "index cut": (lambda: read(STREAM[:-3]), DamagedStream),
    "index counts": (lambda: read(with_index(forged(7, [], 0, 18))), DamagedStream),
    "index CRC": (lambda: read(with_index(PARTS[-1][:4] + b"????" + PARTS[-1][8:])), DamagedStream),
    "index entry": (lambda: read(with_index(forged(6, [(0, 62)], 2, 20))), DamagedStream),
    "index tail": (lambda: read(with_index(PARTS[-1][:-1] + b"?")), DamagedStream),
    "index size": (lambda: read(with_index(forged(6, KEYS, 2, 36))), DamagedStream),
    "too few frames": (lambda: read(with_index(forged(5, KEYS, 2, 22))), DamagedStream),
    "too many frames": (lambda: read(with_index(forged(7, KEYS, 2, 22))), DamagedStream),
    "key count": (lambda: read(with_index(forged(6, [(0, 62)], 1, 20))), DamagedStream),
    "key places": (
        lambda: read(with_index(forged(6, [(0, 62), (3, 136)], 2, 22))), DamagedStream
    ),
    "seek: size": (lambda: seek(with_index(forged(6, KEYS, 2, 2**32 - 1))), DamagedStream),
    "seek: entries": (lambda: seek(with_index(PADDED_INDEX)), DamagedStream),
    "seek: count": (lambda: seek(with_index(forged(99, KEYS, 14, 22))), DamagedStream),
    "seek: behind": (lambda: seek(with_index(forged(6, [(0, 62), (3, 999)], 2, 23))),
                     DamagedStream),
    "seek: header": (lambda: seek(with_index(forged(6, [(0, 61)], 1, 20))), DamagedStream),
    "seek: last": (lambda: seek(with_index(forged(6, [(0, 62), (6, 90)], 2, 22))), DamagedStream),
    "seek: nothing": (
        lambda: seek(with_index(forged(6, [(0, 62), (3, 99)], 2, 22))), DamagedStream
    ),
}  # fmt: skip


MESSAGES: dict[str, str] = {
    "empty": "not a .clv stream: it is empty; check the file",
    "other file": (
        "not a .clv stream: it starts with 52 49 46 46 31 32 33 34, not 89 43 4c 56 0d 0a 1a "
        "0a; check the file"
    ),
    "text mode": "stream header: line ends were changed; transfer the file as binary",
    "cut header": "stream header is cut: 30 of 62 bytes are there; get the whole file",
    "header CRC": (
        "stream header is damaged: its CRC is 3156ed04, its bytes give 95c9f948; get the file again"
    ),
    "version 0": "stream header: version is 0; allowed is 2",
    "version 1": (
        "stream has format version 1, this colorvid reads version 2; decode it with the colorvid "
        "that made it"
    ),
    "version 3": "stream has format version 3, this colorvid reads version 2; update colorvid",
    "width 65535": "stream header: width is 65535; allowed is 1..8192",
    "height 65535": "stream header: height is 65535; allowed is 1..8192",
    "height 0": "stream header: height is 0; allowed is 1..8192",
    "rate": "stream header: rate_den is 0; allowed is 1..4294967295",
    "aspect": "stream header: sample aspect ratio is 0/11; an unknown ratio is written 0/1",
    "reorder": "stream header: reorder is 16; allowed is 0..15",
    "references": "stream header: references is 0; allowed is 1..16",
    "ratio": "stream header: frame rate is 4294967295; both terms must be from 0 to 2147483647",
    "too large": "stream header: picture is 176x144 = 25344 px; max_pixels=9 allows fewer",
    "no model": (
        "the stream needs model 00000000000000000000000000000000; available are ...; pass "
        "model=FILE with the right one or update colorvid"
    ),
    "marker": "byte 62: neither packet nor index starts with 77 68 61 74",
    "cut marker": "byte 62: stream is cut inside a marker",
    "cut packet header": "byte 62: packet header: frame_crc is cut: the data end here",
    "long varint": "byte 62: packet header: frame_number is not a varint in shortest form",
    "level": "byte 62: packet header: level is 1 in a key frame; allowed is 0",
    "shift": "byte 62: packet header: shift is 17; allowed is -8..16",
    "order": ("byte 62: packet header: shift is -2; the stream header says that it is at least -1"),
    "number": "byte 62: packet header: the display number is -1; allowed is 0..4294967294",
    "section 2^26 + 1": "byte 62: packet header: latents_bytes is 67108865; allowed is 0..67108864",
    "payload": (
        "byte 62: packet header: payload has 67108864 bytes; at most 80128 are allowed for "
        "this picture size"
    ),
    "key motion": "byte 62: packet header: motion_bytes is 1 in a key frame; allowed is 0",
    "cut payload": "byte 62: stream is cut inside the packet of frame 0: 12 of 139 bytes are there",
    "packet CRC": "byte 62: packet is corrupt: its CRC is 3030, its bytes give ecd2",
    "packet gone": "byte 84: frame 2 comes where frame 1 is due; frame 1 is lost",
    "packets gone": "byte 84: frame 3 comes where frame 1 is due; frames 1 to 2 are lost",
    "packet twice": "byte 109: frame 1 is repeated or out of order; frame 2 is due",
    "shown twice": "byte 109: frame 2 shows at 2, where another frame does; frame 2 is lost",
    "shown early": "byte 160: frame 4 shows at 3, where another frame does; frame 4 is lost",
    "shown late": "byte 134: a frame shows at 3; its group ends before 3",
    "no key": "byte 62: the first frame is not a key frame",
    "cut between packets": (
        "byte 217: stream is cut: it ends without its index; how many frames follow is not known"
    ),
    "more bytes": "byte 239: bytes follow the end of the stream",
    "index cut": "byte 217: index tail: end_marker is cut: the data end here",
    "index counts": "byte 217: index lists 0 key frames for 7 frames",
    "index CRC": "byte 217: index is corrupt: its CRC is 3f3f3f3f, its bytes give a27d077d",
    "index entry": "byte 217: index entry: offset_step is 0; allowed is 12..9223372036854775807",
    "index tail": "byte 217: index tail: end_marker is f543563f; allowed is F5 43 56 45",
    "index size": "byte 217: index should have 36 bytes; its entries end after 22",
    "too few frames": "byte 217: index is wrong: it says 5 frames, 6 were read",
    "too many frames": (
        "byte 217: the index says 7 frames, the packets end before frame 6; frame 6 is lost"
    ),
    "key count": "byte 217: index is wrong: it lists 1 key frames, 2 were read",
    "key places": "byte 217: index is wrong: its key frames are not where the packets are",
    "seek: size": "index tail: index_size is 4294967295; the stream has 239 bytes",
    "seek: entries": "index should have 99 bytes; 1 key frames fill at most 40",
    "seek: count": "index is wrong: 14 key frames do not fit into the 217 bytes before it",
    "seek: behind": "index is wrong: key frame 3 starts at byte 999, behind the packets",
    "seek: header": "index is wrong: key frame 0 starts at byte 61, inside the stream header",
    "seek: last": "index lists key frame 6 of 6 frames",
    "seek: nothing": "index says that key frame 3 starts at byte 99, but no such packet is there",
}
"""The exact text for each case of `WRONG`; ``...`` stands for the models of this colorvid."""


def text_of(name: str) -> str:
    """The message of a case, which must be an error of the very class that the case names."""
    call, error = WRONG[name]
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize("name", WRONG)
def test_each_way_to_be_wrong_has_its_message(name: str) -> None:
    start, gap, end = MESSAGES[name].partition("...")
    text = text_of(name)
    assert "\n" not in text
    if gap:
        assert text.startswith(start) and text.endswith(end)
    else:
        assert text == start


def test_every_message_has_a_case() -> None:
    assert list(MESSAGES) == list(WRONG)
    assert len(set(MESSAGES.values())) == len(WRONG) == 57


def test_a_stream_for_another_model_is_answered_with_the_models_that_are_here() -> None:
    text = text_of("no model")
    assert all(f"{name} ({model_identity(name).hex()})" in text for name in RELEASED)


@pytest.mark.parametrize("number", range(len(PARTS) - 2))
def test_packets_swapped(number: int) -> None:
    swapped = [*PARTS[: number + 1], *PARTS[number + 2 : number + 3], PARTS[number + 1]]
    data = b"".join([*swapped, *PARTS[number + 3 :]])
    numbers, damage = records(data)
    if number + 2 == len(PARTS) - 1:  # with the index: all behind it is left
        assert (numbers, len(damage)) == ([0, 1, 2, 3, 4], 2)
        return
    assert numbers == [n for n in range(6) if n != number]
    assert [d.lost for d in damage] == [range(number, number + 1), range(0)]


def test_an_empty_packet_is_the_smallest() -> None:
    assert len(packet(0, motion=b"", latents=b"").to_bytes()) == 12
    data = b"".join([HEAD, *(packet(0, latents=b"", frame_number=n).to_bytes() for n in range(9))])
    numbers = [r.frame_number for r in ClvReader(io.BytesIO(data), "resync") if
               isinstance(r, Packet)]  # fmt: skip
    assert numbers == list(range(9))


def test_a_stream_of_many_empty_packets_is_read_packet_by_packet() -> None:
    count = 10_000
    body = b"".join(packet(1, motion=b"", latents=b"", frame_number=n).to_bytes() for n in
                    range(count))  # fmt: skip
    found = list(ClvReader(io.BytesIO(HEAD + body), "resync"))
    assert sum(isinstance(record, Packet) for record in found) == count
    repeated = PARTS[1] * count
    damage = [r for r in ClvReader(io.BytesIO(HEAD + repeated), "resync") if isinstance(r, Damage)]
    assert len(damage) == count, "each but the first is a repetition, and the index is missing"


def test_promised_packet_sizes_are_checked_against_the_picture() -> None:
    limit = header(width=1, height=1).payload_limit
    start = b"\xf5P00\x00\x40\x00" + bytes(2) + b"\0\0"
    assert limit == 2 * 3 + 4096
    assert parse_header(start + b"\x86\x20", limit, 0).header.latents_bytes == limit
    with pytest.raises(DamagedStream, match="payload has 4103 bytes; at most 4102 are allowed"):
        parse_header(start + b"\x87\x20", limit, 0)


def test_index_of_more_key_frames_than_packets_fit_is_refused_by_its_header() -> None:
    many = forged(4000, [(n, 62 + 16 * n) for n in range(4000)], 4000, 8000 + 20)
    assert len(StreamIndex.from_bytes(forged(6, KEYS, 2, 22)).keys) == 2
    with pytest.raises(
        DamagedStream, match="index is wrong: 4000 key frames do not fit into the 217"
    ):
        seek(with_index(many))
    reader = ClvReader(io.BytesIO(with_index(many)), "resync")
    assert (reader.seek_to_key(5), reader.stated_frames()) == (3, None)


def test_false_indexes_do_not_keep_the_reader_busy() -> None:
    room = packet(0).to_bytes() * 2**15
    entries = forged(2**32 - 1, [], 2**15 + 2**10, 18)[:-8] + b"\1\x10" * (2**15 + 2**9)
    for data in (HEAD + b"\xf5CVI" * 2**16, HEAD + room + entries + b"\xf5P" * 2**15):
        found = list(ClvReader(io.BytesIO(data), "resync"))
        last = found[-1]
        assert isinstance(last, Damage) and "too many false packets follow, gave up" in last.what


def test_what_the_index_states_is_read_without_moving() -> None:
    reader = ClvReader(io.BytesIO(STREAM))
    packets = iter(reader)
    assert next(packets) == packet(0)
    assert reader.stated_frames() == 6
    assert next(packets) == packet(1)
    assert ClvReader(io.BytesIO(STREAM[:-1])).stated_frames() is None
    assert len(STREAM) > HEADER_SIZE
