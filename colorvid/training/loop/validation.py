"""The validation loss: of crops that are always the same, so that its curve shows no chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from colorvid.training import group
from colorvid.training.loop.average import WeightAverage
from colorvid.training.loop.gradients import Task
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.tasks.loss import Figures

CROPS = 64
"""Crops of a validation at least, of the size of those at the start of the run."""
_SEED = 20231


class Validation:
    """Figures of a task on fixed crops, without noise on latents; training goes on unchanged."""

    def __init__(self, task: Task, schedule: ScheduleConfig, device: str) -> None:
        """Draw the crops.

        Args:
            task: has the networks that are trained; its data need not be those of training.
            schedule: says how many crops are computed at once, and their size.
            device: where the networks are.
        """
        self._task, self._device = task, torch.device(device)
        generator = np.random.default_rng(_SEED)
        together = schedule.batch * group.size()
        self._batches = [
            task.draw(generator, together, schedule.crop) for _ in range(-(-CROPS // together))
        ]

    @torch.no_grad()
    def __call__(self, average: WeightAverage) -> Figures:
        """Means over this process's crops, with the averaged weights, in float32."""
        with self._fixed_noise(), average.in_use():
            self._task.networks.eval()
            found = [self._task.loss([t.to(self._device) for t in b]) for b in self._batches]
            self._task.networks.train()
        return {name: torch.stack([f[name] for f in found]).mean() for name in found[0]}

    @contextmanager
    def _fixed_noise(self) -> Iterator[None]:
        """The block has random numbers of its own, always the same."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(_SEED)
            yield
