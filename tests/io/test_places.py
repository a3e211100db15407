"""What names lead to, and which of them meet."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from colorvid.errors import ConfigError
from colorvid.io.places import check_apart, descriptor, is_stream, stdin_bytes, stdout_bytes


def test_descriptors_by_all_their_names(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("/dev/stdout")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "folder").symlink_to("/dev")
    names: list[str | Path] = [
        "/dev/stdout",
        "/dev//stdout",
        "/dev/fd/1",
        "/proc/self/fd/1",
        f"/proc/{os.getpid()}/fd/1",
        tmp_path / "one",
        tmp_path / "two",
        tmp_path / "folder" / "stdout",
    ]
    assert [descriptor(name) for name in names] == [1] * len(names)
    assert descriptor("/dev/fd/63") == 63
    assert descriptor("/dev/stderr") == 2
    for name in ("/dev/null", "stdout", "-", tmp_path, tmp_path / "none", "a\0b"):
        assert descriptor(name) is None


def test_a_circle_of_links_is_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert descriptor(tmp_path / "a") is None


def test_streams(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for name in (tmp_path / "pipe", "/dev/null", "/dev/stdout", "/dev/fd/9"):
        assert is_stream(name)
    for name in (tmp_path / "file", tmp_path, tmp_path / "none"):
        assert not is_stream(name)


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file ``clip`` with a symbolic link ``link``, a hard link ``hard``, and a pipe ``pipe``."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "clip"
    path.write_bytes(b"precious")
    (tmp_path / "link").symlink_to("clip")
    os.link(path, tmp_path / "hard")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return path


@pytest.mark.parametrize("other", ["clip", "./clip", "link", "hard", "folder/../clip"])
def test_an_output_that_is_the_input(clip: Path, other: str) -> None:
    for one, two in ((str(clip), other), (other, str(clip))):
        with pytest.raises(ConfigError) as caught:
            check_apart({"the input": one}, {"the output": "new", "the log": two})
        assert str(caught.value) == (f"{two} (the log) is the input itself; give another name")


@pytest.mark.parametrize(
    ("one", "two"), [("new", "folder/../new"), ("link", "hard"), ("pipe", "./pipe")]
)
def test_outputs_that_are_one(clip: Path, one: str, two: str) -> None:
    with pytest.raises(ConfigError, match=r"\(the log\) is the output itself"):
        check_apart({}, {"the output": one, "the log": two})


def test_what_may_be_shared(clip: Path) -> None:
    check_apart(
        {"the input": "clip", "the other input": "link"},
        {"the output": "new", "the log": None, "the plot": io.BytesIO()},
    )
    check_apart({"the input": "/dev/null"}, {"a": "/dev/null", "b": "/dev/null"})
    check_apart({"the input": "pipe"}, {"the output": "pipe"})  # another one may lie between
    check_apart({"the input": "a\0b"}, {"the output": "a\0b"})  # refused when it is opened


def test_standard_streams_count(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with clip.open("r+b") as file:
        before = os.dup(0), os.dup(1)
        try:
            os.dup2(file.fileno(), 0)
            with pytest.raises(ConfigError, match="hard .* is the input itself"):
                check_apart({"the input": "-"}, {"the output": "hard"})
            os.dup2(file.fileno(), 1)
            with pytest.raises(ConfigError, match="link .* is the output itself"):
                check_apart({}, {"the output": "-", "the log": "link"})
        finally:
            os.dup2(before[0], 0)
            os.dup2(before[1], 1)
            os.close(before[0])
            os.close(before[1])


class Notebook:
    """As a notebook puts in the place of standard streams."""

    def write(self, text: str) -> int:
        return len(text)


@pytest.mark.parametrize("stream", [io.StringIO(), Notebook(), None])
def test_standard_streams_without_bytes(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(ConfigError, match="^stdin takes no bytes here; give the name of a file"):
        stdin_bytes()
    with pytest.raises(ConfigError, match="^stdout takes no bytes here; give the name of a file"):
        stdout_bytes()


def test_standard_streams_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO(b"abc")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    assert stdin_bytes().read() == b"abc"
