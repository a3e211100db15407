"""Train a model: ``python tools/train.py configs/intra.toml --data DIR --run DIR``.

A run that was stopped goes on from its last checkpoint in ``--run``. Several processes,
one for each GPU with ``--device cuda``: ``torchrun --nproc-per-node 2 -- tools/train.py ...``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from colorvid.config import CodecConfig, InterConfig, IntraConfig, from_table, read_toml
from colorvid.errors import ColorvidError, ConfigError
from colorvid.models.video import VideoModel
from colorvid.training.data.pictures import PictureStore
from colorvid.training.data.sequences import SequenceStore
from colorvid.training.data.sources import DataConfig
from colorvid.training.export import averaged_weights, load_run, run_config
from colorvid.training.group import joined
from colorvid.training.loop.gradients import Task
from colorvid.training.loop.trainer import ScheduleConfig, Trainer
from colorvid.training.tasks.inter import InterTask
from colorvid.training.tasks.intra import IntraTask
from colorvid.training.tasks.loss import LossConfig
from colorvid.training.tasks.unrolled import JointTask, UnrollConfig, UnrolledTask

KINDS = ("intra", "inter", "unrolled", "joint")


def codec_config(
    table: dict[str, Any], name: str, models: dict[str, str], runs: Path
) -> CodecConfig:
    """What ``[model]`` says of the inter codec, and of the intra codec in ``[model.intra]``.

    The latter are changes to the configuration of the intra run in ``models``, if it is there.
    """
    sizes = asdict(run_config(IntraConfig, runs / models["intra"])) if "intra" in models else {}
    intra = from_table(IntraConfig, {**sizes, **table.get("intra", {})}, name)
    inter = {key: value for key, value in table.items() if key != "intra"}
    return CodecConfig(intra, from_table(InterConfig, inter, name))


def make_coder(config: CodecConfig, models: dict[str, str], runs: Path) -> VideoModel:
    """The codec that makes closed-loop data: the runs in ``models``, the rest untrained.

    Chroma offsets are those of ``config``.
    """
    inter = config.inter
    if "inter" in models:
        trained = run_config(InterConfig, runs / models["inter"])
        inter = replace(trained, chroma_offset=inter.chroma_offset)
    coder = VideoModel(config.intra, inter).to(memory_format=torch.channels_last).eval()
    for part, run in models.items():
        load_run(coder, part, runs / run)
    coder.finalise()
    coder.use_exact()
    return coder


def make_task(table: dict[str, Any], name: str, data: Path, run: Path, runs: Path) -> Task:
    """The task that a configuration describes; its data are decoded into ``run``.

    ``runs`` is the folder of all runs, for data that an earlier stage's model codes.
    """
    kind = table["kind"]
    if kind not in KINDS:
        raise ConfigError(f"{name}: kind {kind!r} is unknown; allowed are {', '.join(KINDS)}")
    loss = from_table(LossConfig, table["loss"], name)
    models = table["data"].get("models", {})
    source = {k: v for k, v in table["data"].items() if k != "models"}
    sources = from_table(DataConfig, source, name)
    if kind == "intra":
        pictures = PictureStore.open(sources, data, run / "pictures.bin")
        return IntraTask(from_table(IntraConfig, table["model"], name), loss, pictures)
    config = codec_config(table["model"], name, models, runs)
    coder = make_coder(config, models, runs)
    sequences = SequenceStore.open(coder, sources, data, run / "sequences.bin")
    if kind == "inter":
        return InterTask(config.inter, loss, sequences)
    unroll = from_table(UnrollConfig, table.get("unroll", {}), name)
    if kind == "unrolled":
        return UnrolledTask(config.inter, loss, sequences, unroll)
    task = JointTask(config, loss, sequences, unroll)
    for part, trained in models.items():
        weights = averaged_weights(runs / trained, part)
        task.networks.get_submodule(part).load_state_dict(weights, strict=False)
    return task


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
    parser.add_argument(
        "--start", type=Path, help="run, or model file, whose weights to start from"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train")
    try:
        train(parser.parse_args())
    except ColorvidError as error:
        print(f"train [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
