"""``colorvid cut`` and ``concat``, with files and pipes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from colorvid.cli.main import main
from tests.cli.test_main import one_error_line
from tests.conftest import CodedClip


class Pipe(io.BytesIO):
    """Standard input that cannot go back."""

    def seekable(self) -> bool:
        return False


def give(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Put a file into a pipe on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Pipe(path.read_bytes())))


def test_a_part_says_which_frames_it_has(
    coded: CodedClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "part.clv"
    words = ["cut", str(coded.stream), "-o", str(target), "--from", "4", "--to", "7"]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"{target}: frames 3 to 7 of the input, ")
    assert main([*words, "-y", "--exact"]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"{target}: frames 4 to 6 of the input, ")
    assert said.endswith(", 3 frames encoded again\n")
    assert main(words) == 2 and "exists" in one_error_line(capsys.readouterr().err)


@pytest.mark.parametrize("more", [(), ("--exact",)])
def test_a_pipe_gives_what_a_file_gives(
    more: tuple[str, ...], coded: CodedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    part = ["--from", "0.04s", "--to", "5", *more, "--quiet"]
    assert main(["cut", str(coded.stream), "-o", str(tmp_path / "a.clv"), *part]) == 0
    give(monkeypatch, coded.stream)
    assert main(["cut", "-", "-o", "-", *part]) == 0
    found = capsysbinary.readouterr()
    assert found.out == (tmp_path / "a.clv").read_bytes() and not found.err
    give(monkeypatch, coded.stream)
    assert main(["cut", "-", "-o", "-", "--from", "8"]) == 2
    found = capsysbinary.readouterr()
    assert not found.out and b"stdin: --from 8 skips all frames there are" in found.err


def test_streams_are_put_together(
    coded: CodedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    target = tmp_path / "both.clv"
    give(monkeypatch, coded.stream)
    assert main(["concat", str(coded.stream), "-", "-o", str(target)]) == 0
    assert capsys.readouterr().err.startswith(f"{target}: 16 frames, ")
    before = target.read_bytes()
    assert main(["concat", str(coded.stream), str(target), "-o", str(target), "-y"]) == 1
    assert "both.clv (the output) is input 2 itself" in one_error_line(capsys.readouterr().err)
    assert target.read_bytes() == before
