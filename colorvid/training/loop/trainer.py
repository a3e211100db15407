"""The training loop: schedule, clipping, averaging of weights, exact resume, log."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorvid.errors import ConfigError
from colorvid.exact.layers import Conv
from colorvid.training import group
from colorvid.training.loop.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from colorvid.training.loop.gradients import Gradients, Task
from colorvid.training.loop.optimiser import make_optimisers
from colorvid.training.loop.precision import bfloat16_pays
from colorvid.training.loop.weights import restored_weights
from colorvid.training.tasks.loss import Figures


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """How long and how fast to train.

    Attributes:
        steps: optimiser steps in all.
        batch: pictures a step, in each process; shrinks with the square of the crop so that cost
            stays equal.
        crop, late_crop: side of the crops in luma samples, before and from ``late`` on.
        late: share of the run after which crops are large.
        optimiser: ``adamw`` or ``soap``, see `colorvid.training.loop.optimiser`.
        rate: highest learning rate; warm-up over ``warmup`` steps, cosine from ``decay`` on.
        rounding: share of the run after which weights and activations are rounded as in export.
        clip: largest norm of the gradient.
        average: decay of the exponential moving average of the weights, which is what is exported;
            while rounding the weights themselves: what was trained is their rounding, and a mean of
            weights is rounded otherwise.
        checkpoint: seconds between checkpoints.
        bfloat16: run convolutions in bfloat16, except while rounding: it is coarser than the grids.
            Where that is much slower, see `bfloat16_pays`, a new run is one in float32.
        seed: of everything random.
        only: starts of the names of the networks that are trained, from scratch; all others
            keep the weights they start with. Empty = all.
    """

    steps: int = 12000
    batch: int = 8
    crop: int = 128
    late_crop: int = 256
    late: float = 0.8
    optimiser: str = "adamw"
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

    def rounds_at(self, step: int) -> bool:
        """Whether weights and activations are rounded at ``step``."""
        return step >= self.rounding * self.steps

    def crop_at(self, step: int) -> tuple[int, int]:
        """Batch of each process and side of the crops at ``step``."""
        if step < self.late * self.steps:
            return self.batch, self.crop
        return max(1, self.batch * self.crop**2 // self.late_crop**2), self.late_crop


class Trainer:
    """Runs a task; a killed run goes on from its checkpoint with the same results.

    Of several processes, see `colorvid.training.group`, the leader writes checkpoint and log.
    """

    def __init__(
        self,
        task: Task,
        schedule: ScheduleConfig,
        folder: Path,
        device: str = "cpu",
        start: Path | None = None,
    ) -> None:
        """Prepare on ``device``, or pick up the checkpoint in ``folder``.

        A new run begins from the averaged weights of the run ``start``, or from those of a model
        file, if one is given: from those of them that it has itself, that its task does not fix,
        and that `ScheduleConfig.only` does not name.

        Raises:
            ConfigError: a network of ``start`` has another size, the optimiser is unknown, or the
                checkpoint in ``folder`` is of another one.
        """
        self.task, self.schedule, self.folder, self.device = task, schedule, folder, device
        torch.manual_seed(schedule.seed)
        self.generator = np.random.default_rng(schedule.seed)
        task.networks.to(device)
        with torch.no_grad():
            group.copy_from_leader(task.networks.parameters())
        if start is not None:
            self._begin_from(start)
        for name, parameter in task.networks.named_parameters():
            chosen = not schedule.only or name.startswith(schedule.only)
            parameter.requires_grad_(parameter.requires_grad and chosen)
        trainable = [p for p in task.networks.parameters() if p.requires_grad]
        self.optimisers = make_optimisers(trainable, schedule.optimiser, schedule.rate)
        self.average = {k: v.clone() for k, v in task.networks.state_dict().items()}
        self.step = 0
        self.bfloat16 = schedule.bfloat16 and bfloat16_pays(device)
        folder.mkdir(parents=True, exist_ok=True)
        if has_checkpoint(folder):
            self._resume()
        self._drawn: list[Tensor] | None = None  # the next batch
        self._undrawn = self.generator.bit_generator.state  # before it; what a checkpoint keeps
        self._kind: tuple[bool, int, int] | None = None
        named = [(n, p) for n, p in task.networks.named_parameters() if p.requires_grad]
        self._trained: list[Tensor] = [p for _, p in named]
        self._averages = [self.average[n] for n, _ in named]
        convs = ((n, m) for n, m in task.networks.named_modules() if isinstance(m, Conv))
        self._convs = [(n, m) for n, m in convs if m.weight.requires_grad]

    def _begin_from(self, start: Path) -> None:
        """Take the weights of another run or of a model file, see `__init__`."""
        if start.is_file():
            state = restored_weights(start, self.task.config)
        else:
            state = load_checkpoint(start)["average"]
        networks, only = self.task.networks, self.schedule.only
        fixed = {n for n, p in networks.named_parameters() if not p.requires_grad}
        fresh = {n for n in state if n.startswith(only)} if only else set()
        own = {n: v for n, v in state.items() if n not in fixed | fresh}
        for name, value in networks.state_dict().items():
            if name in own and own[name].shape != value.shape:
                raise ConfigError(
                    f"{start}: {name} has shape {tuple(own[name].shape)}; the configuration makes "
                    f"it {tuple(value.shape)}; change the sizes in [model]"
                )
        networks.load_state_dict(own, strict=False)

    def run(self, until: int | None = None) -> None:
        """Train to the end of the schedule, or to step ``until``; write checkpoint and log."""
        steps = self.schedule.steps
        end = steps if until is None else min(until, steps)
        saved = time.monotonic()
        leads = group.is_leader()
        quiet = None if leads else True
        bar = tqdm(total=end, initial=self.step, desc="training", disable=quiet, mininterval=5)
        while self.step < end:
            figures = self._advance()
            bar.update()
            if self.step % 50 == 0:
                self._log(figures)
            if leads and time.monotonic() - saved > self.schedule.checkpoint:
                self.save()
                saved = time.monotonic()
        bar.close()
        if leads:
            self.save()

    def _advance(self) -> Figures:
        s = self.schedule
        for settings in (g for o in self.optimisers for g in o.param_groups):
            settings["lr"] = s.learning_rate(self.step)
        batch, crop = s.crop_at(self.step)
        drawn = self._drawn or self._draw(batch, crop)
        figures = self._gradients(batch, crop)(drawn)
        self._undrawn, self._drawn = self.generator.bit_generator.state, None
        if self.step + 1 < s.steps:  # while a GPU is still at work on this step
            self._drawn = self._draw(*s.crop_at(self.step + 1))
        group.average([p.grad for p in self._trained if p.grad is not None])
        norm = nn.utils.clip_grad_norm_(self._trained, s.clip)
        # The optimisers then leave everything as it was; AdamW does not even wait for the norm.
        for optimiser in self.optimisers:
            optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
            optimiser.step()
        if self.schedule.rounds_at(self.step):
            self._follow_centres()
        self.step += 1
        self._update_average()
        return {**figures, "norm": norm}

    def _draw(self, batch: int, crop: int) -> list[Tensor]:
        return self.task.draw(self.generator, batch * group.size(), crop)

    def _gradients(self, batch: int, crop: int) -> Gradients:
        """How this step finds its gradients: as the one before, or in a new way from here on."""
        rounding = self.schedule.rounds_at(self.step)
        if self._kind != (rounding, batch, crop):
            self._kind = (rounding, batch, crop)
            bfloat16 = self.bfloat16 and not rounding
            self._current = Gradients(self.task, self.device, rounding=rounding, bfloat16=bfloat16)
        return self._current

    def _follow_centres(self) -> None:
        """Bring the centres of all convolutions closer to the means of this step's inputs."""
        means = [conv.seen / conv.times.clamp(min=1) for _, conv in self._convs]
        group.average(means)
        for (name, conv), mean in zip(self._convs, means, strict=True):
            conv.follow(mean)
            self.average[f"{name}.centre"].copy_(conv.centre)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.schedule.average, self.step / (self.step + 10))
        if self.schedule.rounds_at(self.step - 1):
            decay = 0.0
        torch._foreach_lerp_(self._averages, self._trained, 1 - decay)

    def _log(self, figures: Figures) -> None:
        values = [v.float() for v in figures.values()]
        group.average(values)
        if not group.is_leader():
            return
        path = self.folder / "log.csv"
        new = not path.exists()
        with open(path, "a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *figures])
            writer.writerow([self.step, *(f"{float(v):.5g}" for v in values)])

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state: dict[str, Any] = {
            "step": self.step,
            "bfloat16": self.bfloat16,
            "config": asdict(self.task.config),
            "networks": self.task.networks.state_dict(),
            "average": self.average,
            "optimisers": [o.state_dict() for o in self.optimisers],
            "torch": torch.get_rng_state(),
            "numpy": self._undrawn,
        }
        if torch.device(self.device).type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        save_checkpoint(self.folder, state)

    def _resume(self) -> None:
        state = load_checkpoint(self.folder)
        if len(state.get("optimisers", ())) != len(self.optimisers):
            raise ConfigError(
                f"{self.folder}: its checkpoint is not of optimiser {self.schedule.optimiser!r}, "
                f"or of an older colorvid; begin another run from it: --start {self.folder}"
            )
        self.step, self.bfloat16 = state["step"], state["bfloat16"]
        self.task.networks.load_state_dict(state["networks"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        torch.set_rng_state(state["torch"])
        if "cuda" in state and torch.device(self.device).type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)
        self.generator.bit_generator.state = state["numpy"]
