from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colorvid.cli.main import main
from colorvid.errors import InputError
from colorvid.training import curves
from colorvid.training.loop import validation
from tests.training import runs

HEADER = "step,loss,bpp_y,bpp_yz,bpp_uv,bpp_uvz,psnr_y,psnr_uv,norm\n"


def write_log(run: Path, *rows: str) -> Path:
    run.mkdir()
    (run / "log.csv").write_text(HEADER + "\n".join(rows))
    return run


def test_steps_done_twice_count_once_and_cut_rows_not_at_all(tmp_path: Path) -> None:
    run = write_log(
        tmp_path / "run",
        "50,3,0.5,0.25,0.125,0.125,20,30,1",
        "100,9,1,1,1,1,9,9,9",
        "100,2,0.25,0.25,0.125,0.125,22,32,nan",
        "150,1,0.2",
    )
    log = curves.read_log(run / "log.csv")
    assert {name: values.tolist() for name, values in log.items()} == {
        "step": [50, 100],
        "loss": [3, 2],
        "bpp": [1, 0.75],
        "psnr_y": [20, 22],
        "psnr_uv": [30, 32],
    }


def test_means_leave_out_what_is_not_finite() -> None:
    values = np.array([1.0, np.inf, 3.0, 5.0, np.nan])
    assert np.allclose(curves.smoothed(values, 3)[:4], [1, 2, 4, 4])
    assert np.isnan(curves.smoothed(values, 3)[4])


def test_means_are_centred_and_shrink_at_the_ends() -> None:
    values = np.array([5.0, 1, 3, 8, 4])
    assert curves.smoothed(values, 3).tolist() == [5, 3, 4, 5, 4]
    assert curves.smoothed(values, 9)[2] == pytest.approx(values.mean())
    assert curves.smoothed(values, 1).tolist() == values.tolist()


def test_runs_are_plotted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CROPS", 4)
    first = tmp_path / "first"
    trainer = runs.intra_trainer(first, runs.schedule(51, validation=50))
    trainer.step = 49
    trainer.run()
    rows = [f"{step},{100 / step},1,0,1,0,30,40,1" for step in range(50, 2000, 50)]
    second = write_log(tmp_path / "second", *rows)
    output = tmp_path / "curves.svg"
    assert main(["curves", str(first), str(second), "-o", str(output)]) == 0
    drawn = output.read_text()
    assert set(curves.read_logs(first)) == {"log", "validation"}
    assert set(curves.read_logs(second)) == {"log"}
    assert drawn.count('id="axes_') == 4
    assert drawn.count("stroke: #1f77b4") >= 8 and drawn.count("stroke: #ff7f0e") >= 8
    dotted = [line for line in drawn.splitlines() if "stroke-dasharray" in line]
    assert len(dotted) == 4 and all("#1f77b4" in line for line in dotted), "of the first run"
    assert main(["curves", str(first), str(second), "-o", str(output)]) == 0
    assert output.read_text() == drawn


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", HEADER, HEADER + "x,1,2,3,4,5,6,7,8\n"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.csv").write_text(text)
    assert main(["curves", str(run), "-o", str(tmp_path / "a.svg")]) == InputError.exit_code
    with pytest.raises(InputError, match=r"run.log.csv: no log of a training run, or without a "):
        curves.read_log(run / "log.csv")


def test_a_run_without_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"log.csv: No such file or directory"):
        curves.read_logs(tmp_path)
