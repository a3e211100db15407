from __future__ import annotations

import numpy as np
import pytest

from colorvid.codec.attempts import SCALES, Plan, Spent, cheapest, squared_error
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


def test_plans_are_halved_down_to_single_frames() -> None:
    plan = Plan((16,)).halved()
    assert plan.lengths == (8, 8)
    assert Plan((5,)).halved().lengths == (2, 3)
    assert Plan((1, 2), 6).halved() == Plan((1, 1, 1), 6)


def test_halving_goes_on_as_long_as_it_pays_and_then_come_the_scales() -> None:
    costs = {(8,): 900, (4, 4): 500, (2, 2, 2, 2): 495}
    seen: list[tuple[Plan, Plan | None]] = []

    def run(plan: Plan, best: Plan | None) -> tuple[int, Plan]:
        seen.append((plan, best))
        return costs[plan.lengths] - 9 * (plan.scale == SCALES[0]), plan

    assert cheapest(8, (), run) == Plan((4, 4)), "one part in a hundred does not pay"
    assert [plan.lengths for plan, _ in seen] == list(costs)
    assert [best for _, best in seen] == [None, Plan((8,)), Plan((4, 4))]
    assert cheapest(8, SCALES, run) == Plan((4, 4), SCALES[0])
    assert [plan for plan, _ in seen[-2:]] == [Plan((4, 4), scale) for scale in SCALES]
    assert seen[-1][1] == Plan((4, 4), SCALES[0])


def test_a_single_frame_has_one_way() -> None:
    seen: list[Plan] = []

    def run(plan: Plan, best: Plan | None) -> tuple[int, Plan]:
        seen.append(plan)
        return 1, plan

    assert cheapest(1, SCALES, run) == Plan((1,))
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


@pytest.mark.parametrize("preset", ["slow", "best"])
@pytest.mark.parametrize("bframes", [15, 4])
def test_what_was_kept_decodes_as_it_was_coded(
    frames: list[Frame], preset: str, bframes: int
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


def test_slow_is_never_dearer_than_the_usual_way(frames: list[Frame]) -> None:
    # Within the first mini-GOP, as both begin with the same key frame.
    def cost(preset: str) -> int:
        settings = EncoderSettings(quality=50, gop=9, preset=preset, scenecut=False)
        parts = [
            Spent(
                8 * (len(c.packet.latents) + len(c.packet.motion)),
                squared_error(c.source, c.picture),
            )
            for c in coded(settings, frames[:9])
        ]
        return sum(parts, Spent()).cost

    best, slow = cost("best"), cost("slow")
    assert best <= slow


def test_low_delay_and_single_ways_need_no_more_slots() -> None:
    for settings in (
        EncoderSettings(preset="best", bframes=0),
        EncoderSettings(preset="medium"),
        EncoderSettings(preset="fast"),
    ):
        assert settings.slots == settings.references + 1
    slow = EncoderSettings(preset="slow")
    assert slow.slots == slow.references + 3


def test_a_fixed_inter_quality_leaves_the_scales_out() -> None:
    assert EncoderSettings(preset="best").scales
    assert not EncoderSettings(preset="best", inter_quality=20).scales
    assert not EncoderSettings(preset="slow").scales
