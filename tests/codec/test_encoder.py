from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.bitstream.packets import short_crc
from colorvid.codec.decoder import Decoder, MissingReference
from colorvid.codec.encoder import CodedFrame, Encoder
from colorvid.codec.settings import EncoderSettings, Weight
from colorvid.codec.structure import KEY, REFRESH_PERIOD, Place
from colorvid.config import QUALITIES
from colorvid.effort import PRESETS
from colorvid.errors import ConfigError, DamagedStream, HashMismatch
from colorvid.frame import Frame, Size
from colorvid.models.loading import load_model
from colorvid.native.core import VARIABLE
from tests import tiny
from tests.clips import grainy_frames, moving_frames
from tests.conftest import P_FRAMES_ALONE

SIZE = (35, 50)
GROUP = EncoderSettings(gop=6)
"""Key frame 0, P frame 5, B frames 2 (kept), 1, 3 (kept) and 4."""
LOW_DELAY = EncoderSettings(gop=4, bframes=0)


def coded_clip(count: int, settings: EncoderSettings = GROUP, first: int = 0) -> list[CodedFrame]:
    encoder = Encoder(tiny.model(), settings, first)
    coded = [encoder.push(frame) for frame in moving_frames(count, *SIZE)]
    return [*chain.from_iterable(coded), *encoder.flush()]


@pytest.fixture(scope="module")
def clip() -> list[CodedFrame]:
    """A group of six frames, and one of two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*P_FRAMES_ALONE)
        return coded_clip(8)


def decoder(settings: EncoderSettings = GROUP) -> Decoder:
    return Decoder(
        tiny.model(),
        Size(SIZE[1], SIZE[0]),
        references=settings.references,
        reorder=settings.reorder,
    )


def shown(coded: CodedFrame, wanted: Frame) -> None:
    for got, plane in zip(coded.picture.planes, wanted.planes, strict=True):
        assert np.array_equal(got, plane)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"quality": 64}, "quality 64 is not allowed; it must be 0..63"),
        ({"quality": -1}, "quality -1 is not allowed; it must be 0..63"),
        ({"inter_quality": 99}, "inter_quality 99 is not allowed; it must be 0..63"),
        ({"gop": 0}, "gop 0 is not allowed; it must be at least 1"),
        ({"gop": 2.5}, "gop 2.5 is not allowed; it must be at least 1"),
        ({"quality": None}, "quality None is not allowed; it must be 0..63"),
        ({"quality": "9"}, "quality '9' is not allowed; it must be 0..63"),
        ({"inter_quality": True}, "inter_quality True is not allowed; it must be 0..63"),
        ({"bframes": 16}, "bframes 16 is not allowed; it must be 0..15"),
        ({"bframes": -1}, "bframes -1 is not allowed; it must be 0..15"),
        ({"bframes": True}, "bframes True is not allowed; it must be 0..15"),
        ({"bframes": 2.0}, "bframes 2.0 is not allowed; it must be 0..15"),
        ({"preset": "x"}, "preset 'x' is unknown; use fast, medium, slow or best"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        EncoderSettings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"references": 0}, "references 0 is not allowed; it must be 1..16"),
        ({"references": 17}, "references 17 is not allowed; it must be 1..16"),
        ({"reorder": -1}, "reorder -1 is not allowed; it must be 0..15"),
    ],
)
def test_a_decoder_refuses_what_no_header_says(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Decoder(tiny.model(), Size(SIZE[1], SIZE[0]), **values)


def test_groups_of_pictures_in_decoding_order(clip: list[CodedFrame]) -> None:
    packets = [coded.packet for coded in clip]
    assert [FrameType(p.frame_type).label for p in packets] == [
        "key", "P", "B", "b", "B", "b", "key", "P",
    ]  # fmt: skip
    assert [p.frame_number for p in packets] == list(range(8))
    assert [p.display_number for p in packets] == [0, 5, 2, 1, 3, 4, 6, 7]
    assert [p.references for p in packets] == [
        (), (0,), (0, 5), (0, 2), (2, 5), (3, 5), (), (6,),
    ]  # fmt: skip
    assert [p.level for p in packets] == [0, 0, 1, 2, 2, 3, 0, 0]
    assert [p.is_kept for p in packets] == [True, True, True, False, True, False, True, True]
    sources = [frame.crc32() for frame in moving_frames(8, *SIZE)]
    for coded in clip:
        assert coded.source.crc32() == sources[coded.packet.display_number]
        assert short_crc(coded.picture.crc32()) == coded.packet.frame_crc


def test_a_group_may_start_anywhere() -> None:
    packets = [c.packet for c in coded_clip(7, EncoderSettings(quality=9, gop=4), first=8)]
    assert [p.is_key for p in packets] == [True, False, False, False, True, False, False]
    assert [p.frame_number for p in packets] == list(range(8, 15))
    assert [p.display_number for p in packets] == [8, 11, 9, 10, 12, 14, 13]
    assert packets[0].quality == packets[4].quality == 0, "little is inherited in short groups"


@pytest.mark.usefixtures("p_frames_alone")
def test_without_b_frames_every_frame_is_coded_at_once() -> None:
    encoder = Encoder(tiny.model(), LOW_DELAY)
    reader = decoder(LOW_DELAY)
    for number, frame in enumerate(moving_frames(6, *SIZE)):
        [coded] = encoder.push(frame)
        packet = coded.packet
        assert packet.frame_type == (FrameType.P if number % 4 else FrameType.KEY)
        assert packet.frame_number == packet.display_number == number
        assert packet.references == ((number - 1,) if number % 4 else ())
        [picture] = reader.push(packet)
        shown(coded, picture)
    assert encoder.flush() == [] and reader.flush() == []


@pytest.mark.parametrize("preset", ["fast", "medium", "slow", "best"])
def test_noise_has_p_frames_with_two_references(preset: str) -> None:
    settings = EncoderSettings(quality=60, gop=20, bframes=0, preset=preset)
    encoder, reader = Encoder(tiny.model(), settings), decoder(settings)
    seconds = []
    for number, frame in enumerate(grainy_frames(19, *SIZE)):
        [coded] = encoder.push(frame)
        packet = coded.packet
        shown(coded, *reader.push(packet))
        refreshed = (number - 1) // 8 * 8
        assert packet.references in ((), (number - 1,), (number - 1, refreshed))
        if len(packet.references) == 2:
            seconds.append(number)
    if preset == "fast":
        assert seconds == []
    elif preset in ("slow", "best"):
        assert len(seconds) > 8
    else:  # the first one must be a refreshing frame
        assert seconds[0] in (8, 16) and len(seconds) > 4


def test_frames_wait_for_their_p_frame_and_for_no_more() -> None:
    encoder = Encoder(tiny.model(), EncoderSettings(gop=9, bframes=2))
    counts = [len(encoder.push(frame)) for frame in moving_frames(11, *SIZE)]
    # The key frame with a mini-GOP of three, one more, and the last two as the next group begins.
    assert counts == [0, 0, 0, 4, 0, 0, 3, 0, 0, 2, 0]
    assert [c.packet.display_number for c in encoder.flush()] == [9, 10]
    assert encoder.flush() == []


def test_a_flush_ends_the_group() -> None:
    encoder = Encoder(tiny.model(), EncoderSettings(gop=9))
    frames = moving_frames(5, *SIZE)
    assert encoder.flush() == []
    packets = [c.packet for frame in frames[:3] for c in encoder.push(frame)]
    packets += [c.packet for c in encoder.flush()]
    packets += [c.packet for frame in frames[3:] for c in encoder.push(frame)]
    packets += [c.packet for c in encoder.flush()]
    assert [p.frame_number for p in packets] == list(range(5))
    assert [p.display_number for p in packets] == [0, 2, 1, 3, 4]
    assert [p.is_key for p in packets] == [True, False, False, True, False]


def test_qualities_without_b_frames() -> None:
    # P frames get finer along the group, and every eighth is fine.
    settings = EncoderSettings(quality=50, gop=100, bframes=0)

    def quality(number: int) -> int:
        place = Place(number, FrameType.P, past=1, refresh=number % REFRESH_PERIOD == 0)
        return settings.quality_of(place if number else KEY)

    assert [quality(n) for n in (0, 8, 16, 96)] == [50, 48, 48, 48]
    assert [quality(n) for n in (1, 4, 5, 11, 15, 20, 25, 30, 99)] == [
        30, 30, 31, 32, 33, 34, 35, 36, 36,
    ]  # fmt: skip


def test_qualities_with_b_frames_go_by_what_is_inherited() -> None:
    usual, double = 980, 256
    settings = EncoderSettings(quality=40)
    p_frame = Place(8, FrameType.P, past=8)

    def quality(own: int, key: int, settings: EncoderSettings = settings) -> int:
        return settings.quality_of(p_frame, Weight(own, key))

    assert settings.quality_of(KEY, Weight(usual, usual)) == 40
    assert [quality(usual - n * double, usual) for n in (0, 1, 2, 3)] == [40, 33, 25, 18]
    assert quality(0, usual) == 12
    # Frames from which none inherits have one quality wherever they are, up to a limit.
    assert [quality(0, key) for key in (usual - 2 * 256, usual - 256, usual, usual + 256)] == [
        15, 12, 12, 12,
    ]  # fmt: skip
    assert settings.quality_of(KEY, Weight(0, 0)) == 28
    assert settings.quality_of(KEY, Weight(3000, 3000)) == 52
    assert quality(3000, usual) == 52
    low, high = EncoderSettings(quality=5), EncoderSettings(quality=63)
    assert quality(0, usual, low) == 0
    for key in (0, usual, 3000):
        assert high.quality_of(KEY, Weight(key, key)) == 63
    explicit = EncoderSettings(quality=9, inter_quality=30)
    assert explicit.quality_of(KEY, Weight(3000, 3000)) == 9
    assert quality(0, 3000, explicit) == 30


@pytest.mark.parametrize("weight", [0, 500, 980, 1400])
def test_quality_grows_with_what_is_asked_for(weight: int) -> None:
    found = [
        EncoderSettings(quality=q).quality_of(KEY, Weight(weight, weight)) for q in range(QUALITIES)
    ]
    assert found == sorted(found) and found[-1] == QUALITIES - 1


def test_a_faster_preset_does_less_work() -> None:
    def multiplications(preset: str) -> float:
        encoder = Encoder(tiny.model(), EncoderSettings(gop=9, scenecut=False, preset=preset))
        for frame in moving_frames(9, *SIZE):
            encoder.push(frame)
        encoder.flush()
        return sum(work.multiplications for work in encoder.work().values())

    work = [multiplications(preset) for preset in PRESETS]
    assert work == sorted(set(work)), dict(zip(PRESETS, work, strict=True))


def test_what_is_shown_is_what_was_encoded(clip: list[CodedFrame]) -> None:
    reader = decoder()
    for coded in clip:
        shown(coded, reader.decode(coded.packet))
    work = reader.work()
    networks = work.get("networks") or work["prior"]
    assert min(work["motion"].seconds, work["entropy"].seconds, networks.seconds) > 0


@pytest.mark.parametrize("bframes", [0, 1, 2, 6, 15])
def test_push_gives_the_order_of_display_as_early_as_it_can(bframes: int) -> None:
    settings = EncoderSettings(gop=11, bframes=bframes)
    coded = coded_clip(14, settings)
    pictures = {c.packet.display_number: c.picture.crc32() for c in coded}
    assert sorted(pictures) == list(range(14))
    reader, got = decoder(settings), []
    for number, c in enumerate(coded):
        got += reader.push(c.packet)
        assert len(got) >= number + 1 - settings.reorder
    got += reader.flush()
    assert [frame.crc32() for frame in got] == [pictures[n] for n in range(14)]
    assert reader.flush() == []


def test_push_starts_at_any_key_frame_and_skips_what_is_lost(clip: list[CodedFrame]) -> None:
    reader = decoder()
    got = [f for c in clip[6:] for f in reader.push(c.packet)] + reader.flush()
    assert [f.crc32() for f in got] == [c.picture.crc32() for c in clip[6:]]
    reader = decoder()
    kept = [clip[n] for n in (0, 1, 2, 4, 5)]  # without frame 1, which nothing refers to
    got = [f for c in kept for f in reader.push(c.packet)] + reader.flush()
    by_number = {c.packet.display_number: c.picture.crc32() for c in clip}
    assert [f.crc32() for f in got] == [by_number[n] for n in (0, 2, 3, 4, 5)]


def test_bits_are_accounted_for(clip: list[CodedFrame]) -> None:
    for coded in clip:
        assert set(coded.bits) == {"luma", "chroma", "side"}
        total = sum(coded.bits.values())
        assert len(coded.packet.latents) * 8 == pytest.approx(total, rel=0.05, abs=80)


def test_decoding_starts_at_any_key_frame(clip: list[CodedFrame]) -> None:
    reader = decoder()
    with pytest.raises(
        MissingReference, match="^frame 5: frame 0, which it refers to, is missing$"
    ):
        reader.decode(clip[1].packet)
    assert reader.decode(clip[6].packet).crc32() == clip[6].picture.crc32()
    assert reader.decode(clip[7].packet).crc32() == clip[7].picture.crc32()


DEPENDENTS = {1: {1}, 2: {1, 2, 3, 4}, 3: {3, 4}, 4: {4}, 5: {1, 2, 3, 4, 5}}
"""Frames of `GROUP` that are lost with a frame."""


@pytest.mark.parametrize("lost", DEPENDENTS)
@pytest.mark.parametrize("way", ["not there", "damaged"])
def test_a_lost_frame_costs_its_dependents_alone(
    lost: int, way: str, clip: list[CodedFrame]
) -> None:
    reader = decoder()
    good = set()
    for coded in clip:
        packet = coded.packet
        number = packet.display_number
        if number == lost and way == "not there":
            continue
        if number == lost:
            packet = replace(packet, frame_crc=packet.frame_crc ^ 1)
        try:
            shown(coded, reader.decode(packet))
        except HashMismatch:
            assert number == lost
        except MissingReference:
            assert number in DEPENDENTS[lost]
        else:
            good.add(number)
    assert good == set(range(8)) - DEPENDENTS[lost]


@pytest.mark.usefixtures("p_frames_alone")
def test_frames_of_one_group_are_the_same_wherever_it_starts(clip: list[CodedFrame]) -> None:
    encoder = Encoder(tiny.model(), GROUP, first=6)
    frames = moving_frames(8, *SIZE)[6:]
    again = [coded for frame in frames for coded in encoder.push(frame)] + encoder.flush()
    assert [c.packet for c in again] == [c.packet for c in clip[6:]]


@pytest.mark.parametrize("settings", [EncoderSettings(gop=1), LOW_DELAY, GROUP])
def test_another_size_is_refused(settings: EncoderSettings) -> None:
    encoder = Encoder(tiny.model(), settings)
    encoder.push(moving_frames(1, *SIZE)[0])
    with pytest.raises(ConfigError, match="frame 1 is 16x8; all frames must be 50x35 as the first"):
        encoder.push(moving_frames(1, 8, 16)[0])


def test_arguments_of_other_types_are_refused() -> None:
    encoder, plane = Encoder(tiny.model(), LOW_DELAY), np.zeros((8, 8), np.uint8)
    with pytest.raises(ConfigError, match=r"frame is of type ndarray; it must be a Frame \("):
        encoder.push(plane)  # type: ignore[arg-type]
    assert repr(encoder) == f"<Encoder quality={LOW_DELAY.quality} at frame 0>"
    (coded,) = encoder.push(moving_frames(1, *SIZE)[0])
    assert repr(encoder) == f"<Encoder 50x35 quality={LOW_DELAY.quality} at frame 1>"
    reader = Decoder(tiny.model(), (50, 35))
    assert reader.size == Size(50, 35)
    with pytest.raises(ConfigError, match=r"packet is of type bytes; it must be a Packet \("):
        reader.push(b"")  # type: ignore[arg-type]
    assert reader.push(coded.packet)[0] == coded.picture
    with pytest.raises(ConfigError, match=r"size 50 is not allowed; it must be \(width, height\)"):
        Decoder(tiny.model(), 50)  # type: ignore[arg-type]


def test_encoding_without_the_core_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, clip: list[CodedFrame]
) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    encoder = Encoder(tiny.model(), GROUP)
    with pytest.raises(ConfigError, match="encoding needs the native core, and .*COLORVID_NATIVE"):
        for frame in moving_frames(6, *SIZE):
            encoder.push(frame)
    reader = decoder()
    for coded in clip:
        shown(coded, reader.decode(coded.packet))


def test_a_wrong_picture_is_reported_and_not_used(clip: list[CodedFrame]) -> None:
    reader = decoder()
    reader.decode(clip[0].packet)
    with pytest.raises(HashMismatch, match="frame 5: the decoded picture has CRC [0-9a-f]{4}, "):
        reader.decode(replace(clip[1].packet, frame_crc=1))
    with pytest.raises(MissingReference, match="frame 2: frame 5, which it refers to, is missing"):
        reader.decode(clip[2].packet)
    assert reader.decode(clip[6].packet).crc32() == clip[6].picture.crc32()


def test_damaged_packets_raise_nothing_else(clip: list[CodedFrame]) -> None:
    random = np.random.default_rng(5)
    refused = 0
    for number in range(40):
        place = number % 6
        coded = clip[place]
        part = "motion" if number % 4 == 1 and coded.packet.motion else "latents"
        data = bytearray(getattr(coded.packet, part))
        data[: 1 + int(random.integers(0, len(data)))] = random.bytes(int(random.integers(0, 900)))
        reader = decoder()
        for before in clip[:place]:
            reader.decode(before.packet)
        damaged: Packet = replace(coded.packet, **{part: bytes(data)})
        try:
            reader.decode(damaged)
        except (DamagedStream, HashMismatch):
            refused += 1
    assert refused >= 39


@pytest.mark.parametrize("bframes", [0, 15])
def test_motion_that_is_not_there_takes_no_bytes(bframes: int) -> None:
    frame = moving_frames(1, *SIZE)[0]
    flat = Frame(*(np.full_like(p, 77) for p in frame.planes))
    encoder = Encoder(
        load_model("default"), EncoderSettings(gop=5, bframes=bframes, inter_quality=20)
    )
    coded = [c for _ in range(5) for c in encoder.push(flat)] + encoder.flush()
    assert len(coded) == 5
    for c in coded:
        # A B frame may say that it uses the better one of its references.
        assert len(c.packet.motion) <= (4 if c.packet.future else 0)


@pytest.mark.parametrize("size", [(-1, 8), (8, 0), (8193, 8), (8, 1.5)])
def test_decoder_of_a_size_that_cannot_be(size: tuple[int, int]) -> None:
    with pytest.raises(
        ConfigError, match=r"(height|width) .* is not allowed; it must be 1\.\.8192"
    ):
        Decoder(tiny.model(), Size(size[1], size[0]))
