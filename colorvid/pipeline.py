"""Frames to packets and back over whole videos, group by group on several threads.

The same bytes and the same pictures come out for every number of workers. Nothing here opens files.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch

from colorvid import memory, parallel
from colorvid.bitstream import Damage, Packet
from colorvid.codec import Decoder, Encoder, EncoderSettings
from colorvid.color import ColorSpec
from colorvid.entropy.rans import SymbolWriter
from colorvid.errors import ConfigError, DamagedStream, HashMismatch, ModelMismatch
from colorvid.exact.guard import prove
from colorvid.frame import Frame
from colorvid.interrupts import uninterrupted
from colorvid.io.files import frame_bytes
from colorvid.models.modelfile import RELEASED, Model, load_model
from colorvid.pictures import Decoded, Encoded
from colorvid.report import FrameRow, Scores, score


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

    Raises:
        ConfigError: no such device.
        ModelMismatch: no such model.
    """
    check_device(device)
    model = load_model(name, device)
    prove(str(model.network.device), model.network.carrier)
    with uninterrupted():
        SymbolWriter()  # loads the range coder here, once, and not in several threads
    return model


def check_device(device: str) -> None:
    """Refuse what torch cannot run on.

    Raises:
        ConfigError: unknown, or not there.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ConfigError(f"device {device!r} cannot be used: {reason}; use cpu") from error


def model_for(model_id: bytes, device: str, name: str | None) -> Model:
    """The model that a stream needs: ``name`` if it is that one, else a released one.

    Raises:
        ModelMismatch: it is not there; the message names it and those that are.
    """
    available = []
    for candidate in [name] if name is not None else list(RELEASED):
        model = model_on(device, candidate)
        if model.identity == model_id:
            return model
        available.append(f"{candidate} ({model.identity.hex()})")
    raise ModelMismatch(
        f"the stream needs model {model_id.hex()}; here is {', '.join(available)}; "
        "give the right file with --model or update colorvid"
    )


def _plan(threads: int, gop: int, size: tuple[int, int]) -> tuple[int, int]:
    """Number of workers and depth of their buffers, for which there is memory.

    Raises:
        OutOfMemory: there is not.
    """
    workers, depth = parallel.plan(threads, gop, frame_bytes(*size))
    memory.require(workers, frame_bytes(*size))
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
    workers, depth = _plan(threads, gop, size)
    return cast(
        Generator[Decoded, None, None],
        parallel.map_groups(
            records,
            lambda item: isinstance(item[0], Packet) and item[0].is_key,
            lambda: _GroupDecoder(model, size),
            workers=workers,
            depth=depth,
        ),
    )
