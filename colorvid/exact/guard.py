"""What exactness needs of torch, set in one place, and a known-answer test of it.

The integers stay exact only while a convolution is the plain sum that its definition says. Fast
algorithms that are not (Winograd, FFT) and short formats (TF32, bfloat16) must stay off: cuDNN
takes any of them, NNPACK the first two, where oneDNN is missing and batches are large, and oneDNN
and cuBLAS the last two, where the caller's program allows it. `docs/exactness.md` has the whole
argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from colorvid.errors import ColorvidError
from colorvid.exact.arithmetic import FEATURE, SUM_LIMIT, ExactArithmetic
from colorvid.system.locks import process_lock

_SIDE = 9
_TINY = 2.0**-60


def _precisions() -> list[Any]:
    """Objects whose ``fp32_precision`` allows a library short formats; none in old torch."""
    libraries = torch.backends.cuda, torch.backends.mkldnn, torch.backends.mkldnn
    kinds = "matmul", "matmul", "conv"
    found = [getattr(b, k, None) for b, k in zip(libraries, kinds, strict=True)]
    return [place for place in found if hasattr(place, "fp32_precision")]


def _put_back(place: Any, before: str) -> None:
    """Give an ``fp32_precision`` its value from before, by inheritance where that does it."""
    place.fp32_precision = "none"
    if place.fp32_precision != before:
        place.fp32_precision = before


def _matmul_precision() -> str:
    """What `torch.set_float32_matmul_precision` was given.

    torch raises an error where the caller has set one of `_precisions` on its own.
    """
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return "highest"


class _Settings:
    """Settings of the whole process, switched while any thread is inside."""

    def __init__(self) -> None:
        self._lock = process_lock()
        self._users = 0
        self._restore = ExitStack()

    def enter(self) -> None:
        """The first thread to come in switches."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._switch()

    def _switch(self) -> None:
        """Plain sums in full float32; remembers what was there."""
        places, precision = _precisions(), _matmul_precision()
        for place in places:
            self._restore.callback(_put_back, place, place.fp32_precision)
        # The old setting changes the new ones, and torch wants both to say the same.
        self._restore.callback(torch.set_float32_matmul_precision, precision)
        torch.set_float32_matmul_precision("highest")
        for place in places:
            place.fp32_precision = "ieee"
        cudnn: Any = torch.backends.cudnn
        self._restore.callback(setattr, cudnn, "enabled", cudnn.enabled)
        cudnn.enabled = False
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

    Raises:
        ColorvidError: this thread's floating-point unit does not round to nearest.
    """
    if not 1.0 + _TINY == 1.0 - _TINY:
        raise ColorvidError(
            "this thread's floating-point unit does not round to nearest; the decoder would write "
            "wrong pictures; call fesetround(FE_TONEAREST) first"
        )
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
    """Known-answer test of every kind of operation that the decoder rounds or sums in.

    Runs once a process for a device and a carrier. Factors and sums have more bits than shorter
    formats carry, so that these get some wrong; both memory layouts are tested, as torch chooses
    its kernels by them.

    Returns:
        How many results were checked.

    Raises:
        ColorvidError: a result is wrong; this machine's torch would decode wrong pictures.
    """
    random = np.random.default_rng(24)
    checked = 0
    for inputs, outputs, kernel in ((64, 8, 1), (16, 16, 3), (16, 16, 5)):
        groups = 1 if kernel == 1 else inputs
        taps = inputs // groups * kernel**2
        reach = min(127, (SUM_LIMIT - 1) // (FEATURE.limit * taps))
        x = random.integers(-FEATURE.limit, FEATURE.limit + 1, (inputs, _SIDE, _SIDE))
        w = random.integers(-reach, reach + 1, (outputs, inputs // groups, kernel, kernel))
        _raise_sums(x, w, reach)
        expected = _expected(x, w, groups)
        for layout in (torch.contiguous_format, torch.channels_last):
            got = _convolve(x, w, groups, device, carrier, layout)
            if not np.array_equal(got, expected):
                raise _wrong_sums(device, carrier)
            checked += got.size
    return checked + _prove_rounding(device, carrier) + _prove_products(device)


def _raise_sums(x: NDArray[np.int64], w: NDArray[np.int64], reach: int) -> None:
    """Give one sum of each filter large terms of one sign, so that it comes near `SUM_LIMIT`."""
    kernel = w.shape[-1]
    first = (_SIDE - kernel) // 2
    square = slice(first, first + kernel)
    for o, filters in enumerate(w):
        window = x[:, o, :1, None] if kernel == 1 else x[o : o + 1, square, square]
        window[:] = np.sign(filters) * (FEATURE.limit - np.abs(window) // 8)
        filters[:] = np.sign(filters) * (reach - np.abs(filters) // 8)


def _products() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Integers below `SUM_LIMIT`, and the factors ``significand * 2**-shift`` to multiply with.

    A third are any integers; a third give ties; a third are so near to ties that rounding to
    float32 makes them ties, which shows whether the product is really rounded before.
    """
    random = np.random.default_rng(11)
    count = 1024
    significand = random.integers(2**23, 2**24, (3, count))
    shift = random.integers(36, 46, (3, count))
    x = random.integers(1 - SUM_LIMIT, SUM_LIMIT, (3, count))
    x[1] = 2 * np.arange(count) - count + 1
    significand[1], shift[1] = 2**23, 24  # 1/2
    significand[2], shift[2] = 3 * 2**22 + significand[2] // 4, 37
    odd = 2 * random.integers(1024, 1500, count) + 1
    x[2] = ((odd << 36) + significand[2] // 2) // significand[2]
    return x.ravel(), significand.ravel(), shift.ravel()


def _prove_rounding(device: str, carrier: torch.dtype) -> int:
    """Known-answer test of the rounded multiplication between layers, and of its ties."""
    x, significand, shift = _products()
    product = x * significand
    bits = np.maximum(np.frexp(np.abs(product).astype(np.float64))[1] - 24, 0)
    rounded = _half_even(_half_even(product, bits) << bits, shift)
    expected = rounded.clip(-FEATURE.limit, FEATURE.limit)
    factor = np.ldexp(significand.astype(np.float64), -shift).astype(np.float32)
    with exact_torch():
        a, b = torch.from_numpy(x).to(device, carrier), torch.from_numpy(factor).to(device)
        result = ExactArithmetic(carrier).requantise(a, b, FEATURE.limit)
        got = result.to("cpu", torch.int64).numpy()
    if not np.array_equal(got, expected):
        raise ColorvidError(
            f"this machine's torch ({torch.__version__}, {device}) does not round products as "
            "IEEE 754 says; the decoder would write wrong pictures; update torch"
        )
    return int(got.size)


def _half_even(n: NDArray[np.int64], bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """``n / 2**bits`` rounded to the nearest integer, ties to even."""
    floor = n >> bits
    rest, whole = 2 * (n - (floor << bits)), np.int64(1) << bits
    up: NDArray[np.bool_] = (rest > whole) | ((rest == whole) & (floor % 2 == 1))
    result: NDArray[np.int64] = floor + up
    return result


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
