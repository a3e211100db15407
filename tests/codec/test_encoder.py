from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import CodedFrame, Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.frame import Frame, Size
from colorvid.models.loading import load_model
from tests import tiny
from tests.clips import moving_frames

SIZE = (35, 50)


def coded_clip(
    count: int, settings: EncoderSettings | None = None, first: int = 0
) -> list[CodedFrame]:
    encoder = Encoder(tiny.model(), settings or EncoderSettings(gop=4), first)
    return [encoder.push(frame) for frame in moving_frames(count, *SIZE)]


@pytest.fixture(scope="module")
def clip() -> list[CodedFrame]:
    return coded_clip(6)


def decoder() -> Decoder:
    return Decoder(tiny.model(), Size(SIZE[1], SIZE[0]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"quality": 64}, "quality 64 is not allowed; it must be 0..63"),
        ({"quality": -1}, "quality -1 is not allowed; it must be 0..63"),
        ({"inter_quality": 99}, "inter_quality 99 is not allowed; it must be 0..63"),
        ({"gop": 0}, "gop 0 is not allowed; it must be at least 1"),
        ({"gop": 2.5}, "gop 2.5 is not allowed; it must be at least 1"),
        ({"quality": "9"}, "quality '9' is not allowed; it must be 0..63"),
        ({"inter_quality": True}, "inter_quality True is not allowed; it must be 0..63"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        EncoderSettings(**values)


def test_groups_of_pictures_and_qualities() -> None:
    coded = coded_clip(4, EncoderSettings(quality=9, gop=3), first=7)
    packets = [c.packet for c in coded]
    kinds = [FrameType.KEY, FrameType.P, FrameType.P, FrameType.KEY]
    assert [p.frame_type for p in packets] == kinds
    assert [p.frame_number for p in packets] == [7, 8, 9, 10]
    assert [p.references for p in packets] == [(), (7,), (8,), ()]
    assert packets[0].quality == 9 and packets[1].quality < 9
    explicit = EncoderSettings(quality=9, gop=3, inter_quality=30)
    assert [explicit.quality_of(n) for n in range(3)] == [9, 30, 30]


def test_inter_frames_get_finer_along_the_group_and_every_eighth_is_fine() -> None:
    settings = EncoderSettings(quality=50, gop=100)
    assert [settings.quality_of(n) for n in (0, 8, 16, 96)] == [50, 48, 48, 48]
    qualities = [settings.quality_of(n) for n in (1, 4, 5, 11, 15, 20, 25, 30, 99)]
    assert qualities == [30, 30, 31, 32, 33, 34, 35, 36, 36]
    assert EncoderSettings(quality=5).quality_of(1) == 0


def test_what_is_shown_is_what_was_encoded(clip: list[CodedFrame]) -> None:
    reader = decoder()
    for coded in clip:
        shown = reader.push(coded.packet)
        for got, wanted in zip(shown.planes, coded.picture.planes, strict=True):
            assert np.array_equal(got, wanted)
    work = reader.work()
    networks = work.get("networks") or work["prior"]
    assert min(work["motion"].seconds, work["entropy"].seconds, networks.seconds) > 0


def test_bits_are_accounted_for(clip: list[CodedFrame]) -> None:
    for coded in clip:
        assert set(coded.bits) == {"luma", "chroma", "side"}
        total = sum(coded.bits.values())
        assert len(coded.packet.latents) * 8 == pytest.approx(total, rel=0.05, abs=80)


def test_decoding_starts_at_any_key_frame(clip: list[CodedFrame]) -> None:
    reader = decoder()
    with pytest.raises(DamagedStream, match="frame 1: the frame before it is missing"):
        reader.push(clip[1].packet)
    assert reader.push(clip[4].packet).crc32() == clip[4].picture.crc32()
    assert reader.push(clip[5].packet).crc32() == clip[5].picture.crc32()


def test_frames_of_one_group_are_the_same_wherever_it_starts(clip: list[CodedFrame]) -> None:
    encoder = Encoder(tiny.model(), EncoderSettings(gop=4), first=4)
    again = [encoder.push(frame) for frame in moving_frames(6, *SIZE)[4:]]
    assert [c.packet for c in again] == [c.packet for c in clip[4:]]


@pytest.mark.parametrize("gop", [1, 4])
def test_another_size_is_refused(gop: int) -> None:
    encoder = Encoder(tiny.model(), EncoderSettings(gop=gop))
    encoder.push(moving_frames(1, *SIZE)[0])
    with pytest.raises(ConfigError, match="frame 1 is 16x8; all frames must be 50x35 as the first"):
        encoder.push(moving_frames(1, 8, 16)[0])


def test_a_wrong_picture_is_reported_and_not_used(clip: list[CodedFrame]) -> None:
    reader = decoder()
    reader.push(clip[0].packet)
    with pytest.raises(HashMismatch, match="frame 1: the decoded picture has CRC [0-9a-f]{8}, "):
        reader.push(replace(clip[1].packet, frame_crc=1))
    with pytest.raises(DamagedStream, match="frame 2: the frame before it is missing"):
        reader.push(clip[2].packet)
    assert reader.push(clip[4].packet).crc32() == clip[4].picture.crc32()


def test_damaged_packets_raise_nothing_else(clip: list[CodedFrame]) -> None:
    random = np.random.default_rng(5)
    refused = 0
    for number in range(40):
        coded = clip[number % 6]
        part = "motion" if number % 4 == 1 and coded.packet.motion else "latents"
        data = bytearray(getattr(coded.packet, part))
        data[: 1 + int(random.integers(0, len(data)))] = random.bytes(int(random.integers(0, 900)))
        reader = decoder()
        for before in clip[number % 6 // 4 * 4 : number % 6]:
            reader.push(before.packet)
        damaged: Packet = replace(coded.packet, **{part: bytes(data)})
        try:
            reader.push(damaged)
        except (DamagedStream, HashMismatch):
            refused += 1
    assert refused >= 39


def test_motion_that_is_not_there_takes_no_bytes() -> None:
    frame = moving_frames(1, *SIZE)[0]
    flat = Frame(*(np.full_like(p, 77) for p in frame.planes))
    encoder = Encoder(load_model("default"), EncoderSettings(gop=4))
    coded = [encoder.push(flat) for _ in range(3)]
    assert all(not c.packet.motion for c in coded)


@pytest.mark.parametrize("size", [(-1, 8), (8, 0), (8193, 8), (8, 1.5)])
def test_decoder_of_a_size_that_cannot_be(size: tuple[int, int]) -> None:
    with pytest.raises(
        ConfigError, match=r"(height|width) .* is not allowed; it must be 1\.\.8192"
    ):
        Decoder(tiny.model(), Size(size[1], size[0]))
