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


STARTS = """
import os, runpy, sys, warnings
from pathlib import Path
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import compressai, torch  # nothing of colorvid
assert not any(name.split(".")[0] in ("colorvid", "tools") for name in sys.modules)
for path in map(Path, sys.argv[1:]):
    if os.fork() == 0:
        for number, kind in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{path.stem}.{kind}", os.O_WRONLY | os.O_CREAT), number)
        sys.argv, sys.path[0] = [str(path), "--help"], str(path.parent)
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:  # leave at once: to unload the large packages takes seconds too
            sys.stdout.flush()
            os._exit(end.code or 0)
        sys.exit("it goes on")
    Path(f"{path.stem}.code").write_text(str(os.waitstatus_to_exitcode(os.wait()[1])))
"""
"""Starts programs in processes that have loaded the large packages already, which takes seconds."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exit code of every tool with ``--help``, and what it wrote."""
    folder = tmp_path_factory.mktemp("tools")
    command = [sys.executable, "-W", "error", "-c", STARTS, *map(str, PROGRAMS)]
    subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_every_tool_starts_as_a_program_from_anywhere(path: Path, started: Path) -> None:
    code, err, out = ((started / f"{path.stem}.{k}").read_text() for k in ("code", "err", "out"))
    assert (code, err) == ("0", "")
    assert out.startswith(f"usage: {path.stem}")


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
