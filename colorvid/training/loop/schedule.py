"""How long and how fast a run trains, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
        validation: steps between two validation losses; 0 = none.
        bfloat16: run convolutions in bfloat16, except while rounding: it is coarser than the grids.
            Where that is slower, see `bfloat16_pays`, a new run is one in float32.
        seed: of everything random.
        pieces: a run that starts from another goes on at that one's step, see `Trainer`.
        only: starts of the names of the networks that are trained, from scratch; all others
            keep the weights they start with. Empty = all.
        frozen: starts of the names of further networks that keep the weights they start with.
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
    validation: int = 250
    bfloat16: bool = True
    seed: int = 1
    pieces: bool = False
    only: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    def learning_rate(self, step: int) -> float:
        """Learning rate at ``step``."""
        progress = step / self.steps
        if progress < self.decay:
            return self.rate * min(1.0, (step + 1) / self.warmup)
        phase = (progress - self.decay) / (1 - self.decay)
        return self.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * phase)))

    def trains(self, name: str) -> bool:
        """Whether the network parameter ``name`` is trained, as `only` and `frozen` say."""
        return name.startswith(self.only or "") and not name.startswith(self.frozen)

    def rounds_at(self, step: int) -> bool:
        """Whether weights and activations are rounded at ``step``."""
        return step >= self.rounding * self.steps

    def crop_at(self, step: int) -> tuple[int, int]:
        """Batch of each process and side of the crops at ``step``."""
        if step < self.late * self.steps:
            return self.batch, self.crop
        return max(1, self.batch * self.crop**2 // self.late_crop**2), self.late_crop
