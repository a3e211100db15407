from __future__ import annotations

from pathlib import Path

import pytest
import torch

from colorvid.training.checkpoint import load_checkpoint
from tests.training import runs
from tools import average


def test_the_mean_of_two_runs_is_a_run(tmp_path: Path) -> None:
    for name, steps in (("a", 1), ("b", 3)):
        runs.intra_trainer(tmp_path / name, runs.schedule(steps)).run()
    paths = [str(tmp_path / name) for name in ("a", "b")]
    assert average.main([*paths, "-o", str(tmp_path / "mean")]) == 0
    a, b, mean = (load_checkpoint(tmp_path / n) for n in ("a", "b", "mean"))
    assert mean["config"] == a["config"]
    moved = 0.0
    for name, value in mean["average"].items():
        wanted = (a["average"][name] + b["average"][name]) / 2
        assert torch.allclose(value.to(wanted), wanted, atol=1e-7), name
        moved += float((a["average"][name] - b["average"][name]).abs().sum())
    assert moved > 0


def test_runs_of_other_networks_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.intra_trainer(tmp_path / "a", runs.schedule(1)).run()
    runs.inter_trainer(tmp_path / "b", runs.schedule(1)).run()
    code = average.main([str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "mean")])
    assert code != 0 and not (tmp_path / "mean").exists()
    assert "its networks are not those of" in capsys.readouterr().err
