from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from colorvid.errors import ConfigError, InputError
from colorvid.training.data.sequences import Crops, SequenceStore
from colorvid.training.tasks.loss import LossConfig
from colorvid.training.tasks.rate import inter_networks
from colorvid.training.tasks.unrolled import (
    Decoded,
    UnrollConfig,
    code_run,
    counted_cells,
    follow,
    over_run,
    run_batch,
    settle,
    shown,
)
from tests import tiny
from tests.training import runs


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SequenceStore:
    """Inter frames of two clips of 80x96 samples, 3 and 4 of them."""
    return runs.sequences(tmp_path_factory.mktemp("store"), counts=(4, 5))


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> SequenceStore:
    """Four inter frames of 64x64 samples: a crop can be the whole picture."""
    return runs.sequences(tmp_path_factory.mktemp("square"), counts=(5,), size=(64, 64))


def drawn(store: SequenceStore, frames: int, size: int = 32, border: int = 16) -> list[Crops]:
    config = UnrollConfig(frames, border)
    return run_batch(store, config, np.random.default_rng(3), 2, size)[0]


def decoded_before(crops: Crops) -> Decoded:
    """What the codec of the data left for a frame."""
    return Decoded(crops.y_reference, crops.uv_reference, crops.luma, crops.chroma)


def vars_of(decoded: Decoded) -> list[torch.Tensor]:
    return [decoded.y, decoded.uv, decoded.luma, decoded.chroma]


def test_runs_stay_within_their_clip(store: SequenceStore) -> None:
    assert store.entries[:, 4].tolist() == [1, 2, 3, 1, 2, 3, 4]
    assert store.runs(2).tolist() == [0, 1, 3, 4, 5]
    assert store.runs(3).tolist() == [0, 3, 4]
    assert store.runs(4).tolist() == [3]
    assert store.runs(5).tolist() == store.runs(9).tolist() == []


def test_frames_of_a_run_follow_each_other(store: SequenceStore) -> None:
    run = drawn(store, 3)
    assert [crops.y.shape for crops in run] == [(2, 1, 64, 64)] * 3
    for before, after in zip(run, run[1:], strict=False):
        error = (before.y - after.y_reference).abs().mean()
        assert error < (before.y - after.y).abs().mean() / 2, "decoded from the frame before"


def test_the_border_does_not_count_unless_the_picture_ends() -> None:
    places = np.array([[0, 0, 0], [1, 16, 32], [2, 32, 48]])
    counted = counted_cells(places, np.array([[64, 96], [128, 128], [96, 128]]), 64, 16)
    assert counted[:, 0].tolist() == [
        [[1, 1, 1, 0]] * 4,
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]],
    ]
    assert counted_cells(places, np.array([[128, 128]] * 3), 64, 0).all()


def test_a_frame_after_the_decoded_one_is_the_stored_one(square: SequenceStore) -> None:
    """The prediction made anew, crop by crop, is that of the closed loop, byte by byte."""
    for crops in drawn(square, 4, 64, 0)[1:]:
        before = decoded_before(crops)
        blank = Decoded(*(torch.zeros_like(p) for p in vars_of(before)))
        everywhere, nowhere = torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
        for name in ("y_predicted", "uv_predicted", "luma", "chroma"):
            stored = getattr(crops, name)
            assert torch.equal(getattr(follow(crops, before, everywhere), name), stored), name
            assert torch.equal(getattr(follow(crops, blank, nowhere), name), stored), name
            assert not torch.equal(getattr(follow(crops, blank, everywhere), name), stored), name


def test_frames_decode_as_in_the_closed_loop(square: SequenceStore) -> None:
    """The plain transforms over three frames, against the pictures that the codec stored."""
    networks = inter_networks(tiny.INTER)
    for branch in ("luma", "chroma"):
        networks["model"].get_submodule(branch).symbol_bits.zero_()
    run, counted = run_batch(square, UnrollConfig(4, 0), np.random.default_rng(3), 1, 64)
    before = decoded_before(run[0])
    for crops, after in zip(run, run[1:], strict=False):
        crops = follow(crops, before, counted)
        source = (crops.y, crops.uv)
        with torch.no_grad():
            output = networks["model"](*source, crops.context(), crops.quality)
        decoded, _ = settle(networks, LossConfig(), output, source, crops.quality, counted)
        before = Decoded(*decoded, output.luma.symbols, output.chroma.symbols)
        wanted = decoded_before(after)
        for got, stored in zip(vars_of(before), vars_of(wanted), strict=True):
            # Training codes the areas too that the encoder finds not worth their bits.
            assert (got - stored).abs().mean() < max(0.05 * stored.abs().mean(), 0.01)
    assert before.luma.abs().sum() > 10


def test_planes_are_shown_on_samples_within_their_range() -> None:
    x = torch.tensor([-9.0, 0.1, 0.013, 3.9, 9.0], requires_grad=True)
    y = shown(x)
    assert (y * 32 + 128).tolist() == [0, 131, 128, 253, 255]
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 0]


def test_a_late_frame_teaches_the_first_one(store: SequenceStore) -> None:
    torch.manual_seed(0)
    networks = inter_networks(tiny.INTER)
    for name, weight in networks.named_parameters():
        if name.endswith("leave.weight"):
            torch.nn.init.normal_(weight, std=0.02)
    run, counted = run_batch(store, UnrollConfig(3, 16), np.random.default_rng(3), 2, 32)
    before = decoded_before(run[0])
    leaves = [p.clone().requires_grad_() for p in vars_of(before)]
    frames = code_run(networks, LossConfig(), run, counted, Decoded(*leaves))
    frames[-1]["loss"].backward()  # type: ignore[no-untyped-call]
    for leaf in leaves[:2]:
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all() and leaf.grad.any()
    outside = torch.nn.functional.interpolate(counted, size=leaves[0].shape[-2:]) == 0
    assert outside.any() and not leaves[0].grad[outside].any()  # type: ignore[index]
    for name, weight in networks["model"].named_parameters():
        if weight.requires_grad and "second" not in name and "mean" not in name:
            assert weight.grad is not None and torch.isfinite(weight.grad).all(), name
    leave = networks["model"].get_parameter("luma.synthesis.leave.weight")
    assert leave.grad is not None and leave.grad.any()


def test_what_lies_in_the_border_costs_nothing(store: SequenceStore) -> None:
    networks = inter_networks(tiny.INTER)
    run, counted = run_batch(store, UnrollConfig(2, 16), np.random.default_rng(3), 2, 32)
    outside = torch.nn.functional.interpolate(counted, size=(64, 64)) == 0
    crops = run[0]
    source = (crops.y, crops.uv)
    output = networks["model"](*source, crops.context(), crops.quality)
    _, plain = settle(networks, LossConfig(), output, source, crops.quality, counted)
    output.y.data[outside] += 3
    half = outside[..., ::8, ::8].expand_as(output.luma.symbols)
    output.luma.symbols.data[half] += 5
    _, spoilt = settle(networks, LossConfig(), output, source, crops.quality, counted)
    for name in ("bpp_y", "bpp_uv", "psnr_y", "psnr_uv"):
        assert torch.equal(plain[name], spoilt[name]), name
    output.y.data[~outside] += 0.1
    _, worse = settle(networks, LossConfig(), output, source, crops.quality, counted)
    assert worse["psnr_y"] < plain["psnr_y"] - 1 and worse["loss"] > plain["loss"]


def test_a_run_counts_its_frames_alike() -> None:
    frames = [{"loss": torch.tensor(v), "psnr_y": torch.tensor(30 + v)} for v in (1.0, 2.0, 6.0)]
    assert {k: float(v) for k, v in over_run(frames).items()} == {
        "loss": 3, "psnr_y": 33, "psnr_y_last": 36
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 1}, "frames 1 is not allowed; it must be 2..6"),
        ({"frames": 7}, "frames 7 is not allowed; it must be 2..6"),
        ({"border": 24}, "border 24 is not allowed; it must be a multiple of 16, or 0"),
        ({"border": -16}, "border -16 is not allowed; it must be a multiple of 16, or 0"),
    ],
)
def test_other_settings_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        UnrollConfig(**values)


def test_clips_that_are_too_short_or_small_are_refused(store: SequenceStore) -> None:
    with pytest.raises(InputError, match="runs of 5 frames: no training clip has that many inter "):
        drawn(store, 5)
    with pytest.raises(InputError, match="crop of 96 samples: none of the 3 training pictures"):
        drawn(store, 3, 64, 16)


def test_a_store_of_an_older_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sequences.bin").write_bytes(b"samples")
    (tmp_path / "sequences.json").write_text("[[0, 80, 96, 34]]")
    with pytest.raises(InputError, match="sequences.json: of an older version; delete it to code"):
        SequenceStore.open(tiny.network(), runs.DataConfig(), tmp_path, tmp_path / "sequences.bin")
