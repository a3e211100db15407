"""Streams one after the other in one stream: whole groups, not a byte of their pictures changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from colorvid.bitstream import ClvReader, ClvWriter, Packet, StreamHeader
from colorvid.errors import ConfigError, DamagedStream, HeaderError
from colorvid.files.streams import create_stream, name_of, named_errors, open_stream
from colorvid.io.places import check_apart


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
        ConfigError: there are no sources, or the target is one of them.
        InputError: a source cannot be read.
        OutputError: the target exists or cannot be written.
        HeaderError: a source is not a ``.clv`` stream, or its header differs from the first one's.
        DamagedStream: a source is damaged, or its packets cannot follow one another.
    """
    if not sources:
        raise ConfigError("there are no streams to put together; give one or more")
    inputs = {f"input {number}": source for number, source in enumerate(sources, 1)}
    check_apart(inputs, {"the output": target})
    with create_stream(target, overwrite=overwrite) as file:
        first: StreamHeader | None = None
        for source in sources:
            name = name_of(source, "stdin")
            with open_stream(source) as stream, named_errors(name):
                reader = ClvReader(stream)
                if first is None:
                    first, joined = reader.header, JoinedStream(file, reader.header)
                _check_same(first, reader.header, name_of(sources[0], "stdin"))
                for record in reader:
                    assert isinstance(record, Packet)  # damage raises
                    joined.add(record)
        return ConcatReport(joined.frames, joined.finish())


class JoinedStream:
    """A stream of packets that others were made of: they are numbered anew, and nothing else.

    Attributes:
        frames: that it has so far.
    """

    def __init__(self, file: BinaryIO, header: StreamHeader) -> None:
        """Write the header.

        Raises:
            OutputError: the file cannot be written.
        """
        self._writer = ClvWriter(file)
        self._writer.write_header(header)
        self.frames = 0

    def add(self, packet: Packet) -> None:
        """Write a packet.

        Raises:
            DamagedStream: it cannot follow the last one.
            OutputError: the file cannot be written.
        """
        with _faults_of_the_source():
            self._writer.write_packet(dataclasses.replace(packet, frame_number=self.frames))
        self.frames += 1

    def finish(self) -> int:
        """Write the index; gives the size of the stream in bytes.

        Raises:
            DamagedStream: the last group is not whole.
            OutputError: the file cannot be written.
        """
        with _faults_of_the_source():
            self._writer.finish()
        return self._writer.bytes_written


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
