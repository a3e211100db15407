"""The evaluation on UVG as a user runs it, with small sequences in the place of the real ones."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from colorvid.evaluation.compare import points
from colorvid.evaluation.compare.data_report import Report, marked
from colorvid.evaluation.compare.data_sets import DATA_SETS, UVG
from colorvid.evaluation.compare.points import Point
from colorvid.evaluation.compare.published import load_bd_rates, load_curves
from colorvid.evaluation.compare.report import Comparison
from colorvid.frame import Size
from colorvid.io import VideoInfo, open_writer
from tests.evaluation.compare import made_points
from tests.evaluation.sources import moving_frames
from tools import eval_uvg
from tools.eval_uvg import PUBLISHED, ROOT, main

TRIAL = ["--synthetic", "--frames", "2", "--sequences", "Beauty,HoneyBee"]
TRIAL += ["--qualities", "60,45,30,10", "--anchors", "x264"]
POINTS = 2 * (4 + 6)
SMALL = Size(96, 72)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a trial that was killed after a few points."""
    out = tmp_path_factory.mktemp("uvg") / "out"
    command = [sys.executable, str(ROOT / "tools" / "eval_uvg.py"), *TRIAL, "--out", str(out)]
    temporary = os.environ | {"TMPDIR": str(out.parent)}  # a killed process leaves files there
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=temporary
    )
    try:
        limit = time.monotonic() + 600
        while len(list(out.glob("cache/*.json"))) < 3:
            assert run.poll() is None and time.monotonic() < limit, run.communicate()
            time.sleep(0.005)
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == -signal.SIGKILL
    assert not (out / "synthetic.json").exists()
    return out


def test_a_killed_run_goes_on_and_marks_everything_as_synthetic(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {path: path.stat().st_mtime_ns for path in (stopped / "cache").glob("*.json")}
    measured: list[int] = []
    measure = points.measure_point

    def counted(*arguments: Any) -> Point:
        measured.append(1)
        return measure(*arguments)

    monkeypatch.setattr(points, "measure_point", counted)
    assert main([*TRIAL, "--out", str(stopped)]) == 0
    assert 3 <= len(kept) < POINTS
    assert len(measured) == POINTS - len(kept)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    shown = capsys.readouterr()
    assert f"{POINTS} points, {len(kept)} of them kept from before" in shown.err
    assert "[100.0%] 20/20 points, HoneyBee_352x288" in shown.err
    assert shown.out.startswith("# synthetic: 2 sequences, 2 frames, key frame every 6\n")

    outputs = [path for path in stopped.iterdir() if path.is_file()]
    assert {path.name for path in outputs} >= {
        "points.tsv", "curves.tsv", "bdrate.tsv", "published.tsv", "tables.md", "synthetic.md",
        "synthetic.json", "compare.json", "rd-psnr-y-db.svg", "clip-synthetic-Beauty.svg",
    }  # fmt: skip
    for path in outputs:
        assert "synthetic" in path.read_text(encoding="utf-8"), path
    frames = sorted(path.name for path in (stopped / "frames").iterdir())
    assert len(frames) == POINTS
    assert all(name.startswith("synthetic-") for name in frames)
    summary = json.loads((stopped / "synthetic.json").read_text())
    assert (summary["data"], summary["frames"], summary["gop"]) == ("synthetic", 2, 6)
    for row in summary["bd_rates_published_indicative"]:
        assert row["refused_because"] == "the sequences are synthetic"
    assert not list(stopped.glob("published.svg"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two good sequences, one too short, an archive; the size of UVG is a small one."""
    small = replace(UVG, size=SMALL)
    monkeypatch.setitem(DATA_SETS, "uvg", small)
    data = tmp_path / "data"
    for name, count in (("Beauty", 2), ("Jockey", 3), ("YachtRide", 1)):
        path = data / name / small.file_names(name)[0]
        path.parent.mkdir(parents=True)
        with open_writer(path, VideoInfo(96, 72, Fraction(120))) as writer:
            for frame in moving_frames(count, 72, 96):
                writer.write(frame)
    (data / "Bosphorus_1920x1080_120fps_420_8bit_YUV_RAW.7z").touch()
    return data


def test_bad_and_missing_sequences_are_named_and_the_rest_is_evaluated(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["--data", str(folder), "--out", str(out), "--frames", "2", "--anchors", "none"]
    assert main([*command, "--qualities", "63,47,31,15"]) == 2
    errors = capsys.readouterr().err.splitlines()
    warnings = [line for line in errors if "[warning]" in line]
    assert len(warnings) == 5
    assert "YachtRide is left out" in warnings[-1]
    assert "has 1 frames; 2 are needed" in warnings[-1]
    assert any("Bosphorus is left out" in w and "unpack it: 7z x Bos" in w for w in warnings)
    assert errors[-1] == "eval_uvg [error]: left out: YachtRide; see the warnings"

    points = rows_of(out / "points.tsv")
    assert [(row["clip"], row["quality"]) for row in points] == [
        (name, quality) for name in ("Beauty", "Jockey") for quality in ("63", "47", "31", "15")
    ]
    assert {(row["data"], row["frames"]) for row in points} == {("UVG", "2")}
    assert not (out / "bdrate.tsv").exists()  # no codec to compare with
    with (out / "frames" / "Jockey-colorvid-31.csv").open() as file:
        frames = list(csv.DictReader(file))
    point = next(row for row in points if (row["clip"], row["quality"]) == ("Jockey", "31"))
    assert sum(int(frame["bytes"]) for frame in frames) == int(point["size_bytes"])
    assert sum(float(f["de00_mean"]) for f in frames) / 2 == pytest.approx(
        float(point["de00_mean"]), abs=1e-6
    )
    mean = rows_of(out / "curves.tsv")[0]
    both = [float(row["psnr_yuv611_db"]) for row in points if row["quality"] == "63"]
    assert float(mean["psnr_yuv611_db"]) == pytest.approx(sum(both) / 2)
    published = {row["published"]: row for row in rows_of(out / "published.tsv")}
    refused = published["x265 medium zerolatency (CompressAI)"]["refused_because"]
    assert refused == "published only as the mean over all sequences; some are not here"
    assert "not measured here" in published["ssf2020 (its authors)"]["refused_because"]
    assert list(json.loads((out / "uvg.json").read_text())["left_out"])[-1] == "YachtRide"


def _point(clip: str, quality: int, luma: float, rate: float) -> Point:
    """A point of colorvid with even frames."""
    scores = made_points.scores(luma, psnr_u_db=luma + 4, psnr_v_db=luma + 5)
    frames = made_points.frames(scores, scores)
    return made_points.point("colorvid", clip, quality, rate, scores=scores, per_frame=frames)


def test_all_seven_are_compared_with_published_curves(tmp_path: Path) -> None:
    curve = [(10, 34.0, 0.01), (30, 37.0, 0.03), (50, 40.0, 0.1), (60, 42.0, 0.3)]
    every = [_point(name, *point) for name in UVG.rates for point in curve]
    comparison = marked(Comparison.of(every, "default"), "UVG")
    path = PUBLISHED / "uvg.json"
    report = Report(comparison, "UVG", 96, 32, {}, load_curves(path), load_bd_rates(path))
    report.write(tmp_path)
    by_name = {rate.curve.name: rate.result for rate in report.published}
    compared = {name for name, bd in by_name.items() if bd.percent is not None}
    assert set(by_name) - compared == {"ssf2020 (its authors)"}
    x264 = by_name["x264 medium zerolatency (CompressAI)"]
    vtm = by_name["VTM 17.0 low-delay B (DCVC)"]
    assert vtm.percent is not None and x264.percent is not None
    assert vtm.percent > x264.percent
    assert vtm.overlap > 0.9
    text = (tmp_path / "uvg.md").read_text()
    assert "indicative only" in text
    assert "| DCVC-RT fp16 | -24.0 % |" in text
    assert "frames and key frames differ" in text
    drawn = (tmp_path / "published.svg").read_text()
    for name in compared:
        assert f"<!-- {name}, published -->" in drawn
    assert "<!-- PSNR of YUV, 4:1:1, of the mean error [dB] -->" in drawn


def test_another_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(DATA_SETS["hevc-d"], size=SMALL)
    monkeypatch.setitem(DATA_SETS, "hevc-d", small)
    path, out = tmp_path / small.file_names("RaceHorses")[0], tmp_path / "out"
    with open_writer(path, VideoInfo(96, 72, Fraction(30))) as writer:
        for frame in moving_frames(2, 72, 96):
            writer.write(frame)
    command = ["--set", "hevc-d", "--data", str(tmp_path), "--out", str(out), "--frames", "2"]
    assert main([*command, "--anchors", "none", "--qualities", "63,45,30,15"]) == 0
    text = (out / "hevc-d.md").read_text()
    assert text.startswith("# HEVC D: 1 sequence, 2 frames, key frame every 128\n")
    assert "BasketballPass is left out: not found; expected BasketballPass_96x72_50.yuv" in text
    assert "| DCVC-FM fp16 | -37.5 % |" in text
    [row] = rows_of(out / "published.tsv")
    assert row["published"] == "VTM 17.0 low-delay B (DCVC)"
    assert json.loads((out / "hevc-d.json").read_text())["data"] == "HEVC D"


def test_wrong_use_is_one_line_with_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    empty = ["--data", str(tmp_path), *out]
    cases: list[tuple[list[str], int, str]] = [
        (empty, 2, "holds none of Beauty, Bosphorus"),
        (["--data", str(tmp_path / "nowhere"), *out], 2, "No such file or directory"),
        (out, 1, "one of the arguments --data --synthetic is required"),
        ([*empty, "--sequences", "Foreman"], 1, "sequence 'Foreman' is unknown"),
        ([*empty, "--set", "hevc-e"], 2, "holds none of FourPeople, Johnny, KristenAndSara"),
        ([*empty, "--set", "hevc-a"], 1, "invalid choice: 'hevc-a'"),
        (["--synthetic", *out, "--device", "abacus"], 1, "device 'abacus' cannot be used"),
        (["--synthetic", *out, "--qualities", "64"], 1, "quality 64 is not allowed"),
        ([*empty, "--frames", "0"], 1, "'0' must be a whole number, 1 or more"),
        (
            ["--synthetic", *out, "--anchors", "x266"],
            1,
            "'x266' is unknown; use x264-zl, x265-zl, x264",
        ),
        ([*empty, "--anchors", "jpeg"], 1, "'jpeg' is unknown"),
        (["--synthetic", *out, "--model", "none-such"], 3, "none-such"),
        (["--synthetic", "--out", __file__], 2, "is a file; give the name of a folder"),
    ]
    for arguments, code, text in cases:
        assert main(arguments) == code, arguments
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("eval_uvg [error]: ")
        assert text in last


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(eval_uvg, "run_all", interrupted)
    assert main([*TRIAL, "--out", str(tmp_path)]) == 4
    error = capsys.readouterr().err.splitlines()[-1]
    assert "stopped by SIGINT; finished points are kept in" in error
    assert "give the same command again to go on" in error


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "goes on where it was", "(default: 96)", "(default: 62,52,40,28,16)",
        "(default: x264,x265)", "2 a sequence cannot be used",
    ):  # fmt: skip
        assert words in text
