"""Inputs and outputs of the command line that meet, flow, or are not what their names say."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from colorvid.cli.main import main
from tests.cli.test_main import one_error_line
from tests.conftest import CodedClip


@pytest.fixture
def here(coded: CodedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to work in, with ``a.y4m``, its stream ``a.clv`` and links to them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.y4m").write_bytes(coded.source.read_bytes())
    (tmp_path / "a.clv").write_bytes(coded.stream.read_bytes())
    (tmp_path / "link.clv").symlink_to("a.y4m")
    (tmp_path / "link.y4m").symlink_to("a.clv")
    os.link("a.y4m", "hard.clv")
    return tmp_path


def state(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.mark.parametrize(
    "line",
    [
        "encode a.y4m -o link.clv -y",
        "encode a.y4m -o hard.clv -y",
        "encode a.y4m -o o.clv --csv a.y4m -y",
        "encode a.y4m -o o.clv --csv ./o.clv -y",
        "encode a.y4m -o o.clv --model a.clv --csv a.clv -y",
        "decode a.clv -o link.y4m -y",
        "decode a.clv -o o.y4m --model a.y4m -y -o a.y4m",
        "eval a.y4m a.clv --csv a.y4m -y",
        "eval a.y4m a.clv --json a.clv -y",
        "eval a.y4m a.clv --csv r --json r -y",
        "eval a.y4m a.clv --json r.svg --plot ./r.svg -y",
        "eval a.y4m a.clv --pictures . --csv frame_000000.png -y",
        "export --intra a.clv -o link.y4m",
    ],
)
def test_no_output_replaces_an_input_or_another_output(
    line: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = state(here)
    assert main(line.split()) == 1
    out, err = capfd.readouterr()
    assert out == "" and " itself; give another name" in one_error_line(err)
    assert state(here) == before


def colorvid(*words: str, script: str = '"$@"') -> subprocess.CompletedProcess[bytes]:
    """Run a script of bash in which ``"$@"`` is the command line."""
    command = [sys.executable, "-m", "colorvid", *words]
    return subprocess.run(["bash", "-c", script, "bash", *command], capture_output=True)


def test_the_source_on_stdin_is_no_output(here: Path) -> None:
    before = state(here)
    done = colorvid("encode", "-", "-o", "hard.clv", "-y", script='"$@" < a.y4m')
    assert done.returncode == 1 and b"is the input itself" in done.stderr
    done = colorvid("decode", "a.clv", "-o", "-", script='"$@" >> a.clv')
    assert done.returncode == 1 and b"is the input itself" in done.stderr
    assert state(here) == before


def test_a_log_on_standard_output_stands_between_the_lines(here: Path) -> None:
    script = '(echo before; "$@"; echo after) > log'
    words = ("encode", "a.y4m", "-o", "o.clv", "--csv", "/dev/stdout", "--quiet")
    assert colorvid(*words, script=script).returncode == 0
    lines = (here / "log").read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("before", "after", 8 + 3)
    assert lines[1].startswith("frame,type,")
    done = colorvid(*words, "-y", script='"$@" | cat')
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() != [] and done.stdout.startswith(b"frame,type,")


def test_a_stream_is_appended_to_standard_output(here: Path, coded: CodedClip) -> None:
    (here / "all").write_bytes(b"first")
    words = ("encode", "a.y4m", "-o", "/dev/stdout", "--gop", "3", "--quiet")
    assert colorvid(*words, script='"$@" >> all').returncode == 0
    assert (here / "all").read_bytes() == b"first" + coded.stream.read_bytes()
    done = colorvid("decode", "a.clv", "-o", "/dev/fd/3", "--quiet", script='"$@" 3>&1 >/dev/null')
    assert done.stdout.startswith(b"YUV4MPEG2 ") and done.returncode == 0


def test_a_file_that_standard_output_goes_to_is_not_replaced(here: Path) -> None:
    words = ("encode", "a.y4m", "-o", "o.clv", "--csv", "log", "-y")
    done = colorvid(*words, script='(echo before; "$@") > log')
    assert done.returncode == 1 and b"log: standard output goes to this file" in done.stderr
    assert (here / "log").read_bytes() == b"before\n"


@pytest.mark.parametrize("target", ["pipe", "pipe.y4m", "pipe.mkv"])
def test_decoding_into_a_named_pipe(target: str, here: Path) -> None:
    os.mkfifo(target)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(Path(target).read_bytes()))
    reader.start()
    assert main(["decode", "a.clv", "-o", target, "--quiet"]) == 0
    reader.join()
    sign = b"\x1aE\xdf\xa3" if target.endswith("mkv") else b"YUV4MPEG2 "
    assert got[0].startswith(sign)


def piped(path: Path, data: bytes) -> threading.Thread:
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(data,))
    thread.start()
    return thread


@pytest.mark.parametrize("name", ["pipe", "pipe.clv", "pipe.mkv"])
@pytest.mark.parametrize("kind", ["clv", "mkv", "y4m"])
def test_eval_of_a_named_pipe(
    kind: str, name: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", "a.clv", "-o", "b.mkv", "--quiet"]) == 0
    assert main(["decode", "a.clv", "-o", "b.y4m", "--quiet"]) == 0
    source = Path("a.clv" if kind == "clv" else f"b.{kind}")
    expected = eval_lines(str(source), capfd)
    writer = piped(here / name, source.read_bytes())
    assert eval_lines(name, capfd) == expected
    writer.join()
    assert ("not known" in expected[3]) == (kind == "y4m")


def eval_lines(name: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What ``eval`` prints, without the name of the decoded video."""
    assert main(["eval", "a.y4m", name, "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return [line for line in out.splitlines() if not line.startswith("decoded ")]


def test_eval_goes_by_content(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "a.clv", "-o", "b.y4m", "--quiet"]) == 0
    for data, names in (("a.clv", ("x", "x.mkv", "x.y4m")), ("b.y4m", ("y", "y.mkv", "y.clv"))):
        expected = eval_lines(data, capfd)
        for name in names:
            Path(name).write_bytes(Path(data).read_bytes())
            assert eval_lines(name, capfd) == expected


@pytest.mark.parametrize("way", ["file", "pipe", "stdin"])
@pytest.mark.parametrize("name", ["cut.y4m", "cut.bin", "cut", "cut.mkv"])
def test_a_y4m_that_is_cut_is_refused_by_any_name(name: str, way: str, here: Path) -> None:
    Path(name).write_bytes(Path("a.y4m").read_bytes()[:-100])
    # The fourth word of the command is the name.
    script = {
        "file": '"$@"',
        "pipe": f'"${{@:1:4}}" <(cat {name}) "${{@:6}}"',
        "stdin": f'"${{@:1:4}}" - "${{@:6}}" < {name}',
    }[way]
    done = colorvid("encode", name, "-o", "o.clv", script=script)
    assert done.returncode == 2 and b"frame 7 is cut" in done.stderr
    assert not Path("o.clv").exists()
