from __future__ import annotations

import csv
import dataclasses
import signal
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from colorvid.config import CodecConfig
from colorvid.errors import ConfigError
from colorvid.system.cores import one_torch_thread
from colorvid.training import group
from colorvid.training.data.pictures import PictureStore
from colorvid.training.data.sequences import SequenceStore
from colorvid.training.data.sources import DataConfig
from colorvid.training.loop.checkpoint import load_checkpoint, saved_step
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.trainer import Trainer
from colorvid.training.tasks.loss import Figures, LossConfig
from colorvid.training.tasks.single import InterTask, IntraTask
from colorvid.training.tasks.unrolled import JointTask
from tests import tiny
from tests.children import PATIENCE, SERVER
from tests.training import runs

KINDS = ("intra", "inter", "joint")
FIRST, STOP, END = 48, 49, 52
PLAN = runs.schedule(END, batch=4, rounding=0.95, late=0.97, warmup=100)
"""From step 48 on: a stop, a row of the log, rounding, and a step with large crops."""


def trainer(kind: str, data: Path, run: Path, plan: ScheduleConfig) -> Trainer:
    """A tiny trainer on stores that are there already."""
    if kind == "intra":
        pictures = PictureStore.open(DataConfig(), data, data / "pictures.bin")
        return Trainer(IntraTask(tiny.INTRA, LossConfig(), pictures), plan, run)
    store = SequenceStore.open(tiny.network(), DataConfig(), data, data / "sequences.bin")
    if kind == "inter":
        return Trainer(InterTask(tiny.INTER, LossConfig(), store), plan, run)
    config = CodecConfig(tiny.INTRA, tiny.INTER)
    return Trainer(JointTask(config, LossConfig(), store, runs.UNROLL), plan, run)


def meet(rank: int, folder: Path) -> None:
    """Become one of two processes."""
    place, patience = f"file://{folder / 'meet'}", timedelta(minutes=5)
    dist.init_process_group("gloo", place, patience, world_size=2, rank=rank)


def train_shares(rank: int, folder: Path) -> None:
    """One of two processes: trains all kinds, stops once and goes on."""
    meet(rank, folder)
    for kind in KINDS:
        torch.manual_seed(rank)  # only the leader's first weights count
        first = trainer(kind, folder, folder / "pair" / kind, PLAN)
        first.step = FIRST
        first.run(until=STOP)
        dist.barrier()
        second = trainer(kind, folder, folder / "pair" / kind, PLAN)
        assert second.step == STOP
        second.run()
        torch.save(second.average, folder / f"{kind}-{rank}.pt")
    dist.destroy_process_group()


def train_in_child(folder: Path) -> None:
    """The second process."""
    torch.set_num_threads(1)  # as torchrun does; several processes of several threads crawl
    train_shares(1, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two processes, ``pair``, and of one with the doubled batch, ``one``."""
    folder = tmp_path_factory.mktemp("group")
    runs.pictures(folder)
    runs.sequences(folder)
    second = SERVER.Process(target=train_in_child, args=(folder,), daemon=True)
    second.start()
    plan = dataclasses.replace(PLAN, batch=2 * PLAN.batch)
    with one_torch_thread():
        train_shares(0, folder)
        second.join(PATIENCE)
        assert second.exitcode == 0
        for kind in KINDS:
            torch.manual_seed(0)
            whole = trainer(kind, folder, folder / "one" / kind, plan)
            whole.step = FIRST
            whole.run()
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_do_what_one_does_with_twice_the_batch(folder: Path, kind: str) -> None:
    pair, one = (load_checkpoint(folder / name / kind) for name in ("pair", "one"))
    assert pair["step"] == one["step"] == END
    moved = 0.0
    torch.manual_seed(0)
    start = trainer(kind, folder, folder / "new" / kind, PLAN).average
    for name, value in one["average"].items():
        assert torch.allclose(pair["average"][name], value, rtol=0, atol=1e-6), name
        moved += float((value - start[name]).abs().sum())
    assert moved > 1, "there must be something to compare"
    assert torch.equal(pair["torch"], one["torch"])
    assert pair["numpy"] == one["numpy"]


def train_until_a_signal(rank: int, folder: Path) -> None:
    """One of two processes, of which the second gets a signal; both must stop."""
    meet(rank, folder)
    torch.set_num_threads(1)
    stopped = trainer("intra", folder, folder / "run", PLAN)
    loss = stopped.task.loss

    def interrupted(drawn: list[torch.Tensor]) -> Figures:
        if rank == 1 and stopped.step == 1:
            signal.raise_signal(signal.SIGINT)
        return loss(drawn)

    stopped.task.loss = interrupted  # type: ignore[method-assign]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert stopped.step == saved_step(folder / "run") == 2
    dist.destroy_process_group()


def test_a_signal_to_one_process_stops_and_saves_all(tmp_path: Path) -> None:
    runs.pictures(tmp_path)
    second = SERVER.Process(target=train_until_a_signal, args=(1, tmp_path), daemon=True)
    second.start()
    with one_torch_thread():
        train_until_a_signal(0, tmp_path)
    second.join(PATIENCE)
    assert second.exitcode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_both_processes_end_with_the_same_weights(folder: Path, kind: str) -> None:
    first, second = (torch.load(folder / f"{kind}-{r}.pt", weights_only=True) for r in (0, 1))
    assert all(torch.equal(second[name], value) for name, value in first.items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_has_the_means_of_all_processes_once(folder: Path, kind: str) -> None:
    tables = []
    for name in ("pair", "one"):
        with open(folder / name / kind / "log.csv", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    assert [len(t) for t in tables] == [1, 1]
    for column, value in tables[1][0].items():
        assert float(tables[0][0][column]) == pytest.approx(float(value), rel=1e-3), column


def test_a_process_alone_has_everything() -> None:
    values = torch.arange(6.0)
    assert torch.equal(group.share(values), values)
    group.average([values])
    group.copy_from_leader([values])
    assert torch.equal(values, torch.arange(6.0)) and group.is_leader()


def test_each_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(
        ConfigError,
        match="needs GPU 2, and torch sees 2; start fewer .* device=cpu",
    ):
        with group.joined("cuda"):
            pass


@pytest.mark.parametrize("kind", KINDS)
def test_batches_go_to_the_device_of_the_networks(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device ``meta`` computes nothing, but refuses what lies elsewhere."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    task = trainer(kind, folder, folder / "new" / kind, PLAN).task
    task.networks.to("meta")
    drawn = task.draw(np.random.default_rng(1), 2, 32)
    figures = task.loss([tensor.to("meta") for tensor in drawn])
    assert {v.device.type for v in figures.values()} == {"meta"}
