"""Whether training in bfloat16 is worth it on this machine."""

from __future__ import annotations

import math
import time

import torch
import torch.nn.functional as F

from colorvid.training import group

_TRIES = 3
_WORTH = 2.0


def bfloat16_pays(device: str) -> bool:
    """Whether convolutions of this device take at most twice as long in bfloat16 as in float32.

    A CPU without instructions for bfloat16 emulates it, up to a hundred times slower. It is
    measured, in a fraction of a second, and all processes get the same answer. The wide margin
    keeps chance out of it, so that a machine always trains in the same type. GPUs are believed.
    """
    if torch.device(device).type != "cpu":
        return True
    ratio = torch.tensor(seconds(torch.bfloat16) / seconds(torch.float32)).log()
    group.average([ratio])
    return bool(ratio <= math.log(_WORTH))


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
