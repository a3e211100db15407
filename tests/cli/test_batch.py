"""``colorvid batch`` as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import colorvid
from tests import tiny
from tests.batch.helpers import write_clips
from tests.cli.test_main import one_error_line, run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_clips(folder, one=5, two=3)
    return folder


def test_a_folder_of_clips_and_back(
    clips: Path, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ("--model", model, "--jobs", 2)
    choice = ("-q", 30, "--gop", 2, "--psnr", "--progress", "json")
    assert run("batch", clips, "-o", out, *options, *choice) == 0
    text, messages = capfd.readouterr()
    assert messages.startswith("2 of 2 files done, 8 frames, ") and messages.count("\n") == 1
    events = [json.loads(line) for line in text.splitlines()]
    files = [e for e in events if e["event"] == "file"]
    assert sorted(Path(e["input"]).name for e in files) == ["one.y4m", "two.y4m"]
    assert all(e["outcome"] == "done" and e["scores"]["psnr_y_db"] > 10 for e in files)
    for name in ("one", "two"):
        colorvid.encode_file(
            clips / f"{name}.y4m", tmp_path / "single.clv", model=str(model), quality=30, gop=2,
            threads=1, overwrite=True,
        )  # fmt: skip
        assert (out / f"{name}.clv").read_bytes() == (tmp_path / "single.clv").read_bytes()
    with (out / "batch.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["frames"] for row in rows] == ["5", "3"]

    assert run("batch", out, "-o", tmp_path / "back", "--task", "decode", *options) == 0
    assert sorted(p.name for p in (tmp_path / "back").glob("*.y4m")) == ["one.y4m", "two.y4m"]
    assert run("batch", clips, "-o", out, *options, *choice[:-2], "--quiet") == 0
    assert run("batch", clips, "-o", out, *options, "-q", 31) == 2
    error = capfd.readouterr().err.splitlines()[1]
    assert error.endswith("; pass -y to make it again"), error
    assert "gop was 2 and is not set; quality was 30 and is 31; scores was True and is" in error


def test_a_poisoned_input_gives_its_exit_code(
    clips: Path, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (clips / "bad.y4m").write_bytes(b"no video")
    assert run("batch", clips, "-o", tmp_path / "out", "--model", model, "--jobs", 1) == 2
    first, last = capfd.readouterr().err.splitlines()
    assert first.endswith("bad.y4m: is text, not a video; give a video")
    assert last.startswith("2 of 3 files done") and last.endswith("see batch.csv")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("batch", 1, "required: INPUT, -o/--output; see colorvid batch --help"),
        ("batch none.y4m -o out --task paint", 1, "invalid choice: 'paint'"),
        ("batch IN -o out --suffix .mkv", 1, "--suffix is no option of --task encode; leave"),
        ("batch IN -o out --task verify --psnr", 1, "--psnr is no option of --task verify"),
        ("batch IN -o out --fps 25 --task decode", 1, "--fps is no option of --task decode"),
        ("batch IN -o out --jobs 0", 1, "'0' must be a whole number, 1 or more"),
        ("batch *.webm -o out", 2, "*.webm: matches no file"),
        ("batch IN/one.y4m IN2/one.y4m -o out", 1, "would both become one.clv; pass --keep-tree"),
        ("batch IN/one.y4m -o IN/two.y4m", 2, "IN/two.y4m"),
        ("batch IN -o out --task eval", 2, "IN: has no .clv file in it"),
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
    clips.rename(tmp_path / "IN")
    write_clips(tmp_path / "IN2", one=1)
    monkeypatch.chdir(tmp_path)
    assert run(*arguments.split()) == code
    assert message in one_error_line(capfd.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_cluster_needs_its_package(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    monkeypatch.delitem(__import__("sys").modules, "colorvid.batch.cluster", raising=False)
    assert run("batch", clips, "-o", tmp_path / "out", "--cluster", "local") == 1
    error = one_error_line(capfd.readouterr().err)
    assert error.startswith("--cluster local needs Dask") and "colorvid[cluster]" in error
