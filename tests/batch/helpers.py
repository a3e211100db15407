"""An engine in this process that does what a test tells it, and a small batch to run on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorvid.batch.engine import Engine
from colorvid.batch.jobs import Job, Plan
from colorvid.batch.report import Row
from colorvid.batch.run import Batch, Settings
from colorvid.batch.state import State
from colorvid.batch.track import Listener
from colorvid.io import VideoInfo
from tests.clips import moving_frames
from tests.conftest import write_clip

INFO = VideoInfo(32, 16, Fraction(25), color_range=1, matrix=6)
Fault = Callable[[int, Any], Any]
"""Gets the number of a call, from 0, and its argument; what it returns stands in for the answer,
what it raises ends the call; None = the call is made."""


class HereEngine(Engine):
    """Makes calls one after the other in this process; ``fault`` may get in the way."""

    def __init__(self, fault: Fault = lambda number, call: None, workers: int = 2) -> None:
        self.calls: list[Any] = []
        self.avoided: list[frozenset[str]] = []
        self._fault, self._workers = fault, workers

    def workers(self) -> dict[str, int]:
        return {"here": self._workers}

    def submit(
        self, function: Any, argument: Any, avoid: frozenset[str] = frozenset()
    ) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append(argument)
        self.avoided.append(avoid)
        try:
            answer = self._fault(len(self.calls) - 1, argument)
            future.set_result(function(argument) if answer is None else answer)
        except Exception as error:
            future.set_exception(error)
        return future

    def everywhere(self, function: Any, argument: Any) -> dict[str, Any]:
        return {}

    def progress(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        pass


def write_clips(folder: Path, **frames: int) -> None:
    """Clips of 32x16 by name and number of frames."""
    folder.mkdir(exist_ok=True)
    for seed, (name, count) in enumerate(frames.items()):
        (folder / f"{name}.y4m").unlink(missing_ok=True)
        write_clip(folder / f"{name}.y4m", moving_frames(count, 16, 32, seed), INFO)


class Told:
    """What a batch has told: lines with their levels, and rows."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.rows: list[Row] = []
        self.listener = Listener(lambda text, level: self.lines.append((text, level)),
                                 file=self.rows.append)  # fmt: skip

    @property
    def text(self) -> str:
        return "\n".join(text for text, _ in self.lines)


def run(
    jobs: Sequence[Job], outputs: Path, engine: Engine | None = None, **settings: Any
) -> tuple[list[Row], Told]:
    """Run jobs; gives their rows and what was told."""
    told = Told()
    with State(outputs) as state:
        batch = Batch(state, Settings(**settings), told.listener)
        batch.run(engine or HereEngine(), jobs)
    return batch.rows, told


def plan(model: Path, inputs: Path, task: str = "encode", **options: Any) -> list[Job]:
    """Jobs for all files of a folder with a tiny model, in groups of four frames."""
    if task == "encode":
        options = {"gop": 4} | options
    return Plan(task, {"model": str(model), **options}).jobs([str(inputs)])
