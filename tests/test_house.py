"""The plan of the house: rooms have ranks, imports go down, nothing runs in circles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "colorvid"

RANKS = (
    ("errors",),
    ("frame", "colors", "config", "effort"),
    ("system",),
    ("native",),
    ("io", "bitstream", "entropy", "exact"),
    ("quality", "nn"),
    ("motion",),
    ("models",),
    ("codec",),
    ("files",),
    ("evaluation",),
    ("training",),
    ("images",),
    ("api",),
    ("batch",),
    ("cli",),
    ("__init__", "__main__"),
)
"""Rooms (folders and single files of the package), lowest first. A room imports rooms of lower
ranks and itself, never one of its own rank."""

LIGHT = (
    "api.clip",
    "api.coding",
    "batch.run",
    "batch.work",
    "bitstream",
    "cli.batch",
    "cli.bench",
    "cli.compare",
    "cli.evaluate",
    "cli.info",
    "cli.main",
    "codec.groups",
    "config",
    "errors",
    "evaluation.bench.running",
    "evaluation.compare.choices",
    "exact.wide",
    "files.decode",
    "files.encode",
    "files.reports",
    "files.selftest",
    "files.streams",
    "frame",
    "images.pictures",
    "images.stills",
    "io",
    "models.loading",
    "quality.color",
    "quality.log",
    "quality.metrics",
    "quality.scores",
)
"""What must load without torch, so that help, probes and errors answer at once."""
HEAVY = ("torch", "compressai", "torchvision")


def rank(room: str) -> int:
    """Place of a room in ``RANKS``."""
    found = [i for i, rooms in enumerate(RANKS) if room in rooms]
    assert found, f"give the room {room} a place in RANKS"
    return found[0]


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """Every module of the package by dotted name without ``colorvid.``."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(path: Path) -> Iterator[str]:
    """Names of the modules of colorvid that a file imports, anywhere in it, for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [resolve(f"{node.module}", alias.name) for alias in node.names]
        yield from (own_name(n) for n in names if n.split(".")[0] == "colorvid")


def resolve(module: str, name: str) -> str:
    """The module that ``from module import name`` needs."""
    full = f"{module}.{name}"
    return full if own_name(full) in modules() else module


def own_name(name: str) -> str:
    """Dotted name without ``colorvid.``; a package becomes its ``__init__``."""
    inside = ".".join(name.split(".")[1:])
    package = f"{inside}.__init__".lstrip(".")
    return package if package in modules() else inside


def room_of(name: str) -> str:
    """The room that a module stands in."""
    return name.split(".")[0]


def test_every_room_has_one_rank() -> None:
    ranked = [room for rooms in RANKS for room in rooms]
    assert len(ranked) == len(set(ranked))
    assert set(ranked) == {room_of(name) for name in modules()}


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_go_down(name: str) -> None:
    own = room_of(name)
    for other in imports(modules()[name]):
        assert other in modules(), f"colorvid.{name} imports colorvid.{other}, which is not there"
        room = room_of(other)
        assert room == own or rank(room) < rank(own), (
            f"colorvid.{name} must not import colorvid.{other}: {room} does not lie below {own}"
        )


def test_no_module_needs_itself() -> None:
    """No cycles between modules, those of types included."""
    graph = {name: set(imports(path)) - {name} for name, path in modules().items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("room", sorted(p.name for p in PACKAGE.iterdir() if p.is_dir()))
def test_a_room_says_in_one_line_what_it_is_for(room: str) -> None:
    if not list((PACKAGE / room).glob("*.py")):
        return  # released weights, no code
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    purpose = ast.get_docstring(tree) or ""
    assert purpose.endswith(".") and "\n" not in purpose.strip()


def test_tests_lie_in_the_rooms_that_they_test() -> None:
    rooms = {room for rooms in RANKS for room in rooms} | {"conformance", "tools"}
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name[0] not in "._"}
    assert folders <= rooms


def test_intra_and_inter_do_not_know_each_other() -> None:
    assert "models.inter" not in imports(modules()["models.intra"])
    assert "models.intra" not in imports(modules()["models.inter"])


def test_an_import_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nimport colorvid.frame\n"
        "if TYPE_CHECKING:\n    import colorvid.codec\n"
        "def f():\n    from colorvid import errors\n    from colorvid.io import open_reader\n"
        "    from colorvid.exact.layers import Conv\n"
    )
    expected = ["codec.__init__", "errors", "exact.layers", "frame", "io.__init__"]
    assert sorted(imports(path)) == expected


def test_light_modules_load_without_torch() -> None:
    """One after the other in one process, as all of them together must load without it."""
    program = (
        "import sys, importlib\n"
        f"for name in {LIGHT}:\n"
        "    importlib.import_module(f'colorvid.{name}')\n"
        f"    print(name, [m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{name} []" for name in LIGHT], done.stderr


def test_codec_loads_without_compressai_and_training() -> None:
    program = (
        "import sys, colorvid.codec.encoder\n"
        "print([m for m in sys.modules if m in ('compressai', 'torchvision') "
        "or m.startswith('colorvid.training')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
