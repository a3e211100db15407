"""Where key frames come, and how long mini-GOPs are."""

from __future__ import annotations

import numpy as np
import pytest

from colorvid.codec.encoder import Encoder
from colorvid.codec.lookahead import CUT, KeyFrames, mini_gop_length, small, weights
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.structure import Place, mini_gop
from colorvid.effort import PRESETS
from colorvid.errors import ConfigError
from colorvid.frame import Frame
from colorvid.native.core import at_level, levels
from colorvid.native.motion import Pyramid, inherited
from tests import tiny
from tests.clips import moving_frames
from tests.motion.test_estimate import texture

SIDES = (192, 256)


def scene(count: int, seed: int, speed: int = 1) -> list[Frame]:
    """A random picture that moves up."""
    height, width = SIDES
    world = texture(height + count * speed, width, seed)
    planes = [world[n * speed : n * speed + height].copy() for n in range(count)]
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    return [Frame(y, grey, grey) for y in planes]


def keys(frames: list[Frame], settings: EncoderSettings) -> list[int]:
    decision = KeyFrames(settings)
    return [number for number, frame in enumerate(frames) if decision.begins(frame)]


def test_a_new_scene_begins_with_a_key_frame() -> None:
    frames = scene(10, 1) + scene(13, 2) + scene(7, 3)
    assert keys(frames, EncoderSettings(gop=100)) == [0, 10, 23]
    assert keys(frames, EncoderSettings(gop=100, scenecut=False)) == [0]
    assert keys(frames, EncoderSettings(gop=20, scenecut=False)) == [0, 20]
    assert keys(frames, EncoderSettings(gop=20)) == [0, 10, 20]
    assert keys(frames, EncoderSettings(gop=20, min_gop=3)) == [0, 10, 20, 23]
    assert keys(frames, EncoderSettings(gop=1)) == list(range(30))
    assert keys(frames, EncoderSettings(gop=100, min_gop=11)) == [0, 23]


def test_parts_that_begin_at_a_multiple_of_the_gop_are_as_in_the_whole() -> None:
    frames = scene(10, 1) + scene(13, 2) + scene(21, 3)
    settings = EncoderSettings(gop=16, min_gop=4)
    whole = keys(frames, settings)
    assert [16 + n for n in keys(frames[16:], settings)] == [n for n in whole if n >= 16]


def test_motion_and_noise_are_no_cut() -> None:
    first, second = scene(2, 4, speed=8)
    rng = np.random.default_rng(5)
    noisy = np.clip(second.y + rng.integers(-3, 4, SIDES), 0, 255).astype(np.uint8)
    assert small(second).novelty(small(first)) == 0
    assert small(Frame(noisy, second.u, second.v)).novelty(small(first)) < 0.2
    assert small(scene(1, 6)[0]).novelty(small(first)) > CUT


@pytest.mark.parametrize("size", [(1, 1), (9, 300), (16, 16), (35, 50), (144, 176), (301, 203)])
def test_every_level_compares_alike(size: tuple[int, int]) -> None:
    a, b = (frame.y for frame in moving_frames(2, *size, seed=3))
    found = set()
    for level in levels():
        core = at_level(level.name.lower())
        found.add(Pyramid(core, b).novelty(Pyramid(core, np.ascontiguousarray(a[::-1]))))
        assert Pyramid(core, a).novelty(Pyramid(core, a)) == 0
    assert len(found) == 1 and 0 <= found.pop() <= 1


def test_pictures_of_other_sizes_are_refused() -> None:
    a, b = (small(Frame(*moving_frames(1, *size)[0].planes)) for size in ((64, 80), (64, 96)))
    with pytest.raises(ConfigError, match="novelty refuses its arguments"):
        a.novelty(b)


def test_mini_gops_are_as_long_as_frames_predict_each_other() -> None:
    slow = [small(frame) for frame in scene(17, 7)]
    assert mini_gop_length(slow) == 16
    assert mini_gop_length(slow[:7]) == 6
    assert mini_gop_length(slow[:2]) == 1
    cut = [*slow[:6], *(small(frame) for frame in scene(11, 8))]
    assert mini_gop_length(cut) == 4
    assert mini_gop_length([slow[0], *cut[6:]]) == 1


def test_presets_look_at_other_sizes_and_lengths() -> None:
    slow = [small(frame) for frame in scene(17, 7)]
    cut = [*slow[:7], *(small(frame) for frame in scene(10, 8))]
    lengths = {name: mini_gop_length(cut, effort.look_ahead) for name, effort in PRESETS.items()}
    assert lengths == {"fast": 4, "medium": 4, "slow": 4, "best": 16}
    assert PRESETS["fast"].look_ahead.halvings > PRESETS["medium"].look_ahead.halvings


def test_pictures_are_compared_at_the_size_that_is_wanted() -> None:
    size = (384, 512)
    noise = np.random.default_rng(9).integers(-90, 91, size)
    coarse = texture(*size, 10)
    core = at_level("1")
    a = Pyramid(core, coarse)
    b = Pyramid(core, np.clip(coarse + noise, 0, 255).astype(np.uint8))
    found = [b.novelty(a, halvings) for halvings in (1, 2, 3)]
    assert found[0] > found[1] > found[2] >= 0, (found, "noise goes where pictures shrink")
    for halvings in (0, 6):
        with pytest.raises(ConfigError, match="novelty refuses its arguments"):
            a.novelty(b, halvings)


def test_the_encoder_follows() -> None:
    encoder = Encoder(tiny.model(), EncoderSettings(gop=50))
    frames = scene(9, 1) + scene(4, 2)
    packets = [c.packet for frame in frames for c in encoder.push(frame)]
    packets += [c.packet for c in encoder.flush()]
    assert [p.display_number for p in packets if p.is_key] == [0, 9]
    assert sorted(p.display_number for p in packets) == list(range(13))
    assert {p.level for p in packets} == {0, 1, 2, 3}


def places(length: int) -> list[Place]:
    return list(mini_gop(0, length))


def expected(length: int, to_come: int, share: float, of_each: float = 90 / 256) -> list[float]:
    """Weights where every frame hands on one share to its references, without motion."""

    def handed_on(tail: float) -> list[float]:
        total = [0.0] * (length + 1)
        total[length] = tail
        for place in reversed(places(length)):
            amount = share * (1 + total[place.number])
            if place.future:
                amount *= of_each
                total[place.number + place.future] += amount
            total[place.number - place.past] += amount
        return total

    tail = 0.0
    left = min(to_come, 4 * length)
    while left > 0:
        part = min(left, length) / length
        tail = part * handed_on(tail)[0] + (1 - part) * tail
        left -= length
    return [np.log2(1 + total) for total in handed_on(tail)]


@pytest.mark.parametrize(
    ("length", "to_come"), [(1, 0), (1, 9), (5, 0), (8, 3), (16, 15), (7, 2**40)]
)
def test_weights_follow_from_the_structure_alone(length: int, to_come: int) -> None:
    frames = [small(frame) for frame in scene(length + 1, 11)]
    found = weights(frames, places(length), to_come, search=False)
    wanted = expected(length, to_come, 224 / 256)
    assert list(found) == list(range(length + 1))
    np.testing.assert_allclose([w / 256 for w in found.values()], wanted, atol=0.04)
    assert [found[p.number] for p in places(length) if not p.is_kept] == [0] * (length // 2)


def test_what_stands_still_is_inherited_and_what_is_new_is_not() -> None:
    picture = scene(1, 12)[0]
    still = weights([small(picture)] * 9, places(8), 20)
    # Of two references that predict alike the earlier one counts.
    np.testing.assert_allclose([w / 256 for w in still.values()], expected_still(8, 20), atol=0.02)
    moving = weights([small(frame) for frame in scene(9, 12, speed=2)], places(8), 20)
    new = weights([small(scene(1, seed)[0]) for seed in range(20, 29)], places(8), 20)
    for number in (0, 4, 8):
        assert still[number] >= moving[number] > 2 * new[number]


def expected_still(length: int, to_come: int) -> list[float]:
    """Weights where frames take all they show from the earlier reference."""

    def handed_on(tail: float) -> list[float]:
        total = [0.0] * (length + 1)
        total[length] = tail
        for place in reversed(places(length)):
            total[place.number - place.past] += 1 + total[place.number]
        return total

    rounds = [length] * (to_come // length) + ([to_come % length] if to_come % length else [])
    tail = 0.0
    for part in rounds[:4]:
        tail = (part * handed_on(tail)[0] + (length - part) * tail) / length
    return [np.log2(1 + total) for total in handed_on(tail)]


def test_a_part_that_moves_away_hands_its_weight_on_from_where_it_was() -> None:
    # The left half stands still; on the right every picture is new.
    frames = scene(9, 13, speed=0)
    rng = np.random.default_rng(14)
    for frame in frames:
        frame.y[:, SIDES[1] // 2 :] = rng.integers(0, 256, (SIDES[0], SIDES[1] // 2))
    found = weights([small(frame) for frame in frames], places(8), 0)
    whole = weights([small(scene(1, 13)[0])] * 9, places(8), 0)
    assert 0.4 * whole[0] < found[0] < 0.6 * whole[0]


@pytest.mark.parametrize("size", [(1, 1), (9, 300), (16, 16), (35, 50), (144, 176), (301, 203)])
def test_every_level_weighs_alike(size: tuple[int, int]) -> None:
    frames = moving_frames(5, *size, seed=3)
    found = []
    for level in levels():
        core = at_level(level.name.lower())
        found.append(weights([Pyramid(core, f.y) for f in frames], places(4), 9))
    assert all(one == found[0] for one in found)
    assert found[0][0] > found[0][2] > found[0][1] == found[0][3] == 0


def test_only_mini_gops_of_pictures_of_one_size_are_weighed() -> None:
    frames = [small(frame) for frame in moving_frames(5, 64, 80)]
    order = [(4, 4, 0), (2, 2, 2), (1, 1, 1), (3, 1, 1)]
    assert len(inherited(frames, order, 0)) == 5
    other = small(moving_frames(1, 64, 96)[0])
    wrong = [
        ([*frames[:4], other], order, 0),
        (frames, order, -1),
        (frames, order, 2**20 + 1),
        (frames, [(4, 4, 0), (1, 1, 1), (2, 2, 2), (3, 1, 1)], 0),  # before its reference
        (frames, [(4, 4, 0), (2, 2, 2), (1, 1, 1), (1, 1, 1)], 0),  # twice
        (frames, [(4, 4, 0), (2, 2, 0), (1, 1, 1), (3, 1, 1)], 0),  # two P frames
        (frames, [(3, 3, 0), (2, 2, 1), (1, 1, 1), (4, 1, 0)], 0),
        (frames, [(4, 5, 0), (2, 2, 2), (1, 1, 1), (3, 1, 1)], 0),
        (frames, [(4, 0, 0), (2, 2, 2), (1, 1, 1), (3, 1, 1)], 0),
        (frames, [(4, 4, 0), (2, 2, 3), (1, 1, 1), (3, 1, 1)], 0),
    ]
    for pictures, placed, to_come in wrong:
        with pytest.raises(ConfigError, match="inherit refuses its arguments"):
            inherited(pictures, placed, to_come)


def test_qualities_follow_what_is_inherited() -> None:
    def qualities(frames: list[Frame], preset: str = "medium") -> list[int]:
        encoder = Encoder(tiny.model(), EncoderSettings(quality=50, gop=17, preset=preset))
        packets = [c.packet for frame in frames for c in encoder.push(frame)]
        packets += [c.packet for c in encoder.flush()]
        return [p.quality for p in sorted(packets, key=lambda p: p.display_number)]

    still, noisy = scene(17, 7, speed=0), scene(17, 7, speed=0)
    rng = np.random.default_rng(15)
    for frame in noisy:
        frame.y[:] = np.clip(frame.y + rng.integers(-40, 41, SIDES), 0, 255)
    assert qualities(still)[0] > qualities(noisy)[0] + 8
    assert qualities(still)[8] > qualities(still)[4] > qualities(still)[1] == qualities(still)[3]
    assert abs(qualities(still)[1] - qualities(noisy)[1]) < 6, "nothing inherits, in both"
    assert qualities(still, "fast") == qualities(noisy, "fast"), "not looked at"
