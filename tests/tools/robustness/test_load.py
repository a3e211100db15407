"""The load tool, small; the whole of it is ``python tools/robustness/load.py``."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from colorvid.errors import ColorvidError
from colorvid.io import open_reader
from tests.children import Child
from tests.conftest import CodedClip
from tools.robustness import load

MIB = 2**20


def test_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(b"".join(load.frames(30)))
    with open_reader(path) as reader:
        crcs = [frame.crc32() for frame in reader]
    assert len(crcs) == 30 and len(set(crcs)) == load.PERIOD and crcs[0] == crcs[24]


def test_growth_is_seen() -> None:
    level = [(100 * MIB, 5)] * 50
    assert not load.usage(level, 1.0).grown()
    assert not load.usage([(50 * MIB, 1)] * 5 + level, 1.0).grown(), "a start is no growth"
    assert load.usage([((100 + i) * MIB, 5) for i in range(50)], 1.0).grown()
    assert load.usage([(100 * MIB, 5 + i // 10) for i in range(50)], 1.0).grown()
    with pytest.raises(ColorvidError, match="8 samples are too few; encode more --frames"):
        load.usage(level[:8], 1.0)


def test_a_process_is_watched_and_its_failure_told() -> None:
    program = "import time\nkept = []\nfor i in range(60):\n    kept.append(b'x' * 2**20); {}"
    hoards = [sys.executable, "-c", program.format("time.sleep(0.02)")]
    assert load.watched(subprocess.Popen(hoards), lambda: True).grown()
    fails = [sys.executable, "-c", program.format("time.sleep(0.01)") + "\nraise SystemExit(3)"]
    with pytest.raises(ColorvidError, match="ended with code 3"):
        load.watched(subprocess.Popen(fails), lambda: True)


def test_long_run(tmp_path: Path) -> None:
    used = load.endurance(tmp_path, 2400, 2)
    assert not any(found.grown() for found in used.values()), load.table(used, 2400)


@pytest.mark.slow
def test_crowd(tmp_path: Path) -> None:
    assert load.crowd(tmp_path, 4, 3) > 0
    assert len(list(tmp_path.glob("*.clv"))) == len(list(tmp_path.glob("*.y4m"))) - 1 == 5


@pytest.mark.parametrize("jobs", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_many_at_once_give_the_bytes_of_one(jobs: int, coded: CodedClip, tmp_path: Path) -> None:
    """As `load.crowd`, but forked from one that has loaded PyTorch, so that they share memory."""
    plans = [("encode", coded.source, ".clv"), ("decode", coded.stream, ".y4m")]
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child(verb, given, "-o", tmp_path / f"{n}{suffix}", *options, folder=tmp_path)
            )
            for n in range(jobs)
            for verb, given, suffix in plans
            for options in [("--gop", 3) if verb == "encode" else ()]
        ]
        assert [child.wait()[0] for child in children] == [0] * 2 * jobs
    for expected in (coded.stream, coded.stream.with_name("decoded.y4m")):
        for number in range(jobs):
            found = tmp_path / f"{number}{expected.suffix}"
            assert found.read_bytes() == expected.read_bytes()


def test_crowd_with_a_different_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "digest", lambda path: path.name)
    monkeypatch.setattr(load, "command", lambda verb, given, dash, out, *rest: ["touch", str(out)])
    with pytest.raises(ColorvidError, match="encode: 0 of 3 failed, 3 differ"):
        load.crowd(tmp_path, 3, 1)
