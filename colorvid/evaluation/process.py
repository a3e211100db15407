"""Calls in a fresh process, to learn their peak memory and the cost of starting.

The peak is that of the whole process: Python and every library it loads count too. It is the
kernel's high-water mark of resident memory, of this process image alone (``VmHWM`` on Linux;
``ru_maxrss`` would be wrong there, as a new program inherits that of the process that started it).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colorvid.errors import ColorvidError

_STATUS = Path("/proc/self/status")
_PROGRAM = "from colorvid.evaluation.process import child; child()"


@dataclass(frozen=True, slots=True)
class Alone:
    """What a call in a process of its own gave.

    Attributes:
        result: what the function returned.
        seconds: life of the process, from its start to its end, wall clock.
        peak_mb: most resident memory, 10^6 bytes; ``None`` where the system does not tell.
    """

    result: Any
    seconds: float
    peak_mb: float | None


def call_alone(function: Callable[..., Any], *arguments: object) -> Alone:
    """Call a function in a new Python process and wait for it.

    Args:
        function: importable by its name, or a method of an object that can be pickled.
        arguments: can be pickled, as must be the result.

    Raises:
        ColorvidError: what the function raised, or that the process ended in another way.
    """
    paths = [path or os.getcwd() for path in sys.path]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=pickle.dumps((function, arguments)),
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines and done.returncode > 0 else "no message; out of memory?"
        raise ColorvidError(f"a process ended with code {done.returncode}: {reason}")
    result, peak_mb = pickle.loads(done.stdout)
    if isinstance(result, ColorvidError):
        raise result
    return Alone(result, seconds, peak_mb)


def child() -> None:
    """Body of the new process: the call from standard input, the result to standard output."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not get between
    function, arguments = pickle.load(sys.stdin.buffer)
    try:
        result = function(*arguments)
    except ColorvidError as error:
        result = error
    with os.fdopen(answers, "wb") as file:
        pickle.dump((result, peak_memory_mb()), file)


def peak_memory_mb() -> float | None:
    """Most resident memory of this process so far, 10^6 bytes; ``None`` if it cannot be told."""
    if _STATUS.exists():
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(found[0]) * 1024 / 1e6 if found else None
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
