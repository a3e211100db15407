"""Key frames are averaged with the frames behind them, where these agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from colorvid.codec.encoder import GroupEncoder
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.temporal_filter import SHARES, filtered
from colorvid.frame import Frame
from colorvid.native.core import levels
from tests import tiny
from tests.clips import moving_frames

STEP = 20.0


def noisy(frames: Sequence[Frame], spread: int, seed: int = 1) -> list[Frame]:
    random = np.random.default_rng(seed)
    return [
        Frame(
            *(
                (p.astype(int) + random.integers(-spread, spread + 1, p.shape))
                .clip(0, frame.peak)
                .astype(p.dtype)
                for p in frame.planes
            )
        )
        for frame in frames
    ]


def error(a: Frame, b: Frame, margin: int = 0) -> list[float]:
    inner = slice(margin, -margin or None)
    pairs = zip(a.planes, b.planes, strict=True)
    return [float(np.mean((x.astype(float) - y)[inner, inner] ** 2)) for x, y in pairs]


@pytest.mark.parametrize("moves", [False, True])
def test_noise_is_averaged_away(moves: bool) -> None:
    clean = moving_frames(5, 96, 128)
    clean = clean if moves else [clean[0]] * 5
    seen = noisy(clean, 4)
    before = error(seen[0], clean[0], 16)
    after = error(filtered(seen[0], seen[1:], STEP), clean[0], 16)
    # Five samples of equal weight would leave a fifth; these weigh less the later they come.
    assert after[0] < (0.6 if moves else 0.35) * before[0]
    assert after[1:] == before[1:], "chroma stays"


def test_a_frame_without_others_or_among_equals_stays_as_it_is() -> None:
    frame = moving_frames(1, 40, 56)[0]
    assert filtered(frame, [], STEP) == frame
    assert filtered(frame, [frame] * 4, STEP) == frame


def test_another_scene_changes_nothing() -> None:
    frame, other = (noisy(moving_frames(1, 64, 64, seed), 120, seed)[0] for seed in (1, 2))
    assert filtered(frame, [other] * 4, STEP) == frame


def test_coarser_steps_filter_more() -> None:
    still = moving_frames(1, 64, 96) * 5
    seen = noisy(still, 6)
    change = [error(filtered(seen[0], seen[1:], step), seen[0])[0] for step in (0.01, 6.0, 60.0)]
    assert 0 <= change[0] < 0.05 * change[2]
    assert change[0] < change[1] < change[2]


def test_frames_beyond_the_last_share_do_not_count() -> None:
    seen = noisy(moving_frames(1, 32, 32) * 6, 4)
    assert filtered(seen[0], seen[1:6], STEP) == filtered(seen[0], seen[1 : 1 + len(SHARES)], STEP)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 23), (33, 8)])
def test_every_size_is_filtered(size: tuple[int, int]) -> None:
    seen = noisy(moving_frames(1, *size) * 3, 3)
    out = filtered(seen[0], seen[1:], STEP)
    assert out.size == seen[0].size and out.depth == 8


def test_ten_bits_are_filtered_as_eight() -> None:
    eight = noisy(moving_frames(1, 64, 64) * 4, 4)
    ten = [frame.at_depth(10) for frame in eight]
    deep, plain = filtered(ten[0], ten[1:], STEP), filtered(eight[0], eight[1:], STEP)
    for a, b in zip(deep.planes, plain.planes, strict=True):
        assert a.dtype == np.uint16
        assert np.abs(a.astype(int) - 4 * b.astype(int)).max() <= 2


def test_every_level_filters_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = noisy(moving_frames(5, 70, 94), 4)
    out = []
    for level in levels():
        monkeypatch.setenv("COLORVID_NATIVE", level.name.lower())
        out.append(filtered(seen[0], seen[1:], STEP))
    assert all(frame == out[0] for frame in out[1:])


def key_packet(settings: EncoderSettings, frames: Sequence[Frame]) -> bytes:
    encoder = GroupEncoder(tiny.model(), settings, frames[0].size, 0)
    coded = [packet for frame in frames for packet in encoder.push(frame)] + encoder.flush()
    assert coded[0].source == frames[0], "scores compare with what was given"
    return coded[0].packet.latents


@pytest.mark.parametrize(
    ("bframes", "count", "filters"), [(7, 9, True), (0, 9, False), (7, 1, False)]
)
def test_key_frames_with_others_behind_them_are_filtered(
    bframes: int, count: int, filters: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = noisy(moving_frames(1, 64, 64) * count, 5)
    settings = EncoderSettings(quality=40, gop=16, bframes=bframes, scenecut=False)
    coded = key_packet(settings, frames)
    monkeypatch.setattr("colorvid.codec.loop.filtered", lambda frame, *_: frame)
    plain = key_packet(settings, frames)
    assert (coded != plain) == filters
