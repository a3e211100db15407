from __future__ import annotations

import io
import tracemalloc

import pytest

from colorvid.bitstream import ClvReader
from colorvid.bitstream.index import KeyFrame
from colorvid.bitstream.scanner import Scanner
from colorvid.errors import DamagedStream
from tests.clv import header, packet, parts
from tests.test_index import forged

PARTS = parts()
STREAM = b"".join(PARTS)


def test_damaged_packet_keeps_the_position() -> None:
    broken = PARTS[1][:-1] + b"?"
    scanner = Scanner(io.BytesIO(b"".join([PARTS[0], broken, *PARTS[2:]])))
    with pytest.raises(DamagedStream, match="packet is corrupt"):
        scanner.take_packet()
    assert scanner.offset == 64
    assert scanner.find_marker(64)
    assert (scanner.offset, scanner.take_packet()) == (90, packet(1))


def test_markers_in_order() -> None:
    scanner = Scanner(io.BytesIO(STREAM))
    markers = []
    for piece in PARTS[1:]:
        markers.append(scanner.marker())
        scanner.take(len(piece))
    assert markers == [b"\xf5CVP"] * 6 + [b"\xf5CVI"]
    assert scanner.marker() == b"" and scanner.at_end()


@pytest.mark.parametrize(
    ("key", "found"),
    [((0, 64), True), ((3, 149), True), ((3, 148), False), ((1, 90), False), ((3, 64), False),
     ((9, len(STREAM) - 48), False), ((9, len(STREAM) + 5), False)],
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
    claim = b"\xf5CVP0000\x00\x00" + bytes(4) + b"\x00\x00\x00\x80\x80\x80\x20\x00"
    assert peak_bytes(large + claim) < 300_000
    assert peak_bytes(large + forged(2**32 - 1, [], 357913939, 2**32 - 1)) < 300_000


def test_memory_does_not_grow_with_the_stream() -> None:
    body = [packet(n % 3, frame_number=n, luma=bytes(5000)).to_bytes() for n in range(600)]
    assert peak_bytes(b"".join([header().to_bytes(), *body])) < 400_000


def test_false_packets_do_not_cost_quadratic_time() -> None:
    large = header(width=8192, height=8192).to_bytes()
    claim = b"\xf5CVP0000\x00\x00" + bytes(4) + b"\x00\x00\x00\x80\x80\x80\x01\x00"
    found = list(ClvReader(io.BytesIO(large + claim * 200_000), "resync"))
    assert len(found) == 1 and "too many false packets follow, gave up" in str(found[0])
