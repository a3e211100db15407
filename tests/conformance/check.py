"""Decode the conformance set on this machine: ``python -m tests.conformance.check``.

Every stream is decoded in every setup and each frame compared with its SHA-256. A line for each
setup tells the result; the exit code is 6 where a frame differs.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from colorvid.bitstream import ClvReader
from colorvid.codec.groups import decode_records
from colorvid.errors import HashMismatch
from colorvid.models.loading import Model
from tests.conformance.cases import CASES, MODELS, expected, loaded, stream


@dataclass(frozen=True)
class Setup:
    """One way to decode: GOPs at once, threads inside torch, carrier, oneDNN or not."""

    workers: int = 1
    threads: int = 1
    carrier: torch.dtype = torch.float32
    onednn: bool = True

    def __str__(self) -> str:
        """As it is printed."""
        library = "" if self.onednn else ", without oneDNN"
        carrier = str(self.carrier).removeprefix("torch.")
        return f"{self.workers} workers, {self.threads} torch threads, {carrier}{library}"


BRIEF = (Setup(), Setup(workers=4, onednn=False), Setup(carrier=torch.float64))
SHAPES = ("tiny", "default", "color")
"""Models that have the shapes of all layers there are: the others have those of `default`."""
SETUPS = (*BRIEF, Setup(workers=4, threads=2))


def decode(path: Path, ready: Model, workers: int) -> list[str]:
    """SHA-256 of every frame of a stream in order of display, or what went wrong instead."""
    with open(path, "rb") as file:
        reader = ClvReader(file)
        frames: dict[int, str] = {}
        for record in decode_records(ready, reader, reader.header, threads=workers):
            if record.header is None or record.frame is None:
                return [record.problem or "a reference is missing"]
            frames[record.header.display_number] = record.frame.sha256()
        return [frames[number] for number in sorted(frames)]


def check(setup: Setup, device: str = "cpu", models: Sequence[str] = MODELS) -> int:
    """Decode all streams of ``models``; gives the number of frames.

    Raises:
        HashMismatch: a frame is not what it must be.
    """
    torch.set_num_threads(setup.threads)
    torch.backends.mkldnn.enabled = setup.onednn
    wanted, frames = expected(), 0
    for path in (stream(name, case) for name in models for case in CASES):
        ready = loaded(path.stem.rpartition("_")[0], device, setup.carrier)
        got = decode(path, ready, setup.workers)
        if got != wanted[path.stem]["frames"]:
            raise HashMismatch(f"{path.name}, {setup}: {got}")
        frames += len(got)
    return frames


def main() -> int:
    """Read the command line and check; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument(
        "--brief", action="store_true", help=f"{len(BRIEF)} setups and {len(SHAPES)} models only"
    )
    options = parser.parse_args()
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"{platform.machine()}, torch {torch.__version__}, {options.device}, {capability}")
    try:
        for setup in BRIEF if options.brief else SETUPS:
            frames = check(setup, options.device, SHAPES if options.brief else MODELS)
            print(f"{setup}: {frames} frames as they must be", flush=True)
    except HashMismatch as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
