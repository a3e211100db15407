"""The order in which a branch's latents are decoded: context steps over a checkerboard.

Each step sees all the steps before it. The checkerboard alternates with the channel too, so that
every step knows something of every position (He et al., arXiv 2103.15209, for the checkerboard).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from colorvid.errors import ConfigError

CONTEXT_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Step:
    """Latents that are decoded together.

    Attributes:
        name: of the step, for its networks.
        channels: channels of y that it codes some of, rising.
        parity: that of channel + row + column at the positions it codes; None = all.
        row: parity of the row; None = all.
    """

    name: str
    channels: tuple[int, ...]
    parity: int | None
    row: int | None = None

    def mask(self, height: int, width: int, device: torch.device) -> Tensor:
        """Where it codes the latents of its channels: bool ``(len(channels), height, width)``."""
        channel = torch.tensor(self.channels, device=device)[:, None, None]
        row = torch.arange(height, device=device)[:, None]
        total = channel + row + torch.arange(width, device=device)
        chosen = torch.ones_like(total, dtype=torch.bool)
        if self.parity is not None:
            chosen &= total % 2 == self.parity
        return chosen if self.row is None else chosen & (row % 2 == self.row)


def context_steps(count: int, block: int, planes: int) -> tuple[Step, ...]:
    """The steps of a branch that codes ``planes`` planes in blocks of ``block`` x ``block``.

    One step codes everything at once; two are the halves of a checkerboard. Five code the low
    frequencies first, ``u + v < block / 2``, in three steps: a half of each half of the
    checkerboard, then its other half whole; the high frequencies follow in two. So the
    coarse picture of the whole neighbourhood is known before the first fine coefficient.

    Raises:
        ConfigError: ``count`` is none of `CONTEXT_STEPS`.
    """
    size = block**2
    everything = tuple(range(planes * size))
    if count == 1:
        return (Step("all", everything, None),)
    if count == 2:
        return (Step("first", everything, 0), Step("second", everything, 1))
    if count != 5:
        raise ConfigError(f"context_steps is {count}; allowed are {CONTEXT_STEPS}")
    lowest = block // 2 * (block // 2 + 1) // 2
    low = tuple(c for c in everything if c % size < lowest)
    high = tuple(c for c in everything if c % size >= lowest)
    return (
        Step("low_first", low, 0, 0),
        Step("low_second", low, 0, 1),
        Step("low_third", low, 1),
        Step("high_first", high, 0),
        Step("high_second", high, 1),
    )


@lru_cache(maxsize=256)
def coded(step: Step, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Channels of ``step``, int64, and `Step.mask`.

    Kept, because a step of training that a GPU has recorded cannot copy anything to it.
    """
    return torch.tensor(step.channels, device=device), step.mask(height, width, device)


@lru_cache(maxsize=256)
def places(step: Step, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Flat indices, int64, of the latents of ``step``, in the same order.

    In tensors of the step's own channels ``(1, len(channels), height, width)``, and in those of all
    channels ``(1, C, height, width)``.
    """
    within = step.mask(height, width, device).flatten().nonzero()[:, 0]
    area = height * width
    channel = torch.tensor(step.channels, device=device)[within // area]
    return within, channel * area + within % area
