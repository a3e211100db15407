from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from colorvid.codec.settings import EncoderSettings
from colorvid.errors import OutputError
from colorvid.io.base import VideoInfo
from colorvid.models.loading import load_model
from colorvid.nn.prior import scale_of
from colorvid.training.data.sequences import TallyCoder
from colorvid.training.tables import fit_tables, hyper_tables, latent_tables
from colorvid.training.tasks.rate import BranchRate
from tests import tiny
from tests.clips import moving_frames
from tests.conftest import write_clip


@pytest.mark.parametrize("means", [False, True])
def test_latent_tables_follow_the_family(means: bool) -> None:
    tables = latent_tables(BranchRate(2, means=means))
    assert len(tables.sizes) == 64
    assert (np.diff(tables.reach) >= 0).all() and tables.reach[-1] <= 255
    index = 30
    deviation = float(scale_of(torch.tensor(float(index))))
    row = np.diff(tables.rows[index][:-1]) / 65536
    values = np.arange(len(row)) - len(row) // 2
    assert (row * values**2).sum() == pytest.approx(deviation**2 + 1 / 12, rel=0.03)
    kurtosis = (row * values**4).sum() / (row * values**2).sum() ** 2
    assert (kurtosis > 4) != means, "latents without means have heavy tails"


def test_counted_symbols_move_the_tables() -> None:
    rate = BranchRate(2, means=True)
    counts = TallyCoder(2).counts
    counts.latents[20, 3] = 100_000
    plain, counted = latent_tables(rate), latent_tables(rate, counts)
    index = np.full(1, 20, np.int32)
    for symbol in (-3, 3):
        assert counted.bits(np.full(1, symbol, np.int32), index) == pytest.approx(1, abs=0.02)
    assert counted.bits(np.zeros(1, np.int32), index) > plain.bits(np.zeros(1, np.int32), index)
    assert counted.rows[21] == plain.rows[21]


def test_symbols_are_counted() -> None:
    coder = TallyCoder(3)
    index = torch.tensor([0.0, 5, 5, 63])
    shown = coder.latents(torch.tensor([4.0, -2, 2, 1000]), index)
    assert shown.tolist() == [0, -2, 2, 1000]
    seen = coder.counts.latents
    assert seen[5, 2] == 2 and seen[63, 255] == 1 and seen[0, 4] == 1
    assert seen.sum() == 4
    z = torch.tensor([[[[5.0, 0]], [[-127, 0]], [[127, 9]]]])
    flags = torch.tensor([[True, False]])
    assert coder.hyper(z, z.shape, flags) is z
    wanted = {(0, 127 + 5): 1, (1, 0): 1, (2, 254): 1}  # what is not coded does not count
    assert {(int(c), int(v)): 1 for c, v in np.argwhere(coder.counts.hyper)} == wanted


def test_hyper_tables_have_one_row_for_each_channel() -> None:
    torch.manual_seed(0)
    rate = BranchRate(3, means=True)
    tables = hyper_tables(rate)
    assert len(tables.sizes) == 3 and (tables.reach <= 127).all()
    assert (tables.reach > 3).all()
    counts = TallyCoder(3).counts
    counts.hyper[1, 127] = 10**6
    counted = hyper_tables(rate, counts)
    assert counted.rows[0] == tables.rows[0] and counted.reach[1] < tables.reach[1]
    bits = [t.bits(np.zeros(1, np.int32), np.ones(1, np.int32)) for t in (tables, counted)]
    assert bits[0] > 1 and bits[1] < 0.01


def test_fitted_tables_make_smaller_files_of_the_same_kind(tmp_path: Path) -> None:
    tiny.save(tmp_path / "plain.safetensors")
    (tmp_path / "clips").mkdir()
    info = VideoInfo(64, 48, Fraction(25))
    clips = [moving_frames(9, 48, 64, seed) for seed in range(2, 6)]
    for number, clip in enumerate(clips):
        write_clip(tmp_path / "clips" / f"{number}.y4m", clip, info)
    output = tmp_path / "fitted.safetensors"
    fitted = fit_tables(output, str(tmp_path / "plain.safetensors"), tmp_path / "clips", every=1)
    models = [load_model(str(p)) for p in (tmp_path / "plain.safetensors", output)]
    assert fitted.clips == 4 and models[1].identity == fitted.identity
    before, after = (model.file for model in models)
    assert before.config == after.config and before.tensors.keys() == after.tensors.keys()
    changed = {n for n, t in before.tensors.items() if not np.array_equal(t, after.tensors[n])}
    assert changed and all(name.startswith("tables.inter.") for name in changed)
    sizes = []
    for model in models:  # which says nothing of its symbols: only fine qualities count much
        coded = [
            item
            for clip, quality in itertools.product(clips, (40, 50))
            for item in tiny.encode_all(model, clip, EncoderSettings(quality=quality, gop=9))
        ]
        sizes.append(sum(len(item.packet.latents) for item in coded if not item.packet.is_key))
    assert sizes[1] < 0.99 * sizes[0]


def test_a_model_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(OutputError, match="exists"):
        fit_tables(tmp_path / "there", "default", tmp_path)
