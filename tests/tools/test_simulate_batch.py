from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tools.simulate_batch import World, main, measure_scheduler, measured_fps, simulate

CALM = World(
    files=20, workers=4, frames=200, gop=10, fps=2.0, part_seconds=0.0, call_seconds=0.0,
    mtbf_hours=0.0,
)  # fmt: skip


def test_one_worker_takes_as_long_as_the_work() -> None:
    found = simulate(replace(CALM, workers=1))
    assert found.makespan == pytest.approx(found.frames / 2.0) == pytest.approx(found.work)
    assert found.idle_share(1) == pytest.approx(0.0)
    assert (found.lost, found.deaths, found.failed) == (0.0, 0, 0)


def test_costs_of_parts_and_of_the_scheduler() -> None:
    plain = simulate(replace(CALM, workers=1))
    found = simulate(replace(CALM, workers=1, part_seconds=3.0, call_seconds=0.5))
    assert found.makespan == pytest.approx(plain.makespan + plain.parts * 3.5)
    assert found.scheduler == pytest.approx(plain.parts * 0.5)


def test_more_workers_are_faster_and_never_better_than_ideal() -> None:
    times = [simulate(replace(CALM, workers=n)).makespan for n in (1, 2, 4, 8)]
    assert times == sorted(times, reverse=True)
    for count, seconds in zip((1, 2, 4, 8), times, strict=True):
        assert seconds >= times[0] / count * (1 - 1e-9)
        assert seconds < times[0] / count * 1.2


def test_all_work_is_done_whoever_dies() -> None:
    plain = simulate(CALM)
    found = simulate(replace(CALM, mtbf_hours=0.1, retries=1000, restart_seconds=5.0))
    assert found.deaths > 3 and found.lost > 0 and found.failed == 0
    assert found.work == pytest.approx(plain.work)
    assert found.makespan > plain.makespan
    assert simulate(replace(CALM, mtbf_hours=0.001, retries=0)).failed > 0


def test_a_measured_batch_gives_the_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"outcome": "done", "frames": 30, "seconds": 10.0},
        {"outcome": "failed", "frames": 1, "seconds": 99.0},
        {"outcome": "done", "frames": 10, "seconds": 10.0},
    ]
    report = tmp_path / "batch.json"
    report.write_text(json.dumps(rows))
    assert measured_fps(report) == 2.0
    assert main(["--files", "5", "--workers", "2", "--report", str(report)]) == 0
    assert "2 workers of 2.00 fps" in capsys.readouterr().out
    report.write_text("[]")
    assert main(["--report", str(report)]) == 2
    report.write_text("{")
    assert main(["--report", str(report)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "no file is finished" in first and "not the batch.json" in second


@pytest.mark.slow
def test_empty_calls_on_a_real_cluster() -> None:
    pytest.importorskip("distributed")
    assert 0 < measure_scheduler(50, 2) < 1
