"""Where figures come from."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import colorvid
from colorvid.evaluation.compare.origin import commit, machine, processor, run_id, source_digest


def test_machine_and_run_have_names() -> None:
    assert machine().startswith(f"{processor()}, ")
    assert re.search(r", \d+ cores?, \w+ \w+$", machine())
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d+", run_id())


def test_an_installed_package_is_a_release(tmp_path: Path) -> None:
    package = Path(colorvid.__file__).parent
    shutil.copytree(package, tmp_path / "colorvid", ignore=shutil.ignore_patterns("weights"))
    program = "from colorvid.evaluation.compare.origin import commit; print(commit())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "release\n"


def test_a_checkout_has_a_commit() -> None:
    if (Path(colorvid.__file__).parents[1] / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{10,}\+?|unknown", commit())
    else:
        assert commit() == "release"


def test_a_digest_is_over_names_and_contents_of_the_chosen_files() -> None:
    package = Path(colorvid.__file__).parent
    expected = hashlib.sha256()
    for name in ("frame.py", "io/y4m.py"):
        expected.update(f"{name}\n".encode() + (package / name).read_bytes())
    digest = source_digest(lambda name: name in ("io/y4m.py", "frame.py"))
    assert digest == expected.hexdigest()[:12]
    assert digest != source_digest(lambda name: name == "frame.py")
