import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from colorvid.bitstream import Damage, Packet, StreamHeader
from colorvid.bitstream.packets import short_crc
from colorvid.codec import groups
from colorvid.codec.encoder import Guard
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import OutOfMemory
from colorvid.frame import Frame, Links, Motion, Size
from colorvid.motion.estimate import MotionEstimator
from colorvid.motion.native import NativeMotionCoder
from colorvid.native.model import Coded, NativeCodec
from colorvid.system.cores import one_torch_thread
from tests import tiny
from tests.clips import grainy_frames, moving_frames


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


def encoded(
    settings: EncoderSettings, frames: list[Frame], threads: int = 1
) -> list[groups.EncodedFrame]:
    results = groups.encode_frames(tiny.model(), settings, frames, Size(20, 18), threads=threads)
    with closing(results):
        return list(results)


def decoded(
    settings: EncoderSettings, records: list[Packet | Damage], threads: int = 1
) -> list[groups.DecodedRecord]:
    results = groups.decode_records(tiny.model(), records, header(settings), threads=threads)
    with one_torch_thread(), closing(results):
        return list(results)


@pytest.mark.usefixtures("p_frames_alone")
def test_frames_to_packets_and_back_with_damage_between() -> None:
    settings = EncoderSettings(gop=2, bframes=0)
    sent = encoded(settings, moving_frames(5, 18, 20))
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
        assert item.frame is not None and short_crc(item.frame.crc32()) == source.packet.frame_crc


@pytest.fixture
def unsteady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that pause before and behind the coding of a frame."""
    pauses = random.Random(1)

    def pausing(code: Callable[..., object]) -> Callable[..., object]:
        def paused(*arguments: object) -> object:
            time.sleep(pauses.choice([0, 0, 0.002, 0.008]))
            result = code(*arguments)
            time.sleep(pauses.choice([0, 0, 0.002]))
            return result

        return paused

    for name in ("decode_key", "decode_inter", "encode_key", "encode_inter"):
        monkeypatch.setattr(NativeCodec, name, pausing(getattr(NativeCodec, name)))
    monkeypatch.setattr(MotionEstimator, "code", pausing(MotionEstimator.code))
    monkeypatch.setattr(NativeMotionCoder, "decode", pausing(NativeMotionCoder.decode))


def planned(
    settings: EncoderSettings, keys: list[int], threads: int, guard: Guard | None = None
) -> list[Packet]:
    """Packets of 39 frames with key frames at these places."""
    source = moving_frames if settings.bframes else grainy_frames
    frames = [
        groups.PlannedFrame(number, frame, number in keys, settings.quality, guard)
        for number, frame in enumerate(source(39, 18, 20))
    ]
    results = groups.encode_planned(tiny.model(), settings, frames, Size(20, 18), threads=threads)
    with closing(results):
        return [item.packet for item in results]


@pytest.mark.usefixtures("unsteady")
@pytest.mark.parametrize("keys", [[0], [0, 4, 5, 23, 38], [*range(0, 39, 7)]])
@pytest.mark.parametrize(
    ("bframes", "preset"),
    [
        (0, "medium"),
        (0, "slow"),
        (1, "medium"),
        (3, "fast"),
        (15, "medium"),
        (15, "slow"),
        (3, "slow"),
        (7, "best"),
    ],
)
def test_the_number_of_threads_changes_nothing(bframes: int, preset: str, keys: list[int]) -> None:
    settings = EncoderSettings(gop=99, bframes=bframes, preset=preset)
    wanted = planned(settings, keys, 1)
    assert [p.frame_number for p in wanted] == list(range(39))
    assert sorted(p.display_number for p in wanted) == list(range(39))
    assert [p.frame_number for p in wanted if p.is_key] == keys
    if (bframes, preset) == (0, "slow"):
        assert any(p.future < 0 for p in wanted)
    for threads in (2, 3, 5):
        assert planned(settings, keys, threads) == wanted
        for item, packet in zip(decoded(settings, [*wanted], threads), wanted, strict=True):
            assert item.header == packet.header and item.problem is None
            assert item.frame is not None and short_crc(item.frame.crc32()) == packet.frame_crc


@pytest.mark.usefixtures("unsteady")
def test_a_guard_takes_the_same_bytes_with_any_threads() -> None:
    settings = EncoderSettings(gop=99)
    size = sum(8 * packet.size_bytes for packet in planned(settings, [0], 1))
    guard = Guard(0.6 * size, 0.0)
    wanted = planned(settings, [0], 1, guard)
    assert sum(8 * packet.size_bytes for packet in wanted) < 0.9 * size
    assert planned(settings, [0], 2, guard) == planned(settings, [0], 3, guard) == wanted


def damaged(packets: list[Packet], rng: random.Random) -> list[Packet | Damage]:
    """Packets with some lost, changed, or with noise between."""
    records: list[Packet | Damage] = []
    for packet in packets:
        number = packet.display_number
        match rng.randrange(9):
            case 0:
                records.append(Damage("hole", 60, range(number, number + 1)))
            case 1:
                records.append(replace(packet, frame_crc=packet.frame_crc ^ 1))
            case 2 if not packet.is_intra:
                records.append(replace(packet, motion=b"\xff" * 9))
            case 3:
                records += [packet, Damage("noise", 60, range(0))]
            case 4:
                pass
            case _:
                records.append(packet)
    return records


@pytest.mark.usefixtures("unsteady")
@pytest.mark.parametrize("seed", range(4))
def test_damage_gives_the_same_records_with_any_threads(seed: int) -> None:
    settings = EncoderSettings(gop=30, bframes=(15, 3, 0, 7)[seed])
    packets = [item.packet for item in encoded(settings, moving_frames(75, 18, 20))]
    records = damaged(packets, random.Random(seed))
    wanted = decoded(settings, records)
    assert len(wanted) == len(records)
    assert any(item.frame is None and item.problem is None for item in wanted)
    assert sum(item.frame is not None for item in wanted) > 4
    for threads in (2, 3, 5):
        assert decoded(settings, records, threads) == wanted


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_in_a_frame_comes_once_behind_the_packets_before_it(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, frames = EncoderSettings(gop=99, bframes=3), moving_frames(40, 18, 20)
    wanted = [item.packet for item in encoded(settings, frames)]
    good, failed = NativeCodec.encode_inter, threading.Lock()

    def encode(self: NativeCodec, quality: int, links: Links, motion: Motion, f: Frame) -> Coded:
        if f is frames[18]:
            assert failed.acquire(blocking=False), "once"
            raise MemoryError
        return good(self, quality, links, motion, f)

    monkeypatch.setattr(NativeCodec, "encode_inter", encode)
    got = []
    results = groups.encode_frames(tiny.model(), settings, frames, Size(20, 18), threads=threads)
    with pytest.raises(OutOfMemory, match="not enough memory for pictures of 20x18"):
        for item in results:
            got.append(item.packet)
    before = [packet.display_number for packet in wanted].index(18)
    assert got == wanted[: len(got)]
    # In one thread a mini-GOP is coded as a whole.
    assert len(got) == before if threads > 1 else before - 4 < len(got) <= before
    assert workers_alive() == 0


@pytest.mark.parametrize("taken", [1, 5])
def test_results_that_are_not_wanted_leave_no_thread(taken: int) -> None:
    settings = EncoderSettings(gop=99)
    results = groups.encode_frames(
        tiny.model(), settings, moving_frames(1, 18, 20) * 60, Size(20, 18), threads=3
    )
    with closing(results):
        packets = [next(results).packet for _ in range(taken)]
    assert workers_alive() == 0
    records = groups.decode_records(tiny.model(), [*packets] * 9, header(settings), threads=3)
    with closing(records):
        assert next(records).frame is not None
    assert workers_alive() == 0


def workers_alive() -> int:
    return sum(thread.name == "colorvid worker" for thread in threading.enumerate())


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
        scorer=lambda source, picture: seen.append((source.crc32(), short_crc(picture.crc32()))),
    )  # fmt: skip
    with closing(results):
        packets = [item.packet for item in results]
    sources = [frame.crc32() for frame in frames]
    assert seen == [(sources[p.display_number], p.frame_crc) for p in packets]


def test_what_is_lost_is_told_once_for_each_group() -> None:
    settings = EncoderSettings(gop=6)
    packets = [item.packet for item in encoded(settings, moving_frames(18, 18, 20))]
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
    packets = [item.packet for item in encoded(settings, moving_frames(6, 18, 20))]
    records: list[Packet | Damage] = [*packets]
    records[2] = Damage("hole", 60, range(2, 3))  # frame 2
    got = decoded(settings, records)
    assert [item.problem is not None for item in got] == [False, False, True, False, False, False]
    shown = {item.header.display_number for item in got if item.header and item.frame is not None}
    assert shown == {0, 5}
