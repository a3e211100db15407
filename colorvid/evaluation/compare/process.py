"""Calls in a fresh process, to learn their peak memory and the cost of starting.

The peak is that of the whole process: Python and every library it loads count too. It is the
kernel's high-water mark of resident memory, of this process image alone (``VmHWM`` on Linux;
``ru_maxrss`` would be wrong there, as a new program inherits that of the process that started it).
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from colorvid.errors import ColorvidError

_STATUS = Path("/proc/self/status")


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
