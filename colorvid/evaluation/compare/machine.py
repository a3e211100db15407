"""Where figures come from: the machine, the run, the source code; and processes of their own.

`call_alone` calls a function in a fresh process, to learn its peak memory and the cost of starting.
The peak is that of the whole process: Python and every library it loads count too. It is the
kernel's high-water mark of resident memory, of this process image alone (``VmHWM`` on Linux;
``ru_maxrss`` would be wrong there, as a new program inherits that of the process that started it).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from colorvid.errors import ColorvidError
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
        counts: says by its path inside the package, as in ``io/y4m.py``, whether a file counts.
    """
    state = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if counts(name):
            state.update(f"{name}\n".encode() + path.read_bytes())
    return state.hexdigest()[:12]


_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Alone:
    """What a call in a process of its own gave.

    Attributes:
        result: what the function returned.
        seconds: life of the process, from its start to its end, wall clock.
        peak_mb: most resident memory, 10^6 bytes; ``None`` where the system does not say.
    """

    result: Any
    seconds: float
    peak_mb: float | None


def call_alone(function: Callable[..., Any], *arguments: object) -> Alone:
    """Call a function in a new Python process and wait for it.

    Args:
        function: importable by its name, or a method of an object that can be sent to a process.
        arguments: can be sent to a process, as must be the result.

    Raises:
        ColorvidError: what the function raised, or that the process ended in another way.
    """
    context = multiprocessing.get_context("spawn")
    answers, question = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(question, function, arguments), daemon=True)
    start = time.perf_counter()
    process.start()
    question.close()
    try:
        answer = _receive(answers)
        process.join()
    except BaseException:
        process.kill()
        process.join()
        raise
    seconds = time.perf_counter() - start
    if process.exitcode or answer is None:
        reason = "no message; out of memory?" if answer is None else answer[0]
        raise ColorvidError(f"a process ended with code {process.exitcode}: {reason}")
    result, peak_mb = answer
    if isinstance(result, ColorvidError):
        raise result
    return Alone(result, seconds, peak_mb)


def _receive(answers: Connection) -> tuple[Any, float | None] | None:
    """What the process sends; None if it ends without a word."""
    with answers:
        try:
            answer: tuple[Any, float | None] = answers.recv()
        except EOFError:
            return None
    return answer


def _child(
    answers: Connection, function: Callable[..., Any], arguments: tuple[object, ...]
) -> None:
    """Body of the new process."""
    try:
        result = function(*arguments)
    except ColorvidError as error:
        result = error
    except Exception as error:
        answers.send((f"{type(error).__name__}: {error}", None))
        sys.exit(1)
    answers.send((result, peak_memory_mb()))


def peak_memory_mb() -> float | None:
    """Most resident memory of this process so far, 10^6 bytes; ``None`` if it cannot be known."""
    if _STATUS.exists():
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(found[0]) * 1024 / 1e6 if found else None
    if sys.platform == "win32":
        return None
    import resource

    return resident_mb(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def resident_mb(ru_maxrss: int) -> float:
    """What ``getrusage`` and ``wait4`` say, KiB or on macOS bytes, in 10^6 bytes."""
    return ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
