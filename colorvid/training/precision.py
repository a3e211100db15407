"""Whether training in bfloat16 is worth it on this machine."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from colorvid.training import group

_TRIES = 3


def bfloat16_pays(device: str) -> bool:
    """Whether convolutions of this device are at least as fast in bfloat16 as in float32.

    A CPU without instructions for bfloat16 emulates it, up to a hundred times slower. It is
    measured, in a few milliseconds, and all processes get the same answer. GPUs are believed.
    """
    if torch.device(device).type != "cpu":
        return True
    ratio = torch.tensor(seconds(torch.bfloat16) / seconds(torch.float32)).log()
    group.average([ratio])
    return bool(ratio <= 0)


def seconds(kind: torch.dtype) -> float:
    """Seconds that a 1x1 and a depthwise convolution take on the CPU in ``kind``, the best try."""
    x = torch.ones((2, 96, 32, 32), dtype=kind).contiguous(memory_format=torch.channels_last)
    mixing = torch.ones((96, 96, 1, 1), dtype=kind)
    smoothing = torch.ones((96, 1, 3, 3), dtype=kind)
    best = float("inf")
    with torch.no_grad():
        for _ in range(_TRIES):
            start = time.perf_counter()
            F.conv2d(F.conv2d(x, mixing), smoothing, padding=1, groups=96)
            best = min(best, time.perf_counter() - start)
    return best
