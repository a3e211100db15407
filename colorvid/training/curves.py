"""Plots of training runs: loss, bits per pixel and PSNR over the steps, logged and smoothed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import InputError
from colorvid.evaluation.plots import figure, label
from colorvid.io.files import os_errors

PANELS = {
    "loss": "loss",
    "bpp": "bits per pixel",
    "psnr_y": "PSNR of Y [dB]",
    "psnr_uv": "PSNR of UV [dB]",
}
Curve = NDArray[np.float64]


def read_log(run: Path) -> dict[str, Curve]:
    """Columns of ``log.csv``, ``step`` and ``bpp`` (all branches) among them, by rising step.

    Steps that were done twice, after a run was killed, count as they were done last; a row that is
    cut short does not count.

    Raises:
        InputError: there is no log, or it is no log of a run.
    """
    path = run / "log.csv"
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


def plot(path: Path, logs: dict[str, dict[str, Curve]], width: int) -> None:
    """Draw the logs of runs, by name, to ``path``."""
    with figure(path, 1, len(PANELS)) as axes:
        for panel, (column, title) in zip(axes[0], PANELS.items(), strict=True):
            for number, (name, log) in enumerate(logs.items()):
                color = f"C{number % 10}"
                panel.plot(log["step"], log[column], color=color, alpha=0.25, linewidth=0.7)
                curve = smoothed(log[column], width)
                panel.plot(log["step"], curve, color=color, label=label(name))
            panel.set_xlabel("step")
            panel.set_ylabel(title)
        axes[0][0].legend()
