"""What workers are asked for in tests of engines; they find it by its name."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from colorvid.batch.worker import Beat, worker_name
from colorvid.files.reports import Progress


def double(number: int) -> int:
    return 2 * number


def refuse(number: int) -> int:
    raise ValueError(f"{number} is refused")


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def whoami(number: int) -> tuple[str, str, bool]:
    return worker_name(), os.environ["OMP_NUM_THREADS"], "torch" in sys.modules


def linger(folder: str) -> None:
    """Say that the work has begun, and tell when it is ended in an orderly way."""
    try:
        Path(folder, str(os.getpid())).touch()
        time.sleep(60)
    finally:
        Path(folder, f"{os.getpid()}-ended").touch()


def occupy(stubborn: bool) -> None:
    """Put a file into a folder for temporary files, and stay; a stubborn call cannot be ended."""
    Path(tempfile.mkdtemp(prefix="colorvid-"), str(os.getpid())).touch()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            time.sleep(60)
        except SystemExit:
            if not stubborn:
                raise


class Signalling:
    """Has its process ended while it is sent."""

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        os.kill(os.getpid(), signal.SIGTERM)
        return bytes, (bytes(10_000_000),)


def signalling(number: int) -> Signalling:
    return Signalling()


def count(key: str) -> int:
    from fractions import Fraction

    beat = Beat(key)
    for frames in range(1, 8):
        time.sleep(0.2)
        beat(Progress(frames, None, 0, Fraction(25), 1.0))
    return frames
