"""The order of the package: a module imports only modules that stand before it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = """
    __init__ errors memory interrupts config frame ciede2000 color metrics
    io._skvideo io.base io.section io.files io.stream_writer io.y4m_header io.y4m io.raw
    io.pyav_errors io.pyav_checks io.pyav_filter io.pyav_tags io.pyav_reader io.pyav_sizes
    io.pyav_writer io.opening io.__init__
    bitstream.source bitstream.fields bitstream.headers bitstream.packets bitstream.index
    bitstream.writer bitstream.scanner bitstream.reader bitstream.summary bitstream.__init__
    entropy.__init__ entropy.tables entropy.binary entropy.rans
    exact.__init__ exact.arithmetic exact.layers exact.bounds exact.guard
    nn.__init__ nn.blocks nn.transforms nn.steps nn.prior
    motion.__init__ motion.field motion.coding motion.compensate motion.search motion.simplify
    motion.estimate
    models.__init__ models.planes models.branch models.intra models.inter models.video
    models.modelfile models.complexity
    codec report pictures concealment limits streams description parallel pipeline selftest api
    evaluation.__init__ evaluation.process evaluation.origin evaluation.jpeg
    evaluation.anchor_table evaluation.choices evaluation.codecs evaluation.anchors evaluation.clips
    evaluation.plots evaluation.ciede_vmaf evaluation.skvideo_measures evaluation.extra
    evaluation.rgb evaluation.frames evaluation.video evaluation.triptych evaluation.inspection
    evaluation.runs evaluation.tables evaluation.impulse evaluation.patches evaluation.compare
    evaluation.published evaluation.uvg
    terminal options commands_evaluation commands_compare commands cli_evaluation cli_compare cli
    __main__
    training.__init__ training.delta_e training.loss training.group training.precision
    training.checkpoint training.optimiser
    training.synthetic training.sources training.data training.rate training.sequences
    training.restart training.gradients training.loop
    training.intra training.inter training.unrolled training.export
""".split()
"""All modules, lowest first. A package's own name stands for its ``__init__``."""

LIGHT = (
    "cli",
    "cli_evaluation",
    "commands",
    "commands_evaluation",
    "commands_compare",
    "evaluation.inspection",
    "api",
    "io",
    "bitstream",
    "frame",
    "metrics",
    "color",
    "errors",
    "config",
)
"""What must load without torch, so that help, probes and errors answer at once."""
HEAVY = ("torch", "compressai", "torchvision")


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """Every module of the package by dotted name without ``colorvid.``."""
    package = ROOT / "colorvid"
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in sorted(package.rglob("*.py"))
    }


def imports(path: Path) -> Iterator[str]:
    """Names of the modules of colorvid that a file imports, anywhere in it.

    Branches for the type checker do not count: they load nothing.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checks = (n for n in ast.walk(tree) if isinstance(n, ast.If))
    unseen = {
        inner
        for check in checks
        if ast.unparse(check.test) == "TYPE_CHECKING"
        for part in check.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [resolve(f"{node.module}", alias.name) for alias in node.names]
        if node not in unseen:
            yield from (own_name(n) for n in names if n.split(".")[0] == "colorvid")


def resolve(module: str, name: str) -> str:
    """The module that ``from module import name`` needs."""
    full = f"{module}.{name}"
    own = own_name(full)
    return full if own in modules() else module


def own_name(name: str) -> str:
    """Dotted name without ``colorvid.``; a package becomes its ``__init__``."""
    inside = ".".join(name.split(".")[1:])
    package = f"{inside}.__init__".lstrip(".")
    return package if package in modules() else inside


def test_every_module_has_one_place() -> None:
    assert len(ORDER) == len(set(ORDER))
    missing = set(modules()) - set(ORDER)
    assert not missing, f"give {sorted(missing)} a place in ORDER"


@pytest.mark.parametrize("name", sorted(modules()))
def test_modules_import_lower_modules_only(name: str) -> None:
    for other in imports(modules()[name]):
        assert other in ORDER, f"colorvid.{name} imports colorvid.{other}, which is not there"
        assert ORDER.index(other) < ORDER.index(name), (
            f"colorvid.{name} must not import colorvid.{other}: it stands higher"
        )


def test_only_tools_and_training_import_training() -> None:
    for name, path in modules().items():
        if not name.startswith("training."):
            assert not [i for i in imports(path) if i.startswith("training")], name
    users = [p.name for p in (ROOT / "tools").glob("*.py") if "colorvid.training" in p.read_text()]
    assert "train.py" in users


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
    assert sorted(imports(path)) == ["errors", "exact.layers", "frame", "io.__init__"]


@pytest.mark.parametrize("name", [n for n in LIGHT if {n, f"{n}.__init__"} & set(modules())])
def test_light_modules_load_without_torch(name: str) -> None:
    program = f"import sys, colorvid.{name}\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_codec_loads_without_compressai_and_training() -> None:
    program = (
        "import sys, colorvid.codec\n"
        "print([m for m in sys.modules if m in ('compressai', 'torchvision') "
        "or m.startswith('colorvid.training')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
