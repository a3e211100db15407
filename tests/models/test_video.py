from __future__ import annotations

import numpy as np
import pytest
import torch

from colorvid.config import InterConfig, IntraConfig
from colorvid.frame import BOTH, FUTURE, PAST, Frame, Links, Motion
from colorvid.models.inter import motion_features, unevenness
from colorvid.models.planes import FrameTensors
from colorvid.models.video import References, State, VideoModel
from colorvid.motion.compensate import predict
from colorvid.motion.estimate import MotionEstimator
from tests import tiny
from tests.clips import moving_frames
from tests.motion.frames import b_links, p_links

QUALITY = 30
STEP = 20.0
ROUNDING = tiny.INTER.rounding


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


def code_clip(
    model: VideoModel, frames: list[Frame], key_quality: int = QUALITY
) -> tuple[list[State], tiny.SilentCoder]:
    """Code a clip as a key frame and P frames; gives all states and the coder."""
    search = MotionEstimator(frames[0].size.shape, 2)
    coder = tiny.SilentCoder()
    coders = (coder, coder)
    states = [model.code_key(coders, FrameTensors.of(frames[0]), frames[0].size.shape, key_quality)]
    search.start(0)
    for number, frame in enumerate(frames[1:]):
        last = states[-1]
        search.keep(number % 2, last.picture.frame().y)
        motion, _ = search.code(p_links(number % 2, 1 - number % 2), frame.y, STEP)
        picture, references = FrameTensors.of(frame), References(last, None, last)
        states.append(model.code_inter(coders, picture, motion, references, QUALITY))
    return states, coder


def code_pair(
    model: VideoModel, frames: list[Frame], links: Links
) -> tuple[State, State, State, Motion]:
    """Code a key frame, a P frame behind and a B frame between them; and the motion of this."""
    (past, future), _ = code_clip(model, [frames[0], frames[2]])
    search = MotionEstimator(frames[0].size.shape, 3)
    search.start(0)
    search.keep(0, past.picture.frame().y)
    search.code(p_links(0, 1, 2), frames[2].y, STEP)
    search.keep(1, future.picture.frame().y)
    motion, _ = search.code(links, frames[1].y, STEP)
    coders = (tiny.SilentCoder(), tiny.SilentCoder())
    references = References(past, future, future if links.nearer == 1 else past)
    picture = FrameTensors.of(frames[1])
    return past, model.code_inter(coders, picture, motion, references, QUALITY), future, motion


def test_untrained_networks_are_a_closed_loop_without_decay() -> None:
    # The floor: block transform, dead zone, motion compensation. Whatever is trained starts here.
    # Errors smaller than the dead zone add up until it stops them: the quality settles, at most
    # 2.3 dB below the first inter frames of this texture, and then it stays.
    frames = moving_frames(48, 64, 80)
    states, _ = code_clip(tiny.network(ends=0), frames)
    for plane in ("y", "u", "v"):
        values = [
            psnr(getattr(s.picture, plane).numpy(), getattr(f, plane))
            for s, f in zip(states, frames, strict=True)
        ]
        assert np.mean(values[-8:]) > np.mean(values[1:4]) - 2.3, f"{plane}: {values}"
        assert np.mean(values[-8:]) > np.mean(values[24:32]) - 0.5, f"{plane}: {values}"
        assert min(values[1:]) > 33


def test_the_untrained_codec_is_the_dead_zone_transform() -> None:
    # With no trained end the coded planes are the prediction plus quantised coefficients alone.
    model = tiny.network(ends=0)
    frames = moving_frames(2, 80, 96)
    states, coder = code_clip(model, frames)
    search = MotionEstimator((80, 96), 2)
    search.start(0)
    search.keep(0, states[0].picture.frame().y)
    motion, _ = search.code(p_links(0, 1), frames[1].y, STEP)
    prediction, _ = model.predict(motion, References(states[0], None, states[0]))
    luma = model.inter.luma
    source, predicted = (
        t.features(torch.float64)[0] for t in (FrameTensors.of(frames[1]), prediction)
    )
    coefficients = luma.transform.analyse(source - predicted).float() / 8
    step = luma.gains.table[QUALITY][None, :, None, None] / 64
    level = coefficients.sign() * torch.floor(coefficients.abs() / step + ROUNDING)
    # Areas that are not worth their bits are left out.
    coded = luma.occupied(states[1].luma != 0).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert 0.5 < float((level != 0)[:, :, coded[0, 0, :10, :12]].float().sum() / (level != 0).sum())
    level = torch.where(coded[:, :, :10, :12], level.clamp(-2047, 2047), 0.0)
    assert torch.equal(states[1].luma, level + 0.0)
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


def test_b_frames_of_untrained_networks_are_good_too() -> None:
    frames = moving_frames(3, 64, 80)
    past, middle, future, motion = code_pair(tiny.network(ends=0), frames, b_links(0, 1, 2))
    assert motion.uses is not None and set(np.unique(motion.uses)) <= {PAST, FUTURE, BOTH}
    for plane in ("y", "u", "v"):
        values = [
            psnr(getattr(state.picture, plane).numpy(), getattr(frame, plane))
            for state, frame in zip((past, middle, future), frames, strict=True)
        ]
        assert values[1] > 33, f"{plane}: {values}"
    assert middle.luma.any()


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (17, 33)])
def test_b_frames_of_odd_sizes(size: tuple[int, int]) -> None:
    _, middle, _, _ = code_pair(tiny.network(), moving_frames(3, *size), b_links(0, 1, 2))
    assert tuple(middle.picture.y.shape) == size
    assert middle.luma.shape[-2:] == (-(-size[0] // 16) * 2, -(-size[1] // 16) * 2)


def test_symbols_of_the_nearer_reference_count() -> None:
    frames = moving_frames(3, 32, 48)
    model = tiny.network()
    past, _, future, motion = code_pair(model, frames, b_links(0, 1, 2))
    assert future.luma.any() and not past.luma.any(), "a key frame leaves no symbols"
    for nearer in (past, future):
        prediction, context = model.predict(motion, References(past, future, nearer))
        assert context.luma is nearer.luma and context.chroma is nearer.chroma
        wanted = predict(motion, past.picture.planes, future.picture.planes)
        assert torch.equal(prediction.y, wanted[0])
        assert torch.equal(context.motion[..., :4, :6], motion_features(motion))


def test_unevenness_is_the_difference_to_the_neighbours() -> None:
    vectors = torch.zeros(1, 2, 3, 2, dtype=torch.int16)
    vectors[0, 0, 1] = torch.tensor([-4, 3])
    vectors[0, 1, 2] = torch.tensor([0, 2000])
    left, right, up, down = unevenness(vectors)[0].tolist()
    assert left == [[0, 4, 4], [0, 0, 255]]
    assert right == [[4, 4, 0], [0, 255, 0]]
    assert up == [[0, 0, 0], [0, 4, 255]]
    assert down == [[0, 4, 255], [0, 0, 0]]


def test_unevenness_of_one_block_is_zero() -> None:
    assert unevenness(torch.full((1, 1, 1, 2), 9)).flatten().tolist() == [0, 0, 0, 0]


def test_of_two_fields_the_more_uneven_one_counts() -> None:
    past, future = (np.zeros((2, 3, 2), np.int16) for _ in range(2))
    past[0, 1], future[0, 1], future[1, 2] = (-4, 3), (1, 0), (0, 9)
    uses = np.full((1, 2), PAST, np.uint8)
    one = unevenness(torch.from_numpy(np.stack((past, future))))
    got = motion_features(Motion(past, future, uses))
    assert torch.equal(got[0], torch.maximum(one[0], one[1]))
    assert torch.equal(motion_features(Motion(past))[0], one[0])


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
