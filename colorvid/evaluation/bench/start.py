"""``colorvid decode`` in a process of its own: time to the first frame, and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from colorvid.errors import ColorvidError
from colorvid.evaluation.compare.machine import call_alone, resident_mb
from colorvid.frame import Size
from colorvid.io.files import frame_bytes
from colorvid.native.core import VARIABLE


@dataclass(frozen=True, slots=True)
class Start:
    """What one run of ``colorvid decode`` took.

    Attributes:
        first_frame_s: seconds from the start of the process until the first frame was read.
        first_frame_cpu_s: of them those in which the process had a core; None where the system does
            not say.
        peak_mb: most resident memory, 10^6 bytes; None where the system does not say.
    """

    first_frame_s: float
    first_frame_cpu_s: float | None
    peak_mb: float | None


def decode_alone(stream: Path, size: Size, native: str | None) -> Start:
    """Run ``colorvid decode STREAM -o -`` and read what it writes.

    Args:
        stream: a ``.clv`` file.
        size: of its pictures.
        native: value of ``COLORVID_NATIVE``; None = as it is.

    Raises:
        ColorvidError: it failed.
    """
    variables = {} if native is None else {VARIABLE: native}
    command = [sys.executable, "-m", "colorvid", "decode", str(stream), "-o", "-"]
    # The process that starts another one hands on the peak that it had itself, so that must be a
    # small one.
    start: Start = call_alone(_run, command, variables, frame_bytes(size)).result
    return start


def _run(command: list[str], variables: dict[str, str], picture: int) -> Start:
    """Run the command; ``picture`` bytes are one frame."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()  # of the whole video
        process.stdout.readline()  # of the frame
        found = process.stdout.read(picture)
        seconds, cpu_s = time.perf_counter() - begin, _cpu_seconds(process.pid)
        while process.stdout.read(2**20):
            pass
        message = process.stderr.read().decode(errors="replace").strip()
        peak = _wait(process)
    if process.returncode or len(found) < picture:
        raise ColorvidError(f"colorvid decode ended with code {process.returncode}: {message}")
    return Start(seconds, cpu_s, peak)


def _cpu_seconds(process: int) -> float | None:
    """Time of all cores that a running process has used; None where the system does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # from the third on; the second one is a name
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(process: subprocess.Popen[bytes]) -> float | None:
    """Wait for the end of a process; gives its peak memory if the system says it."""
    if sys.platform == "win32":
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return resident_mb(usage.ru_maxrss)
