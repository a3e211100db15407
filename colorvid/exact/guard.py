"""What exactness needs of torch, set in one place, and a known-answer test of it.

The integers stay exact only while a convolution is the plain sum that its definition says. Fast
algorithms that are not (Winograd, FFT) and short formats (TF32, bfloat16) must stay off: cuDNN
takes any of them, and NNPACK the first two, where oneDNN is missing and batches are large.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from colorvid.errors import ColorvidError

_SIDE = 9


class _Settings:
    """Settings of the whole process, switched while any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._restore = ExitStack()

    def enter(self) -> None:
        """The first thread to come in switches."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                precision = torch.get_float32_matmul_precision()
                self._restore.callback(torch.set_float32_matmul_precision, precision)
                torch.set_float32_matmul_precision("highest")
                self._restore.enter_context(
                    torch.backends.cudnn.flags(enabled=False, benchmark=False, allow_tf32=False)
                )
                self._restore.enter_context(torch.backends.nnpack.flags(enabled=False))

    def leave(self) -> None:
        """The last thread to go restores, so that none is left inside without."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._restore.close()


_settings = _Settings()


@contextmanager
def exact_torch() -> Iterator[None]:
    """Inside, torch computes sums of integers exactly; its settings are restored afterwards.

    Several threads may be inside at once.
    """
    _settings.enter()
    try:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        _settings.leave()


def _expected(x: NDArray[np.int64], w: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """Convolution by its definition in int64: ``(C, H, W)`` and ``(O, C / groups, k, k)``."""
    outputs, inputs, k, _ = w.shape
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    result = np.zeros((outputs, *x.shape[1:]), np.int64)
    for o in range(outputs):
        first = o // (outputs // groups) * inputs
        for c in range(inputs):
            for dy, dx in np.ndindex(k, k):
                window = padded[first + c, dy : dy + x.shape[1], dx : dx + x.shape[2]]
                result[o] += w[o, c, dy, dx] * window
    return result


@lru_cache(maxsize=8)
def prove(device: str, carrier: torch.dtype) -> int:
    """Known-answer test of every kind of convolution that the decoder runs; once a process.

    Sums have more bits than shorter formats carry, so that these get some wrong; both memory
    layouts are tested, as torch chooses its kernels by them.

    Returns:
        How many sums were checked.

    Raises:
        ColorvidError: a sum is wrong; this machine's torch would decode wrong pictures.
    """
    random = np.random.default_rng(24)
    checked = 0
    for inputs, outputs, kernel in ((64, 8, 1), (16, 16, 3), (16, 16, 5)):
        groups = 1 if kernel == 1 else inputs
        taps = inputs // groups * kernel**2
        reach = min(127, (2**24 - 1) // (2047 * taps))
        x = random.integers(-2047, 2048, (inputs, _SIDE, _SIDE))
        w = random.integers(-reach, reach + 1, (outputs, inputs // groups, kernel, kernel))
        expected = _expected(x, w, groups)
        for layout in (torch.contiguous_format, torch.channels_last):
            got = _convolve(x, w, groups, device, carrier, layout)
            if not np.array_equal(got, expected):
                raise _wrong_sums(device, carrier)
            checked += got.size
    return checked + _prove_products(device)


def _prove_products(device: str) -> int:
    """Known-answer test of the float64 product that the block transforms are; see `prove`."""
    random = np.random.default_rng(53)
    matrix = random.integers(-(2**15), 2**15, (64, 256))
    x = random.integers(-(2**29), 2**29, (256, _SIDE))
    with exact_torch():
        a, b = (torch.from_numpy(m).to(device, torch.float64) for m in (matrix, x))
        got = torch.matmul(a, b).to("cpu", torch.int64).numpy()
    if not np.array_equal(got, matrix @ x):
        raise _wrong_sums(device, torch.float64)
    return int(got.size)


def _wrong_sums(device: str, carrier: torch.dtype) -> ColorvidError:
    return ColorvidError(
        f"this machine's torch ({torch.__version__}, {device}) does not add integers in "
        f"{carrier} exactly; the decoder would write wrong pictures; update torch"
    )


def _convolve(
    x: NDArray[np.int64],
    w: NDArray[np.int64],
    groups: int,
    device: str,
    carrier: torch.dtype,
    layout: torch.memory_format,
) -> NDArray[np.int64]:
    """The same convolution as `_expected`, by torch."""
    with exact_torch():
        inputs = torch.from_numpy(x)[None].to(device, carrier, memory_format=layout)
        weights = torch.from_numpy(w).to(device, carrier)
        sums = F.conv2d(inputs, weights, padding=w.shape[-1] // 2, groups=groups)
        result: NDArray[np.int64] = sums[0].to("cpu", torch.int64).numpy()
    return result
