from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.evaluation.compare.clips import STILL_SPEC
from colorvid.models.networks import save_model
from colorvid.quality.color import frame_to_rgb
from colorvid.training.export import assemble
from colorvid.training.tables import make_tables
from colorvid.training.tasks.loss import LossConfig
from tests import tiny
from tests.clips import moving_frames
from tests.training.runs import intra_trainer, schedule
from tools.fixed_loss import FixedCrops, load_networks, losses, main
from tools.results import read_tsv


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step, a longer one of other sizes, the first as a model file, and pictures."""
    root = tmp_path_factory.mktemp("fixed")
    intra_trainer(root / "short", schedule(1)).run()
    intra_trainer(root / "long", schedule(60), replace(tiny.INTRA, luma_analysis=(12, 16))).run()
    network, rates = assemble(root / "short", None)
    save_model(root / "short.safetensors", network, make_tables(network, rates, []))
    (root / "images").mkdir()
    for seed in range(2):
        picture = frame_to_rgb(moving_frames(1, 96, 112, seed)[0], STILL_SPEC)
        Image.fromarray(picture).save(root / "images" / f"{seed}.png")
    return root


def test_the_run_that_learned_more_has_the_lower_loss(root: Path) -> None:
    runs = [str(root / name) for name in ("short", "long", "short")]
    where = ["--data", str(root / "images"), "--crop", "64", "--qualities", "16", "48"]
    assert main([*runs, *where, "--out", str(root / "table.tsv")]) == 0
    short, long, again = read_tsv(root / "table.tsv")
    assert [row["run"] for row in (short, long, again)] == ["short", "long", "short"]
    assert float(short["change_percent"]) == float(again["change_percent"]) == 0
    assert float(long["change_percent"]) < -1
    change = 100 * (float(long["loss"]) - float(short["loss"]))
    assert float(long["change_percent"]) == pytest.approx(change, abs=1e-6)
    mean = (float(long["loss_16"]) + float(long["loss_48"])) / 2
    assert float(long["loss"]) == pytest.approx(mean)


def test_model_files_are_compared_with_each_other_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = str(root / "short"), str(root / "short.safetensors")
    where = ["--data", str(root / "images"), "--crop", "64", "--qualities", "16"]
    assert main([file, file, *where]) == 0
    assert main([run, file, *where]) == 1
    assert "runs and model files cannot be compared" in capsys.readouterr().err


def test_crops_and_losses_are_fixed(root: Path) -> None:
    sources = sorted((root / "images").iterdir())
    first, second = (FixedCrops.of(sources, 64) for _ in range(2))
    assert first.y.shape == (2, 1, 64, 64) and first.uv.shape == (2, 2, 32, 32)
    assert first.y.equal(second.y) and first.uv.equal(second.uv)
    networks = load_networks(root / "long")
    found = losses(networks, first, LossConfig(), 32)
    assert found.shape == (2,) and np.isfinite(found).all()
    assert np.array_equal(found, losses(networks, second, LossConfig(), 32))
    more_error = losses(networks, first, LossConfig(mse=2.0), 32)
    assert (found < more_error).all() and (more_error < found + math.log(2)).all()


def test_a_crop_that_does_not_fit_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(root / "short"), "--data", str(root / "images"), "--crop", "128"]) != 0
    assert "0.png: smaller than 128 samples; give a smaller --crop" in capsys.readouterr().err
