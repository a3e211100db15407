"""How pip builds the package: by scikit-build-core, with the machine's C++ compiler or ziglang's.

Where no C++ compiler works, the package ``ziglang``, which brings one, is asked for as a build
requirement. If the native core cannot be compiled all the same, the package is built without it
(the override in ``pyproject.toml``) and says so at first use.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scikit_build_core import build
from scikit_build_core.build import build_sdist, get_requires_for_build_sdist

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

Settings = dict[str, Any] | None
_PROGRAM = "#include <vector>\nint main() { return static_cast<int>(std::vector<int>().size()); }\n"
_VISUAL_STUDIO = r"Microsoft Visual Studio\Installer\vswhere.exe"


def has_compiler() -> bool:
    """Whether CMake will find a C++ compiler that can compile C++17."""
    if sys.platform == "win32":
        place = Path(os.environ.get("ProgramFiles(x86)", r"C:\Program Files (x86)"))
        if (place / _VISUAL_STUDIO).exists():
            return True
    chosen = os.environ.get("CXX")
    names = [chosen] if chosen else ["c++", "g++", "clang++"]
    return any(_compiles(name) for name in names)


def _compiles(name: str) -> bool:
    """Whether a command compiles a program that needs the standard library."""
    words = name.split()
    if not words or shutil.which(words[0]) is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "program.cpp"
        source.write_text(_PROGRAM, encoding="utf-8")
        # A whole file and its object, as ziglang's compiler refuses anything less.
        command = [*words, "-std=c++17", "-c", source.name, "-o", "program.o"]
        done = subprocess.run(command, cwd=folder, capture_output=True)
    return done.returncode == 0


def _with_ziglang(requirements: list[str]) -> list[str]:
    return requirements if has_compiler() else [*requirements, "ziglang>=0.13"]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """See PEP 517."""
    return _with_ziglang(build.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """See PEP 660."""
    return _with_ziglang(build.get_requires_for_build_editable(config_settings))


def _choose_compiler() -> None:
    """Let CMake use ziglang's compiler where there is no other; for any processor of this kind."""
    if importlib.util.find_spec("ziglang") is not None and not has_compiler():
        os.environ["CXX"] = f"{sys.executable} -m ziglang c++ -mcpu=baseline"


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """See PEP 517."""
    _choose_compiler()
    name: str = build.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """See PEP 660."""
    _choose_compiler()
    name: str = build.build_editable(wheel_directory, config_settings, metadata_directory)
    return name
