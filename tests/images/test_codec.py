"""`ImageCodec`: as an image codec, and as a model in CompressAI's training and evaluation."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import colorvid
from colorvid import ImageCodec
from colorvid.config import lambda_of_quality
from colorvid.errors import ConfigError, DamagedStream, HashMismatch, InputError, ModelMismatch
from colorvid.images.codec import rgb_to_yuv420
from colorvid.images.pictures import Kind, from_rgb, spec_of
from colorvid.quality.color import frame_to_rgb, rgb_to_frame
from colorvid.training.tasks.delta_e import yuv420_to_rgb
from tests import tiny
from tests.clips import moving_frames

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # compressai scripts a function at import
    from compressai.losses import RateDistortionLoss

KINDS: tuple[Kind, ...] = ("numpy", "pil", "torch")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path, ends=0)
    return path


@pytest.fixture(scope="module")
def shared(model_file: Path) -> ImageCodec:
    return ImageCodec(model_file, quality=50)


@pytest.fixture
def codec(shared: ImageCodec) -> ImageCodec:
    """As it was made; its weights must not be changed."""
    shared.train()
    return shared


@pytest.fixture
def own(model_file: Path) -> ImageCodec:
    """A codec whose weights may be changed."""
    return ImageCodec(model_file, quality=50)


def pictures(count: int = 2, height: int = 48, width: int = 64) -> Tensor:
    """R'G'B' ``(count, 3, H, W)``, 0..1."""
    frames = moving_frames(count, height, width)
    spec = spec_of(full_range=False)
    return torch.stack([from_rgb(frame_to_rgb(f, spec), "torch") for f in frames])


def bits(output: dict[str, Any]) -> float:
    return sum(-float(t.log2().sum()) for t in output["likelihoods"].values())


@pytest.mark.parametrize("full_range", [False, True])
def test_planes_are_those_of_the_plain_conversion(full_range: bool) -> None:
    spec, rgb = spec_of(full_range=full_range), pictures(1)
    frame = rgb_to_frame((rgb[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), spec)
    y, uv = rgb_to_yuv420(rgb, spec)
    for found, plane in zip((y[0, 0], uv[0, 0], uv[0, 1]), frame.planes, strict=True):
        assert np.abs(found.numpy() * 255 - plane).max() <= 0.5 + 1e-3
    planes = (torch.from_numpy(p.astype(np.float32) / 255) for p in frame.planes)
    back = yuv420_to_rgb(next(planes), next(planes), next(planes), spec).clamp(0, 1).numpy() * 255
    assert np.abs(back - frame_to_rgb(frame, spec).transpose(2, 0, 1)).max() < 0.51


@pytest.mark.parametrize("size", [(48, 64), (45, 51), (1, 1)])
def test_forward_has_the_form_of_compressai(codec: ImageCodec, size: tuple[int, int]) -> None:
    x = pictures(2, *size)
    output = codec(x)
    assert output["x_hat"].shape == x.shape
    rows, columns = (-(-s // 16) for s in size)
    assert {k: v.shape[:2] for k, v in output["likelihoods"].items()} == {
        "y": (2, 256), "z": (2, 4), "uv": (2, 128), "uv_z": (2, 2),
    }  # fmt: skip
    assert output["likelihoods"]["y"].shape[2:] == (rows, columns)
    for likelihood in output["likelihoods"].values():
        assert (likelihood > 0).all() and (likelihood <= 1).all()


def test_forward_tells_what_coding_gives(codec: ImageCodec) -> None:
    """But for the encoder's quantiser, which leaves out what costs more than it is worth."""
    codec.eval()
    x = pictures(2, 144, 160)
    for quality in (20, 40, 60):
        with torch.no_grad():
            output = codec(x, quality)
        coded = codec.compress(x, quality)
        real = 8 * sum(len(s) for s in coded["strings"][0])
        decoded = codec.decompress(**coded)["x_hat"]
        assert 0.7 < real / bits(output) < 1.02, quality
        errors = [float((a - x).square().mean()) for a in (output["x_hat"].clamp(0, 1), decoded)]
        assert abs(10 * math.log10(errors[1] / errors[0])) < 0.8, quality


def test_inside_the_loss_of_compressai(own: ImageCodec) -> None:
    """Its loss falls, everything is trained, and what was trained really codes."""
    x = pictures()
    criterion = RateDistortionLoss(lmbda=lambda_of_quality(50) / 255**2)
    named = dict(own.named_parameters())
    quantiles = [p for n, p in named.items() if n.endswith(".quantiles")]
    optimiser = torch.optim.Adam(
        [p for n, p in named.items() if not n.endswith(".quantiles")], lr=2e-3
    )
    auxiliary = torch.optim.Adam(quantiles, lr=1e-2)
    own.train()
    losses, before = [], {n: p.detach().clone() for n, p in named.items()}
    for _ in range(30):
        optimiser.zero_grad()
        auxiliary.zero_grad()
        loss = criterion(own(x), x)["loss"]
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
        own.aux_loss().backward()  # type: ignore[no-untyped-call]
        auxiliary.step()
    first, last = (sum(part) for part in (losses[:5], losses[-5:]))
    assert last < 0.95 * first
    still = [n for n, p in named.items() if torch.equal(p, before[n])]
    assert not [n for n in still if "knots" not in n], still
    pixels = x.numel() / 3
    own.eval()
    old = own.compress(x)
    assert own.update()
    new = own.compress(x)
    assert new["strings"] != old["strings"]
    decoded = own.decompress(**new)["x_hat"]
    with torch.no_grad():
        expected = criterion(own(x), x)
    real = 8 * sum(len(s) for s in new["strings"][0]) / pixels
    assert real == pytest.approx(float(expected["bpp_loss"]), rel=0.15, abs=0.1)
    assert float((decoded - x).square().mean()) < 1.5 * float(expected["mse_loss"])


def test_the_quality_of_each_picture(codec: ImageCodec) -> None:
    x = pictures(1).repeat(2, 1, 1, 1)
    codec.eval()
    with torch.no_grad():
        both = codec(x, torch.tensor([10, 60]))
        each = [codec(x[:1], q) for q in (10, 60)]
    assert torch.allclose(both["x_hat"], torch.cat([e["x_hat"] for e in each]), atol=1e-5)
    coarse, fine = (float((x[:1] - e["x_hat"]).square().mean()) for e in each)
    assert fine < coarse / 4 and bits(each[1]) > 2 * bits(each[0])


@pytest.mark.parametrize(
    "quality",
    [-1, 64, 1.5, torch.tensor([1]), torch.tensor([1.0, 2.0]), torch.tensor([0, 64])],
)
def test_other_qualities_are_refused(codec: ImageCodec, quality: Any) -> None:
    with pytest.raises(ConfigError, match="quality"):
        codec(pictures(), quality)


def test_it_is_shown_in_one_line(codec: ImageCodec) -> None:
    assert repr(codec).startswith("ImageCodec('") and repr(codec).endswith("', quality=50)")


def test_other_shapes_are_refused(codec: ImageCodec) -> None:
    for x in (torch.zeros(3, 16, 16), torch.zeros(1, 1, 16, 16), torch.zeros(1, 3, 0, 16)):
        with pytest.raises(InputError, match="must be"):
            codec(x)
    with pytest.raises(InputError, match="must be"):
        codec.compress(torch.zeros(3, 16, 16))


def test_streams_are_those_of_files(codec: ImageCodec, model_file: Path, tmp_path: Path) -> None:
    """Every kind of picture gives the bytes that the command line writes."""
    rgb = to_array(pictures(1)[0])
    streams = [codec.encode(from_rgb(rgb, k), 40) for k in KINDS]
    assert streams[0] == streams[1] == streams[2]
    from_rgb(rgb, "pil").save(tmp_path / "a.png")
    from colorvid.cli.main import main

    target = tmp_path / "a.clv"
    arguments = ["encode", str(tmp_path / "a.png"), "-o", str(target), "-q", "40", "--quiet"]
    assert main([*arguments, "--model", str(model_file)]) == 0
    assert target.read_bytes() == streams[0]
    summary = colorvid.probe(target)
    assert (summary.header.width, summary.header.height) == (64, 48)
    kinds = [codec.decode(streams[0], k) for k in KINDS]
    assert np.array_equal(kinds[0], np.asarray(kinds[1]))
    assert np.array_equal(kinds[0], to_array(kinds[2]))


def to_array(x: Tensor) -> Any:
    return (x * 255).round().byte().permute(1, 2, 0).numpy()


def test_strings_that_are_damaged(codec: ImageCodec) -> None:
    coded = codec.compress(pictures(1))
    (string,) = coded["strings"][0]
    for damaged in (b"", string[:2], b"\xff" + string[1:]):
        with pytest.raises(DamagedStream):
            codec.decompress([[damaged]], coded["shape"])
    with pytest.raises((DamagedStream, HashMismatch)):
        codec.decompress([[string[:1] + bytes(2) + string[3:]]], coded["shape"])


@pytest.mark.usefixtures("short_fit")
def test_saved_weights_are_a_model(own: ImageCodec, tmp_path: Path) -> None:
    """Also for videos: inter frames are coded as before."""
    with torch.no_grad():
        for name, value in own.named_parameters():
            if "synthesis.leave.weight" in name:
                value.add_(0.05)
    own.update()
    own.save(tmp_path / "own.safetensors")
    again = ImageCodec(tmp_path / "own.safetensors", quality=50)
    assert again.model.identity == own.model.identity
    rgb = to_array(pictures(1)[0])
    stream = own.encode(rgb)
    assert again.encode(rgb) == stream
    with pytest.raises(ModelMismatch):
        ImageCodec().decode(stream)
    for branch in ("inter.luma", "inter.chroma"):
        ours, theirs = (m.model.books[branch].latents for m in (own, again))
        assert np.array_equal(ours.cdf, theirs.cdf)


@pytest.mark.usefixtures("short_fit")
def test_loaded_weights_need_an_update(codec: ImageCodec, model_file: Path) -> None:
    state = {n: v.clone() for n, v in codec.state_dict().items()}
    other = ImageCodec(model_file)
    other.load_state_dict(state)
    with pytest.raises(ConfigError, match=r"call update\(\)"):
        other.compress(pictures(1))
    assert other.update(force=False)
    assert not other.update(force=False)
    assert len(other.compress(pictures(1))["strings"][0]) == 1
