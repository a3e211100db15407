"""The self-test of PyTorch: that it computes integers exactly, and decodes as it must."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.entropy.rans import SymbolReader
from colorvid.entropy.tables import Tables
from colorvid.errors import ColorvidError, HashMismatch
from colorvid.exact.guard import exact_torch, prove
from colorvid.files.known_answers import (
    B_SHA256,
    CDF,
    INDEX,
    MOTION10_SHA256,
    MOTION_SHA256,
    RANS_WORDS,
    SIZE,
    SIZES,
    SYMBOLS,
    VECTORS_SHAPE,
    answers,
    check,
    made_up,
    picture,
    read_vectors,
    stream,
    vectors,
)
from colorvid.frame import DEPTHS, Motion
from colorvid.models.loading import Model, load_model
from colorvid.models.modelfile import RELEASED
from colorvid.models.networks import prove_model
from colorvid.models.planes import FrameTensors
from colorvid.models.video import References, State
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import compensate_in_torch
from colorvid.motion.field import grid_shape

Planes = tuple[Tensor, Tensor, Tensor]
CARRIERS = (torch.float32, torch.float64)
_QUALITY = 40


def describe(device: str) -> str:
    """Version of torch, and what it computes with."""
    place = torch.device(device)
    if place.type == "cuda":
        return f"torch {torch.__version__}, {torch.cuda.get_device_name(place)}"
    return f"torch {torch.__version__}, {device} ({torch.backends.cpu.get_cpu_capability()})"


def checks(device: str) -> Iterator[str]:
    """Run all checks; yields a line of text for each as soon as it has passed.

    Raises:
        HashMismatch: a result differs.
        ModelMismatch: a released model cannot be used, or its data belong to another model.
    """
    yield from _arithmetic(device)
    yield check("entropy decoder: symbols from fixed bytes", _symbols, list(SYMBOLS))
    known = [vectors(VECTORS_SHAPE).tolist(), B_SHA256]
    title = "motion decoder: vectors from fixed bytes"
    yield check(title, lambda: read_vectors(MotionCoder(VECTORS_SHAPE)), known)
    title = "motion compensation: a picture by fixed vectors"
    found = partial(motion_sha256, device)
    known = [MOTION_SHA256, MOTION10_SHA256]
    yield check(title, lambda: [found(depth=depth) for depth in DEPTHS], known)
    for name in RELEASED:
        yield from _released(name, device)


def motion_sha256(
    device: str,
    predict: Callable[[Planes, Tensor], Planes] = compensate_in_torch,
    depth: int = 8,
) -> str:
    """SHA-256 of a prediction from `picture` by `vectors`, in hexadecimal digits."""
    start = FrameTensors.of(picture().at_depth(depth), device)
    field = torch.from_numpy(vectors(grid_shape(*SIZE.shape))).to(device)
    with exact_torch():
        predicted = FrameTensors(*predict((start.y, start.u, start.v), field))
    return predicted.frame().sha256()


class _MadeUpCoder:
    """A coder whose symbols are `made_up`; takes down which tables the networks ask for."""

    def __init__(self) -> None:
        self.tables = hashlib.sha256()
        self._count = 0

    def flags(self, flags: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """See `colorvid.models.passes.Coder.flags`."""
        return torch.from_numpy(self._next(grid[0] * grid[1], 1).reshape(grid) != 0)

    def hyper(self, symbols: Tensor | None, shape: torch.Size, flags: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.hyper`."""
        return torch.from_numpy(self._next(shape.numel(), 3)).reshape(shape) * flags.cpu()

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.passes.Coder.latents`."""
        tables = index.to("cpu", torch.int64).numpy()
        self.tables.update(tables.astype("<i2").tobytes())
        values = self._next(len(tables), 2)
        values[::97] *= 20
        return torch.from_numpy(np.where(tables > 0, values, 0)).to(index.device, index.dtype)

    def _next(self, count: int, limit: int) -> NDArray[np.int64]:
        self._count += count
        return made_up(count, -limit, limit, self._count)


def networks_sha256(model: Model) -> str:
    """SHA-256 of what the networks make of made-up symbols, in hexadecimal digits.

    It runs over the tables that a key frame and an inter frame ask for, and over both pictures.
    """
    network, coder = model.network, _MadeUpCoder()
    coders = (coder, coder)
    motion = Motion(vectors(grid_shape(*SIZE.shape)))
    with exact_torch():
        key: State = network.code_key(coders, None, SIZE.shape, _QUALITY)
        inter = network.code_inter(coders, None, motion, References(key, None, key), _QUALITY)
    for state in (key, inter):
        coder.tables.update(state.picture.frame().sha256().encode())
    return coder.tables.hexdigest()


def _arithmetic(device: str) -> Iterator[str]:
    """The guard's known answers, for both carriers."""
    prove.cache_clear()
    for carrier in CARRIERS:
        try:
            count = prove(device, carrier)
        except ColorvidError as error:
            raise HashMismatch(f"self-test failed: arithmetic: {error}") from error
        kind = str(carrier).removeprefix("torch.")
        yield f"arithmetic: {count} sums, products and roundings in {kind} equal int64"


def _symbols() -> list[int]:
    """What the rANS decoder makes of `RANS_WORDS`."""
    reader = SymbolReader(bytes.fromhex(RANS_WORDS))
    values: list[int] = reader.read(Tables(CDF, SIZES), INDEX).tolist()
    return values


def _released(name: str, device: str) -> Iterator[str]:
    """Proof of bounds, networks and stream of a released model, in both carriers."""
    for carrier in CARRIERS:
        model = load_model(name, device, carrier)
        expected = answers(name, model)
        if carrier == CARRIERS[0]:
            bounds = [b for b in prove_model(model.network) if b.allowed < 2**24]
            tightest = max(bounds, key=lambda bound: bound.largest)
            yield (
                f"model {name}: sums of {len(bounds)} layers proved below 2^24; the largest is "
                f"{tightest.largest} in {tightest.layer}"
            )
        kind = f"model {name} in {str(carrier).removeprefix('torch.')}"
        networks = partial(networks_sha256, model)
        yield check(f"{kind}: networks on fixed symbols", networks, expected["networks"])
        yield stream(name, kind, model, expected["frames"])
