"""What is no video, named pipes, and names of every kind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from colorvid.cli.main import main
from colorvid.io import VideoInfo
from tests.clips import moving_frames
from tests.conftest import read_clip, write_clip
from tests.io.test_odd_input import SIZE, make, refused, warned

# What is no video.


def test_text_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello world\n" * 50)
    assert refused(path, convert=True) == "is text, not a video; give a video"


@pytest.mark.parametrize("suffix", ["", ".y4m", ".yuv", ".mkv"])
@pytest.mark.parametrize("device", ["null", "zero"])
def test_devices_are_refused(tmp_path: Path, device: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.symlink_to(f"/dev/{device}")
    assert refused(path) == "is a device or a socket; give a file or a pipe"


def test_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    info = VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    plain = write_clip(tmp_path / "a.y4m", moving_frames(3, *SIZE), info).read_bytes()
    other = make(tmp_path / "b.mkv").read_bytes()
    for name in ("a.mkv", "a", "a.yuv", "a.clv", "a.txt", "a.png", "a.m3u8", "a.y4m"):
        for data, frames in ((plain, 3), (other, 12)):
            if (name, frames) != ("a.yuv", 12):  # raw video has no sign of its own
                (tmp_path / name).write_bytes(data)
                assert warned(tmp_path / name) == (frames, []), name


# Pipes with names.


def piped(path: Path, data: bytes) -> threading.Thread:
    """A named pipe, and the thread that writes into it."""
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(data,))
    thread.start()
    return thread


@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv", ""])
def test_named_pipes(tmp_path: Path, suffix: str) -> None:
    info = VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    name = f"source{suffix or '.y4m'}"
    data = write_clip(tmp_path / name, moving_frames(3, *SIZE), info).read_bytes()
    writer = piped(tmp_path / f"a{suffix}", data)
    raw: dict[str, Any] = {"size": (SIZE[1], SIZE[0]), "rate": Fraction(25)}
    count, warnings = warned(tmp_path / f"a{suffix}", **(raw if suffix == ".yuv" else {}))
    writer.join()
    assert (count, warnings) == (3, [])


@pytest.mark.parametrize(("size", "message"), [(0, "holds no frame"), (9, "the last frame is cut")])
def test_raw_pipe_that_is_short(tmp_path: Path, size: int, message: str) -> None:
    writer = piped(tmp_path / "a.yuv", bytes(size))
    assert refused(tmp_path / "a.yuv", size=(2, 2), rate=Fraction(25)).startswith(message)
    writer.join()


# Names.

NAMES = ("with space", "qu'o\"te", "two\nlines", "ünï—код", "-dash", "\x1b[31mred", "%d", "file:x")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_names(here: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    info = VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    for suffix in (".y4m", ".mkv"):
        path = write_clip(here / f"{name}{suffix}", moving_frames(1, *SIZE), info)
        stream = f"./{name}.clv"
        assert main(["encode", f"./{path.name}", "-o", stream, "-y", "--quiet"]) == 0
    assert main(["decode", stream, "-o", f"./{name}.avi", "--quiet"]) == 0
    assert len(read_clip(here / f"{name}.avi")) == 1
    capfd.readouterr()
    assert main(["encode", f"./{name}.none", "-o", "x.clv"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.isprintable() and line.endswith(": No such file or directory")


def test_a_leading_dash_is_an_option(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "-x.y4m", "-o", "a.clv"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "unrecognized arguments: -x.y4m; " in line
