from __future__ import annotations

import numpy as np
import pytest

from colorvid.codec import loop
from colorvid.codec.attempts import Lengths, Spent, cheapest, halved, squared_error
from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import CodedFrame, Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.frame import Frame, Size
from tests import tiny
from tests.clips import moving_frames

SIZE = (35, 50)


def coded(settings: EncoderSettings, frames: list[Frame]) -> list[CodedFrame]:
    encoder = Encoder(tiny.model(), settings)
    return [c for frame in frames for c in encoder.push(frame)] + encoder.flush()


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return moving_frames(12, *SIZE)


def test_mini_gops_are_halved_down_to_single_frames() -> None:
    assert halved((16,)) == (8, 8)
    assert halved((5,)) == (2, 3)
    assert halved((1, 2)) == (1, 1, 1)


def test_halving_goes_on_as_long_as_it_pays() -> None:
    costs = {(8,): 900, (4, 4): 500, (2, 2, 2, 2): 495}
    seen: list[tuple[Lengths, Lengths | None]] = []

    def run(lengths: Lengths, best: Lengths | None) -> tuple[int, Lengths]:
        seen.append((lengths, best))
        return costs[lengths], lengths

    assert cheapest(8, run) == (4, 4), "one part in a hundred does not pay"
    assert seen == [((8,), None), ((4, 4), (8,)), ((2, 2, 2, 2), (4, 4))]


def test_thorough_attempts_look_behind_what_does_not_pay_and_at_each_part() -> None:
    costs = {(8,): 900, (4, 4): 900, (2, 2, 2, 2): 700, (1,) * 8: 800}
    costs |= {(1, 1, 2, 2, 2): 699, (2, 1, 1, 2, 2): 690, (2, 1, 1, 1, 1, 2): 600}
    costs |= {(2, 1, 1, 1, 1, 1, 1): 599}
    seen: list[Lengths] = []

    def run(lengths: Lengths, best: Lengths | None) -> tuple[int, Lengths]:
        seen.append(lengths)
        return costs[lengths], lengths

    assert cheapest(8, run, thorough=True) == (2, 1, 1, 1, 1, 2)
    assert seen == list(costs)


def test_a_single_frame_has_one_way() -> None:
    seen: list[Lengths] = []

    def run(lengths: Lengths, best: Lengths | None) -> tuple[int, Lengths]:
        seen.append(lengths)
        return 1, lengths

    assert cheapest(1, run) == (1,)
    assert len(seen) == 1


def test_cost_falls_with_bits_and_with_error() -> None:
    one = Spent(100, 7)
    assert (one + Spent(1, 2)) == Spent(101, 9)
    assert Spent(50, 7).cost < one.cost and Spent(100, 6).cost < one.cost
    assert Spent(200, 3).cost < one.cost < Spent(200, 4).cost


def test_squared_error_counts_all_planes() -> None:
    flat = [np.full(shape, 100, np.uint8) for shape in ((4, 6), (2, 3), (2, 3))]
    other = [plane + np.uint8(step) for plane, step in zip(flat, (1, 2, 3), strict=True)]
    assert squared_error(Frame(*flat), Frame(*other)) == 24 + 6 * 4 + 6 * 9
    assert squared_error(Frame(*flat), Frame(*flat)) == 0


@pytest.mark.parametrize("bframes", [15, 4])
@pytest.mark.parametrize("preset", ["slow", "best"])
def test_what_was_kept_decodes_as_it_was_coded(
    frames: list[Frame], bframes: int, preset: str
) -> None:
    settings = EncoderSettings(quality=50, gop=10, bframes=bframes, preset=preset)
    clip = coded(settings, frames)
    assert sorted(c.packet.display_number for c in clip) == list(range(12))
    assert [c.packet.frame_number for c in clip] == list(range(12))
    decoder = Decoder(
        tiny.model(),
        Size(SIZE[1], SIZE[0]),
        references=settings.references,
        reorder=settings.reorder,
    )
    for c in clip:  # each hash is checked
        decoder.decode(c.packet)


@pytest.mark.usefixtures("p_frames_alone")  # or the shortest mini-GOPs may be better than others
def test_what_costs_least_is_kept(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    # Within the first mini-GOP, as all begin with the same key frame.
    settings = EncoderSettings(quality=50, gop=9, preset="slow", scenecut=False)

    def cost() -> int:
        parts = [
            Spent(
                8 * (len(c.packet.latents) + len(c.packet.motion)),
                squared_error(c.source, c.picture),
            )
            for c in coded(settings, frames[:9])
        ]
        return sum(parts, Spent()).cost

    chosen = cost()
    for lengths in ((8,), (4, 4), (2, 2, 2, 2)):
        monkeypatch.setattr(loop, "cheapest", lambda _, run, way=lengths, **__: run(way, None)[1])
        assert chosen * 63 <= cost() * 64


def test_low_delay_and_single_ways_need_no_more_slots() -> None:
    for settings in (
        EncoderSettings(preset="slow", bframes=0),
        EncoderSettings(preset="medium"),
        EncoderSettings(preset="fast"),
    ):
        assert settings.slots == settings.references + 1
    slow = EncoderSettings(preset="slow")
    assert slow.slots == slow.references + 3
