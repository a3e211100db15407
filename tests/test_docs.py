"""The documents show what works: commands run, options exist, links lead somewhere."""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import pytest

from colorvid import errors
from colorvid.cli.main import make_parser, parse
from colorvid.config import VARIABLES, read_toml
from colorvid.images.pictures import write_picture
from colorvid.io import VideoInfo
from colorvid.quality.color import ColorSpec, frame_to_rgb
from tests.clips import moving_frames
from tests.conftest import write_clip

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
NOTES = sorted((ROOT / "docs" / "notes").glob("*.md"))
CARDS = sorted((ROOT / "colorvid" / "weights").glob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *DOCS, *NOTES, *CARDS]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SIZE = (32, 48)
FRAMES = 3
MOST_WORDS = 14_800
"""By hand in README and all of ``docs/``: nobody reads a longer manual."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(page, text.count("\n", 0, m.start()) + 2, m[1], m[2]) for m in found]


BLOCKS = [block for page in PAGES for block in blocks(page)]
EXAMPLES = [block for block in BLOCKS if block.language in ("sh", "python")]
RUNS = [
    list(run) for _, run in groupby(EXAMPLES, lambda b: (b.page, b.language == "sh" and b.line))
]
"""What one process runs: a block of commands, or all of Python between two on a page."""
IN_TURN = "import sys\nfor code in sys.argv[1:]:\n    exec(compile(code, code, 'exec'), {})\n"
"""Runs blocks of Python that do not know each other; to load the large packages takes seconds."""


def commands(name: str) -> list[list[str]]:
    """Arguments of every use of a program in blocks of commands; pipes are split."""
    lines = [
        shlex.split(part)
        for block in BLOCKS
        if block.language in ("sh", "console")
        for line in block.code.replace("\\\n", " ").splitlines()
        for part in line.split("|")
    ]
    return [words[1:] for words in lines if words and words[0] == name]


def write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clip ``in.mp4``, and ``bin`` with the programs that examples call."""
    folder = tmp_path_factory.mktemp("docs")
    frames, info = moving_frames(FRAMES, *SIZE), VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    write_clip(folder / "in.mp4", frames, info)
    write_clip(folder / "piped.y4m", frames, info)
    write_picture(folder / "photo.png", frame_to_rgb(frames[0], ColorSpec()), overwrite=False)
    (folder / "bin").mkdir()
    write_script(
        folder / "bin" / "colorvid", f'exec {shlex.quote(sys.executable)} -m colorvid "$@"'
    )
    write_script(folder / "bin" / "ffmpeg", "cat piped.y4m")
    write_script(folder / "bin" / "ffplay", "cat > played.y4m")
    return folder


def test_the_documents_have_examples() -> None:
    used = {(block.page.name, block.language) for block in EXAMPLES}
    assert {("README.md", "sh"), ("README.md", "python")} <= used
    assert {block.language for block in BLOCKS} <= {"sh", "python", "console", "text"}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run[0]))
def test_examples_run(run: list[Block], folder: Path) -> None:
    block = run[0]
    paths = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": paths,
    }
    if block.language == "sh":
        command = ["bash", "-e", "-o", "pipefail", "-c", block.code]
    else:
        command = [sys.executable, "-W", "error", "-c", IN_TURN, *(b.code for b in run)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}: {done.stderr}"
    assert "warning" not in done.stderr.lower(), f"{block}: {done.stderr}"
    if "ffplay" in block.code:
        played = (folder / "played.y4m").read_bytes()
        assert played.startswith(b"YUV4MPEG2 W48 H32 ")
        assert played.count(b"FRAME\n") == FRAMES


def test_types_of_examples_are_right(tmp_path: Path) -> None:
    """As mypy sees them for a caller of the package, without the rules of the project."""
    for number, block in enumerate(b for b in EXAMPLES if b.language == "python"):
        path = tmp_path / f"{block.page.stem}_{block.line}_{number}.py"
        path.write_text(block.code, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    command += ["--config-file", str(ROOT / "pyproject.toml")]
    command += [str(path) for path in sorted(tmp_path.glob("*.py"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_commands_that_are_only_shown_are_understood() -> None:
    shown = commands("colorvid")
    assert {words[0] for words in shown} >= {
        "encode",
        "decode",
        "info",
        "verify",
        "train",
        "export",
        "curves",
        "compare",
        "eval",
    }
    for words in shown:
        assert parse(words).command == words[0]
        for word in words:
            assert not word.startswith("configs/") or (ROOT / word).exists(), word


def test_programs_that_are_only_shown_have_these_options() -> None:
    shown = [words for words in commands("python") if words[0].startswith("tools/")]
    names = ("ablate", "eval_kodak", "eval_uvg", "results", "robustness/fuzz")
    assert {words[0] for words in shown} >= {f"tools/{name}.py" for name in names}
    for program, *words in shown:
        source = (ROOT / program).read_text(encoding="utf-8")
        for word in words:
            if word.startswith("-"):
                assert f'"{word}"' in source, f"{program} has no option {word}"
            if word.startswith("configs/"):
                assert (ROOT / word).exists(), word


def test_training_takes_as_many_steps_as_the_configurations_say() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^- `(configs/\w+\.toml)`: ([\d,]+)$", text, re.MULTILINE)
    shown = {name: int(steps.replace(",", "")) for name, steps in rows}
    paths = sorted((ROOT / "configs").glob("*.toml"))
    assert shown == {f"configs/{p.name}": read_toml(p)["schedule"]["steps"] for p in paths}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """Whole paths of the repository between back quotes; ``NAME`` stands for anything."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:colorvid|tests|tools|configs|docs)/[\w/.]*\w/?)`", text):
        if "NAME" not in name:
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_modules_that_design_names_exist() -> None:
    """Files and folders between back quotes without the name of the package."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`([\w/]+\.py|[a-z]+/)`", text)) - {"colorvid/"}
    assert len(names) > 5
    missing = {name for name in names if not (ROOT / "colorvid" / name).exists()}
    assert not missing


def test_readme_shows_the_tree_of_the_package() -> None:
    tree = next(b.code for b in BLOCKS if b.page.name == "README.md" and b.language == "text")
    package = ROOT / "colorvid"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")} | {"weights"}
    assert set(re.findall(r"^  (\w+)/ +\w", tree, re.MULTILINE)) == rooms
    files = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    assert set(tree.splitlines()[1].split("  ")[1].split()) == files


def words_by_hand(page: Path) -> int:
    """Words of a page: without bars of tables, tables that programs write, and test values."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", "", text, flags=re.DOTALL)
    before, _, values = text.partition("\n## Test values\n")
    shown = [line for line in values.splitlines() if not line.startswith("    ")]
    return sum(bool(re.search(r"\w", word)) for word in " ".join([before, *shown]).split())


def test_manual_is_short() -> None:
    words = {page.name: words_by_hand(page) for page in [ROOT / "README.md", *DOCS, *NOTES]}
    assert sum(words.values()) <= MOST_WORDS, words


def test_every_page_is_in_the_menu_of_the_site() -> None:
    tree = ast.parse((ROOT / "docs" / "site" / "conf.py").read_text(encoding="utf-8"))
    [menus] = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONTENTS"
    )
    shown = [name for names in menus.values() for name in names.split()]
    assert sorted(shown) == sorted(
        [page.stem for page in DOCS] + [f"notes/{page.stem}" for page in NOTES]
    )


@pytest.mark.parametrize("page", [*DOCS, *NOTES], ids=lambda page: page.name)
def test_pages_begin_with_what_they_are_for(page: Path) -> None:
    title, _, text = page.read_text(encoding="utf-8").partition("\n\n")
    assert re.fullmatch(r"# .+", title)
    first = text.split("\n\n")[0]
    assert re.search(r"\byou (can|know)\b|\b[Ff]or whoever ", " ".join(first.split())), first


HOUSE_WORDS = r"\b(told|tells?|so many|the one before|of that day|want of memory|not to be had)\b"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_use_usual_words(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert not re.findall(HOUSE_WORDS, text, re.IGNORECASE)


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub and GitLab make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), f"{page.name} links to {link}"
        assert not anchor or anchor in headings(target), f"{page.name} links to {link}"


def test_readme_leads_to_every_document() -> None:
    for page in [*DOCS, *NOTES]:
        assert f"]({page.relative_to(ROOT).as_posix()})" in README


def test_readme_names_every_command() -> None:
    actions = [a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    names = set(actions[0].choices)
    assert names == set(re.findall(r"^- `colorvid ([\w-]+)", README, re.MULTILINE))


def error_classes(root: type[errors.ColorvidError]) -> list[type[errors.ColorvidError]]:
    return [root, *(c for child in root.__subclasses__() for c in error_classes(child))]


def test_readme_has_the_exit_codes() -> None:
    rows = re.findall(r"^\| (\d) \|([^|]*)\| (.+) \|$", README, re.MULTILINE)
    table = {int(code): set(re.findall(r"`(\w+)`", names)) for code, names, _ in rows}
    expected: dict[int, set[str]] = {0: set()}
    for kind in error_classes(errors.ColorvidError):
        if kind.__module__ == errors.__name__:
            expected.setdefault(kind.exit_code, set()).add(kind.__name__)
    assert table == expected


def test_readme_and_help_say_what_the_exit_codes_mean() -> None:
    rows = re.findall(r"^\| (\d) \|[^|]*\| (.+) \|$", README, re.MULTILINE)
    assert {int(code): text.replace("`", "") for code, text in rows} == errors.exit_codes()
    lines = re.findall(r"^  (\d)  (.+)$", make_parser().epilog or "", re.MULTILINE)
    assert {int(code): text for code, text in lines} == errors.exit_codes()


def test_readme_and_help_have_the_environment_variables() -> None:
    rows = re.findall(r"^\| `(COLORVID_\w+)` \| (.+) \|$", README, re.MULTILINE)
    assert dict(rows) == VARIABLES
    lines = re.findall(r"^  (COLORVID_\w+)  (.+)$", make_parser().epilog or "", re.MULTILINE)
    assert dict(lines) == VARIABLES


def test_environment_variables_are_those_that_the_code_reads() -> None:
    read = set()
    for path in (ROOT / "colorvid").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(r"COLORVID_\w+", str(node.value)):
                read |= {node.value} if path.name != "config.py" else set()
    assert read == set(VARIABLES)


@pytest.mark.parametrize("page", ["README.md", "results.md"])
def test_results_have_their_place(page: str) -> None:
    text = next(p for p in PAGES if p.name == page).read_text(encoding="utf-8")
    between = text.partition("<!-- results:begin -->")[2].partition("<!-- results:end -->")
    assert between[0].strip() and between[1]
