from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc

import pytest

from colorvid.bitstream import ClvReader, Damage, Packet
from colorvid.bitstream.index import KeyFrame
from colorvid.bitstream.scanner import ByteWindow, Scanner
from colorvid.bitstream.writer import write_all
from colorvid.errors import DamagedStream, InputError, OutputError
from tests.bitstream.test_index import forged
from tests.clv import header, packet, parts, records

PARTS = parts()
STREAM = b"".join(PARTS)


def test_damaged_packet_keeps_the_position() -> None:
    broken = PARTS[1][:-1] + b"?"
    scanner = Scanner(io.BytesIO(b"".join([PARTS[0], broken, *PARTS[2:]])))
    with pytest.raises(DamagedStream, match="packet is corrupt"):
        scanner.take_packet()
    assert scanner.offset == 62
    assert scanner.find_marker(62)
    assert (scanner.offset, scanner.take_packet()) == (84, packet(1))


def test_markers_in_order() -> None:
    scanner = Scanner(io.BytesIO(STREAM))
    markers = []
    for piece in PARTS[1:]:
        markers.append(scanner.marker())
        scanner.take(len(piece))
    assert markers == [b"\xf5P"] * 6 + [b"\xf5CVI"]
    assert scanner.marker() == b"" and scanner.at_end()


@pytest.mark.parametrize(
    ("key", "found"),
    [((0, 62), True), ((3, 135), True), ((3, 134), False), ((1, 84), False), ((3, 62), False),
     ((9, len(STREAM) - 22), False), ((9, len(STREAM) + 5), False)],
)  # fmt: skip
def test_is_key_packet(key: tuple[int, int], found: bool) -> None:
    assert Scanner(io.BytesIO(STREAM)).is_key_packet(KeyFrame(*key)) is found


def peak_bytes(data: bytes) -> int:
    """Most memory that reading a stream in resync mode takes, beyond the stream itself."""
    tracemalloc.start()
    try:
        for _ in ClvReader(io.BytesIO(data), "resync"):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_huge_declared_lengths_do_not_allocate() -> None:
    large = header(width=8192, height=8192).to_bytes()
    claim = b"\xf5P0000\x00\x40\x00" + bytes(4) + b"\x00\x00\x80\x80\x80\x20"
    assert peak_bytes(large + claim) < 300_000
    assert peak_bytes(large + forged(2**32 - 1, [], 2**28, 2**32 - 1)) < 300_000


def test_memory_does_not_grow_with_the_stream() -> None:
    body = [packet(n % 3, frame_number=n, latents=bytes(5000)).to_bytes() for n in range(600)]
    assert peak_bytes(b"".join([header().to_bytes(), *body])) < 400_000


def test_false_packets_do_not_cost_quadratic_time() -> None:
    large = header(width=8192, height=8192).to_bytes()
    claim = b"\xf5P0000\x00\x40\x00" + bytes(4) + b"\x00\x00\x80\x80\x80\x01"
    found = list(ClvReader(io.BytesIO(large + claim * 200_000), "resync"))
    assert len(found) == 1 and "too many false packets follow, gave up" in str(found[0])


def test_markers_without_packets_do_not_keep_the_reader_busy() -> None:
    found = list(ClvReader(io.BytesIO(header().to_bytes() + b"\xf5P" * 2**20), "resync"))
    assert len(found) == 1 and "too many false packets follow, gave up" in str(found[0])


def test_random_bytes_are_searched_to_their_end() -> None:
    noise = random.Random(7).randbytes(2**22)
    assert noise.count(b"\xf5P") > 30
    found = list(ClvReader(io.BytesIO(b"".join([PARTS[0], noise, *PARTS[1:]])), "resync"))
    assert isinstance(found[0], Damage) and found[0].offset == 62
    assert found[1:] == [packet(n) for n in range(6)]


@pytest.mark.parametrize("gap", range(65530, 65545))
def test_marker_across_pieces_of_the_file_is_found(gap: int) -> None:
    data = b"".join([PARTS[0], bytes(gap - 62), *PARTS[1:]])
    assert sum(isinstance(record, Packet) for record in ClvReader(io.BytesIO(data), "resync")) == 6
    data = b"".join([*PARTS[:7], bytes(gap - 217), PARTS[7]])
    assert records(data)[1] == [
        Damage("neither packet nor index starts with 00 00 00 00", 217, range(6, 6))
    ]


def test_false_index_size_does_not_load_the_file() -> None:
    tail = struct.pack("<I", 4_000_000) + b"\xf5CVE"
    data = header().to_bytes() + bytes(100) + forged(6, [(0, 62)], 1, 0)[:-8]
    data += bytes(4_000_000 - 8 - len(data) + 162) + tail
    scanner = Scanner(io.BytesIO(data))
    with pytest.raises(DamagedStream, match="index should have 4000000 bytes; 1 key frames fill"):
        scanner.index_at_end()


class Dribble(io.RawIOBase):
    """Takes three bytes at a time, and none after nine."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: object) -> int:
        piece = bytes(data)[:3] if len(self.taken) < 9 else b""  # type: ignore[call-overload]
        self.taken += piece
        return len(piece)


class Broken(io.RawIOBase):
    """Every use fails."""

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError(5, "Input/output error")


def test_write_all_goes_on_until_nothing_is_taken() -> None:
    file = Dribble()
    write_all(file, b"12345678")
    assert file.taken == b"12345678"
    with pytest.raises(OutputError, match="the file takes no bytes"):
        write_all(file, b"abcdefgh")


def test_window_fills_drops_and_seeks() -> None:
    file = io.BytesIO(b"..abcdefgh")
    file.seek(2)
    window = ByteWindow(file)
    assert window.fill(8) and not window.fill(9)
    window.drop(3)
    assert (window.data, window.offset) == (b"defgh", 3)
    assert window.size() == 8
    window.seek(1)
    assert window.fill(2) and window.data.startswith(b"bc")


def test_stopped_window_ends_until_the_next_seek() -> None:
    window = ByteWindow(io.BytesIO(b"abc"))
    window.stop()
    assert not window.fill(1)
    window.seek(0)
    assert window.fill(3)


def test_pipe_cannot_seek() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    with open(read_end, "rb") as file:
        window = ByteWindow(file)
        with pytest.raises(InputError, match="cannot seek in a pipe; give the stream as a file"):
            window.seek(0)


def test_errors_of_the_file_are_translated() -> None:
    window = ByteWindow(Broken())
    with pytest.raises(InputError, match="cannot read the stream: Input/output error"):
        window.fill(1)
    with pytest.raises(InputError, match="cannot seek in the stream: Input/output error"):
        window.seek(3)
