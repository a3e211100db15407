"""The moving average of the weights, which is what is exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from colorvid.exact.layers import Conv
from colorvid.training import group

_YOUNG = 10
"""Until the average is old, its decay is ``step / (step + 10)``."""


class WeightAverage:
    """Exponential moving average of the networks of a run.

    Attributes:
        values: of all parameters and buffers, by name.
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        """Begin with the weights as they are; only what is trained now moves later."""
        self._networks, self._decay = networks, decay
        self.values = {k: v.clone() for k, v in networks.state_dict().items()}
        named = [(n, p) for n, p in networks.named_parameters() if p.requires_grad]
        self._trained: list[Tensor] = [p for _, p in named]
        self._names = [n for n, _ in named]
        convs = ((n, m) for n, m in networks.named_modules() if isinstance(m, Conv))
        self._convs = [(n, m) for n, m in convs if m.weight.requires_grad]

    @torch.no_grad()
    def update(self, step: int, *, rounding: bool) -> None:
        """Take in the weights after ``step`` steps; while ``rounding``, become these weights."""
        decay = 0.0 if rounding else min(self._decay, step / (step + _YOUNG))
        averages = [self.values[name] for name in self._names]
        torch._foreach_lerp_(averages, self._trained, 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """In the block the networks have the averaged weights; without gradients."""
        own = [weights.detach().clone() for weights in self._trained]
        with torch.no_grad():
            torch._foreach_copy_(self._trained, [self.values[name] for name in self._names])
            try:
                yield
            finally:
                torch._foreach_copy_(self._trained, own)

    def follow_centres(self) -> None:
        """Bring the centres of all convolutions closer to the means of this step's inputs."""
        means = [conv.seen / conv.times.clamp(min=1) for _, conv in self._convs]
        group.average(means)
        for (name, conv), mean in zip(self._convs, means, strict=True):
            conv.follow(mean)
            self.values[f"{name}.centre"].copy_(conv.centre)
