"""Where figures come from: the machine, the run, the state of the source code."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

from colorvid.system.cores import available_cores

PACKAGE = Path(__file__).parents[2]
"""Folder of the package."""


@lru_cache(maxsize=1)
def processor() -> str:
    """Name of the processor as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> str:
    """Processor, the cores this process may use, and the system."""
    cores = available_cores()
    count = f"{cores} core{'s' if cores > 1 else ''}"
    return f"{processor()}, {count}, {platform.system()} {platform.machine()}"


def run_id() -> str:
    """A name for this run: the time, UTC, and the number of the process."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{os.getpid()}"


@lru_cache(maxsize=1)
def commit() -> str:
    """Short id of the commit that the package is checked out from, ``+`` if files differ from it.

    ``release`` if it is not run from a checkout, ``unknown`` without git.
    """
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return "release"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def source_digest(counts: Callable[[str], bool]) -> str:
    """Digest over source files of colorvid, 12 hexadecimal digits.

    Args:
        counts: tells by its path inside the package, as in ``io/y4m.py``, whether a file counts.
    """
    state = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if counts(name):
            state.update(f"{name}\n".encode() + path.read_bytes())
    return state.hexdigest()[:12]
