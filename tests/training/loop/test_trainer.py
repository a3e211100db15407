from __future__ import annotations

import csv
import dataclasses
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from colorvid.errors import ConfigError
from colorvid.exact.arithmetic import FloatArithmetic
from colorvid.exact.layers import ExactLayer
from colorvid.system import pace
from colorvid.training import progress
from colorvid.training.loop import gradients
from colorvid.training.loop.checkpoint import saved_step
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.trainer import Trainer
from colorvid.training.tasks.loss import LossConfig, rate_distortion, squared_error
from colorvid.training.tasks.single import InterTask, IntraTask
from tests import tiny
from tests.training import runs

MAKERS: dict[str, Callable[[Path, ScheduleConfig], Trainer]] = {
    "intra": runs.intra_trainer,
    "inter": runs.inter_trainer,
    "unrolled": runs.unrolled_trainer,
    "joint": runs.joint_trainer,
}


def fixed_loss(trainer: Trainer) -> float:
    """Loss of one fixed batch."""
    with torch.no_grad():
        return float(trainer.task.loss(trainer.task.draw(np.random.default_rng(9), 8, 64))["loss"])


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in trainer.task.networks.state_dict().items()}


@pytest.mark.parametrize("kind", MAKERS)
def test_loss_falls_in_a_few_steps(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    trainer = MAKERS[kind](tmp_path, runs.schedule(12, rate=8e-3))
    before = fixed_loss(trainer)
    trainer.run()
    assert trainer.step == 12
    assert fixed_loss(trainer) < before - 0.05
    assert all(torch.isfinite(v).all() for v in weights(trainer).values() if v.is_floating_point())


def test_progress_without_a_terminal_is_a_line_at_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(3))
    trainer.run(until=1)
    assert capsys.readouterr().err == "", "short work has no such line"
    monkeypatch.setattr(pace.Pace.__init__, "__defaults__", (0.0,))
    trainer.run()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "training: step 2 of 3",
        "training: step 3 of 3",
    ]
    assert lines[1].endswith(" 0.0 s left")
    assert list(progress.shown("ab", "decoding", "source")) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "decoding: source 1 of 2",
        "decoding: source 2 of 2",
    ]


def test_ctrl_c_saves_the_step_that_was_begun(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = runs.intra_trainer(tmp_path / "whole", runs.schedule(4))
    whole.run()
    torch.manual_seed(0)
    stopped = runs.intra_trainer(tmp_path / "parts", runs.schedule(4))
    loss = stopped.task.loss

    def interrupted(drawn: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        if stopped.step == 1:
            signal.raise_signal(signal.SIGINT)
        return loss(drawn)

    stopped.task.loss = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert saved_step(tmp_path / "parts") == stopped.step == 2
    rest = runs.intra_trainer(tmp_path / "parts", runs.schedule(4))
    rest.run()
    resumed = weights(rest)
    assert all(torch.equal(resumed[name], value) for name, value in weights(whole).items())


def test_key_frames_are_quantised_as_the_encoder_does_at_a_price(tmp_path: Path) -> None:
    found = []
    for price in (None, 0.0, 5.0):
        torch.manual_seed(0)
        task = IntraTask(tiny.INTRA, LossConfig(rate_weight=price), runs.pictures(tmp_path))
        with torch.no_grad():
            found.append(float(task.loss(task.draw(np.random.default_rng(9), 4, 64))["psnr_y"]))
    assert found[0] == pytest.approx(found[1], abs=1e-4), "free bits: plainly rounded"
    assert found[2] < found[0] - 0.1, "dearer bits, fewer of them"


def test_the_loss_says_what_a_bit_costs_in_training(tmp_path: Path) -> None:
    found = []
    for price in (None, 0.0, 20.0):
        torch.manual_seed(0)
        store = runs.sequences(tmp_path)
        task = InterTask(tiny.INTER, LossConfig(rate_weight=price), store)
        assert task.config.rate_weight == tiny.INTER.rate_weight, "the encoder's own is kept"
        with torch.no_grad():
            found.append(float(task.loss(task.draw(np.random.default_rng(9), 4, 64))["psnr_y"]))
    assert found[2] < found[0] - 0.1 < found[1] - 0.1, "dearer bits, fewer of them"


@pytest.mark.parametrize(
    ("kind", "optimiser"), [*((kind, "adamw") for kind in MAKERS), ("intra", "soap")]
)
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    tmp_path: Path, kind: str, optimiser: str
) -> None:
    plan = runs.schedule(5, optimiser=optimiser)
    torch.manual_seed(0)
    whole = MAKERS[kind](tmp_path / "whole", plan)
    whole.run()
    torch.manual_seed(0)
    MAKERS[kind](tmp_path / "parts", plan).run(until=2)
    torch.manual_seed(77)
    rest = MAKERS[kind](tmp_path / "parts", plan)
    assert rest.step == 2
    rest.run()
    resumed = weights(rest)
    for name, value in weights(whole).items():
        assert torch.equal(resumed[name], value), name
        assert torch.equal(rest.average[name], whole.average[name]), name


def test_a_run_does_not_go_on_with_another_optimiser(tmp_path: Path) -> None:
    runs.intra_trainer(tmp_path, runs.schedule(4)).run(until=1)
    with pytest.raises(ConfigError, match="is not of optimiser 'soap', .* start="):
        runs.intra_trainer(tmp_path, runs.schedule(4, optimiser="soap"))
    assert runs.intra_trainer(tmp_path, runs.schedule(4)).step == 1


def test_a_part_can_be_trained_alone_and_from_scratch(tmp_path: Path) -> None:
    first = runs.intra_trainer(tmp_path / "first", runs.schedule(2))
    first.run()
    part = ("model.chroma.prior", "chroma.")
    plan = runs.schedule(2, only=part)
    second = runs.intra_trainer(tmp_path / "second", plan, start=tmp_path / "first")
    third = runs.intra_trainer(tmp_path / "third", plan, start=tmp_path / "first")
    third.run()
    changed = set()
    fresh = second.task.networks.state_dict()
    for name, value in third.task.networks.state_dict().items():
        if name.startswith(part):
            if not torch.equal(value, fresh[name]):
                changed.add(name)
        else:
            assert torch.equal(value, first.average[name]), name
    assert {"model.chroma.prior.context.high_first.weight", "chroma.bottleneck.quantiles"} & changed
    name = "model.chroma.prior.context.high_first.weight"
    assert not torch.equal(fresh[name], first.average[name])


def test_a_part_can_be_frozen(tmp_path: Path) -> None:
    first = runs.intra_trainer(tmp_path / "first", runs.schedule(2))
    first.run()
    part = ("model.luma.analysis", "model.luma.gains")
    second = runs.intra_trainer(
        tmp_path / "second", runs.schedule(2, frozen=part), start=tmp_path / "first"
    )
    second.run()
    kept = {n: n.startswith(part) for n, _ in second.task.networks.named_parameters()}
    own = second.task.networks.state_dict()
    assert all(torch.equal(own[n], first.average[n]) for n, frozen in kept.items() if frozen)
    moved = {n for n, frozen in kept.items() if not torch.equal(own[n], first.average[n])}
    assert {"model.luma.synthesis.leave.weight", "model.chroma.analysis.leave.weight"} <= moved


def test_a_run_can_start_from_the_average_of_another(tmp_path: Path) -> None:
    first = runs.intra_trainer(tmp_path / "first", runs.schedule(2))
    first.run()
    second = runs.intra_trainer(tmp_path / "second", runs.schedule(2), start=tmp_path / "first")
    assert second.step == 0
    for name, value in second.task.networks.state_dict().items():
        assert torch.equal(value, first.average[name]), name


def test_rounding_begins_where_the_schedule_says(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(6, rounding=0.5))

    def rounding() -> set[bool]:
        layers = [m for m in trainer.task.networks.modules() if isinstance(m, ExactLayer)]
        arithmetics = [layer.arithmetic for layer in layers]
        return {a.rounding for a in arithmetics if isinstance(a, FloatArithmetic)}

    trainer.run(until=3)
    assert rounding() == {False}
    assert not any(v.any() for n, v in trainer.average.items() if n.endswith(".centre"))
    trainer.run(until=4)
    assert rounding() == {True}
    for name, value in weights(trainer).items():
        assert torch.equal(trainer.average[name], value), "what was trained is what is exported"
    centres = [v for n, v in trainer.average.items() if n.endswith(".prior.trunk.0.enter.centre")]
    assert centres and all(v.any() for v in centres)


def test_log_has_a_row_for_every_fifty_steps(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(50))
    trainer.step = 49
    trainer.run()
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["50"]
    assert {"loss", "bpp_y", "psnr_y", "norm"} <= set(rows[0])
    assert float(rows[0]["psnr_y"]) > 10


def test_learning_rate_warms_up_stays_and_falls() -> None:
    plan = ScheduleConfig(steps=1000, rate=1e-3, warmup=100, decay=0.4)
    assert plan.learning_rate(0) == pytest.approx(1e-5)
    assert plan.learning_rate(200) == plan.learning_rate(399) == 1e-3
    assert plan.learning_rate(700) == pytest.approx(0.51e-3)
    assert plan.learning_rate(999) == pytest.approx(0.02e-3, rel=0.01)


def test_large_crops_come_late_at_equal_cost() -> None:
    plan = ScheduleConfig(steps=100, batch=8, crop=128, late_crop=256, late=0.8)
    assert plan.crop_at(79) == (8, 128) and plan.crop_at(80) == (2, 256)
    assert ScheduleConfig(batch=1).crop_at(10**6) == (1, 256)


def test_loss_by_hand() -> None:
    a, b = torch.zeros(1, 2, 2, 2), torch.full((1, 2, 2, 2), 255 / 32)
    assert torch.allclose(squared_error(a, b), torch.ones(1, 2))
    error = torch.tensor([0.875])
    cost = rate_distortion(LossConfig(), torch.tensor([1.0]), error, torch.tensor([0]))
    assert cost.item() == pytest.approx(np.log(1 + 40 * 0.875))
    plain = LossConfig(logarithmic=False)
    cost = rate_distortion(plain, torch.tensor([1.0]), error, torch.tensor([0]))
    assert cost.item() == pytest.approx((1 + 40 * 0.875) / 40**0.35)


def autocast_seen(trainer: Trainer) -> list[bool]:
    """Whether the steps to come find autocast on, filled in as they run."""
    seen: list[bool] = []
    loss = trainer.task.loss

    def watched(*arguments: Any) -> dict[str, torch.Tensor]:
        seen.append(torch.is_autocast_enabled("cpu"))
        return loss(*arguments)

    trainer.task.loss = watched  # type: ignore[method-assign]
    return seen


def machine_with(monkeypatch: pytest.MonkeyPatch, *, amx: bool) -> None:
    """Make this a machine with or without instructions that make bfloat16 fast."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)


def test_bfloat16_ends_where_rounding_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(monkeypatch, amx=True)
    plan = dataclasses.replace(runs.schedule(4), bfloat16=True, rounding=0.5)
    trainer = MAKERS["intra"](tmp_path, plan)
    seen = autocast_seen(trainer)
    trainer.run()
    assert seen == [True] * 2 + [False] * 2


def test_bfloat16_is_left_where_it_is_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run keeps its kind of numbers when it goes on, on whatever machine."""
    plan = dataclasses.replace(runs.schedule(2), bfloat16=True, rounding=1.0)
    for name, expected in (("slow", False), ("fast", True)):
        machine_with(monkeypatch, amx=expected)
        trainer = MAKERS["intra"](tmp_path / name, plan)
        seen = autocast_seen(trainer)
        trainer.run(until=1)
        machine_with(monkeypatch, amx=not expected)
        rest = MAKERS["intra"](tmp_path / name, plan)
        seen_later = autocast_seen(rest)
        rest.run()
        assert seen + seen_later == [expected] * 2, name


@pytest.mark.parametrize("amx", [True, False])
def test_a_machine_always_answers_the_same(monkeypatch: pytest.MonkeyPatch, amx: bool) -> None:
    machine_with(monkeypatch, amx=amx)
    assert {gradients.bfloat16_pays("cpu") for _ in range(20)} == {amx}
    assert gradients.bfloat16_pays("cuda")


def test_an_older_torch_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert not gradients.bfloat16_pays("cpu")
