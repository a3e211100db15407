"""The validation loss, and the logs that it goes to."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from colorvid.training.loop import validation
from colorvid.training.loop.log import TRAINING, VALIDATION, Log, log_file
from colorvid.training.loop.trainer import Trainer
from tests.training import runs
from tests.training.loop.test_trainer import MAKERS, weights


@pytest.fixture(autouse=True)
def few_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CROPS", 4)


def rows(run: Path, name: str = VALIDATION) -> list[dict[str, str]]:
    with open(log_file(run, name), newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", MAKERS)
def test_validation_leaves_training_as_it_was(tmp_path: Path, kind: str) -> None:
    runs.sequences(tmp_path)  # made once for all tests, with random numbers
    trained = []
    for every in (0, 2):
        torch.manual_seed(0)
        run = tmp_path / str(every)
        trainer = MAKERS[kind](run, runs.schedule(4, validation=every))
        trainer.run()
        trained.append((weights(trainer), trainer.average, float(torch.rand(1))))
    assert not log_file(tmp_path / "0", VALIDATION).exists()
    found = rows(tmp_path / "2")
    assert [row["step"] for row in found] == ["2", "4"]
    assert {"loss", "bpp_y", "psnr_y"} <= set(found[0])
    (plain, average, random), (watched, watched_average, watched_random) = trained
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert all(torch.equal(average[name], watched_average[name]) for name in average)
    assert random == watched_random


def figures(trainer: Trainer) -> dict[str, float]:
    """The figures of a validation now."""
    fixed = validation.Validation(trainer.task, trainer._schedule, "cpu")
    return {name: float(value) for name, value in fixed(trainer._average).items()}


def test_the_crops_are_the_same_and_the_weights_the_averaged_ones(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(4, rounding=1.0))
    trainer.run(until=1)
    first = figures(trainer)
    torch.manual_seed(99)
    assert figures(trainer) == first, "neither crops nor noise are drawn anew"
    with torch.no_grad():
        for parameter in trainer.task.networks.parameters():
            parameter.add_(1.0)
    assert figures(trainer) == first, "the average counts"
    trainer.average["model.luma.prior.trunk.0.enter.weight"].mul_(0.5)
    assert figures(trainer) != first


def test_losses_of_all_crops_are_averaged(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(4))
    batches = validation.Validation(trainer.task, trainer._schedule, "cpu")._batches
    assert [len(quality) for _, _, quality in batches] == [2, 2]
    values = iter([3.0, 5.0])
    trainer.task.loss = lambda drawn: {"loss": torch.tensor(next(values))}  # type: ignore
    assert figures(trainer) == {"loss": 4.0}


def test_held_out_data(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path / "run", runs.schedule(2, validation=1))
    other = runs.intra_trainer(tmp_path / "other", runs.schedule(2)).task
    drawn: list[int] = []
    plain = other.draw

    def watched(generator: np.random.Generator, batch: int, crop: int) -> list[torch.Tensor]:
        drawn.append(batch)
        return plain(generator, batch, crop)

    other.draw = watched  # type: ignore[method-assign]
    trainer.run(held_out=other)
    assert drawn == [2, 2] and len(rows(tmp_path / "run")) == 2


class Events:
    """Stands for TensorBoard's writer."""

    made: list[Events] = []

    def __init__(self, folder: Path, purge_step: int) -> None:
        self.folder, self.purge_step, self.closed = folder, purge_step, False
        self.values: list[tuple[str, float, int]] = []
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.values.append((name, value, step))

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("there", [True, False])
def test_tensorboard_has_the_figures_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Events  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module if there else None)
    monkeypatch.setattr(Events, "made", [])
    log = Log(tmp_path, 40)
    log.write(TRAINING, 50, {"loss": torch.tensor(2.5), "psnr_y": torch.tensor(30.0)})
    log.write(VALIDATION, 50, {"loss": torch.tensor(1.5)})
    log.close()
    assert [rows(tmp_path, name)[0]["loss"] for name in (TRAINING, VALIDATION)] == ["2.5", "1.5"]
    assert [(e.folder, e.purge_step, e.closed) for e in Events.made] == [
        (tmp_path, 40, True)
    ] * there
    if there:
        assert Events.made[0].values == [
            ("loss/log", 2.5, 50),
            ("psnr_y/log", 30.0, 50),
            ("loss/validation", 1.5, 50),
        ]
