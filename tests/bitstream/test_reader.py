from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import pytest

from colorvid.bitstream import ClvReader, Damage, KeyFrame, Packet, StreamIndex, rebuild_index
from colorvid.errors import ColorvidError, ConfigError, DamagedStream, HeaderError, InputError
from tests.bitstream.test_index import KEYS, forged
from tests.clv import HEADER_SIZE, header, packet, parts, records, successor

PARTS = parts()
STREAM = b"".join(PARTS)
ENDS = [sum(map(len, PARTS[: n + 1])) for n in range(len(PARTS))]


def read_strict(data: bytes) -> list[int]:
    """Frame numbers of a stream that must be sound."""
    numbers = []
    for record in ClvReader(io.BytesIO(data)):
        assert isinstance(record, Packet)
        numbers.append(record.frame_number)
    return numbers


def test_sound_stream() -> None:
    reader = ClvReader(io.BytesIO(STREAM))
    assert reader.header == header()
    assert list(reader) == [packet(n) for n in range(6)]
    assert (reader.total_frames, reader.index_bytes) == (6, 22)
    assert records(STREAM) == ([0, 1, 2, 3, 4, 5], [])


def test_unknown_mode() -> None:
    with pytest.raises(ConfigError, match="on_damage is 'skip'; allowed are 'raise' and 'resync'"):
        ClvReader(io.BytesIO(STREAM), "skip")  # type: ignore[arg-type]


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_cut_at_every_byte(length: int) -> None:
    data = STREAM[:length]
    if length < HEADER_SIZE:
        with pytest.raises(HeaderError):
            ClvReader(io.BytesIO(data))
        return
    with pytest.raises(DamagedStream, match="stream is cut|is cut: the data end here"):
        read_strict(data)
    numbers, damage = records(data)
    assert numbers == list(range(sum(end <= length for end in ENDS[1:-1])))
    assert len(damage) == 1 and damage[0].lost is None


@pytest.mark.parametrize("position", range(len(STREAM)))
def test_every_flipped_byte_is_noticed(position: int) -> None:
    for flip in (0x01, 0x80, 0xFF):
        data = bytearray(STREAM)
        data[position] ^= flip
        if position < HEADER_SIZE:
            with pytest.raises(HeaderError):
                ClvReader(io.BytesIO(data))
            continue
        with pytest.raises(DamagedStream, match=r"^byte \d+: "):
            read_strict(bytes(data))
        numbers, damage = records(bytes(data))
        hit = next(n for n, end in enumerate(ENDS) if position < end) - 1
        assert numbers == [n for n in range(6) if n != hit]
        assert len(damage) == 1
        assert damage[0].lost == (range(hit, hit + 1) if hit < 6 else None)


def swap(pieces: list[bytes]) -> list[bytes]:
    return [*pieces[:2], pieces[3], pieces[2], *pieces[4:]]


@pytest.mark.parametrize(
    ("edit", "numbers", "messages"),
    [
        (
            lambda p: [*p[:3], p[2], *p[3:]],
            [0, 1, 2, 3, 4, 5],
            ["byte 109: frame 1 is repeated or out of order; frame 2 is due"],
        ),
        (
            lambda p: [*p[:2], *p[4:]],
            [0, 3, 4, 5],
            ["byte 84: frame 3 comes where frame 1 is due; frames 1 to 2 are lost"],
        ),
        (
            swap,
            [0, 2, 3, 4, 5],
            [
                "byte 84: frame 2 comes where frame 1 is due; frame 1 is lost",
                "byte 110: frame 1 is repeated or out of order; frame 3 is due",
            ],
        ),
        (
            lambda p: [*p[:5], p[-1]],
            [0, 1, 2, 3],
            [
                "byte 160: the index says 6 frames, the packets end before frame 4; "
                "frames 4 to 5 are lost"
            ],
        ),
        (
            lambda p: [*p[:2], b"junk" * 50, *p[2:]],
            [0, 1, 2, 3, 4, 5],
            ["byte 84: neither packet nor index starts with 6a 75 6e 6b"],
        ),
        (
            lambda p: [*p, b"\x00"],
            [0, 1, 2, 3, 4, 5],
            [f"byte {len(STREAM)}: bytes follow the end of the stream"],
        ),
    ],
)
def test_frames_out_of_place(
    edit: Callable[[list[bytes]], list[bytes]], numbers: list[int], messages: list[str]
) -> None:
    data = b"".join(edit(PARTS))
    found, damage = records(data)
    assert found == numbers
    assert [str(record) for record in damage] == messages
    with pytest.raises(DamagedStream) as caught:
        read_strict(data)
    assert str(caught.value) == messages[0]


def test_first_frame_is_not_a_key_frame() -> None:
    first = packet(0, frame_type=1, past=1)
    data = b"".join([PARTS[0], first.to_bytes(), *PARTS[2:]])
    found = list(ClvReader(io.BytesIO(data), "resync"))
    damage = Damage("the first frame is not a key frame", 62, range(0))
    assert found == [damage, first, *(packet(n) for n in range(1, 6))]
    with pytest.raises(DamagedStream, match="^byte 62: the first frame is not a key frame$"):
        read_strict(data)


def stream_of(*packets: Packet) -> bytes:
    """A stream with these packets between the header and the index of the sound one."""
    return b"".join([PARTS[0], *(p.to_bytes() for p in packets), PARTS[-1]])


@pytest.mark.parametrize(
    ("wrong", "numbers", "messages"),
    [
        (
            {2: packet(2, shift=0)},
            [0, 1, 3, 4, 5],
            ["byte 109: frame 2 shows at 2, where another frame does; frame 2 is lost"],
        ),
        (
            {4: packet(4, shift=-1), 5: packet(5, frame_number=5, shift=0)},
            [0, 1, 2, 3, 5],
            ["byte 160: frame 4 shows at 3, where another frame does; frame 4 is lost"],
        ),
        (
            {4: successor(4), 5: packet(5, shift=-1, frame_type=2)},
            [0, 1, 2, 3, 4],
            ["byte 185: frame 5 shows at 4, where another frame does; frame 5 is lost"],
        ),
        (
            {5: packet(2, frame_number=5, shift=-3)},
            [0, 1, 2, 3, 4],
            ["byte 188: packet header: shift is -3; the stream header says that it is at least -1"
             "; frame 5 is lost"],
        ),
        (
            {1: successor(1), 2: successor(2, shift=1)},
            [0, 1, 2, 3, 4, 5],
            ["byte 134: a frame shows at 3; its group ends before 3"],
        ),
        (
            {4: successor(4), 5: successor(5, shift=9)},
            [0, 1, 2, 3, 4, 5],
            ["byte 210: a frame shows at 14; its group ends before 6"],
        ),
    ],
)  # fmt: skip
def test_display_numbers_that_cannot_be(
    wrong: dict[int, Packet], numbers: list[int], messages: list[str]
) -> None:
    data = stream_of(*(wrong.get(n, packet(n)) for n in range(6)))
    found = list(ClvReader(io.BytesIO(data), "resync"))
    assert [r.frame_number for r in found if isinstance(r, Packet)] == numbers
    assert [str(r) for r in found if isinstance(r, Damage)][:1] == messages
    with pytest.raises(DamagedStream) as caught:
        read_strict(data)
    assert messages[0].startswith(str(caught.value))


def test_a_frame_before_its_key_frame() -> None:
    packets = [packet(0), successor(1), packet(0, frame_number=2), successor(3, shift=-2)]
    data = header(reorder=2).to_bytes() + b"".join(p.to_bytes() for p in packets)
    found = list(ClvReader(io.BytesIO(data), "resync"))
    assert found[:3] == packets[:3]
    assert found[3] == Damage(
        "frame 3 shows at 1, before its key frame, which shows at 2", 131, range(3, 4)
    )


def test_a_lost_key_frame_is_no_fault_of_the_frames_after_it() -> None:
    packets = [packet(n) for n in (0, 1, 2, 4, 5)]
    found = list(ClvReader(io.BytesIO(stream_of(*packets)), "resync"))
    assert [r for r in found if isinstance(r, Packet)] == packets
    damage = [r for r in found if isinstance(r, Damage)]
    assert [d.lost for d in damage] == [range(3, 4)]


def test_a_seek_forgets_the_numbers_of_before() -> None:
    reader = ClvReader(io.BytesIO(STREAM))
    for stop in (5, 6):
        assert reader.seek_to_key(2) == 0
        assert list(islice(reader, stop)) == [packet(n) for n in range(stop)]


def test_resync_over_a_lost_length() -> None:
    broken = bytearray(PARTS[2])
    broken[15] = 0x7F  # the latents seem to reach far into the next packets
    numbers, damage = records(b"".join([*PARTS[:2], bytes(broken), *PARTS[3:]]))
    assert numbers == [0, 2, 3, 4, 5]
    assert [d.lost for d in damage] == [range(1, 2)]


def test_marker_inside_a_payload_is_no_packet() -> None:
    tricky = packet(1, latents=b"\xf5P\xf5CVI\xf5CVE" + PARTS[3][:20]).to_bytes()
    data = [*PARTS[:2], tricky, *PARTS[3:-1]]
    assert [r.frame_number for r in ClvReader(io.BytesIO(b"".join(data)), "resync") if
            isinstance(r, Packet)] == [0, 1, 2, 3, 4, 5]  # fmt: skip
    data[2] = tricky[:-1] + b"?"
    assert records(b"".join(data))[0] == [0, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (forged(6, [(0, 62), (3, 136)], 2, 22), "index is wrong: its key frames are not where"),
        (forged(6, [(0, 62), (2, 135)], 2, 22), "index is wrong: its key frames are not where"),
        (forged(6, [(0, 62)], 1, 20), "index is wrong: it lists 1 key frames, 2 were read"),
        (forged(6, [(0, 62), (3, 135), (4, 160)], 3, 24), "it lists 3 key frames, 2 were read"),
        (forged(5, KEYS, 2, 22), "index is wrong: it says 5 frames, 6 were read"),
        (forged(6, KEYS, 2, 36), "index should have 36 bytes; its entries end after 22"),
        (forged(2**32 - 1, KEYS, 2**28, 24), "268435456 key frames do not fit into the 2"),
        (forged(6, KEYS, 2, 22)[:-8] + b"\xff" * 8, "index tail: end_marker is ffffffff"),
    ],
)
def test_lying_index(index: bytes, message: str) -> None:
    data = b"".join([*PARTS[:-1], index])
    with pytest.raises(DamagedStream, match=message):
        read_strict(data)
    numbers, damage = records(data)
    assert numbers == [0, 1, 2, 3, 4, 5]
    assert [message in d.what for d in damage] == [True]


@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize("mode", ["raise", "resync"])
def test_seek_to_key(with_index: bool, mode: str) -> None:
    data = STREAM if with_index else STREAM[: ENDS[-2]]
    for target in range(6):
        reader = ClvReader(io.BytesIO(data), mode)  # type: ignore[arg-type]
        start = reader.seek_to_key(target)
        assert start == target // 3 * 3
        rest = [next(iter(reader)) for _ in range(start, 6)]
        assert rest == [packet(n) for n in range(start, 6)]
    with pytest.raises(ConfigError, match="frame 6 is not in the stream; it has 6 frames"):
        reader.seek_to_key(6)


def test_seek_after_the_end_and_end_after_seek() -> None:
    reader = ClvReader(io.BytesIO(STREAM))
    assert len(list(reader)) == 6
    assert reader.seek_to_key(5) == 3
    assert list(reader) == [packet(3), packet(4), packet(5)]


def test_load_index_keeps_the_position() -> None:
    reader = ClvReader(io.BytesIO(STREAM))
    records_ = iter(reader)
    assert next(records_) == packet(0)
    assert reader.load_index() == StreamIndex(6, (KeyFrame(0, 62), KeyFrame(3, 135)))
    assert next(records_) == packet(1)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (forged(6, [(0, 62), (4, 135)], 2, 22), "key frame 4 starts at byte 135, but no such"),
        (forged(6, [(0, 62), (3, 134)], 2, 22), "key frame 3 starts at byte 134, but no such"),
        (forged(6, [(0, 62), (3, 2**62)], 2, 30), "starts at byte 4611686018427387904, behind"),
        (forged(6, KEYS, 2, 2**32 - 1), "index_size is 4294967295; the stream has"),
        (PARTS[-1][:5] + b"\x00" + PARTS[-1][6:], "index is corrupt"),
    ],
)
def test_seek_with_a_lying_index(index: bytes, message: str) -> None:
    data = b"".join([*PARTS[:-1], index])
    with pytest.raises(DamagedStream, match=message):
        ClvReader(io.BytesIO(data)).seek_to_key(5)
    reader = ClvReader(io.BytesIO(data), "resync")
    assert reader.seek_to_key(5) == 3
    assert next(iter(reader)) == packet(3)


def test_seek_without_a_readable_key_frame() -> None:
    data = b"".join([PARTS[0], *PARTS[2:4], PARTS[-1]])
    with pytest.raises(DamagedStream, match="no key frame at or before frame 1 is readable"):
        ClvReader(io.BytesIO(data), "resync").seek_to_key(1)


def test_rebuild_index() -> None:
    index = StreamIndex(6, (KeyFrame(0, 62), KeyFrame(3, 135)))
    assert rebuild_index(io.BytesIO(STREAM)) == index
    assert rebuild_index(io.BytesIO(STREAM[: ENDS[-2]])) == index


def test_stream_behind_other_bytes() -> None:
    file = io.BytesIO(b"something" + STREAM)
    file.seek(9)
    reader = ClvReader(file)
    assert reader.seek_to_key(4) == 3
    assert list(reader) == [packet(3), packet(4), packet(5)]


def test_pipe_gives_each_packet_as_soon_as_it_is_there() -> None:
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as source, open(write_end, "wb", buffering=0) as sink:
        sink.write(PARTS[0])
        reader = ClvReader(source)
        packets = iter(reader)
        for number, piece in enumerate(PARTS[1:-1]):
            sink.write(piece)
            assert next(packets) == packet(number)
        with pytest.raises(InputError, match="cannot seek in a pipe"):
            reader.seek_to_key(0)
        sink.write(PARTS[-1])
        sink.close()
        assert list(packets) == []
        assert reader.total_frames == 6


def mutate(random_: random.Random) -> bytes:
    """A stream with a few random edits: flips, cuts, repeats, inserted and swapped pieces."""
    data = bytearray(STREAM)
    for _ in range(random_.randint(1, 4)):
        start = random_.randrange(len(data) + 1)
        end = min(len(data), start + random_.choice((0, 1, 4, 30, 100)))
        new = random_.choice((
            random_.randbytes(end - start), random_.randbytes(4), b"", bytes(data[start:end]) * 2,
            b"\xf5P", b"\xf5CVI", random_.choice(PARTS), b"\xff" * 9,
        ))  # fmt: skip
        data[start:end] = new
        if len(data) == 0:
            break
    return bytes(data)


def test_random_damage_raises_only_our_errors() -> None:
    random_ = random.Random(20240501)
    outcomes: Counter[str] = Counter()
    for _ in range(3000):
        data = mutate(random_)
        try:
            assert read_strict(data) == [0, 1, 2, 3, 4, 5]
            assert data == STREAM
            outcomes["sound"] += 1
        except ColorvidError as error:
            outcomes[type(error).__name__] += 1
        try:
            reader = ClvReader(io.BytesIO(data), "resync")
        except HeaderError:
            continue
        found = list(reader)
        numbers = [record.frame_number for record in found if isinstance(record, Packet)]
        assert numbers == sorted(set(numbers))
        assert data == STREAM or len(found) > len(numbers)
        with suppress(ConfigError, DamagedStream):
            assert reader.seek_to_key(4) in (0, 3)
            assert isinstance(next(iter(reader)), Packet)
    assert outcomes["DamagedStream"] > 1000 and outcomes["HeaderError"] > 100


def test_loads_without_torch_and_av() -> None:
    code = "import sys, colorvid.bitstream; print([m for m in ('torch', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
