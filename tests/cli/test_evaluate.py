"""``colorvid eval`` as a user runs it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from colorvid.cli.main import main
from colorvid.evaluation.score.extra import EXTRA_CHOICES
from colorvid.quality.metrics import METRICS
from tests.cli.test_main import one_error_line
from tests.clips import moving_frames
from tests.conftest import INFO, CodedClip, write_clip
from tests.evaluation.page.reading import data_of

EXTRAS = ", ".join(EXTRA_CHOICES)


def run(*arguments: object) -> int:
    return main(["eval", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``a.y4m`` and another clip of the same size, ``b.y4m``."""
    folder = tmp_path_factory.mktemp("clips")
    for name, seed in (("a", 0), ("b", 1)):
        write_clip(folder / f"{name}.y4m", moving_frames(4, 48, 64, seed))
    write_clip(folder / "short.y4m", moving_frames(3, 48, 64))
    write_clip(folder / "small.y4m", moving_frames(4, 48, 62), replace(INFO, width=62))
    (folder / "a.yuv").write_bytes(
        b"".join(p.tobytes() for f in moving_frames(4, 48, 64) for p in f.planes)
    )
    return folder


def test_a_stream_against_its_source(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "json", "svg")}
    options = [w for k, p in outputs.items() for w in ("--plot" if k == "svg" else f"--{k}", p)]
    options += ["--report", tmp_path / "report.html"]
    options += [
        "--pictures",
        tmp_path / "pictures",
        "--at",
        "7,0",
        "--metrics",
        "ciede_vmaf,strred",
    ]
    assert run(coded.source, coded.stream, "--threads", 1, *options) == 0
    out, err = capfd.readouterr()
    assert err == ""
    size = coded.stream.stat().st_size
    assert f"({size} bytes: every byte of the file)" in out
    assert "matrix bt601 (stated by the original), range limited (stated by the original)" in out
    assert "8 of 64x48, 29.97 per second" in out
    with outputs["csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and {"bytes", *METRICS, "ciede_vmaf", "strred_spatial"} < set(rows[0])
    values = json.loads(outputs["json"].read_text(encoding="utf-8"))
    assert values["size_bytes"] == values["file_bytes"] == size
    assert values["rate_bpp"] == pytest.approx(8 * size / (8 * 64 * 48))
    mean = sum(float(row["psnr_y_db"]) for row in rows) / 8
    assert values["metrics"]["psnr_y_db"]["mean"] == pytest.approx(mean, abs=1e-5)
    worst = max(rows, key=lambda row: float(row["de00_p95"]))
    assert values["metrics"]["de00_p95"]["frame"] == int(worst["frame"])
    assert values["metrics"]["ms_ssim_y"] is None
    assert values["strred"] > 0 and f"{values['strred']:.4f}" in out
    assert [row["bytes"] for row in values["rows"]] == [int(row["bytes"]) for row in rows]
    assert "<!-- bits -->" in outputs["svg"].read_text(encoding="utf-8")
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == ["frame_000000.png", "frame_000007.png"]
    (clip,) = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))["clips"]
    (series,) = clip["series"]
    assert series["types"] == ["key", "b", "P", "key", "b", "P", "key", "P"]
    for row, values in zip(rows, series["rows"], strict=True):
        found = dict(zip(series["columns"], values, strict=True))
        assert found.pop("bits") == 8 * int(row["bytes"])
        assert {c: float(row[c]) if row[c] else None for c in found} == found
    assert clip["pictures"]["frames"] == [0, 7]


def test_a_video_against_itself_is_perfect(clips: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(clips / "a.y4m", clips / "a.yuv", "--size", "64x48", "--range", "full") == 0
    out = capfd.readouterr().out
    figures = {
        line.split()[0]: line.split()[1:4] for line in out.splitlines() if "is better" in line
    }
    assert figures["psnr_y_db"] == ["100.0000", "100.0000", "0"]
    assert figures["de00_mean"] == figures["de00_p95"] == ["0.0000", "0.0000", "0"]
    assert "range full (as asked for)" in out and "rate      not known" in out
    assert "a side of luma is below 161 samples" in out


def test_the_first_frames_of_unequal_videos(clips: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(clips / "a.y4m", clips / "short.y4m") == 2
    message = one_error_line(capfd.readouterr().err)
    assert "has 4 frames, the decoded video 3" in message and "--frames 3" in message
    assert run(clips / "a.y4m", clips / "short.y4m", "--frames", 3) == 0
    assert "3 of 64x48" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("a.y4m", 1, "required: DIST; see colorvid eval --help"),
        ("a.y4m none.y4m", 2, "none.y4m: No such file or directory"),
        ("none.mp4 a.y4m", 2, "none.mp4: No such file or directory"),
        ("a.y4m none.clv", 2, "none.clv: No such file or directory"),
        ("a.y4m small.y4m", 2, "is 64x48, .*small.y4m 62x48; both must have one size"),
        ("a.y4m a.yuv", 2, "size unknown for raw video; pass --size"),
        ("a.y4m b.y4m --size 64x48", 1, "--size is for raw video"),
        ("a.y4m b.y4m --at 1", 1, "--at chooses frames for --pictures"),
        ("a.y4m b.y4m --at 1,x", 1, "'1,x' must be numbers from 0, as in 0,10,20"),
        (
            "a.y4m b.y4m --pictures new --at 2,4",
            2,
            "--at 4 is no frame of these videos; they have 4, numbered 0 to 3",
        ),
        ("a.y4m b.y4m --report b.y4m", 1, "b.y4m .--report. is the decoded video itself"),
        ("a.y4m b.y4m --report a.yuv", 2, "a.yuv exists; pass -y to overwrite"),
        ("a.y4m b.y4m --report none/x.html", 2, "none/x.html: No such file or directory"),
        ("a.y4m b.y4m --report x.html --at 0,9", 2, "--at 9 is no frame of these videos"),
        ("a.y4m b.y4m --plot x.pdf", 1, "allowed are names in .png and .svg"),
        ("a.y4m b.y4m --metrics beauty", 1, f"'beauty' is unknown; use {EXTRAS}"),
        ("a.y4m b.y4m --metrics niqe", 2, "64x48 is too small for niqe"),
        ("a.y4m b.y4m --csv a.y4m", 1, "a.y4m .--csv. is the original itself; give another name"),
        ("a.y4m b.y4m --csv a.yuv", 2, "a.yuv exists; pass -y to overwrite"),
        ("a.y4m b.y4m --json none/x.json", 2, "none/x.json: No such file or directory"),
        ("a.y4m b.y4m --colormatrix rgb", 1, "invalid choice: 'rgb'"),
        ("- -", 1, "both videos are -; only one can come from stdin"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    arguments: str,
    code: int,
    message: str,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in clips.iterdir():
        (tmp_path / path.name).symlink_to(path)
    assert run(*arguments.split()) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert re.search(message, one_error_line(err)), err
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink()]


def test_existing_outputs_are_replaced_on_request(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("mine")
    assert run(clips / "a.y4m", clips / "b.y4m", "--csv", path) == 2
    assert path.read_text() == "mine"
    assert run(clips / "a.y4m", clips / "b.y4m", "--csv", path, "-y") == 0
    assert path.read_text().startswith("frame,bytes,psnr_y_db")
    assert capfd.readouterr().err.count("exists") == 1


def test_videos_that_state_different_colours_are_pointed_at(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    full = write_clip(tmp_path / "f.y4m", moving_frames(4, 48, 64), replace(INFO, color_range=2))
    assert run(clips / "a.y4m", full) == 0
    out, err = capfd.readouterr()
    assert err.startswith("colorvid [warning]: the original states range 1, the decoded video 2")
    assert "range limited (stated by the original)" in out


def test_as_a_program_with_the_original_on_a_pipe(clips: Path) -> None:
    command = [sys.executable, "-m", "colorvid", "eval", "-", str(clips / "b.y4m")]
    with (clips / "a.y4m").open("rb") as source:
        done = subprocess.run(command, stdin=source, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("original  stdin\n")
    assert "metric                  mean" in done.stdout


def test_the_help_explains_itself(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = " ".join(capfd.readouterr().out.split())
    for part in ("the original: y4m, raw .yuv", EXTRAS, "examples:"):
        assert part in text
