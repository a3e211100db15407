"""Frames to packets and back over whole videos, group by group on several threads.

The same bytes and the same pictures come out for every number of workers. Nothing here opens files.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import cast

import torch

from colorvid.bitstream import ClvReader, Damage, Packet
from colorvid.codec import parallel
from colorvid.codec.coder import Decoder, Encoder, EncoderSettings
from colorvid.codec.pictures import Decoded, Encoded
from colorvid.entropy.rans import SymbolWriter
from colorvid.errors import (
    ConfigError,
    DamagedStream,
    HashMismatch,
    ModelMismatch,
    OutOfMemory,
)
from colorvid.exact.guard import prove
from colorvid.frame import Frame
from colorvid.io.files import frame_bytes
from colorvid.models.modelfile import RELEASED, Model, load_model, model_identity
from colorvid.quality.color import ColorSpec
from colorvid.quality.log import FrameRow, Scores, score
from colorvid.system import memory
from colorvid.system.interrupts import uninterrupted
from colorvid.system.limits import most_workers

_PACKET_BYTES = 4096
"""What a packet may have above the size of a picture without counting for more than one."""


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Inside, every worker computes with one thread; the number from before comes back after."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def model_on(device: str, name: str) -> Model:
    """Load a model by name or path, ready for work on several threads.

    It loads with one torch thread: its thousands of small operations gain little from more, and
    threads that wait for each other crawl where other programs keep the cores busy.

    Raises:
        ConfigError: no such device.
        ModelMismatch: no such model.
    """
    check_device(device)
    with one_torch_thread():
        model = load_model(name, device)
        prove(str(model.network.device), model.network.carrier)
    with uninterrupted():
        SymbolWriter()  # loads the range coder here, once, and not in several threads
    return model


@contextmanager
def enough_memory(size: tuple[int, int]) -> Iterator[None]:
    """Name what is wrong if the block runs out of memory at pictures of ``size``.

    Raises:
        OutOfMemory: so it does.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"not enough memory for pictures of {size[1]}x{size[0]}; use fewer threads or a "
            "machine with more"
        ) from error


def check_device(device: str) -> None:
    """Refuse what torch cannot run on.

    Raises:
        ConfigError: unknown, or not there.
    """
    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it holds no values")
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ConfigError(f"device {device!r} cannot be used: {reason}; use cpu") from error


def model_for(model_id: bytes, device: str, name: str | None) -> Model:
    """The model that a stream needs: ``name`` if it is that one, else a released one.

    Raises:
        ModelMismatch: it is not there; the message names it and those that are.
    """
    available = []
    for candidate in [name] if name is not None else list(RELEASED):
        identity = model_identity(candidate)
        if identity == model_id:
            return model_on(device, candidate)
        available.append(f"{candidate} ({identity.hex()})")
    raise ModelMismatch(
        f"the stream needs model {model_id.hex()}; here is {', '.join(available)}; "
        "give the right file with --model or update colorvid"
    )


def _plan(threads: int, gop: int, size: tuple[int, int], packet_bytes: int = 0) -> tuple[int, int]:
    """Number of workers and depth of their buffers, for which there is memory.

    Raises:
        OutOfMemory: there is not.
    """
    picture = frame_bytes(*size)
    most = most_workers(size[0] * size[1])
    workers, depth = parallel.plan(threads, gop, picture + packet_bytes, most)
    memory.require(workers, picture)
    return workers, depth


class _GroupEncoder:
    """Encodes the frames of one group."""

    def __init__(
        self, model: Model, settings: EncoderSettings, scored: bool, spec: ColorSpec | None
    ) -> None:
        self._model, self._settings = model, settings
        self._scored, self._spec = scored, spec
        self._encoder: Encoder | None = None

    def __call__(self, item: tuple[int, Frame]) -> Encoded:
        """Encode a frame, given with its number."""
        start = time.perf_counter()
        number, frame = item
        if self._encoder is None:
            self._encoder = Encoder(self._model, self._settings, first=number)
        with enough_memory((frame.height, frame.width)):
            coded = self._encoder.push(frame)
        seconds = time.perf_counter() - start
        scores: Scores | None = None
        if self._scored:
            scores = score(frame, coded.picture, self._spec)
        return Encoded(coded.packet, FrameRow.of(coded.packet, coded.bits, scores, seconds))


def encode_frames(
    model: Model,
    settings: EncoderSettings,
    frames: Iterable[Frame],
    size: tuple[int, int],
    *,
    threads: int = 0,
    scored: bool = False,
    spec: ColorSpec | None = None,
) -> Generator[Encoded, None, None]:
    """Encode frames in order; call it inside `one_torch_thread`.

    Args:
        model: see `model_on`.
        settings: quality and GOP.
        frames: all of one ``size`` (height, width).
        size: luma samples.
        threads: most workers; 0 = one for each core.
        scored: compare each frame with its source.
        spec: colours, for CIEDE2000.
    """
    workers, depth = _plan(threads, settings.gop, size)
    return cast(
        Generator[Encoded, None, None],
        parallel.map_groups(
            enumerate(frames),
            lambda item: item[0] % settings.gop == 0,
            lambda: _GroupEncoder(model, settings, scored, spec),
            workers=workers,
            depth=depth,
        ),
    )


class _GroupDecoder:
    """Decodes the packets of one group; after a loss it waits for the next group."""

    def __init__(self, model: Model, size: tuple[int, int]) -> None:
        self._decoder = Decoder(model, *size)
        self._lost = True

    def __call__(self, item: tuple[Packet | Damage, int]) -> Decoded:
        """Decode a packet, given with its size, or take note of damage."""
        record, size = item
        if isinstance(record, Damage):
            lost = 0 if record.lost is None else len(record.lost)
            self._lost = self._lost or record.lost is None or lost > 0
            return Decoded(None, lost=lost, problem=str(record))
        if self._lost and not record.is_key:
            return Decoded(None, size, lost=1)
        try:
            with enough_memory(self._decoder.size):
                frame = self._decoder.push(record)
        except (DamagedStream, HashMismatch) as error:
            self._lost = True
            return Decoded(None, size, 1, str(error), isinstance(error, HashMismatch))
        self._lost = False
        return Decoded(frame, size)


def decode_records(
    model: Model,
    records: Iterable[tuple[Packet | Damage, int]],
    size: tuple[int, int],
    gop: int,
    *,
    threads: int = 0,
) -> Generator[Decoded, None, None]:
    """Decode what a `colorvid.bitstream.ClvReader` yields, in order; inside `one_torch_thread`.

    Args:
        model: see `model_for`.
        records: packets and damage, each with the bytes of the packet.
        size: luma height and width.
        gop: frames of a group as the header states them; 0 = not said.
        threads: most workers; 0 = one for each core.
    """
    # Packets are small beside pictures; a forged one can be as large as two, and then counts so.
    item_bytes = frame_bytes(*size) + _PACKET_BYTES
    workers, depth = _plan(threads, gop, size, _PACKET_BYTES)
    return cast(
        Generator[Decoded, None, None],
        parallel.map_groups(
            records,
            lambda item: isinstance(item[0], Packet) and item[0].is_key,
            lambda: _GroupDecoder(model, size),
            workers=workers,
            depth=depth,
            weigh=lambda item: max(1.0, item[1] / item_bytes),
        ),
    )


@contextmanager
def decode_stream(
    reader: ClvReader, *, device: str = "cpu", model: Model | str | None = None, threads: int = 0
) -> Iterator[Iterator[Decoded]]:
    """What the records of a stream become, in order, for the block.

    Args:
        reader: at the start of its records.
        device: torch device.
        model: one that is ready, or the path of a model file; None = the released model that the
            stream names.
        threads: most workers; 0 = one for each core.

    Raises:
        ModelMismatch: the model that the stream needs is not here.
        ConfigError: no such device.
    """
    header = reader.header
    ready = model if isinstance(model, Model) else model_for(header.model_id, device, model)
    records = ((record, reader.packet_bytes) for record in reader)
    size = header.height, header.width
    decoded = decode_records(ready, records, size, header.gop_length, threads=threads)
    with one_torch_thread(), closing(decoded):
        yield decoded
