"""The command line with too little memory: exit code 7 in one line, or all as it should be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import one_line, run
from tests.conftest import CodedClip
from tests.files.test_faults import names, work

MIB = 2**20


@pytest.mark.parametrize("direction", ["encode", ".y4m"])
def test_little_memory(direction: str, coded: CodedClip, tmp_path: Path, outputs: Path) -> None:
    """With too little it says so, and with a little more it works: it never does anything else."""
    data, arguments = work(direction, coded, outputs)
    (tmp_path / "all").write_bytes(data)
    codes = []
    for spare in (4, 40, 120, 1000):
        code, text = run(
            *arguments, "-y", folder=tmp_path, stdin=tmp_path / "all", spare_memory=spare * MIB
        )
        codes.append(code)
        if code:
            assert "memory" in one_line(text)
            assert names(outputs) == []
    assert codes[0] == 7 and codes[-1] == 0
    assert set(codes) == {0, 7}


def test_no_memory_for_the_libraries(coded: CodedClip, outputs: Path) -> None:
    words = [sys.executable, "-m", "colorvid", "decode", coded.stream, "-o", outputs / "a.y4m"]
    command = ["sh", "-c", 'ulimit -v 350000 && exec "$@"', "sh", *map(str, words)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLORVID_NATIVE": "0"}  # PyTorch
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (7, "")
    assert "out of memory" in one_line(done.stderr)
    assert names(outputs) == []
