"""What is written down in more than one place must agree."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
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
    names |= {"threadpoolctl"}
    assert names <= stated
    optional = {"bjontegaard", "matplotlib", "PIL", "pytorch_msssim", "tomli", "tomllib"}
    optional |= {"dask", "distributed"}  # colorvid[cluster]
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


def test_weights_and_types_are_part_of_the_package(tmp_path: Path) -> None:
    """A wheel without the native core, built in a moment, has all that is not code."""
    program = (
        "import sys\nfrom scikit_build_core.build import build_wheel\n"
        "print(build_wheel(sys.argv[1], {'wheel.cmake': 'false'}))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = {name for name in wheel.namelist() if name.startswith("colorvid/")}
    have = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("**/*.py", "py.typed", "weights/*")
        for path in (ROOT / "colorvid").glob(pattern)
    }
    assert {"colorvid/py.typed", "colorvid/weights/default.safetensors"} < have
    assert inside == have
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


def test_a_compiler_is_asked_for_only_where_there_is_none() -> None:
    program = "import build_backend as b; print(*b.get_requires_for_build_wheel())"
    for compiler, wanted in ((None, False), ("no-such-compiler", True)):
        if compiler is None and not shutil.which("c++"):
            continue
        environment = {k: v for k, v in os.environ.items() if k != "CXX"}
        environment |= {"CXX": compiler} if compiler else {}
        command = [sys.executable, "-c", program]
        path = {"PYTHONPATH": str(ROOT / "tools")}
        done = subprocess.run(
            command, cwd=ROOT, env=environment | path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert ("ziglang" in done.stdout) == wanted


def test_the_core_is_compiled_anew_when_its_source_changes() -> None:
    """`make` knows the files of the core; the wheel has the library and not its source."""
    assert "$(wildcard colorvid/native/CMakeLists.txt colorvid/native/src/*)" in (
        ROOT / "Makefile"
    ).read_text(encoding="utf-8")
    excluded = project()["tool"]["scikit-build"]["wheel"]["exclude"]
    assert {"colorvid/native/src/*", "colorvid/native/CMakeLists.txt"} == set(excluded)
