"""Train a model: ``python tools/train.py configs/intra.toml --data DIR --run DIR``.

A run that was stopped goes on from its last checkpoint in ``--run``. Several processes,
one for each GPU with ``--device cuda``: ``torchrun --nproc-per-node 2 -- tools/train.py ...``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from colorvid.config import InterConfig, IntraConfig, from_table, read_toml
from colorvid.errors import ColorvidError, ConfigError
from colorvid.models.video import VideoModel
from colorvid.training.data import PictureStore
from colorvid.training.export import load_run, run_config
from colorvid.training.group import joined
from colorvid.training.inter import InterTask
from colorvid.training.intra import IntraTask
from colorvid.training.loop import ScheduleConfig, Task, Trainer
from colorvid.training.loss import LossConfig
from colorvid.training.sequences import SequenceStore
from colorvid.training.sources import DataConfig


def make_task(table: dict[str, Any], name: str, data: Path, run: Path, runs: Path) -> Task:
    """The task that a configuration describes; its data are decoded into ``run``.

    ``runs`` is the folder of all runs, for data that an earlier stage's model codes.
    """
    loss = from_table(LossConfig, table["loss"], name)
    models = table["data"].get("models", {})
    source = {k: v for k, v in table["data"].items() if k != "models"}
    sources = from_table(DataConfig, source, name)
    if table["kind"] == "intra":
        pictures = PictureStore.open(sources, data, run / "pictures.bin")
        return IntraTask(from_table(IntraConfig, table["model"], name), loss, pictures)
    if table["kind"] != "inter":
        raise ConfigError(f"{name}: kind {table['kind']!r} is unknown; allowed are intra, inter")
    config = from_table(InterConfig, table["model"], name)
    intra = run_config(IntraConfig, runs / models["intra"]) if "intra" in models else IntraConfig()
    coder = VideoModel(intra, config).to(memory_format=torch.channels_last).eval()
    for part, trained in models.items():
        load_run(coder, part, runs / trained)
    coder.finalise()
    coder.use_exact()
    sequences = SequenceStore.open(coder, sources, data, run / "sequences.bin")
    return InterTask(config, loss, sequences)


def train_run(
    table: dict[str, Any],
    name: str,
    data: Path,
    run: Path,
    *,
    runs: Path,
    device: str = "cpu",
    start: Path | None = None,
    until: int | None = None,
) -> None:
    """Train as the configuration ``table`` says, or go on; see `make_task` and `Trainer`.

    Raises:
        ConfigError: the configuration, called ``name``, is not allowed.
        InputError: there are no data, or no checkpoint in ``start``.
    """
    schedule = from_table(ScheduleConfig, table["schedule"], name)
    run.mkdir(parents=True, exist_ok=True)
    with joined(device) as place:
        torch.manual_seed(schedule.seed)
        task = make_task(table, name, data, run, runs)
        Trainer(task, schedule, run, place, start).run(until)


def train(arguments: argparse.Namespace) -> None:
    """Train as the command line says."""
    train_run(
        read_toml(arguments.config),
        str(arguments.config),
        arguments.data,
        arguments.run,
        runs=arguments.run.parent,
        device=arguments.device,
        start=arguments.start,
        until=arguments.until,
    )


def main() -> int:
    """Parse arguments and train; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="TOML file of the stage")
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--until", type=int, help="stop after this step")
    parser.add_argument("--start", type=Path, help="run whose averaged weights to start from")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train")
    try:
        train(parser.parse_args())
    except ColorvidError as error:
        print(f"train [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
