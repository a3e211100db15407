from contextlib import closing
from dataclasses import replace

import pytest

from colorvid.bitstream import Damage, Packet, StreamHeader
from colorvid.codec import groups
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import OutOfMemory
from colorvid.frame import Size
from colorvid.system.cores import one_torch_thread
from tests import tiny
from tests.clips import moving_frames


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")],
)
def test_too_little_memory_is_named(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match="not enough memory for pictures of 9x7; use fewer"):
        with groups.enough_memory(Size(9, 7)):
            raise error
    with pytest.raises(RuntimeError, match="shape"), groups.enough_memory(Size(9, 7)):
        raise RuntimeError("shape")


def header(settings: EncoderSettings) -> StreamHeader:
    """The header of a stream of 20x18 by these settings."""
    return StreamHeader(
        width=20, height=18, rate_num=25, rate_den=1, gop_length=settings.gop,
        reorder=settings.reorder, references=settings.references, model_id=bytes(16),
    )  # fmt: skip


def encoded(settings: EncoderSettings, count: int, threads: int = 1) -> list[groups.EncodedFrame]:
    frames = moving_frames(count, 18, 20)
    results = groups.encode_frames(tiny.model(), settings, frames, Size(20, 18), threads=threads)
    with closing(results):
        return list(results)


def decoded(
    settings: EncoderSettings, records: list[Packet | Damage], threads: int = 1
) -> list[groups.DecodedRecord]:
    results = groups.decode_records(tiny.model(), records, header(settings), threads=threads)
    with one_torch_thread(), closing(results):
        return list(results)


def test_frames_to_packets_and_back_with_damage_between() -> None:
    settings = EncoderSettings(gop=2, bframes=0)
    sent = encoded(settings, 5)
    assert [item.packet.is_key for item in sent] == [True, False, True, False, True]
    assert [item.row.scores for item in sent] == [None] * 5
    records: list[Packet | Damage] = [item.packet for item in sent]
    records[0] = Damage("hole", 60, range(0, 1))
    records[4:4] = [Damage("noise", 99, range(0))]
    got = decoded(settings, records)
    good = [item.frame is not None for item in got]
    assert good == [False, False, True, True, False, True]
    sizes = [item.packet.size_bytes for item in sent]
    assert [item.size_bytes for item in got] == [0, *sizes[1:4], 0, sizes[4]]
    assert [item.header is None for item in got] == [True, False, False, False, True, False]
    assert [item.problem is not None for item in got] == [True, *[False] * 3, True, False]
    for item, source in zip(got[2:4], sent[2:4], strict=True):
        assert item.frame is not None and item.frame.crc32() == source.packet.frame_crc


@pytest.mark.parametrize(
    ("bframes", "preset"),
    [(0, "medium"), (2, "medium"), (15, "medium"), (15, "fast"), (15, "slow"), (3, "best")],
)
def test_the_number_of_threads_changes_nothing(bframes: int, preset: str) -> None:
    settings = EncoderSettings(gop=7, bframes=bframes, preset=preset)
    wanted = [item.packet for item in encoded(settings, 24)]
    assert [p.frame_number for p in wanted] == list(range(24))
    assert sorted(p.display_number for p in wanted) == list(range(24))
    for threads in (2, 5):
        assert [item.packet for item in encoded(settings, 24, threads)] == wanted
        for item, packet in zip(decoded(settings, [*wanted], threads), wanted, strict=True):
            assert item.header == packet.header and item.problem is None
            assert item.frame is not None and item.frame.crc32() == packet.frame_crc


def test_a_group_longer_than_the_buffers_flows() -> None:
    settings = EncoderSettings(gop=150, bframes=15)
    frames = moving_frames(1, 18, 20) * 100
    results = groups.encode_frames(tiny.model(), settings, frames, Size(20, 18), threads=2)
    with closing(results):
        packets = [item.packet for item in results]
    assert sorted(p.display_number for p in packets) == list(range(100))
    got = decoded(settings, [*packets], threads=2)
    assert all(item.frame is not None for item in got)


def test_scores_compare_each_frame_with_its_own_source() -> None:
    frames = moving_frames(7, 18, 20)
    seen: list[tuple[int, int]] = []
    settings = EncoderSettings(gop=7)
    results = groups.encode_frames(
        tiny.model(), settings, frames, Size(20, 18), threads=1,
        scorer=lambda source, picture: seen.append((source.crc32(), picture.crc32())),
    )  # fmt: skip
    with closing(results):
        packets = [item.packet for item in results]
    sources = [frame.crc32() for frame in frames]
    assert seen == [(sources[p.display_number], p.frame_crc) for p in packets]


def test_what_is_lost_is_told_once_for_each_group() -> None:
    settings = EncoderSettings(gop=6)
    packets = [item.packet for item in encoded(settings, 18)]
    records: list[Packet | Damage] = [p for p in packets if p.display_number != 5]
    records[6] = replace(packets[7], frame_crc=packets[7].frame_crc ^ 1)  # frame 11
    got = decoded(settings, records)
    lost = {item.header.display_number for item in got if item.header and item.frame is None}
    assert lost == {1, 2, 3, 4, 7, 8, 9, 10, 11}
    problems = [(i.header and i.header.display_number, i.problem) for i in got if i.problem]
    assert [number for number, _ in problems] == [2, 11]
    assert problems[0][1] == "frame 2: frame 5, which it refers to, is missing"
    assert [i.header.display_number for i in got if i.header and i.mismatch] == [11]


def test_a_hole_is_not_told_again_by_the_frames_behind_it() -> None:
    settings = EncoderSettings(gop=6)
    packets = [item.packet for item in encoded(settings, 6)]
    records: list[Packet | Damage] = [*packets]
    records[2] = Damage("hole", 60, range(2, 3))  # frame 2
    got = decoded(settings, records)
    assert [item.problem is not None for item in got] == [False, False, True, False, False, False]
    shown = {item.header.display_number for item in got if item.header and item.frame is not None}
    assert shown == {0, 5}
