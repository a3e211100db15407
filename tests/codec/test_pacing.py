"""Rates in one pass: the guard of a group, the buffer of a receiver, the qualities of groups."""

from __future__ import annotations

import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.codec.encoder import GroupEncoder, Guard
from colorvid.codec.pacing import LAG, STEP, Bucket, Pace, Pacer
from colorvid.codec.settings import EncoderSettings
from colorvid.frame import Size
from tests import tiny
from tests.clips import moving_frames


def test_a_guard_lowers_quality_as_its_room_is_used_up() -> None:
    guard = Guard(room=1000.0, flow=100.0)
    assert guard.less(400, 1) == 0
    assert guard.less(600, 1) == 0
    assert guard.less(850, 1) == 12
    assert guard.less(1100, 1) == 24
    assert guard.less(1100, 6) == 0, "what flows off makes room again"
    assert guard.less(10**9, 1) == 63


def test_settings_are_lowered_as_far_as_they_go() -> None:
    settings = EncoderSettings(quality=10, inter_quality=3)
    lowered = settings.lowered(4)
    assert (lowered.quality, lowered.inter_quality, lowered.gop) == (6, 0, settings.gop)
    assert EncoderSettings(quality=3).lowered(9).quality == 0
    assert settings.lowered(0) == settings


def test_a_group_with_little_room_gets_coarser_frame_by_frame() -> None:
    frames = moving_frames(6, 18, 20)
    settings = EncoderSettings(quality=50, gop=8, bframes=0)
    encoder = GroupEncoder(tiny.model(), settings, Size(20, 18), 0, Guard(1.0, 0.0))
    coded = [item for frame in frames for item in encoder.push(frame)]
    assert [item.packet.quality for item in coded] == [50, 0, 0, 0, 0, 0]
    free = GroupEncoder(tiny.model(), settings, Size(20, 18), 0, Guard(1e9, 0.0))
    coded = [item for frame in frames for item in free.push(frame)]
    assert min(item.packet.quality for item in coded) > 20


def test_a_bucket_never_holds_less_than_nothing() -> None:
    bucket = Bucket(100.0)
    bucket.add(350.0)
    assert bucket.full == 250.0
    bucket.add(50.0, 2)
    assert bucket.full == 100.0
    bucket.add(0.0, 9)
    assert bucket.full == 0.0


def packet(number: int, size: int) -> Packet:
    return Packet(
        frame_type=FrameType.KEY, quality=30, frame_number=number, frame_crc=0,
        latents=bytes(size),
    )  # fmt: skip


def planned(pacer: Pacer, count: int, sizes: int) -> list[int]:
    """Qualities of groups of one frame whose packets have all one size, noted as late as may be."""
    qualities = []
    source = pacer.plan(tiny.model(), moving_frames(1, 18, 20) * count)
    for number, item in enumerate(source):
        qualities.append(item.quality)
        late = number - LAG + 1  # this group must be known when the next one begins
        if late >= 0:
            pacer.note(packet(late, sizes))
    return qualities


@pytest.mark.parametrize(("sizes", "sign"), [(937, -1), (104, 1)])
def test_quality_follows_the_groups_that_are_known(sizes: int, sign: int) -> None:
    """Three times as many bits as wanted, and a third of them."""
    qualities = planned(Pacer(Pace(goal=2500.0), EncoderSettings(gop=1)), 10, sizes)
    first = qualities[0]
    assert 10 < first < 50
    assert qualities[:LAG] == [first] * LAG
    assert qualities[LAG:] == [first + sign * STEP * step for step in range(1, 7)]


def test_qualities_do_not_depend_on_what_is_known_early() -> None:
    """Packets of later groups, noted as soon as they are planned, change nothing."""
    late = planned(Pacer(Pace(goal=2500.0), EncoderSettings(gop=1)), 12, 200)
    pacer, early = Pacer(Pace(goal=2500.0), EncoderSettings(gop=1)), []
    for item in pacer.plan(tiny.model(), moving_frames(1, 18, 20) * 12):
        early.append(item.quality)
        pacer.note(packet(item.number, 200))
    assert early == late
