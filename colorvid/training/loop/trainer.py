"""The training loop: one step after the other, with a checkpoint now and then.

What surrounds it stands in files of their own: `schedule`, `batches`, `gradients`, `optimiser`,
`average`, `log`, `checkpoint`.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.errors import ConfigError
from colorvid.system.interrupts import uninterrupted
from colorvid.training import group
from colorvid.training.loop.average import WeightAverage
from colorvid.training.loop.batches import Batches
from colorvid.training.loop.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from colorvid.training.loop.gradients import Gradients, Task, bfloat16_pays
from colorvid.training.loop.log import LOG_EVERY, TRAINING, VALIDATION, Log
from colorvid.training.loop.optimiser import make_optimisers
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.validation import Validation
from colorvid.training.loop.weights import begin_from
from colorvid.training.progress import Line
from colorvid.training.tasks.loss import Figures


class Trainer:
    """Runs a task; a killed run goes on from its checkpoint with the same results.

    Of several processes, see `colorvid.training.group`, the leader writes checkpoint and log.

    Attributes:
        task: what is trained.
        step: number of steps that are done.
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
        file, if one is given; see `begin_from`.

        With `ScheduleConfig.pieces` it is the next piece of the run ``start``, of which only the
        weights are left (`keep_weights`): the schedule goes on at their step, random numbers are
        others, and the optimiser, which begins anew, warms up once more. From a model file, which
        has no step, the first piece begins.

        Raises:
            ConfigError: a network of ``start`` is larger, the optimiser is unknown, or the
                checkpoint in ``folder`` is of another one.
        """
        self.task, self._schedule, self._folder, self._device = task, schedule, folder, device
        torch.manual_seed(schedule.seed)
        self._batches = Batches(task, schedule)
        task.networks.to(device)
        with torch.no_grad():
            group.copy_from_leader(task.networks.parameters())
        self.step = self._first = 0
        if start is not None:
            begin_from(start, task.networks, task.config, schedule.only)
            if schedule.pieces and not start.is_file():
                self._begin_piece(start)
        for name, parameter in task.networks.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and schedule.trains(name))
        self._trained: list[Tensor] = [p for p in task.networks.parameters() if p.requires_grad]
        self._optimisers = make_optimisers(self._trained, schedule.optimiser, schedule.rate)
        self._average = WeightAverage(task.networks, schedule.average)
        self._bfloat16 = schedule.bfloat16 and bfloat16_pays(device)
        self._kind: tuple[bool, int, int] | None = None
        self._saved = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        if has_checkpoint(folder):
            self._resume()

    def _begin_piece(self, start: Path) -> None:
        """Go on at the step of ``start``, with random numbers of this piece's own."""
        self.step = self._first = load_checkpoint(start)["step"]
        torch.manual_seed(self._schedule.seed + self.step)
        generator = np.random.default_rng((self._schedule.seed, self.step))
        self._batches.restore(generator.bit_generator.state)

    def _learning_rate(self) -> float:
        """That of the schedule; where a further piece begins, it rises to it over the warm-up."""
        rate = self._schedule.learning_rate(self.step)
        done = self.step - self._first
        return rate * min(1.0, (done + 1) / self._schedule.warmup) if self._first else rate

    @property
    def average(self) -> dict[str, Tensor]:
        """The averaged weights by name, which are exported."""
        return self._average.values

    def run(self, until: int | None = None, held_out: Task | None = None) -> None:
        """Train to the end of the schedule, or to step ``until``; write checkpoint and logs.

        A signal that Python turns into `KeyboardInterrupt` waits for the end of a step; then the
        checkpoint is written, and the exception passes. Of several processes, of which some may not
        have got it yet, all stop after the same step in that way.

        Args:
            until: stop after this step; None = at the end of the schedule.
            held_out: the same networks on other data, for the validation loss; None = crops of
                the training data.
        """
        steps = self._schedule.steps
        end = steps if until is None else min(until, steps)
        log, line = Log(self._folder, self.step), Line("training", "step", end, self.step)
        validation, every = None, self._schedule.validation
        if every and end // every > self.step // every:
            validation = Validation(held_out or self.task, self._schedule, self._device)
        stopped = False
        with uninterrupted() as waiting:
            try:
                while self.step < end and not stopped:
                    self._do_step(log, line, validation)
                    stopped = group.anyone(bool(waiting))
            finally:
                line.close()
                log.close()
            if group.is_leader():
                self.save()
            group.wait_for_all()
        if stopped:
            raise KeyboardInterrupt

    def _do_step(self, log: Log, line: Line, validation: Validation | None) -> None:
        """Do one step, with all that is due after it."""
        schedule = self._schedule
        figures = self._advance()
        if self.step % LOG_EVERY == 0:
            log.write(TRAINING, self.step, figures)
        if validation is not None and self.step % schedule.validation == 0:
            means = log.write(VALIDATION, self.step, validation(self._average))
            line.note = f"validation loss {means['loss']:.4f}"
        line.advance()
        if group.is_leader() and time.monotonic() - self._saved > schedule.checkpoint:
            self.save()
            self._saved = time.monotonic()

    def _advance(self) -> Figures:
        """Do one step; gives its figures and the norm of its gradient."""
        schedule, step = self._schedule, self.step
        for settings in (g for o in self._optimisers for g in o.param_groups):
            settings["lr"] = self._learning_rate()
        figures = self._gradients()(self._batches.take(step))
        self._batches.draw_ahead(step + 1)
        group.average([p.grad for p in self._trained if p.grad is not None])
        norm = nn.utils.clip_grad_norm_(self._trained, schedule.clip)
        # The optimisers then leave everything as it was; AdamW does not even wait for the norm.
        for optimiser in self._optimisers:
            optimiser.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
            optimiser.step()
        if schedule.rounds_at(step):
            self._average.follow_centres()
        self.step += 1
        self._average.update(self.step, rounding=schedule.rounds_at(step))
        return {**figures, "norm": norm}

    def _gradients(self) -> Gradients:
        """How this step finds its gradients: as the last one, or in a new way from here on."""
        rounding = self._schedule.rounds_at(self.step)
        kind = (rounding, *self._schedule.crop_at(self.step))
        if self._kind != kind:
            self._kind = kind
            bfloat16 = self._bfloat16 and not rounding
            self._current = Gradients(self.task, self._device, rounding=rounding, bfloat16=bfloat16)
        return self._current

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state: dict[str, Any] = {
            "step": self.step,
            "first": self._first,
            "bfloat16": self._bfloat16,
            "config": asdict(self.task.config),
            "networks": self.task.networks.state_dict(),
            "average": self.average,
            "optimisers": [o.state_dict() for o in self._optimisers],
            "torch": torch.get_rng_state(),
            "numpy": self._batches.state,
        }
        if self._on_cuda:
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        save_checkpoint(self._folder, state)

    def _resume(self) -> None:
        state = load_checkpoint(self._folder)
        if len(state.get("optimisers", ())) != len(self._optimisers):
            raise ConfigError(
                f"{self._folder}: its checkpoint is not of optimiser {self._schedule.optimiser!r}, "
                f"or of an older colorvid; begin another run from it with start={self._folder}"
            )
        self.step, self._bfloat16 = state["step"], state["bfloat16"]
        self._first = state.get("first", 0)
        self.task.networks.load_state_dict(state["networks"])
        self._average.values = {k: v.to(self._device) for k, v in state["average"].items()}
        for optimiser, kept in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        torch.set_rng_state(state["torch"])
        if "cuda" in state and self._on_cuda:
            torch.cuda.set_rng_state(state["cuda"], self._device)
        self._batches.restore(state["numpy"])

    @property
    def _on_cuda(self) -> bool:
        return torch.device(self._device).type == "cuda"
