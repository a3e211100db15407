"""Streams one after the other in one stream: whole groups, not a byte of their pictures changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from colorvid.bitstream import ClvReader, ClvWriter, Packet, StreamHeader
from colorvid.errors import ConfigError, DamagedStream, HeaderError
from colorvid.files.streams import create_stream, name_of, named_errors, open_stream


@dataclass(frozen=True, slots=True)
class ConcatReport:
    """Result of `concat_files`.

    Attributes:
        frames: of the new stream.
        size_bytes: of the new stream, with header and index.
    """

    frames: int
    size_bytes: int


def concat_files(
    sources: Sequence[str | Path], target: str | Path, *, overwrite: bool = False
) -> ConcatReport:
    """Put ``.clv`` streams one after the other, without decoding them.

    Packets are numbered anew, the rest of every packet stays as it is. Parts of a video that begin
    at multiples of its ``gop`` give the very bytes of a single encoding. The target appears under
    its name when it is complete.

    Args:
        sources: ``.clv`` files of one header: size, rate, colours, model, length of groups,
            order and references; ``-`` = standard input.
        target: a ``.clv`` file; ``-`` = standard output.
        overwrite: whether an existing target is replaced.

    Raises:
        ConfigError: there are no sources.
        InputError: a source cannot be read.
        OutputError: the target exists or cannot be written.
        HeaderError: a source is not a ``.clv`` stream, or its header differs from the first one's.
        DamagedStream: a source is damaged, or its packets cannot follow one another.
    """
    if not sources:
        raise ConfigError("there are no streams to put together; give one or more")
    with create_stream(target, overwrite=overwrite) as file:
        writer = ClvWriter(file)
        first: StreamHeader | None = None
        frames = 0
        for source in sources:
            name = name_of(source, "stdin")
            with open_stream(source) as stream, named_errors(name):
                reader = ClvReader(stream)
                if first is None:
                    first = reader.header
                    writer.write_header(first)
                _check_same(first, reader.header, name_of(sources[0], "stdin"))
                for record in reader:
                    assert isinstance(record, Packet)  # damage raises
                    with _faults_of_the_source():
                        writer.write_packet(dataclasses.replace(record, frame_number=frames))
                    frames += 1
        writer.finish()
    return ConcatReport(frames, writer.bytes_written)


@contextmanager
def _faults_of_the_source() -> Iterator[None]:
    """Blame the stream for a packet that a writer refuses, as it is not ours."""
    try:
        yield
    except ConfigError as error:
        raise DamagedStream(str(error)) from error


def _check_same(first: StreamHeader, other: StreamHeader, name: str) -> None:
    """Refuse a stream whose header is not that of the first one, which is called ``name``."""
    for field in dataclasses.fields(StreamHeader):
        a, b = getattr(first, field.name), getattr(other, field.name)
        if a != b:
            a, b = (v.hex() if isinstance(v, bytes) else v for v in (a, b))
            raise HeaderError(
                f"{field.name} is {b}, that of {name} is {a}; only streams of one kind can be "
                "put together"
            )
