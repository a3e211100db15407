"""``colorvid play`` sends frames to whichever player there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorvid.cli.main import main
from colorvid.files.play import PLAYERS
from tests.cli.test_main import one_error_line
from tests.conftest import CodedClip, read_clip


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all programs that there are: none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, text: str) -> None:
    """A player that is a shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", PLAYERS)
def test_frames_reach_the_player(
    name: str,
    programs: Path,
    coded: CodedClip,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    install(programs, name, f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/seen.y4m')
    assert main(["play", str(coded.stream), "--from", "0.1s", "--frames", "3"]) == 0
    assert read_clip(tmp_path / "seen.y4m") == coded.decoded[3:6]
    assert (tmp_path / "words").read_text() == (
        " ".join(word.format(name=coded.stream) for word in PLAYERS[name]) + "\n"
    )
    assert capfd.readouterr().err.endswith(" kbit/s, played\n")


def test_the_first_player_is_taken(programs: Path, coded: CodedClip, tmp_path: Path) -> None:
    install(programs, "mpv", "exit 9")
    install(programs, "ffplay", f"cat > {tmp_path}/seen.y4m")
    assert main(["play", str(coded.stream), "--quiet"]) == 0
    assert read_clip(tmp_path / "seen.y4m") == coded.decoded


def test_a_window_that_is_closed_is_no_error(
    programs: Path, coded: CodedClip, capfd: pytest.CaptureFixture[str]
) -> None:
    install(programs, "ffplay", "head -c 100 > /dev/null")
    assert main(["play", str(coded.stream), "--quiet"]) == 0
    assert capfd.readouterr().err == ""


def test_no_player(programs: Path, coded: CodedClip, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["play", str(coded.stream)]) == 2
    assert one_error_line(capfd.readouterr().err) == (
        "no player is installed; install ffplay or mpv, or decode to a file such as .mp4"
    )


def test_a_player_that_fails(
    programs: Path, coded: CodedClip, capfd: pytest.CaptureFixture[str]
) -> None:
    install(programs, "ffplay", "cat > /dev/null; exit 3")
    assert main(["play", str(coded.stream)]) == 2
    assert one_error_line(capfd.readouterr().err).endswith("/ffplay: failed with code 3")


def test_what_is_no_stream_starts_no_player(
    programs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install(programs, "ffplay", f"touch {tmp_path}/started")
    (tmp_path / "a.clv").write_bytes(b"text")
    assert main(["play", str(tmp_path / "a.clv")]) == 3
    assert "not a .clv stream" in one_error_line(capfd.readouterr().err)
    assert not (tmp_path / "started").exists()
