"""What is written down in more than one place must agree."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import colorvid
from colorvid.cli.main import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert project()["project"]["version"] == colorvid.__version__ == newest[1]


def test_every_import_of_the_package_is_a_dependency() -> None:
    stated = {re.split(r"[<>=;\s]", d)[0] for d in project()["project"]["dependencies"]}
    names = {"torch", "compressai", "av", "numpy", "einops", "tqdm", "safetensors"}
    assert names <= stated
    optional = {"bjontegaard", "matplotlib", "PIL", "pytorch_msssim", "tomli", "tomllib"}
    optional |= {"typing_extensions"}  # for type checkers alone
    known = names | optional | {"colorvid", *sys.stdlib_module_names}
    for path in (ROOT / "colorvid").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            unknown = {module.split(".")[0] for module in modules} - known
            assert not unknown, f"{path.name} imports {unknown}"


def test_slow_tests_are_left_out_and_gpu_tests_skip_by_themselves() -> None:
    assert '-m "not slow"' in project()["tool"]["pytest"]["ini_options"]["addopts"]


def test_readme_and_ci_name_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets >= {"demo", "test", "check", "clean"}
    for name in ("README.md", ".ci/run", "CONTRIBUTING.md"):
        used = re.findall(r"^ *make (\w+)", (ROOT / name).read_text(), re.MULTILINE)
        assert used and set(used) <= targets, name


def test_weights_and_types_are_part_of_the_package() -> None:
    data = project()["tool"]["setuptools"]["package-data"]["colorvid"]
    assert {"py.typed", "weights/*.safetensors", "weights/*.clv", "weights/*.json"} <= set(data)
    assert (ROOT / "LICENSE").read_text().startswith("BSD 3-Clause License")


def test_the_demo_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of ``make demo``, on fewer frames."""
    done = subprocess.run(
        ["make", "-n", "demo", "FRAMES=2", f"BIN={Path(sys.executable).parent}", "VENV=none"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [shlex.split(line) for line in done.stdout.splitlines() if "bin/colorvid " in line]
    assert [line[1] for line in lines] == ["encode", "decode", "verify", "eval"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    for line in lines:
        assert main(line[1:]) == 0, line
    assert (tmp_path / "demo" / "bikes.y4m").stat().st_size > 2 * 640 * 272
