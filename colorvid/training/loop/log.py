"""The logs of a run: CSV files, and events for TensorBoard where its package is installed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.errors import OutputError
from colorvid.io.files import os_errors
from colorvid.training import group
from colorvid.training.tasks.loss import Figures

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

TRAINING = "log"
"""Figures of single steps."""
VALIDATION = "validation"
"""Figures of `colorvid.training.loop.validation.Validation`."""
LOG_EVERY = 50
"""Steps from one row of `TRAINING` to the next."""


def log_file(run: Path, name: str) -> Path:
    """The CSV file of ``run`` called `TRAINING` or `VALIDATION`."""
    return run / f"{name}.csv"


class Log:
    """What a run writes down; all processes call it, the leader writes."""

    def __init__(self, run: Path, step: int) -> None:
        """Go on with the logs in the folder ``run`` after ``step`` steps."""
        self._run, self._step = run, step
        self._events: SummaryWriter | None = None

    def write(self, name: str, step: int, figures: Figures) -> dict[str, float]:
        """Add a row: the figures after ``step`` steps, means over all processes; gives them.

        Args:
            name: `TRAINING` or `VALIDATION`; every row of one name has the same figures.
            step: number of steps that are done.
            figures: of this process.

        Raises:
            OutputError: a file cannot be written.
        """
        values = [value.float() for value in figures.values()]
        group.average(values)
        means = {key: float(value) for key, value in zip(figures, values, strict=True)}
        if group.is_leader():
            path = log_file(self._run, name)
            with os_errors(str(path), OutputError):
                _add_row(path, step, means)
                self._add_events(name, step, means)
        return means

    def close(self) -> None:
        """Finish the events."""
        if self._events is not None:
            self._events.close()

    def _add_events(self, name: str, step: int, means: dict[str, float]) -> None:
        if self._events is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            # What an earlier, killed process logged of later steps is done anew.
            self._events = SummaryWriter(self._run, purge_step=self._step)
        for key, value in means.items():
            self._events.add_scalar(f"{key}/{name}", value, step)


def _add_row(path: Path, step: int, means: dict[str, float]) -> None:
    """Add a row to a CSV file, which begins with a header."""
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", *means])
        writer.writerow([step, *(f"{value:.5g}" for value in means.values())])
