"""Names of files that are no text, in all that the command line prints and draws."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from colorvid.cli.main import main
from colorvid.cli.terminal import say, show
from colorvid.evaluation.plots import figure, label, rate_distortion
from colorvid.system.text import encodable, printable
from tests.clips import moving_frames
from tests.conftest import CodedClip, write_clip

NAMES = (
    os.fsdecode(b"caf\xe9"),
    "été",
    "動画",
    r"x$\frac$",
    "$a$ $b$",
    "x\ny\tz",
    "_under",
    "%d {x}",
    "\x1b[31m",
    "مرحبا",
)


@pytest.mark.parametrize("name", NAMES)
def test_eval_of_a_name(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_clip(tmp_path / f"{name}.y4m", moving_frames(2, 48, 64))
    words = ["eval", str(path), str(path), "--quiet"]
    outputs = [tmp_path / f"{name}.{kind}" for kind in ("csv", "json", "svg")]
    for output, option in zip(outputs, ("--csv", "--json", "--plot"), strict=True):
        words += [option, str(output)]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines()[1] == f"decoded   {printable(path)}"
    assert all(output.stat().st_size for output in outputs)
    outputs[1].read_text(encoding="utf-8")
    outputs[2].read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "euc-jp", "cp437", "utf-16"])
def test_streams_of_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        show(name)
        say(f"{name}: all well", "warning")
        monkeypatch.undo()
        for stream in streams:
            data = stream.buffer
            assert isinstance(data, io.BytesIO)
            assert data.getvalue().decode(encoding)


@pytest.mark.parametrize("setting", ["ascii", "euc-jp", "latin-1:strict"])
def test_a_program_with_another_encoding(setting: str, coded: CodedClip, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode("été-".encode() + b"\xe9.clv")
    path.write_bytes(coded.stream.read_bytes())
    environment = os.environ | {"PYTHONIOENCODING": setting}
    command = [sys.executable, "-m", "colorvid", "verify", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    (path.parent / "cut.clv").write_bytes(path.read_bytes()[:-100])
    path.write_bytes(b"nothing")
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 1 and rb"\udce9.clv" in done.stderr


def test_printable_and_encodable() -> None:
    assert printable("a\x1bé\udce9\n") == r"a\x1bé\udce9\n"
    assert encodable("é動", "latin-1") == "é\\u52d5"
    assert encodable("é\udce9", None) == "é\\udce9"
    assert encodable("é", "none") == "\\xe9"


def test_labels_are_no_formulas(tmp_path: Path) -> None:
    for name in NAMES:
        with figure(tmp_path / "a.svg") as axes:
            axes[0][0].plot([1, 2], label=label(name))
            assert [text.get_text() for text in axes[0][0].legend().get_texts()] == [label(name)]
    rate_distortion(tmp_path / "b.png", {"psnr_y_db": {n: [(1, 2), (2, 3)] for n in NAMES}})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.svg", "b.png"]
