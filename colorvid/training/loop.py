"""The training loop: schedule, clipping, averaging of weights, exact resume, log."""

from __future__ import annotations

import csv
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorvid.config import InterConfig, IntraConfig
from colorvid.exact.arithmetic import FloatArithmetic
from colorvid.exact.layers import use_arithmetic


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """How long and how fast to train.

    Attributes:
        steps: optimiser steps in all.
        batch: pictures a step; shrinks with the square of the crop so that cost stays equal.
        crop, late_crop: side of the crops in luma samples, before and from ``late`` on.
        late: share of the run after which crops are large.
        rate: highest learning rate; warm-up over ``warmup`` steps, cosine from ``decay`` on.
        rounding: share of the run after which weights and activations are rounded as in export.
        clip: largest norm of the gradient.
        average: decay of the exponential moving average of the weights.
        checkpoint: seconds between checkpoints.
        bfloat16: run convolutions in bfloat16, except while rounding: it is coarser than the grids.
        seed: of everything random.
        only: starts of the names of the networks that are trained, from scratch; all others
            keep the weights they start with. Empty = all.
    """

    steps: int = 12000
    batch: int = 8
    crop: int = 128
    late_crop: int = 256
    late: float = 0.8
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.4
    rounding: float = 0.9
    clip: float = 1.0
    average: float = 0.998
    checkpoint: float = 180.0
    bfloat16: bool = True
    seed: int = 1
    only: tuple[str, ...] = ()

    def learning_rate(self, step: int) -> float:
        """Learning rate at ``step``."""
        progress = step / self.steps
        if progress < self.decay:
            return self.rate * min(1.0, (step + 1) / self.warmup)
        phase = (progress - self.decay) / (1 - self.decay)
        return self.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * phase)))

    def crop_at(self, step: int) -> tuple[int, int]:
        """Batch and side of the crops at ``step``."""
        if step < self.late * self.steps:
            return self.batch, self.crop
        return max(1, self.batch * self.crop**2 // self.late_crop**2), self.late_crop


class Task(Protocol):
    """What is trained: networks, and the loss of one random batch."""

    @property
    def config(self) -> IntraConfig | InterConfig:
        """What the networks were made from; stored with the weights."""

    @property
    def networks(self) -> nn.Module:
        """What is trained."""

    def loss(self, generator: np.random.Generator, batch: int, crop: int) -> dict[str, Tensor]:
        """Figures of one random batch; ``loss`` is what is minimised."""


class Trainer:
    """Runs a task; a killed run goes on from its checkpoint with the same results."""

    def __init__(
        self,
        task: Task,
        schedule: ScheduleConfig,
        folder: Path,
        device: str = "cpu",
        start: Path | None = None,
    ) -> None:
        """Prepare, or pick up the checkpoint in ``folder``.

        A new run begins from the averaged weights of the run ``start``, if one is given: from those
        of them that it has itself, that its task does not fix, and that `ScheduleConfig.only` does
        not name.
        """
        self.task, self.schedule, self.folder, self.device = task, schedule, folder, device
        torch.manual_seed(schedule.seed)
        self.generator = np.random.default_rng(schedule.seed)
        if start is not None:
            self._begin_from(start)
        for name, parameter in task.networks.named_parameters():
            chosen = not schedule.only or name.startswith(schedule.only)
            parameter.requires_grad_(parameter.requires_grad and chosen)
        trainable = [p for p in task.networks.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            trainable, lr=schedule.rate, betas=(0.9, 0.99), weight_decay=1e-4
        )
        self.average = {k: v.clone() for k, v in task.networks.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.pt").exists():
            self._resume()

    def _begin_from(self, start: Path) -> None:
        """Take the averaged weights of another run, see `__init__`."""
        state = torch.load(start / "checkpoint.pt", weights_only=True)["average"]
        networks, only = self.task.networks, self.schedule.only
        fixed = {n for n, p in networks.named_parameters() if not p.requires_grad}
        fresh = {n for n in state if n.startswith(only)} if only else set()
        own = {n: v for n, v in state.items() if n not in fixed | fresh}
        networks.load_state_dict(own, strict=False)

    def run(self, until: int | None = None) -> None:
        """Train to the end of the schedule, or to step ``until``; write checkpoint and log."""
        steps = self.schedule.steps
        end = steps if until is None else min(until, steps)
        saved = time.monotonic()
        bar = tqdm(total=end, initial=self.step, desc="training", disable=None, mininterval=5)
        while self.step < end:
            figures = self._advance()
            bar.update()
            if self.step % 50 == 0:
                self._log(figures)
            if time.monotonic() - saved > self.schedule.checkpoint:
                self.save()
                saved = time.monotonic()
        bar.close()
        self.save()

    def _advance(self) -> dict[str, Tensor]:
        s = self.schedule
        rounding = self.step >= s.rounding * s.steps
        use_arithmetic(self.task.networks, FloatArithmetic(rounding))
        for group in self.optimiser.param_groups:
            group["lr"] = s.learning_rate(self.step)
        with torch.autocast(self.device, torch.bfloat16, enabled=s.bfloat16 and not rounding):
            figures = self.task.loss(self.generator, *s.crop_at(self.step))
        self.optimiser.zero_grad(set_to_none=True)
        figures["loss"].backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.task.networks.parameters(), s.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        self._update_average()
        return {**figures, "norm": norm}

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.schedule.average, self.step / (self.step + 10))
        for name, value in self.task.networks.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _log(self, figures: dict[str, Tensor]) -> None:
        path = self.folder / "log.csv"
        new = not path.exists()
        with open(path, "a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *figures])
            writer.writerow([self.step, *(f"{float(v.detach()):.5g}" for v in figures.values())])

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "step": self.step,
            "config": asdict(self.task.config),
            "networks": self.task.networks.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": self.generator.bit_generator.state,
        }
        temporary = self.folder / "checkpoint.tmp"
        torch.save(state, temporary)
        os.replace(temporary, self.folder / "checkpoint.pt")

    def _resume(self) -> None:
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        self.step = state["step"]
        self.task.networks.load_state_dict(state["networks"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch"])
        self.generator.bit_generator.state = state["numpy"]
