from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.evaluation.compare.clips import STILL_SPEC
from colorvid.models.loading import load_model
from colorvid.models.networks import save_model
from colorvid.quality.color import frame_to_rgb
from colorvid.training.export import assemble
from colorvid.training.tables import make_tables
from tests.clips import moving_frames
from tests.training.runs import intra_trainer, schedule
from tools.integer_cost import code_floats, float_network, main
from tools.results import read_tsv


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, the model file that is exported from it, and a picture."""
    root = tmp_path_factory.mktemp("integers")
    intra_trainer(root / "run", schedule(12)).run()
    network, rates = assemble(root / "run", None)
    save_model(root / "model.safetensors", network, make_tables(network, rates, []))
    (root / "images").mkdir()
    for seed in range(2):
        picture = frame_to_rgb(moving_frames(1, 176, 192, seed)[0], STILL_SPEC)
        Image.fromarray(picture).save(root / "images" / f"{seed}.png")
    return root


def run(root: Path, *more: str) -> int:
    where = ("--data", str(root / "images"), "--model", str(root / "model.safetensors"))
    return main([*where, *more])


def test_integers_cost_next_to_nothing(root: Path) -> None:
    out = ("--every", "1", "--out", str(root / "table.tsv"))
    assert run(root, "--intra", str(root / "run"), *out) == 0
    *pictures, average, curve = read_tsv(root / "table.tsv")
    assert [row["picture"] for row in pictures] == ["0", "1"]
    assert (average["picture"], curve["picture"]) == ("average", "mean curve")
    assert abs(float(average["bd_psnr_yuv611_db"])) < 3
    assert average["model_id"] == load_model(str(root / "model.safetensors")).identity.hex()


@torch.no_grad()
def test_floats_give_about_the_picture_and_the_bits_of_the_integers(root: Path) -> None:
    model = load_model(str(root / "model.safetensors"))
    network = float_network(model, root / "run")
    frame = moving_frames(1, 80, 96)[0]
    bits, picture = code_floats(network, model.pair("intra"), frame, 40)
    [coded] = Encoder(model, EncoderSettings(quality=40, gop=1)).push(frame)
    assert bits == pytest.approx(sum(coded.bits.values()), rel=0.03)
    assert np.abs(picture.y.astype(int) - coded.picture.y).mean() < 1.5


def test_another_run_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    intra_trainer(root / "other", schedule(1)).run()
    assert run(root, "--intra", str(root / "other")) == 1
    assert "give the run it is from" in capsys.readouterr().err
