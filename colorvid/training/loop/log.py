"""The log of a run: a CSV file with a row for every fifty steps."""

from __future__ import annotations

import csv
from pathlib import Path

from colorvid.errors import OutputError
from colorvid.io.files import os_errors
from colorvid.training import group
from colorvid.training.tasks.loss import Figures

LOG = "log.csv"
"""Name of the file in the folder of a run."""
LOG_EVERY = 50
"""Steps from one row to the next."""


def log_step(run: Path, step: int, figures: Figures) -> None:
    """Add a row to the log of ``run``: the figures of ``step``, means over all processes.

    All processes call this; the leader writes.

    Raises:
        OutputError: the file cannot be written.
    """
    values = [value.float() for value in figures.values()]
    group.average(values)
    if not group.is_leader():
        return
    path = run / LOG
    with os_errors(str(path), OutputError):
        new = not path.exists()
        with open(path, "a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *figures])
            writer.writerow([step, *(f"{float(value):.5g}" for value in values)])
