"""Frames to packets and back over whole videos, on several threads.

Threads work on groups of pictures, and inside a group on frames that need nothing of each other.
The same bytes and the same pictures come out for every number of threads. Nothing here opens files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from colorvid.bitstream import ClvReader, Damage, Packet, PacketHeader, StreamHeader
from colorvid.codec import parallel
from colorvid.codec.crew import Lane, Lanes, Task
from colorvid.codec.decoder import MissingReference, PacketDecoder
from colorvid.codec.encoder import GroupEncoder, Guard
from colorvid.codec.lookahead import KeyFrames
from colorvid.codec.loop import Step
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.slots import Order
from colorvid.config import MOST_BFRAMES
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
"""Scores a decoded frame, the second one, against its source; called by the threads."""

REACH = MOST_BFRAMES + 1
"""Frames of a group that are coded at once, at most: as long as a mini-GOP is coded, that is the
P frame of the next one."""
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


def _plan(threads: int, size: Size, depth: int, packet_bytes: int = 0) -> tuple[int, int]:
    """Number of threads, and of items under way, for which there is memory.

    Raises:
        OutOfMemory: there is not.
    """
    picture = frame_bytes(size, depth)
    workers, room = parallel.plan(threads, picture + packet_bytes, most_workers(size.pixels))
    memory.require(workers, picture)
    return workers, room


def _lane(lanes: Lanes, model: Model, *, in_order: bool = False) -> Lane:
    """A lane for the frames of a group; PyTorch codes them in order."""
    return lanes.lane(1 if in_order or model.native is None else REACH)


def _one_thread_each(results: Generator[Result, None, None]) -> Generator[Result, None, None]:
    """The results, while every worker computes with one torch thread."""
    with one_torch_thread(), closing(results):
        yield from results


class _GroupWorker:
    """Encodes the frames of one group, with lines of the log."""

    def __init__(
        self, model: Model, settings: EncoderSettings, scorer: Scorer | None, lanes: Lanes
    ) -> None:
        self._model, self._settings = model, settings
        self._scorer, self._lanes = scorer, lanes
        self._encoder: GroupEncoder | None = None

    def push(self, item: PlannedFrame) -> list[Task[EncodedFrame]]:
        """Take a frame; submit what can be coded then."""
        size = item.frame.size
        with enough_memory(size):
            if self._encoder is None:
                settings, guard = replace(self._settings, quality=item.quality), item.guard
                in_order = guard is not None or settings.attempts
                self._lane = _lane(self._lanes, self._model, in_order=in_order)
                self._encoder = GroupEncoder(
                    self._model,
                    settings,
                    size,
                    item.number,
                    guard,
                    self._lane.reach,
                    depth=item.frame.depth,
                )
            return self._submit(self._encoder, self._encoder.plan(item.frame))

    def flush(self) -> list[Task[EncodedFrame]]:
        """Submit the frames that are left."""
        return [] if self._encoder is None else self._submit(self._encoder, self._encoder.rest())

    def _submit(self, encoder: GroupEncoder, steps: Iterable[Step]) -> list[Task[EncodedFrame]]:
        return [step.submit(self._lane, partial(self._code, encoder, step)) for step in steps]

    def _code(self, encoder: GroupEncoder, step: Step) -> EncodedFrame:
        start = time.perf_counter()
        with enough_memory(encoder.size):
            coded = encoder.encode(step)
        seconds = time.perf_counter() - start
        scores = None if self._scorer is None else self._scorer(coded.source, coded.picture)
        return EncodedFrame(coded.packet, FrameRow.of(coded.packet, coded.bits, scores, seconds))


def encode_frames(
    model: Model,
    settings: EncoderSettings,
    frames: Iterable[Frame],
    size: Size,
    *,
    depth: int = 8,
    threads: int = 0,
    scorer: Scorer | None = None,
) -> Generator[EncodedFrame, None, None]:
    """Encode frames that come in order of display; packets come in decoding order.

    Each thread computes with one torch thread.

    Close the generator (``contextlib.closing``) if it is not read to its end.

    Args:
        model: see `colorvid.models.loading.model_on`.
        settings: quality and GOP.
        frames: all of one ``size`` and ``depth``.
        size: of the frames.
        depth: bits of a sample, 8 or 10.
        threads: most threads; 0 = one for each core.
        scorer: compares each frame with what it decodes to; None = nothing does.
    """
    planned = plan_frames(settings, frames)
    return encode_planned(
        model, settings, planned, size, depth=depth, threads=threads, scorer=scorer
    )


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
    depth: int = 8,
    threads: int = 0,
    most_groups: int | None = None,
    scorer: Scorer | None = None,
) -> Generator[EncodedFrame, None, None]:
    """Encode whole groups, each with its own quality; see `encode_frames`.

    Args:
        model: see `colorvid.models.loading.model_on`.
        settings: all but quality and key frames.
        planned: frames of ``size`` and ``depth``; groups may be left out.
        size: of the frames.
        depth: bits of a sample, 8 or 10.
        threads: most threads; 0 = one for each core.
        most_groups: see `colorvid.codec.parallel.map_groups`.
        scorer: compares each frame with what it decodes to; None = nothing does.
    """
    workers, room = _plan(threads, size, depth)
    return _one_thread_each(
        parallel.map_groups(
            planned,
            lambda item: item.begins,
            partial(_GroupWorker, model, settings, scorer),
            threads=workers,
            room=room,
            most_groups=most_groups,
        )
    )


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a packet or of damage, seen for itself.

    Attributes:
        record: with what is wrong.
        loses: whether later frames may miss it.
        follows: whether what is wrong is only that a frame before was lost.
    """

    record: DecodedRecord
    loses: bool = False
    follows: bool = False


class _GroupDecoder:
    """Decodes the packets of one group."""

    def __init__(
        self,
        model: Model,
        header: StreamHeader,
        done: Callable[[], None] | None,
        lanes: Lanes,
    ) -> None:
        self._size, self._done = header.size, done
        self._lane = _lane(lanes, model)
        with enough_memory(header.size):
            self._decoder = PacketDecoder(
                model, header.size, header.references, self._lane.reach, depth=header.depth
            )

    def push(self, record: Packet | Damage) -> list[Task[_Outcome]]:
        """Submit a packet, or damage to be noted; both tell when they are done."""
        if isinstance(record, Damage):
            return [self._lane.submit(partial(self._note, record))]
        order = self._decoder.plan(record)
        return [order.submit(self._lane, partial(self._decode, record, order))]

    def flush(self) -> list[Task[_Outcome]]:
        """Nothing is left: every record was answered at once."""
        return []

    def _note(self, damage: Damage) -> _Outcome:
        self._tell()
        loses = damage.lost is None or len(damage.lost) > 0
        return _Outcome(DecodedRecord(None, None, problem=str(damage)), loses)

    def _decode(self, packet: Packet, order: Order) -> _Outcome:
        with enough_memory(self._size):
            outcome = self._decoded(packet, order)
        self._tell()
        return outcome

    def _decoded(self, packet: Packet, order: Order) -> _Outcome:
        header, size = packet.header, packet.size_bytes
        try:
            decoded = self._decoder.decode(packet, order)
        except (DamagedStream, HashMismatch) as error:
            mismatch = isinstance(error, HashMismatch)
            record = DecodedRecord(header, None, size, str(error), mismatch)
            return _Outcome(record, loses=True, follows=isinstance(error, MissingReference))
        return _Outcome(DecodedRecord(header, decoded.picture, size, bits=decoded.bits))

    def _tell(self) -> None:
        if self._done is not None:
            self._done()


def _told_once(outcomes: Generator[_Outcome, None, None]) -> Generator[DecodedRecord, None, None]:
    """The records, with what is wrong told once: not again for frames that miss what is lost."""
    lost = False
    with closing(outcomes):
        for outcome in outcomes:
            record = outcome.record
            if record.header is not None and record.header.is_key:
                lost = False
            if outcome.follows and lost:
                record = replace(record, problem=None)
            lost = lost or outcome.loses
            yield record


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
        threads: most threads; 0 = one for each core.
        done: called by the threads after every record.
    """
    # Packets are small beside pictures; a forged one can be as large as two, and then counts so.
    item_bytes = frame_bytes(header.size, header.depth) + _PACKET_BYTES
    workers, room = _plan(threads, header.size, header.depth, _PACKET_BYTES)
    return _told_once(
        parallel.map_groups(
            records,
            lambda record: isinstance(record, Packet) and record.is_key,
            partial(_GroupDecoder, model, header, done),
            threads=workers,
            room=room,
            weigh=lambda record: _weight(record, item_bytes),
        )
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

    Each thread computes with one torch thread.

    Close the generator (``contextlib.closing``) if it is not read to its end.

    Args:
        reader: at the start of its records.
        device: torch device.
        model: one that is ready, or the path of a model file; None = the released model that the
            stream names.
        threads: most threads; 0 = one for each core.
        done: called by the threads after every record.

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
