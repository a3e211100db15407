"""Bits of channels and impulse responses, on a tiny model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError
from colorvid.evaluation.impulse import PATCH, BranchName, channel_bits, impulse_responses
from colorvid.models.loading import Model, load_model
from colorvid.models.networks import save_model
from colorvid.nn.transforms import STEP_STEPS, dct_basis
from tests import tiny
from tests.clips import moving_frames

QUALITY = 30


def plain_model() -> Model:
    """The tiny model with networks that change nothing: a DCT codec."""
    network = tiny.network(ends=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.safetensors"
        save_model(path, network, tiny.tables_for(network))
        return load_model(str(path), carrier=torch.float32)


@pytest.mark.parametrize("size", [(48, 64), (35, 50)])
def test_bits_of_the_channels_are_those_the_encoder_counts(size: tuple[int, int]) -> None:
    frame, model = moving_frames(1, *size)[0], tiny.model()
    luma, chroma = channel_bits(model, frame, QUALITY)
    [coded] = Encoder(model, EncoderSettings(quality=QUALITY, gop=1)).push(frame)
    assert luma.shape == (256,) and chroma.shape == (128,)
    assert luma.sum() == pytest.approx(coded.bits["luma"])
    assert chroma.sum() == pytest.approx(coded.bits["chroma"])


def test_bits_go_to_the_channel_that_holds_the_picture() -> None:
    frame = moving_frames(1, 48, 64)[0]
    columns = np.cos((2 * np.arange(64) + 1) * 3 * np.pi / 32)  # third frequency of 16 samples
    frame.y[:] = np.rint(128 + 60 * columns).astype(np.uint8)
    luma, _ = channel_bits(plain_model(), frame, QUALITY)
    rows = dct_basis(16).numpy().reshape(256, 16, 16)
    wave = int(np.argmax(np.abs((rows * columns[:16]).sum((1, 2)))))
    assert int(np.argmax(luma)) == wave


@pytest.mark.parametrize(("branch", "block"), [("luma", 16), ("chroma", 8)])
def test_without_networks_the_response_is_the_basis(branch: BranchName, block: int) -> None:
    model = plain_model()
    responses = impulse_responses(model, branch, QUALITY, 5)
    planes = 1 if branch == "luma" else 2
    side = PATCH * block
    assert responses.shape == (planes * block**2, planes, side, side)
    part = getattr(model.network.intra, branch)
    sizes = part.gains.table[QUALITY].numpy() * 5 / STEP_STEPS
    basis = dct_basis(block).numpy().reshape(-1, block, block)
    expected = np.zeros(responses.shape)
    first = side // 2 - block // 2
    for channel, size in enumerate(sizes):
        place = (channel, channel // block**2, slice(first, first + block))
        expected[(*place, slice(first, first + block))] = basis[channel % block**2] * size
    assert np.abs(responses - expected).max() <= 1 / 8


def test_networks_take_part_and_the_other_branch_stays_at_rest() -> None:
    plain = impulse_responses(plain_model(), "chroma", QUALITY, 5)
    responses = impulse_responses(tiny.model(), "chroma", QUALITY, 5)
    assert np.abs(responses - plain).max() > 1
    assert np.all(responses * 8 == np.rint(responses * 8))
    again = impulse_responses(tiny.model(), "chroma", QUALITY, 5)
    assert np.array_equal(responses, again)


def test_synthesis_is_what_decodes_a_picture() -> None:
    """One latent through the whole decoder gives the same planes as the response says."""
    network = plain_model().network
    latents = torch.zeros((1, 256, 2, 2))
    latents[0, 0, 1, 0] = 3 * 16
    y, uv = network.intra.synthesise(latents, torch.zeros((1, 128, 2, 2)), torch.tensor([QUALITY]))
    assert y.shape == (1, 1, 32, 32) and uv.shape == (1, 2, 16, 16)
    step = float(network.intra.luma.gains.table[QUALITY, 0]) / STEP_STEPS
    assert torch.all(y[0, 0, 16:, :16] == round(3 * step / 16 * 8))
    assert not y[0, 0, :16].any() and not uv.any()


@pytest.mark.parametrize(
    ("branch", "steps", "message"),
    [
        ("alpha", 4, "branch 'alpha'; use one of luma, chroma"),
        ("luma", 0, "impulse of 0 steps is not allowed; it must be 1..255"),
        ("luma", 256, "impulse of 256 steps"),
    ],
)
def test_wrong_arguments_are_refused(branch: BranchName, steps: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        impulse_responses(tiny.model(), branch, QUALITY, steps)
