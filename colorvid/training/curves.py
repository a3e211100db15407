"""Plots of training runs: loss, bits per pixel and PSNR over the steps, of both logs."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import InputError
from colorvid.evaluation.plots import figure, label
from colorvid.io.files import os_errors
from colorvid.training.loop.log import TRAINING, VALIDATION, log_file

PANELS = {
    "loss": "loss",
    "bpp": "bits per pixel",
    "psnr_y": "PSNR of Y [dB]",
    "psnr_uv": "PSNR of UV [dB]",
}
Curve = NDArray[np.float64]
Table = dict[str, Curve]
"""The columns ``step`` and those of `PANELS`."""


def read_logs(run: Path) -> dict[str, Table]:
    """The logs of ``run`` by name: that of training, and that of validation if there is one.

    Raises:
        InputError: see `read_log`.
    """
    names = [TRAINING, *([VALIDATION] if log_file(run, VALIDATION).exists() else [])]
    return {name: read_log(log_file(run, name)) for name in names}


def read_log(path: Path) -> Table:
    """Columns of a log, ``step`` and ``bpp`` (all branches) among them, by rising step.

    Steps that were done twice, after a run was killed, count as they were done last; a row that is
    cut short does not count.

    Raises:
        InputError: there is no log, or it is no log of a run.
    """
    with os_errors(str(path), InputError), open(path, newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    try:
        by_step = {int(row[0]): row for row in rows if len(row) == len(header)}
        table = np.array([by_step[step] for step in sorted(by_step)], np.float64)
        log = dict(zip(header, table.T, strict=True))
        log["bpp"] = np.sum([log[name] for name in header if name.startswith("bpp_")], axis=0)
        return {name: log[name] for name in ("step", *PANELS)}
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: no log of a training run, or without a whole row") from error


def smoothed(values: Curve, width: int) -> Curve:
    """Mean of up to ``width`` values around each; an odd number, fewer towards the ends.

    Values that are not finite (PSNR of a crop without an error) are left out.
    """
    finite = np.isfinite(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(finite, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(finite)))
    places = np.arange(len(values))
    reach = np.minimum(np.minimum(places, places[::-1]), width // 2)
    first, last = places - reach, places + reach + 1
    there = counts[last] - counts[first]
    means: Curve = np.where(there > 0, (sums[last] - sums[first]) / np.maximum(there, 1), np.nan)
    return means


def plot(path: Path, runs: dict[str, dict[str, Table]], width: int) -> None:
    """Draw the logs of runs, by name, to ``path``; ``width`` rows are averaged."""
    with figure(path, 1, len(PANELS)) as axes:
        for panel, (column, title) in zip(axes[0], PANELS.items(), strict=True):
            for number, (name, logs) in enumerate(runs.items()):
                color, log = f"C{number % 10}", logs[TRAINING]
                panel.plot(log["step"], log[column], color=color, alpha=0.25, linewidth=0.7)
                curve = smoothed(log[column], width)
                panel.plot(log["step"], curve, color=color, label=label(name))
                if VALIDATION in logs:
                    fixed = logs[VALIDATION]
                    panel.plot(fixed["step"], fixed[column], ".:", color=color, markersize=4)
            panel.set_xlabel("step")
            panel.set_ylabel(title)
        axes[0][0].legend()
