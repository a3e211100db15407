"""Random batches, drawn one ahead while a GPU is still at work on the step before."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from colorvid.training import group
from colorvid.training.loop.gradients import Task
from colorvid.training.loop.schedule import ScheduleConfig


class Batches:
    """Batches of a task as its schedule asks for them.

    Attributes:
        state: of the random numbers before the next batch; what a checkpoint keeps.
    """

    def __init__(self, task: Task, schedule: ScheduleConfig) -> None:
        """Start at the seed of the schedule."""
        self._task, self._schedule = task, schedule
        self._generator = np.random.default_rng(schedule.seed)
        self._next: list[Tensor] | None = None
        self.state: Any = self._generator.bit_generator.state

    def take(self, step: int) -> list[Tensor]:
        """This process's share of the batch of ``step``."""
        drawn = self._next or self._draw(step)
        self.state, self._next = self._generator.bit_generator.state, None
        return drawn

    def draw_ahead(self, step: int) -> None:
        """Draw the batch of ``step``, which `take` then gives; none after the last step."""
        if step < self._schedule.steps:
            self._next = self._draw(step)

    def restore(self, state: Any) -> None:
        """Go on from a `state`."""
        self._generator.bit_generator.state = state
        self._next, self.state = None, state

    def _draw(self, step: int) -> list[Tensor]:
        batch, crop = self._schedule.crop_at(step)
        return self._task.draw(self._generator, batch * group.size(), crop)
