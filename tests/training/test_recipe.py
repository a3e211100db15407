from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorvid.cli.main import main
from colorvid.codec.settings import EncoderSettings
from colorvid.config import CodecConfig, InterConfig, IntraConfig, from_table, read_toml
from colorvid.errors import ConfigError, InputError
from colorvid.io import VideoInfo, open_writer
from colorvid.models.loading import load_model
from colorvid.models.networks import save_model
from colorvid.training.data.pictures import PictureStore, picture_batch
from colorvid.training.data.sources import DataConfig
from colorvid.training.export import assemble
from colorvid.training.loop.checkpoint import load_checkpoint
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.trainer import Trainer
from colorvid.training.loop.weights import averaged_weights, run_config
from colorvid.training.recipe import KINDS, Recipe
from colorvid.training.tables import make_tables
from colorvid.training.tasks.single import InterTask, IntraTask
from tests import tiny
from tests.clips import moving_frames
from tests.conftest import write_clip

ROOT = Path(__file__).parents[2]
CONFIG = """
kind = "{kind}"
[data]
folders = ["clips"]
passes = 1
seed = 3
[model]
luma_prior = 16
chroma_prior = 16
{intra}
[loss]
planes = [6.0, 1.0, 1.0]
{unroll}
[schedule]
steps = 3
batch = 2
crop = 32
late_crop = 32
"""
WIDTHS = "luma_widths = [8, 12]\nchroma_widths = [8, 8]"
"""Of networks that only the intra codec has by default."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data with one clip of five frames."""
    (tmp_path / "clips").mkdir()
    info = VideoInfo(width=64, height=48, rate=Fraction(25), color_range=1)
    with open_writer(tmp_path / "clips" / "a.mkv", info) as writer:
        for frame in moving_frames(5, 48, 64):
            writer.write(frame)
    return tmp_path


def config(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.toml"
    unroll = "[unroll]\nframes = 3\nborder = 0" if kind in ("unrolled", "joint") else ""
    priors = "" if kind == "intra" else "[model.intra]\nluma_prior = 16\nchroma_prior = 16\n"
    path.write_text(CONFIG.format(kind=kind, unroll=unroll, intra=priors + WIDTHS))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_training_from_the_command_line(data: Path, kind: str) -> None:
    path, run = config(data, kind), data / "runs" / kind
    arguments = ["train", str(path), "--data", str(data), "--run", str(run)]
    for until, reached in (("2", 2), ("9", 3)):
        assert main([*arguments, "--until", until]) == 0
        assert load_checkpoint(run)["step"] == reached


@pytest.mark.parametrize("kind", ["intra", "inter"])
def test_held_out_data_are_those_of_another_folder(data: Path, kind: str) -> None:
    other, run = data / "other", data / "run"
    other.mkdir()
    run.mkdir()
    info = VideoInfo(width=96, height=64, rate=Fraction(25))
    write_clip(other / "b.y4m", moving_frames(3, 64, 96, seed=5), info)
    recipe = Recipe.read(config(data, kind), data, data, other)
    task = recipe.task(run)
    held_out = recipe.on_held_out(task, run)
    assert held_out is not None and held_out.networks is task.networks
    stores = [t.pictures if isinstance(t, IntraTask) else t.sequences for t in (task, held_out)]
    sizes = [{(height, width) for _, height, width, *_ in store.entries} for store in stores]
    assert sizes == [{(48, 64)}, {(64, 96)}]
    assert recipe.on_held_out(task, run) is not None, "decoded once"
    assert Recipe.read(config(data, kind), data, data).on_held_out(task, run) is None


def test_errors_are_one_line(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, empty = config(data, "intra"), data / "empty"
    (empty / "clips").mkdir(parents=True)
    arguments = ["train", str(path), "--data", str(empty), "--run", str(data / "run")]
    assert main(arguments) == InputError.exit_code
    line = capfd.readouterr().err
    assert line.startswith(f"colorvid [error]: {empty / 'clips'}: no training data; expected pic")
    assert line.count("\n") == 1


def test_unknown_keys_of_the_data_are_refused(data: Path) -> None:
    table = read_toml(config(data, "inter"))
    table["data"]["folder"] = "clips"
    with pytest.raises(ConfigError, match="x: unknown key 'folder'; allowed are .*folders, frames"):
        Recipe(table, "x", data, data).task(data)


def test_unknown_kinds_are_refused(data: Path) -> None:
    table = read_toml(config(data, "stills"))
    with pytest.raises(
        ConfigError, match="x: kind 'stills' is unknown; allowed are intra, inter, unrolled, joint$"
    ):
        Recipe(table, "x", data, data).task(data)


def test_networks_in_the_loop_begin_with_trained_runs(data: Path) -> None:
    """Closed-loop data of two runs, and a joint task that starts from them."""
    runs = data / "runs"
    for number, kind in enumerate(("intra", "inter")):
        plan = ScheduleConfig(steps=1, batch=2, crop=32, late_crop=32, seed=number)
        table = read_toml(config(data, kind))
        Trainer(Recipe(table, "x", data, runs).task(data), plan, runs / kind).run()
    table = read_toml(config(data, "joint"))
    table["data"]["models"] = {"intra": "intra", "inter": "inter"}
    table["model"] |= {"chroma_offset": 16, "luma_synthesis": [8, 8], "intra": {"chroma_offset": 3}}
    for kind in ("unrolled", "joint"):
        (runs / kind).mkdir()
        task = Recipe(table | {"kind": kind}, "x", data, runs).task(runs / kind)
        inter = task.config.inter if isinstance(task.config, CodecConfig) else task.config
        assert isinstance(inter, InterConfig) and inter.luma_synthesis == (8, 8)
        assert inter.chroma_offset == 16
        start = runs / "inter" if kind == "unrolled" else None
        trainer = Trainer(task, ScheduleConfig(steps=1), runs / kind, start=start)
        for part in ("intra", "inter") if kind == "joint" else ("inter",):
            for name, value in averaged_weights(runs / part, part).items():
                own = f"{part}.{name}" if kind == "joint" else name
                assert torch.equal(trainer.average[own], value), own
        trainer.save()
    assert run_config(IntraConfig, runs / "joint").luma_prior == 16
    assert run_config(IntraConfig, runs / "joint").chroma_offset == 3


@pytest.mark.usefixtures("short_fit")
def test_a_model_file_codes_the_data_and_is_trained_on(
    data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As `configs/inter_finish.toml` does with the released model."""
    runs = data / "runs"
    runs.mkdir()
    tiny.save(runs / "released.safetensors", seed=4)
    text = config(data, "inter").read_text()
    models = '[data.models]\nintra = "{0}"\ninter = "{0}"\n[model]'.format("released.safetensors")
    sizes = {k: v for k, v in dataclasses.asdict(tiny.INTER).items() if isinstance(v, int)}
    lines = [f"{k} = {str(v).lower()}" for k, v in sizes.items() if "prior" not in k]
    lines += [f"{k} = [8, 8]" for k in ("luma_analysis", "luma_synthesis")]
    lines += [f"{k} = [8, 8]" for k in ("chroma_analysis", "chroma_synthesis")]
    path = data / "more.toml"
    path.write_text(text.replace("[model]", "\n".join((models, *lines))))
    arguments = [str(path), "--data", str(data), "--start", str(runs / "released.safetensors")]
    assert main(["train", *arguments, "--run", str(runs / "more")]) == 0, capfd.readouterr().err
    state = load_checkpoint(runs / "more")
    assert state["step"] == 3
    name = "model.luma.prior.trunk.0.enter.weight"
    start = averaged_weights(runs / "released.safetensors", "inter")[name]
    assert 0 < (state["networks"][name] - start).abs().max() < 0.02, "three steps from there"


def test_inter_frames_of_a_clip_become_samples(data: Path) -> None:
    task = Recipe.read(config(data, "inter"), data, data).task(data)
    assert isinstance(task, InterTask)
    assert len(task.sequences.entries) >= 1
    sample = task.sequences.sample(0)
    quality = task.sequences.entries[0, 3]
    assert sample.y.shape == (48, 64) and sample.vectors.shape == (2, 6, 8)
    assert 0 <= quality < 64
    difference = sample.y.astype(int) - sample.y_predicted.astype(int)
    assert abs(difference).mean() < 20, "the prediction must be one of this frame"


def test_pictures_are_read_once_and_cropped(data: Path) -> None:
    store = PictureStore.open(DataConfig(), data / "clips", data / "pictures.bin", every=2)
    assert [(h, w) for _, h, w, _ in store.entries] == [(48, 64)] * 3
    (data / "clips" / "a.mkv").unlink()
    again = PictureStore.open(DataConfig(), data / "clips", data / "pictures.bin", every=2)
    y, u, v = again.crop(1, 8, 16, 32)
    source = moving_frames(5, 48, 64)[2]
    assert np.array_equal(y, source.y[8:40, 16:48])
    assert np.array_equal(u, source.u[4:20, 8:24]) and np.array_equal(v, source.v[4:20, 8:24])
    ys, uvs = picture_batch(again, np.random.default_rng(1), 4, 32)
    assert ys.shape == (4, 1, 32, 32) and uvs.shape == (4, 2, 16, 16)
    assert ys.dtype == uvs.dtype == torch.uint8
    assert int(ys.min()) < int(ys.max())


@pytest.mark.slow
def test_two_processes_from_the_command_line(data: Path) -> None:
    path, run = config(data, "inter"), data / "runs" / "inter"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "--", "colorvid", "train", str(path)]
    command += ["--data", str(data), "--run", str(run)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert load_checkpoint(run)["step"] == 3


def test_the_quick_recipe_learns_and_becomes_a_codec(tmp_path: Path) -> None:
    """Two dozen steps of a tiny model, and the inter codec untrained."""
    table = read_toml(ROOT / "configs" / "quick.toml")
    table["model"] = dataclasses.asdict(tiny.INTRA)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(4):
        picture = moving_frames(1, 64, 64, seed)[0].y
        Image.fromarray(np.stack([picture] * 3, axis=-1)).save(pictures / f"{seed}.png")
    plan = from_table(ScheduleConfig, table["schedule"], "quick.toml")
    plan = dataclasses.replace(plan, steps=25, warmup=2, rate=2e-3, crop=32, late_crop=32, batch=4)
    torch.manual_seed(0)
    run = tmp_path / "run"
    run.mkdir()
    trainer = Trainer(Recipe(table, "quick.toml", pictures, tmp_path).task(run), plan, run)

    def loss() -> float:
        with torch.no_grad():
            drawn = trainer.task.draw(np.random.default_rng(9), 8, 64)
            return float(trainer.task.loss(drawn)["loss"])

    before = loss()
    trainer.run()
    assert loss() < before - 0.03
    model, rates = assemble(run, None)
    save_model(tmp_path / "quick.safetensors", model, make_tables(model, rates, []))
    model = load_model(str(tmp_path / "quick.safetensors"))
    for coded in tiny.encode_all(model, moving_frames(3, 48, 64), EncoderSettings(quality=40)):
        assert abs(coded.picture.y.astype(int) - coded.source.y).mean() < 12
        assert sum(coded.bits.values()) < 8 * 48 * 64 / 2
