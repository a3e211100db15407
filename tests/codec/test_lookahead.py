"""Where key frames come, and how long mini-GOPs are."""

from __future__ import annotations

import numpy as np
import pytest

from colorvid.codec.encoder import Encoder
from colorvid.codec.lookahead import CUT, KeyFrames, mini_gop_length, small
from colorvid.codec.settings import EncoderSettings
from colorvid.effort import PRESETS, LookAhead
from colorvid.errors import ConfigError
from colorvid.frame import Frame
from colorvid.native.core import at_level, levels
from colorvid.native.motion import Pyramid
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
    assert lengths == {"fast": 4, "medium": 4, "slow": 6}
    assert PRESETS["fast"].look_ahead.halvings > PRESETS["medium"].look_ahead.halvings
    every = LookAhead(lengths=(8, 4, 2), patience=1000)
    assert mini_gop_length(cut, every) == 16


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
