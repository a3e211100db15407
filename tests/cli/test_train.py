"""Training from the command line; what training does is tested in ``tests/training``."""

from __future__ import annotations

import signal
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.cli.main import main
from colorvid.errors import Aborted, ConfigError, InputError, OutputError
from colorvid.io.base import VideoInfo
from colorvid.models.modelfile import model_identity
from colorvid.training.loop.checkpoint import save_checkpoint
from colorvid.training.recipe import Recipe
from tests import tiny
from tests.clips import moving_frames
from tests.conftest import write_clip
from tests.training import runs

CONFIG = 'kind = "intra"\n[data]\n[model]\n[loss]\n[schedule]\nsteps = 1\n'


def train(config: Path, run: Path, *more: str) -> int:
    return main(["train", str(config), "--data", str(run.parent), "--run", str(run), *more])


@pytest.mark.parametrize(
    ("step", "outcome"), [(None, "nothing is saved"), (17, "step 17 is saved")]
)
def test_ctrl_c_says_what_is_saved(
    step: int | None,
    outcome: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config, run = tmp_path / "a.toml", tmp_path / "run"
    config.write_text(CONFIG)

    def stopped(*_: object) -> None:
        run.mkdir()
        if step is not None:
            save_checkpoint(run, {"step": step})
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Recipe, "train", stopped)
    assert train(config, run) == Aborted.exit_code
    expected = f"aborted by SIGTERM; {outcome}; give the same command to go on\n"
    assert capfd.readouterr().err == f"colorvid [error]: {expected}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "x"', "no configuration of training; it lacks data, model, loss, schedule"),
        (CONFIG.replace("intra", "x"), "kind 'x' is unknown; allowed are intra, inter, unrolled"),
        (CONFIG + "stepz = 2\n", "unknown key 'stepz'; allowed are "),
    ],
)
def test_a_file_that_describes_no_stage_is_refused(
    tmp_path: Path, text: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "a.toml"
    config.write_text(text)
    assert train(config, tmp_path / "run") == ConfigError.exit_code
    assert capfd.readouterr().err.startswith(f"colorvid [error]: {config}: {message}")


def test_another_optimiser_is_refused_with_the_option_that_helps(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    runs.intra_trainer(run, runs.schedule(4)).run(until=1)
    config = tmp_path / "a.toml"
    sizes = "luma_widths = [8, 12]\nchroma_widths = [8, 8]\nluma_prior = 16\nchroma_prior = 16"
    text = CONFIG.replace("[model]", f"[model]\n{sizes}") + 'optimiser = "soap"\n'
    config.write_text(text)
    assert train(config, run) == ConfigError.exit_code
    line = capfd.readouterr().err
    assert "not of optimiser 'soap'" in line and f"with --start {run}\n" in line


def test_export_replaces_only_on_request(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "a.safetensors"
    output.write_bytes(b"precious")
    command = ["export", "--intra", str(tmp_path), "-o", str(output)]
    assert main(command) == 2
    assert capfd.readouterr().err == (f"colorvid [error]: {output} exists; pass -y to overwrite\n")
    assert main([*command, "-y"]) == 2
    assert "exists" not in capfd.readouterr().err
    assert output.read_bytes() == b"precious"


def test_export_and_curves_need_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "a.safetensors")
    assert main(["export", "--intra", str(tmp_path), "-o", output]) == InputError.exit_code
    assert "no checkpoint there; train first" in capfd.readouterr().err
    assert main(["curves", str(tmp_path), "-o", str(tmp_path / "a.svg")]) == InputError.exit_code
    assert "log.csv: No such file or directory" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["fit-filters", "fit-tables"])
def test_models_are_fitted_to_clips_only(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, output = tmp_path / "plain.safetensors", tmp_path / "fitted.safetensors"
    tiny.save(model)
    command = [name, str(model), "--clips", str(tmp_path), "-o", str(output)]
    assert main(command) == InputError.exit_code
    assert "no training data" in capfd.readouterr().err
    info = VideoInfo(32, 24, Fraction(25))
    write_clip(tmp_path / "a.y4m", moving_frames(3, 24, 32, seed=2), info)
    assert main(command) == 0
    line = capfd.readouterr().out.splitlines()[-1]
    assert line == f"{output}: model {model_identity(str(output)).hex()}, fitted on 1 clip"
    assert main(command) == OutputError.exit_code
    assert main([*command[:-1], str(model)]) == ConfigError.exit_code
    assert "the model" in capfd.readouterr().err
