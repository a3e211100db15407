"""Where figures come from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import colorvid
from colorvid.errors import ColorvidError, InputError
from colorvid.evaluation.compare.machine import (
    call_alone,
    commit,
    machine,
    peak_memory_mb,
    processor,
    run_id,
    source_digest,
)


def test_machine_and_run_have_names() -> None:
    assert machine().startswith(f"{processor()}, ")
    assert re.search(r", \d+ cores?, \w+ \w+$", machine())
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d+", run_id())


def test_an_installed_package_is_a_release(tmp_path: Path) -> None:
    package = Path(colorvid.__file__).parent
    shutil.copytree(package, tmp_path / "colorvid", ignore=shutil.ignore_patterns("weights"))
    program = (
        "import sys\n"
        # without the finder of an editable installation, which goes before all folders
        "sys.meta_path[:] = [f for f in sys.meta_path if isinstance(f, type)]\n"
        "from colorvid.evaluation.compare.machine import commit; print(commit())"
    )
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


MEGABYTES = 200


def use_memory(megabytes: int) -> int:
    print("this goes to standard output")
    return int(np.ones(megabytes * 10**6, np.uint8).sum())


def heavy_modules() -> list[str]:
    return [name for name in ("torch", "matplotlib") if name in sys.modules]


def refuse(name: str) -> None:
    raise InputError(f"{name} is wrong")


def fail() -> None:
    raise RuntimeError("a fault")


def vanish() -> None:
    os._exit(3)


@pytest.mark.skipif(peak_memory_mb() is None, reason="the system does not tell")
def test_peak_memory_is_that_of_the_call_and_not_of_the_caller() -> None:
    here = np.ones(2 * MEGABYTES * 10**6, np.uint8)  # the caller's own must not count
    small, large = call_alone(use_memory, 1), call_alone(use_memory, MEGABYTES)
    assert here[-1] == 1
    assert small.result == 10**6 and large.result == MEGABYTES * 10**6
    assert small.peak_mb is not None and large.peak_mb is not None
    assert 5 < small.peak_mb < MEGABYTES
    assert large.peak_mb - small.peak_mb == pytest.approx(MEGABYTES, rel=0.1)
    assert large.seconds > 0


def test_an_anchor_loads_nothing_heavy_in_its_process() -> None:
    from colorvid.evaluation.compare.anchors import AnchorRun

    settings = call_alone(AnchorRun("x264", 32).settings, 30).result
    assert settings["crf"] == "30"
    modules = call_alone(_modules_of_anchors).result
    assert modules == []


def _modules_of_anchors() -> list[str]:
    import colorvid.evaluation.compare.anchors  # noqa: F401

    return heavy_modules()


def test_errors_come_back_as_what_they_are() -> None:
    with pytest.raises(InputError, match="^a name is wrong$"):
        call_alone(refuse, "a name")
    with pytest.raises(ColorvidError, match="ended with code 1: RuntimeError: a fault"):
        call_alone(fail)
    with pytest.raises(ColorvidError, match="ended with code 3: no message"):
        call_alone(vanish)


def test_a_file_may_be_the_argument(tmp_path: Path) -> None:
    assert call_alone(Path.exists, tmp_path).result is True
