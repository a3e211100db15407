"""Frames to packets and back over whole videos, group by group on several threads.

The same bytes and the same pictures come out for every number of workers. Nothing here opens files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from colorvid.bitstream import ClvReader, Damage, Packet, PacketHeader, StreamHeader
from colorvid.codec import parallel
from colorvid.codec.decoder import Decoder, MissingReference
from colorvid.codec.encoder import CodedFrame, GroupEncoder, Guard
from colorvid.codec.lookahead import KeyFrames
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import DamagedStream, HashMismatch, ModelMismatch, OutOfMemory
from colorvid.frame import Frame, Size
from colorvid.io.files import frame_bytes
from colorvid.models.loading import Model, model_for
from colorvid.quality.log import FrameRow
from colorvid.quality.scores import FrameScores
from colorvid.system import memory
from colorvid.system.cores import one_torch_thread
from colorvid.system.limits import most_workers

Result = TypeVar("Result")
Scorer = Callable[[Frame, Frame], FrameScores | None]
"""Scores a decoded frame, the second one, against its source; called by the workers."""

_PACKET_BYTES = 4096
"""What a packet may have above the size of a picture without counting for more than one."""


@dataclass(frozen=True, slots=True)
class PlannedFrame:
    """A frame on its way to the encoder.

    Attributes:
        number: in the order of display.
        frame: the picture.
        begins: whether it becomes a key frame.
        quality: of its group, 0..63.
        guard: of the bits of its group; None = they are not limited.
    """

    number: int
    frame: Frame
    begins: bool
    quality: int
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """A packet and its line in the log."""

    packet: Packet
    row: FrameRow


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """What became of a packet or of damage.

    Attributes:
        header: of the packet; None for damage.
        frame: the picture; None if it could not be decoded.
        size_bytes: of the packet.
        problem: what is wrong, in one line, where it begins; None otherwise.
        mismatch: the picture decoded, but is not the one that was encoded.
        bits: information of luma and of chroma; None = not known.
    """

    header: PacketHeader | None
    frame: Frame | None
    size_bytes: int = 0
    problem: str | None = None
    mismatch: bool = False
    bits: tuple[float, float] | None = None


@contextmanager
def enough_memory(size: Size) -> Iterator[None]:
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
            f"not enough memory for pictures of {size}; use fewer threads or a machine with more"
        ) from error


def _plan(threads: int, gop: int, size: Size, packet_bytes: int = 0) -> tuple[int, int]:
    """Number of workers and depth of their buffers, for which there is memory.

    Raises:
        OutOfMemory: there is not.
    """
    picture = frame_bytes(size)
    most = most_workers(size.pixels)
    workers, depth = parallel.plan(threads, gop, picture + packet_bytes, most)
    memory.require(workers, picture)
    return workers, depth


def _one_thread_each(results: Generator[Result, None, None]) -> Generator[Result, None, None]:
    """The results, while every worker computes with one torch thread."""
    with one_torch_thread(), closing(results):
        yield from results


class _GroupWorker:
    """Encodes the frames of one group, with lines of the log."""

    def __init__(self, model: Model, settings: EncoderSettings, scorer: Scorer | None) -> None:
        self._model, self._settings = model, settings
        self._scorer = scorer
        self._encoder: GroupEncoder | None = None
        self._start = 0.0

    def push(self, item: PlannedFrame) -> list[EncodedFrame]:
        """Take a frame; what is coded then."""
        self._start = time.perf_counter()
        size = item.frame.size
        with enough_memory(size):
            if self._encoder is None:
                settings = replace(self._settings, quality=item.quality)
                self._encoder = GroupEncoder(self._model, settings, size, item.number, item.guard)
            return self._rows(self._encoder.push(item.frame))

    def flush(self) -> list[EncodedFrame]:
        """Code the frames that are left."""
        self._start = time.perf_counter()
        return [] if self._encoder is None else self._rows(self._encoder.flush())

    def _rows(self, coded: list[CodedFrame]) -> list[EncodedFrame]:
        """With a line of the log for each; the time is shared among those coded together."""
        seconds = (time.perf_counter() - self._start) / max(1, len(coded))
        return [self._row(frame, seconds) for frame in coded]

    def _row(self, coded: CodedFrame, seconds: float) -> EncodedFrame:
        scores = None if self._scorer is None else self._scorer(coded.source, coded.picture)
        return EncodedFrame(coded.packet, FrameRow.of(coded.packet, coded.bits, scores, seconds))


def encode_frames(
    model: Model,
    settings: EncoderSettings,
    frames: Iterable[Frame],
    size: Size,
    *,
    threads: int = 0,
    scorer: Scorer | None = None,
) -> Generator[EncodedFrame, None, None]:
    """Encode frames that come in order of display; packets come in decoding order.

    One torch thread for each worker.

    Close the generator (``contextlib.closing``) if it is not read to its end.

    Args:
        model: see `colorvid.models.loading.model_on`.
        settings: quality and GOP.
        frames: all of one ``size``.
        size: of the frames.
        threads: most workers; 0 = one for each core.
        scorer: compares each frame with what it decodes to; None = nothing does.
    """
    planned = plan_frames(settings, frames)
    return encode_planned(model, settings, planned, size, threads=threads, scorer=scorer)


def plan_frames(settings: EncoderSettings, frames: Iterable[Frame]) -> Iterator[PlannedFrame]:
    """Frames of a video, with key frames as the look-ahead sees them, all of one quality."""
    keys = KeyFrames(settings)
    for number, frame in enumerate(frames):
        yield PlannedFrame(number, frame, keys.begins(frame), settings.quality)


def encode_planned(
    model: Model,
    settings: EncoderSettings,
    planned: Iterable[PlannedFrame],
    size: Size,
    *,
    threads: int = 0,
    scorer: Scorer | None = None,
) -> Generator[EncodedFrame, None, None]:
    """Encode whole groups, each with its own quality; see `encode_frames`.

    Args:
        model: see `colorvid.models.loading.model_on`.
        settings: all but quality and key frames.
        planned: frames of ``size``; groups may be left out.
        size: of the frames.
        threads: most workers; 0 = one for each core.
        scorer: compares each frame with what it decodes to; None = nothing does.
    """
    workers, depth = _plan(threads, settings.gop, size)
    return _one_thread_each(
        parallel.map_groups(
            planned,
            lambda item: item.begins,
            lambda: _GroupWorker(model, settings, scorer),
            workers=workers,
            depth=depth,
        )
    )


class _GroupDecoder:
    """Decodes the packets of one group.

    Where something is lost, what is wrong is told once: not again for each frame that refers to
    what is lost.
    """

    def __init__(self, model: Model, header: StreamHeader, done: Callable[[], None] | None) -> None:
        with enough_memory(header.size):
            self._decoder = Decoder(
                model, header.size, references=header.references, reorder=header.reorder
            )
        self._broken = False
        self._done = done

    def push(self, record: Packet | Damage) -> list[DecodedRecord]:
        """Decode a packet, or take note of damage; then tell that it is done."""
        decoded = self._note(record) if isinstance(record, Damage) else self._decode(record)
        if self._done is not None:
            self._done()
        return [decoded]

    def flush(self) -> list[DecodedRecord]:
        """Nothing is left: every record was answered at once."""
        return []

    def _note(self, damage: Damage) -> DecodedRecord:
        self._broken = self._broken or damage.lost is None or len(damage.lost) > 0
        return DecodedRecord(None, None, problem=str(damage))

    def _decode(self, packet: Packet) -> DecodedRecord:
        header, size = packet.header, packet.size_bytes
        try:
            with enough_memory(self._decoder.size):
                frame = self._decoder.decode(packet)
                return DecodedRecord(header, frame, size, bits=self._decoder.decoded_bits())
        except HashMismatch as error:
            self._broken = True
            return DecodedRecord(header, None, size, str(error), mismatch=True)
        except MissingReference as error:
            problem = None if self._broken else str(error)
            self._broken = True
            return DecodedRecord(header, None, size, problem)
        except DamagedStream as error:
            self._broken = True
            return DecodedRecord(header, None, size, str(error))


def decode_records(
    model: Model,
    records: Iterable[Packet | Damage],
    header: StreamHeader,
    *,
    threads: int = 0,
    done: Callable[[], None] | None = None,
) -> Generator[DecodedRecord, None, None]:
    """Decode packets and damage in order, with as many torch threads as torch is set to.

    Close the generator (``contextlib.closing``) if it is not read to its end.

    Args:
        model: see `colorvid.models.loading.model_for`.
        records: packets and damage, as `colorvid.bitstream.ClvReader` yields them.
        header: of their stream.
        threads: most workers; 0 = one for each core.
        done: called by the workers after every record.
    """
    # Packets are small beside pictures; a forged one can be as large as two, and then counts so.
    item_bytes = frame_bytes(header.size) + _PACKET_BYTES
    workers, depth = _plan(threads, header.gop_length, header.size, _PACKET_BYTES)
    return parallel.map_groups(
        records,
        lambda record: isinstance(record, Packet) and record.is_key,
        lambda: _GroupDecoder(model, header, done),
        workers=workers,
        depth=depth,
        weigh=lambda record: _weight(record, item_bytes),
    )


def _weight(record: Packet | Damage, item_bytes: int) -> float:
    """As how many items of this size a record counts, at least 1."""
    return max(1.0, record.size_bytes / item_bytes) if isinstance(record, Packet) else 1.0


def decode_stream(
    reader: ClvReader,
    *,
    device: str = "cpu",
    model: Model | str | None = None,
    threads: int = 0,
    done: Callable[[], None] | None = None,
) -> Generator[DecodedRecord, None, None]:
    """Load the model of a stream, and give what its records become, in order.

    Every worker computes with one torch thread.

    Close the generator (``contextlib.closing``) if it is not read to its end.

    Args:
        reader: at the start of its records.
        device: torch device.
        model: one that is ready, or the path of a model file; None = the released model that the
            stream names.
        threads: most workers; 0 = one for each core.
        done: called by the workers after every record.

    Raises:
        ModelMismatch: the model that the stream needs is not available, or ``model`` is another.
        ConfigError: no such device.
    """
    header = reader.header
    ready = model if isinstance(model, Model) else model_for(header.model_id, device, model)
    if ready.identity != header.model_id:
        raise ModelMismatch(
            f"the stream needs model {header.model_id.hex()}; model={ready.identity.hex()} is "
            "another; pass the right one, or leave it out"
        )
    return _one_thread_each(decode_records(ready, reader, header, threads=threads, done=done))
