"""Train a model: ``python tools/train.py configs/intra.toml --data DIR --run DIR``.

A run that was stopped goes on from its last checkpoint in ``--run``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from colorvid.config import IntraConfig, from_table, read_toml
from colorvid.training.data import PictureStore
from colorvid.training.intra import IntraTask
from colorvid.training.loop import ScheduleConfig, Trainer
from colorvid.training.loss import LossConfig


def main() -> None:
    """Parse arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="TOML file of the stage")
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--until", type=int, help="stop after this step")
    arguments = parser.parse_args()
    table = read_toml(arguments.config)
    name = str(arguments.config)
    model = from_table(IntraConfig, table["model"], name)
    loss = from_table(LossConfig, table["loss"], name)
    schedule = from_table(ScheduleConfig, table["schedule"], name)
    arguments.run.mkdir(parents=True, exist_ok=True)
    folders = [arguments.data / f for f in table["data"]["folders"]]
    pictures = PictureStore.open(folders, arguments.run / "pictures.bin")
    Trainer(IntraTask(model, loss, pictures), schedule, arguments.run).run(arguments.until)


if __name__ == "__main__":
    main()
