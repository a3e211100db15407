"""P frames that are coded by themselves, inside a group."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.bitstream import FrameType, StreamHeader
from colorvid.codec import groups
from colorvid.codec.attempts import Spent, squared_error
from colorvid.codec.decoder import Decoder, MissingReference
from colorvid.codec.encoder import CodedFrame, Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.frame import Frame, Size
from colorvid.models.loading import load_model
from colorvid.system.cores import one_torch_thread
from tests.conftest import P_FRAMES_ALONE

HEIGHT, WIDTH = 64, 80


def scene(length: int, seed: int, depth: int = 8) -> list[Frame]:
    """A still picture of small flat squares that moves two samples a frame."""
    random, most = np.random.default_rng(seed), (1 << depth) - 1
    dtype = np.uint8 if depth == 8 else np.uint16

    def plane(height: int, width: int, side: int) -> NDArray[Any]:
        values = random.integers(0, most, (-(-height // side), -(-width // side))).astype(dtype)
        return values.repeat(side, 0).repeat(side, 1)[:height, :width]

    y = plane(HEIGHT, WIDTH + 2 * length, 6)
    u, v = (plane(HEIGHT // 2, WIDTH // 2 + length, 9) for _ in range(2))
    return [
        Frame(
            y[:, 2 * n : 2 * n + WIDTH].copy(),
            u[:, n : n + WIDTH // 2].copy(),
            v[:, n : n + WIDTH // 2].copy(),
        )
        for n in range(length)
    ]


def scenes(lengths: tuple[int, ...], depth: int = 8) -> list[Frame]:
    return [f for seed, length in enumerate(lengths) for f in scene(length, seed, depth)]


def coded(settings: EncoderSettings, frames: list[Frame]) -> list[CodedFrame]:
    encoder = Encoder(load_model("default"), settings)
    return [c for frame in frames for c in encoder.push(frame)] + encoder.flush()


def decoder(settings: EncoderSettings, depth: int = 8) -> Decoder:
    return Decoder(
        load_model("default"), Size(WIDTH, HEIGHT), references=settings.references,
        reorder=settings.reorder, depth=depth,
    )  # fmt: skip


def spent(clip: list[CodedFrame]) -> Spent:
    parts = (
        Spent(
            8 * (len(c.packet.latents) + len(c.packet.motion)), squared_error(c.source, c.picture)
        )
        for c in clip
    )
    return sum(parts, Spent())


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("bframes", [0, 3])
def test_a_new_scene_inside_a_group_begins_with_an_i_frame(
    bframes: int, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EncoderSettings(quality=40, gop=16, bframes=bframes, scenecut=False)
    frames = scenes((4, 5), depth)
    clip = coded(settings, frames)
    intra = [c.packet for c in clip if c.packet.frame_type == FrameType.I]
    assert [p.display_number for p in intra] == [4]
    assert [p.references for p in intra] == [()] and not intra[0].motion
    assert [c.packet.is_key for c in clip] == [True] + [False] * 8
    reader = decoder(settings, depth)
    shown = [f for c in clip for f in reader.push(c.packet)] + reader.flush()
    pictures = {c.packet.display_number: c.picture.crc32() for c in clip}
    assert [f.crc32() for f in shown] == [pictures[n] for n in range(9)]

    monkeypatch.setattr(*P_FRAMES_ALONE)
    other = coded(settings, frames)
    assert FrameType.I not in {c.packet.frame_type for c in other}
    assert spent(clip).cost < spent(other).cost


def test_what_moves_is_predicted() -> None:
    settings = EncoderSettings(quality=40, gop=16, bframes=0)
    clip = coded(settings, scene(6, 0))
    assert [c.packet.frame_type for c in clip[1:]] == [FrameType.P] * 5


def test_an_i_frame_needs_no_frame_before_it() -> None:
    settings = EncoderSettings(quality=40, gop=16, bframes=0, scenecut=False)
    clip = coded(settings, scenes((3, 3)))
    reader = decoder(settings)
    with pytest.raises(MissingReference):
        reader.decode(clip[2].packet)
    for c in clip[3:]:
        assert reader.decode(c.packet).crc32() == c.picture.crc32()


def test_threads_change_nothing() -> None:
    settings = EncoderSettings(quality=40, gop=32, bframes=3, scenecut=False)
    frames, size = scenes((5, 3, 6, 2, 4)), Size(WIDTH, HEIGHT)
    model = load_model("default")
    found = []
    for threads in (1, 2, 3):
        results = groups.encode_frames(model, settings, frames, size, threads=threads)
        with closing(results):
            found.append([item.packet for item in results])
    assert FrameType.I in {p.frame_type for p in found[0]}
    assert found[1] == found[0] and found[2] == found[0]

    header = StreamHeader(
        width=WIDTH, height=HEIGHT, rate_num=25, rate_den=1, gop_length=settings.gop,
        reorder=settings.reorder, references=settings.references, model_id=model.identity,
    )  # fmt: skip
    for threads in (1, 3):
        decoded = groups.decode_records(model, found[0], header, threads=threads)
        with one_torch_thread(), closing(decoded):
            good = [item.frame is not None for item in decoded]  # each CRC is checked
        assert good == [True] * len(frames)


def test_error_counts_for_more_at_higher_quality_and_by_the_range_of_samples() -> None:
    costs = [Spent(1000, 255**2).weighed(quality, 8) for quality in (0, 32, 63)]
    assert costs == pytest.approx([1030.0, 1629.22, 13000.0])
    assert Spent(1000, 1023**2).weighed(32, 10) == pytest.approx(costs[1])
    assert Spent(5, 0).weighed(63, 8) == 5
