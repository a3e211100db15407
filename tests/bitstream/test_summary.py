from __future__ import annotations

import io

from colorvid.bitstream import summarise
from colorvid.bitstream.summary import DAMAGE_LINES
from tests.clv import header, packet, parts, stream


def test_summary_of_a_whole_stream() -> None:
    data = stream()
    summary = summarise(io.BytesIO(data))
    assert summary.header == header()
    assert summary.damage == ()
    assert (summary.total_frames, summary.key_frames, summary.index_bytes) == (6, 2, 22)
    assert summary.section_bytes == {"motion": 8, "latents": 75}
    assert summary.overhead_bytes == 62 + 6 * 12 + 22
    assert summary.total_bytes == len(data)


def test_summary_of_each_frame() -> None:
    pieces = parts()
    frames = summarise(io.BytesIO(b"".join(pieces))).frames
    assert [frame.header for frame in frames] == [packet(n).header for n in range(6)]
    assert [frame.packet_bytes for frame in frames] == [len(piece) for piece in pieces[1:-1]]
    assert [frame.offset for frame in frames] == [sum(map(len, pieces[: n + 1])) for n in range(6)]
    assert [frame.is_key for frame in frames] == [True, False, False] * 2


def test_summary_without_frames() -> None:
    summary = summarise(io.BytesIO(stream(0)))
    assert (summary.frames, summary.total_frames, summary.key_frames) == ((), 0, 0)
    assert summary.section_bytes == {"motion": 0, "latents": 0}
    assert summary.total_bytes == 62 + 18


def test_summary_lists_damage() -> None:
    pieces = parts()
    data = b"".join(pieces[:2] + pieces[3:-1])
    end = len(data)
    summary = summarise(io.BytesIO(data))
    assert [str(damage) for damage in summary.damage] == [
        "byte 84: frame 2 comes where frame 1 is due; frame 1 is lost",
        f"byte {end}: stream is cut: it ends without its index; "
        "how many frames follow is not known",
    ]
    assert (summary.total_frames, summary.index_bytes, len(summary.frames)) == (None, 0, 5)


def test_summary_keeps_so_many_places_of_damage_and_counts_the_rest() -> None:
    pieces = parts()
    summary = summarise(io.BytesIO(b"".join([*pieces[:2], *[pieces[1]] * 250, *pieces[2:]])))
    assert (len(summary.frames), len(summary.damage), summary.damages) == (6, DAMAGE_LINES, 250)
