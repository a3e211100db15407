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
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import colorvid
from colorvid.cli.main import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
STREAM = ROOT / "tests" / "conformance" / "streams" / "default_pixel.clv"


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert project()["project"]["version"] == colorvid.__version__ == newest[1]
    assert f"\nversion: {newest[1]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


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


SLIM = {"av", "numpy", "safetensors", "tqdm"}
"""All that coding needs."""


def requirements(environment: dict[str, str]) -> set[str]:
    """Names of what a plain installation brings in an environment of markers."""
    wanted = map(Requirement, project()["project"]["dependencies"])
    return {r.name for r in wanted if r.marker is None or r.marker.evaluate(environment)}


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "machine", "has_torch", "has_compressai"),
    [
        ("linux", "x86_64", True, True),
        ("linux", "aarch64", True, False),
        ("linux", "armv7l", False, False),
        ("darwin", "arm64", True, True),
        ("darwin", "x86_64", False, False),
        ("win32", "AMD64", True, False),
        ("win32", "ARM64", False, False),
    ],
)
def test_an_installation_asks_for_what_can_be_had(
    python: str, system: str, machine: str, has_torch: bool, has_compressai: bool
) -> None:
    environment = {"python_version": python, "sys_platform": system, "platform_machine": machine}
    expected = (
        SLIM | {"scikit-video", "einops", "threadpoolctl"} | ({"torch"} if has_torch else set())
    )
    expected |= {"tomli"} if python == "3.10" else set()
    old = python in ("3.10", "3.11", "3.12")
    assert requirements(environment) == expected | (
        {"compressai"} if has_compressai and old else set()
    )
    assert SpecifierSet(project()["project"]["requires-python"]).contains(python)
    assert f"Programming Language :: Python :: {python}" in project()["project"]["classifiers"]


def test_the_slim_installation_is_the_same_everywhere() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [packages] = re.findall(
        r"^pip install ([a-z ]+)\npip install --no-deps \.$", readme, re.MULTILINE
    )
    assert set(packages.split()) == SLIM
    assert set(project()["tool"]["cibuildwheel"]["test-requires"]) == SLIM
    stated = [Requirement(d) for d in project()["project"]["dependencies"]]
    assert {r.name for r in stated[:4]} == SLIM
    numpy = next(r for r in stated if r.name == "numpy")
    assert all(numpy.specifier.contains(version) for version in ("1.24.0", "1.26.4", "2.5.5"))


def test_slow_tests_are_left_out_and_gpu_tests_skip_by_themselves() -> None:
    assert '-m "not slow"' in project()["tool"]["pytest"]["ini_options"]["addopts"]


def test_readme_and_ci_name_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets >= {"demo", "test", "check", "clean"}
    for name in ("README.md", ".ci/run", "CONTRIBUTING.md"):
        used = re.findall(r"^ *make (\w+)", (ROOT / name).read_text(), re.MULTILINE)
        assert used and set(used) <= targets, name


def test_weights_types_and_templates_are_part_of_the_package(tmp_path: Path) -> None:
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
        for pattern in ("**/*.py", "py.typed", "weights/*", "evaluation/page/assets/*")
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


def colorvid_of(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a package that lies in a folder."""
    packages = [path for path in sys.path if path.endswith("-packages")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *packages])}
    environment.pop("COLORVID_NATIVE", None)
    # Without the module site, which would find the checkout where it is installed in place.
    command = [sys.executable, "-S", "-m", "colorvid", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_without_any_compiler_it_is_installed_without_the_core(tmp_path: Path) -> None:
    """It says so when asked, and once at first use; what it decodes is the same."""
    program = (
        "import sys\nsys.modules['ziglang'] = None\nfrom build_backend import build_wheel\n"
        "build_wheel(sys.argv[1], {'build-dir': sys.argv[1] + '/build'})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tools"), "CXX": "no-such-compiler"}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unpack(tmp_path)
    assert not list((tmp_path / "colorvid" / "native").glob("_core*"))
    version = colorvid_of(tmp_path, "--version").stdout
    assert version.startswith(
        f"colorvid {colorvid.__version__} (no native core: colorvid was installed without it; "
        "install a C++ compiler and then colorvid again)\n"
    )
    decoded = colorvid_of(tmp_path, "verify", "--quiet", str(STREAM))
    assert len(re.findall("runs without its native core: ", decoded.stderr)) == 1
    assert decoded.stderr.count("\n") == 1


@pytest.mark.slow
def test_without_a_compiler_it_is_compiled_by_ziglang(tmp_path: Path) -> None:
    """As pip does it, in an environment of its own; needs a package index."""
    environment = os.environ | {"PATH": str(Path(sys.executable).parent)}
    environment.pop("CXX", None)
    assert shutil.which("c++", path=environment["PATH"]) is None
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), "."]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unpack(tmp_path)
    assert "(native core with " in colorvid_of(tmp_path, "--version").stdout
    assert "all right: this machine decodes exactly" in colorvid_of(tmp_path, "selftest").stdout


def unpack(folder: Path) -> None:
    """Unpack the only wheel of a folder into it."""
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(folder)


def test_the_core_is_compiled_anew_when_its_source_changes() -> None:
    """`make` knows the files of the core; the wheel has the library and not its source."""
    assert "$(wildcard colorvid/native/CMakeLists.txt colorvid/native/src/*)" in (
        ROOT / "Makefile"
    ).read_text(encoding="utf-8")
    excluded = project()["tool"]["scikit-build"]["wheel"]["exclude"]
    assert {"colorvid/native/src/*", "colorvid/native/CMakeLists.txt"} == set(excluded)
