"""The self-test: known answers that show that this machine decodes streams exactly.

Each check compares a result of this machine with integers or hashes that were fixed elsewhere;
what they prove is told in `docs/exactness.md`. The hashes of a released model and its small stream
lie beside its weights; ``python -m tests.conformance.make`` writes both.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.bitstream import ClvReader, Packet
from colorvid.codec.decoder import Decoder
from colorvid.entropy.rans import CodeBook, SymbolReader
from colorvid.entropy.tables import Tables
from colorvid.errors import ColorvidError, DamagedStream, HashMismatch, ModelMismatch
from colorvid.exact.guard import exact_torch, prove
from colorvid.models.loading import check_device
from colorvid.models.modelfile import RELEASED, Model, find_model, load_model, prove_model
from colorvid.models.planes import FrameTensors
from colorvid.models.video import State
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import compensate, compensate_in_torch
from colorvid.motion.field import VECTOR_LIMIT, grid_shape
from colorvid.motion.native import AnyMotionCoder, motion_coder
from colorvid.native.core import core, describe

HEIGHT, WIDTH = 51, 67
Planes = tuple[Tensor, Tensor, Tensor]
CARRIERS = (torch.float32, torch.float64)
_QUALITY = 40

# Two tables and symbols coded with them, an escape among them, by compressai's rANS coder.
_CDF = np.array(
    [[0, 9000, 56000, 65000, 65536, 0, 0], [0, 4000, 14000, 50000, 60000, 65535, 65536]], np.int32
)
_SIZES = np.array([5, 7], np.int32)
_SYMBOLS = (0, 1, -1, 0, -2, 2, 0, 1, 9, -300, 2047, 0)
_INDEX = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1], np.int32)
_RANS_WORDS = "50803195010000000f2296a7c1ffff332563ff57"
_VECTORS = (
    "f000bfe8b2103d567689037a169812d73c291f4f36c5c0867971c4be9c417a801be51899fac85b9a546bb4fc"
    "a4276e21945f9a3563dde075e9620991db"
)
_VECTORS_SHAPE = (5, 6)
_MOTION_SHA256 = "6dbbb40afe1676cae84ddc47ed506995364637bbff0873d8489d8370224abb54"


def made_up(count: int, low: int, high: int, first: int = 0) -> NDArray[np.int64]:
    """``count`` integers from ``low`` to ``high`` that are the same everywhere, int64.

    Multiplicative hashing by the golden ratio (Knuth, The Art of Computer Programming 6.4) of
    the numbers from ``first`` on.
    """
    mixed = (np.arange(first + 1, first + count + 1, dtype=np.int64) * 2654435761) % 2**32
    return low + (mixed >> 8) % (high - low + 1)


def vectors(shape: tuple[int, int]) -> NDArray[np.int16]:
    """A field of vectors ``(rows, columns, 2)``: most are short, some of the longest."""
    field = made_up(shape[0] * shape[1] * 2, -9, 9)
    field[::11] = VECTOR_LIMIT * np.sign(field[::11])
    return field.astype(np.int16).reshape(*shape, 2)


def picture(device: str) -> FrameTensors:
    """A picture of noise, 67x51."""
    chroma = ((HEIGHT + 1) // 2, (WIDTH + 1) // 2)
    planes = []
    for number, (rows, columns) in enumerate(((HEIGHT, WIDTH), chroma, chroma)):
        samples = made_up(rows * columns, 0, 255, number * 10**6).reshape(rows, columns)
        planes.append(torch.from_numpy(samples.astype(np.uint8)).to(device))
    return FrameTensors(*planes)


def motion_sha256(device: str, predict: Callable[[Planes, Tensor], Planes] = compensate) -> str:
    """SHA-256 of a prediction from `picture` by `vectors`, in hexadecimal digits."""
    start = picture(device)
    field = torch.from_numpy(vectors(grid_shape(HEIGHT, WIDTH))).to(device)
    with exact_torch():
        predicted = FrameTensors(*predict((start.y, start.u, start.v), field))
    return predicted.frame().sha256()


class _MadeUpCoder:
    """A coder whose symbols are `made_up`; takes down which tables the networks ask for."""

    def __init__(self) -> None:
        self.tables = hashlib.sha256()
        self._count = 0

    def hyper(self, symbols: Tensor | None, shape: torch.Size) -> Tensor:
        """See `colorvid.models.branch.Coder.hyper`."""
        return torch.from_numpy(self._next(shape.numel(), 3)).reshape(shape)

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        """See `colorvid.models.branch.Coder.latents`."""
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
    field = torch.from_numpy(vectors(grid_shape(HEIGHT, WIDTH))).to(network.device)
    with exact_torch():
        key: State = network.code_key(coders, None, (HEIGHT, WIDTH), _QUALITY)
        inter = network.code_inter(coders, None, field, key, _QUALITY)
    for state in (key, inter):
        coder.tables.update(state.picture.frame().sha256().encode())
    return coder.tables.hexdigest()


def run(device: str = "cpu") -> Iterator[str]:
    """Run all checks; yields a line of text for each as soon as it has passed.

    Args:
        device: torch device.

    Raises:
        ConfigError: no such device.
        HashMismatch: a result differs; this machine would decode wrong pictures.
        ModelMismatch: a released model cannot be used, or its data belong to another model.
    """
    check_device(device)
    yield f"machine: {platform.machine()}, Python {platform.python_version()}, " + _torch(device)
    yield from _arithmetic(device)
    yield _check("entropy decoder: symbols from fixed bytes", _symbols, list(_SYMBOLS))
    field = vectors(_VECTORS_SHAPE).tolist()
    yield _check("motion decoder: vectors from fixed bytes", lambda: _read(MotionCoder()), field)
    title = "motion compensation: a picture by fixed vectors"
    in_torch = partial(motion_sha256, device, compensate_in_torch)
    yield _check(title, in_torch, _MOTION_SHA256)
    yield describe()
    if core() is not None:
        native = "native core: vectors from fixed bytes"
        yield _check(native, lambda: _read(motion_coder()), field)
        native = "native core: a picture by fixed vectors"
        yield _check(native, partial(motion_sha256, "cpu", compensate), _MOTION_SHA256)
    for name in RELEASED:
        yield from _released(name, device)
    yield "all right: this machine decodes exactly"


def _torch(device: str) -> str:
    """Version of torch, and what it computes with."""
    place = torch.device(device)
    if place.type == "cuda":
        return f"torch {torch.__version__}, {torch.cuda.get_device_name(place)}"
    return f"torch {torch.__version__}, {device} ({torch.backends.cpu.get_cpu_capability()})"


def _check(title: str, compute: Callable[[], object], expected: object) -> str:
    """Compare a result with its known answer; gives the line that tells it."""
    try:
        got = compute()
    except (DamagedStream, HashMismatch) as error:
        got = error
    if got != expected:
        raise HashMismatch(
            f"self-test failed: {title}: the result is {_short(got)}, it must be "
            f"{_short(expected)}; this machine would decode wrong pictures"
        )
    return f"{title}: as it must be"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 64 else f"{text[:61]}..."


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
    """What the rANS decoder makes of `_RANS_WORDS`."""
    tables = Tables(_CDF, _SIZES)
    book = CodeBook(tables, tables)
    reader = SymbolReader(bytes.fromhex(_RANS_WORDS), len(_INDEX))
    values: list[int] = reader.read(book, tables, _INDEX).tolist()
    return values


def _read(coder: AnyMotionCoder) -> object:
    """What a motion coder makes of `_VECTORS`."""
    return coder.decode(bytes.fromhex(_VECTORS), _VECTORS_SHAPE).tolist()


def _released(name: str, device: str) -> Iterator[str]:
    """Proof of bounds, networks and stream of a released model, in both carriers."""
    path = find_model(name)
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = load_model(name, device)
    if model.identity.hex() != expected["model"]:
        raise ModelMismatch(
            f"model {name} is {model.identity.hex()}, its self-test data are for "
            f"{expected['model']}; run python -m tests.conformance.make"
        )
    bounds = [b for b in prove_model(model.network) if b.allowed < 2**24]
    tightest = max(bounds, key=lambda bound: bound.largest)
    yield (
        f"model {name}: sums of {len(bounds)} layers proved below 2^24; the largest is "
        f"{tightest.largest} in {tightest.layer}"
    )
    for carrier in CARRIERS:
        model = load_model(name, device, carrier)
        kind = f"model {name} in {str(carrier).removeprefix('torch.')}"
        networks = partial(networks_sha256, model)
        yield _check(f"{kind}: networks on fixed symbols", networks, expected["networks"])
        yield from _stream(kind, model, path.with_suffix(".clv").read_bytes(), expected["frames"])


def _stream(kind: str, model: Model, data: bytes, expected: list[str]) -> Iterator[str]:
    """Decode the small stream of a model and compare every frame."""
    reader = ClvReader(io.BytesIO(data))
    decoder = Decoder(model, reader.header.size)
    packets = [record for record in reader if isinstance(record, Packet)]
    title = f"{kind}: {len(packets)} frames of a stream of {len(data)} bytes"
    yield _check(title, lambda: [decoder.push(p).sha256() for p in packets], expected)
