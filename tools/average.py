"""Average the weights of training runs: ``python tools/average.py RUN RUN... -o RUN``.

The new run holds the mean of the averaged weights, to export or to ``--start`` from, and the
configuration of the first. Runs whose weights lie close, such as one and its finish, are often
better between them (Izmailov et al., arXiv 1803.05407).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from colorvid.errors import ColorvidError, ConfigError
from colorvid.training.checkpoint import load_checkpoint, save_checkpoint


def average(runs: Sequence[Path], target: Path) -> None:
    """Write the run ``target`` with the mean of the averaged weights of ``runs``.

    Raises:
        ConfigError: the runs are of different networks.
        InputError: one has no checkpoint.
    """
    states = [load_checkpoint(run) for run in runs]
    shapes = [{n: v.shape for n, v in state["average"].items()} for state in states]
    for run, other in zip(runs, shapes, strict=True):
        if other != shapes[0]:
            raise ConfigError(f"{run}: its networks are not those of {runs[0]}; give like runs")
    first = states[0]
    for name, value in first["average"].items():
        if value.is_floating_point():
            value.copy_(torch.stack([state["average"][name] for state in states]).mean(dim=0))
    weights = {name: value.clone() for name, value in first["average"].items()}
    target.mkdir(parents=True, exist_ok=True)
    kept = {"step": first["step"], "config": first["config"]}
    save_checkpoint(target, {**kept, "average": first["average"], "networks": weights})


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="runs to average")
    parser.add_argument("-o", "--output", type=Path, required=True, help="run to write")
    options = parser.parse_args(arguments)
    try:
        average(options.runs, options.output)
    except ColorvidError as error:
        print(f"average [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
