from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from colorvid.config import InterConfig, IntraConfig
from colorvid.frame import Frame
from colorvid.models.inter import motion_features
from colorvid.models.planes import FrameTensors
from colorvid.models.video import State, VideoModel
from colorvid.motion.estimate import MotionEstimator
from colorvid.motion.native import motion_coder
from tests import tiny
from tests.clips import moving_frames

QUALITY = 30
STEP = 20.0
ROUNDING = tiny.INTER.rounding


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


def code_clip(
    model: VideoModel, frames: list[Frame], key_quality: int = QUALITY
) -> tuple[list[State], tiny.SilentCoder]:
    """Code a clip as one group of pictures; gives all states and the coder."""
    estimator, motion = MotionEstimator(STEP), motion_coder()
    coder = tiny.SilentCoder()
    size = (frames[0].height, frames[0].width)
    states = [model.code_key((coder, coder), FrameTensors.of(frames[0]), size, key_quality)]
    for before, frame in pairwise(frames):
        vectors = estimator.estimate(frame.y, before.y, motion)
        motion.encode(vectors)
        coders = (coder, coder)
        picture = FrameTensors.of(frame)
        states.append(
            model.code_inter(coders, picture, torch.from_numpy(vectors), states[-1], QUALITY)
        )
    return states, coder


def test_untrained_networks_are_a_closed_loop_without_decay() -> None:
    # The floor: block transform, dead zone, motion compensation. Whatever is trained starts here.
    # Errors smaller than the dead zone add up until it stops them: the quality settles, at most
    # 2 dB below the first inter frames of this texture, and then it stays.
    frames = moving_frames(48, 64, 80)
    states, _ = code_clip(tiny.network(ends=0), frames)
    for plane in ("y", "u", "v"):
        values = [
            psnr(getattr(s.picture, plane).numpy(), getattr(f, plane))
            for s, f in zip(states, frames, strict=True)
        ]
        assert np.mean(values[-8:]) > np.mean(values[1:4]) - 2.0, f"{plane}: {values}"
        assert np.mean(values[-8:]) > np.mean(values[24:32]) - 0.3, f"{plane}: {values}"
        assert min(values[1:]) > 33


def test_the_untrained_codec_is_the_dead_zone_transform() -> None:
    # With no trained end the coded planes are the prediction plus quantised coefficients alone.
    model = tiny.network(ends=0)
    frames = moving_frames(2, 80, 96)
    states, coder = code_clip(model, frames)
    vectors = MotionEstimator(STEP).estimate(frames[1].y, frames[0].y, motion_coder())
    prediction, _ = model.predict(torch.from_numpy(vectors), states[0])
    luma = model.inter.luma
    source, predicted = (
        t.features(torch.float64)[0] for t in (FrameTensors.of(frames[1]), prediction)
    )
    coefficients = luma.transform.analyse(source - predicted).float() / 8
    step = luma.gains.table[QUALITY][None, :, None, None] / 64
    level = coefficients.sign() * torch.floor(coefficients.abs() / step + ROUNDING)
    assert torch.equal(states[1].luma, level.clamp(-2047, 2047) + 0.0)
    assert 0 < float((level != 0).float().mean()) < 0.2
    change = luma.transform.basis.T @ (level * step).flatten(2)[0]
    change = torch.nn.functional.pixel_shuffle(change.reshape(1, 64, 10, 12), 8)[0, 0]
    wanted = (prediction.y + change).round().clamp(0, 255)
    assert (states[1].picture.y - wanted).abs().max() <= 1
    assert (states[1].picture.y == wanted).float().mean() > 0.9
    assert len(coder.symbols) == 14, "five and two steps of two branches"


def test_zero_symbols_leave_the_prediction_alone() -> None:
    frame = Frame(*(np.full(s, 90, np.uint8) for s in ((17, 33), (9, 17), (9, 17))))
    states, _ = code_clip(tiny.network(ends=0), [frame] * 3)
    assert not states[1].luma.any() and not states[2].chroma.any()
    for plane in ("y", "u", "v"):
        assert torch.equal(getattr(states[2].picture, plane), getattr(states[0].picture, plane))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (17, 33)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    clip = moving_frames(3, *size)
    states, _ = code_clip(tiny.network(), clip)
    assert [tuple(s.picture.y.shape) for s in states] == [size] * 3
    assert states[2].luma.shape[-2:] == (-(-size[0] // 16) * 2, -(-size[1] // 16) * 2)


def test_motion_features_are_differences_to_the_neighbours() -> None:
    vectors = torch.zeros(1, 2, 3, 2, dtype=torch.int16)
    vectors[0, 0, 1] = torch.tensor([-4, 3])
    vectors[0, 1, 2] = torch.tensor([0, 2000])
    left, right, up, down = motion_features(vectors)[0].tolist()
    assert left == [[0, 4, 4], [0, 0, 255]]
    assert right == [[4, 4, 0], [0, 255, 0]]
    assert up == [[0, 0, 0], [0, 4, 255]]
    assert down == [[0, 4, 255], [0, 0, 0]]


def test_motion_features_of_one_block_are_zero() -> None:
    assert motion_features(torch.full((1, 1, 1, 2), 9)).flatten().tolist() == [0, 0, 0, 0]


def test_the_parts_of_the_encoder_have_wide_integers() -> None:
    model = tiny.network()
    assert model.carrier == torch.float32
    model.use_exact(torch.float64)
    assert model.carrier == torch.float64
    kinds = {
        name: type(part.arithmetic).__name__
        for name, part in model.named_modules()
        if hasattr(part, "arithmetic")
    }
    assert kinds["intra.luma.analysis.enter"] == "WideArithmetic"
    assert kinds["intra.luma.analysis"] == "WideArithmetic"
    assert kinds["inter.chroma.prior.hyper_analysis.down2"] == "WideArithmetic"
    assert kinds["inter.chroma.prior.hyper_synthesis.up1"] == "ExactArithmetic"
    assert kinds["intra.luma.synthesis"] == "ExactArithmetic"


@pytest.mark.parametrize("switch", ["chroma_from_luma", "context"])
def test_ablations_code_too(switch: str) -> None:
    intra = IntraConfig(**{**_values(tiny.INTRA), "chroma_from_luma": switch == "context"})
    inter = InterConfig(**{**_values(tiny.INTER), switch: False})
    states, _ = code_clip(tiny.network(intra=intra, inter=inter), moving_frames(2, 16, 16))
    assert len(states) == 2


def _values(config: IntraConfig | InterConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__slots__}
