"""Tools of a checkout run as programs and as modules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from colorvid.cli.tool import errors_in_one_line
from colorvid.errors import Aborted, ConfigError, InputError

TOOLS = Path(__file__).parents[2] / "tools"
PROGRAMS = sorted(
    path for path in TOOLS.rglob("*.py") if "\ndef main(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_every_tool_starts_as_a_program_from_anywhere(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(path), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {path.stem}")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("a: no"), 2, "test_tool [error]: a: no\n"),
        (KeyboardInterrupt(), Aborted.exit_code, "test_tool [error]: aborted; what is finished is"),
        (ConfigError("b"), 1, "test_tool [error]: b\n"),
    ],
)
def test_errors_are_one_line_and_a_code(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @errors_in_one_line
    def main(arguments: Sequence[str] | None) -> int:
        raise error

    assert main() == main(["x"]) == code
    lines = capsys.readouterr().err.splitlines(keepends=True)
    assert len(lines) == 2 and all(line.startswith(text) for line in lines)


def test_faults_are_not_hidden() -> None:
    @errors_in_one_line
    def main(arguments: Sequence[str] | None) -> int:
        return [0][len(arguments or ())]

    assert main() == 0
    with pytest.raises(IndexError):
        main(["x"])
