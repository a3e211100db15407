"""The search for qualities, on groups whose figures follow a formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from colorvid.codec.rate import Curve, Ladder, Search
from colorvid.codec.targets import BITS, DE, MS_SSIM, PSNR, Aim, Figure, Target
from colorvid.errors import ConfigError


def test_a_step_of_the_ladder_makes_one_group_finer() -> None:
    ladder = Ladder(5)
    assert ladder.last == 315
    assert ladder.qualities(0) == [0] * 5 and ladder.qualities(315) == [63] * 5
    for step in range(ladder.last):
        before, after = ladder.qualities(step), ladder.qualities(step + 1)
        group, quality = ladder.climber(step)
        assert before[group] == quality and after[group] == quality + 1
        assert [q for g, q in enumerate(before) if g != group] == [
            q for g, q in enumerate(after) if g != group
        ]
        assert max(after) - min(after) <= 1


def test_finer_groups_are_spread_evenly() -> None:
    qualities = Ladder(12).qualities(12 * 30 + 4)
    finer = [group for group, quality in enumerate(qualities) if quality == 31]
    assert finer == [0, 2, 5, 10]


def test_a_curve_is_straight_on_the_scale_of_its_figure() -> None:
    curve = Curve(BITS)
    curve.note(30, 1.0)
    assert curve.slope() is None
    assert curve.at(40, 0.05) == pytest.approx(math.exp(0.5))
    assert curve.at(20, 0.05) == pytest.approx(math.exp(-0.5))
    curve.note(40, 4.0)
    assert curve.slope() == pytest.approx(math.log(4) / 10)
    assert curve.at(35, 0.05) == pytest.approx(2.0)
    assert curve.at(50, 0.05) == pytest.approx(4 * math.exp(0.5))
    assert curve.at(40, 0.05) == 4.0 and curve.knows(40) and not curve.knows(35)


def bits(group: int, quality: int) -> float:
    """Groups of different size and slope, not quite straight."""
    slope = 0.04 + 0.003 * (group % 5)
    return math.exp(slope * (quality - 38) - 2.5 + 0.6 * math.sin(group)) + 0.004


def decibels(group: int, quality: int) -> float:
    return 39 + 2 * math.sin(group) + 0.2 * (quality - 38) + 0.5 * math.sin(quality / 9)


def difference(group: int, quality: int) -> float:
    return math.exp(0.4 + 0.3 * math.sin(group) - 0.02 * (quality - 38))


def similarity(group: int, quality: int) -> float:
    return 1 - 10 ** (-(17 + math.sin(group) + 0.2 * (quality - 38)) / 10)


Measure = Callable[[int, int], float]


def searched(aim: Aim, frames: Sequence[int], measure: Measure) -> tuple[Search, int]:
    """A search that has ended, and how many groups were coded."""
    search, coded = Search(aim, frames, aim.start), 0
    while True:
        for group, quality in search.wanted().items():
            search.note(group, quality, measure(group, quality))
            coded += 1
        if not search.advance():
            return search, coded


@pytest.mark.parametrize(
    ("figure", "measure", "goal", "width"),
    [
        (BITS, bits, 0.03, 0.015),
        (BITS, bits, 0.09, 0.015),
        (BITS, bits, 0.2, 0.015),
        (PSNR, decibels, 36.0, 0.05),
        (PSNR, decibels, 41.5, 0.05),
        (DE, difference, 1.2, 0.02),
        (DE, difference, 2.4, 0.01),
        (MS_SSIM, similarity, 0.97, 0.05),
        (MS_SSIM, similarity, 0.992, 0.05),
    ],
)
def test_a_target_is_met_in_little_more_than_two_passes(
    figure: Figure, measure: Measure, goal: float, width: float
) -> None:
    frames = [32] * 19 + [7]
    search, coded = searched(Aim(figure, goal, width), frames, measure)
    values = [measure(group, quality) for group, quality in enumerate(search.qualities)]
    mean = sum(n * value for n, value in zip(frames, values, strict=True)) / sum(frames)
    assert search.reached == pytest.approx(mean)
    assert abs(figure.bend(mean) - figure.bend(goal)) <= width
    assert max(search.qualities) - min(search.qualities) <= 1
    assert coded <= 3 * len(frames)
    assert search.end is None


def test_a_limit_is_never_passed_not_even_by_a_single_group() -> None:
    for goal in (0.05, 0.06, 0.07, 0.08):
        search, _ = searched(Aim(BITS, goal, 0.01, is_limit=True), [32], bits)
        quality = search.qualities[0]
        assert search.reached <= goal * 1.011
        assert bits(0, quality + 1) > goal * 1.009


def test_what_is_out_of_reach_ends_at_an_end() -> None:
    low, _ = searched(Aim(BITS, 0.001, 0.015), [10] * 4, bits)
    assert low.end == 0 and not Aim(BITS, 0.001, 0.015).is_near(low.reached)
    high, _ = searched(Aim(PSNR, 60.0, 0.05), [10] * 4, decibels)
    assert high.end == 63 and high.qualities == [63] * 4


def test_a_search_that_gets_nowhere_ends_with_the_nearest() -> None:
    def jump(group: int, quality: int) -> float:
        return 0.01 if quality < 40 else 1.0

    search, _ = searched(Aim(BITS, 0.3, 0.015), [10], jump)
    assert search.reached in (0.01, 1.0)


def test_the_figures_start_where_training_clips_do() -> None:
    assert Aim(BITS, 0.06, 0.01).start == 38
    assert Aim(PSNR, 39.5, 0.01).start == 38
    assert Aim(DE, 1.5, 0.01).start == 38
    assert Aim(BITS, 1e-9, 0.01).start == 0 and Aim(BITS, 9.0, 0.01).start == 63


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bitrate", 0, "bitrate=0 is not allowed; give a number of bits a second"),
        ("bitrate", 8e5, "bitrate=800000.0 is not allowed"),
        ("target_size", -1, "target_size=-1 is not allowed; give a number of bytes"),
        ("target_psnr", 100, "target_psnr=100 is not allowed; it must be more than 0 and below"),
        ("target_psnr", math.nan, "target_psnr=nan is not allowed"),
        ("target_de", 0, "target_de=0 is not allowed"),
        ("target_ms_ssim", 1, "target_ms_ssim=1 is not allowed; .* more than 0 and below 1"),
        ("target_ms_ssim", True, "target_ms_ssim=True is not allowed"),
    ],
)
def test_targets_that_no_video_has_are_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Target(name, value)


def test_a_size_is_a_limit_and_a_rate_is_not() -> None:
    size, rate = Target("target_size", 1000).aim(0.1), Target("bitrate", 1000).aim(0.1)
    assert size.is_met(0.0999) and size.is_met(0.0981) and not size.is_near(0.1002)
    assert rate.is_met(0.101) and rate.is_near(0.1029) and not rate.is_near(0.1032)
