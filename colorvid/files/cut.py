"""A part of a stream as a stream: whole groups as they are, and just the asked frames if wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.bitstream import ClvReader, Packet, StreamHeader
from colorvid.codec import structure
from colorvid.codec.settings import EncoderSettings
from colorvid.config import MOST_BFRAMES
from colorvid.effort import DEFAULT_PRESET
from colorvid.errors import ConfigError, InputError
from colorvid.files.concat import JoinedStream
from colorvid.files.streams import create_stream, name_of, named_errors, open_stream
from colorvid.io.places import check_apart
from colorvid.io.times import Place, section
from colorvid.native.core import core_for_encoding
from colorvid.system.interrupts import uninterrupted
from colorvid.system.limits import check_picture

if TYPE_CHECKING:
    from colorvid.codec.decoder import Decoder
    from colorvid.frame import Frame
    from colorvid.models.loading import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions:
    """Which part of a stream to cut out.

    Attributes:
        seek: the first frame, a number or a time such as ``10s``.
        to: the first frame behind the part, likewise; None = to the end.
        exact: encode the groups at both edges again, so that just these frames remain; else the
            part grows to whole groups.
        model: path of a model file, for ``exact``; None = the released model that the stream names.
        max_pixels: with ``exact``, refuse pictures with more luma samples; None = those that the
            memory of this machine has no room for.
        overwrite: whether an existing target is replaced.
    """

    seek: Place = 0
    to: Place | None = None
    exact: bool = False
    model: str | None = None
    max_pixels: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class CutReport:
    """Result of `cut_file`.

    Attributes:
        first: number in the source of the first frame that was kept.
        frames: of the new stream.
        encoded: how many of them were encoded again.
        size_bytes: of the new stream, with header and index.
    """

    first: int
    frames: int
    encoded: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of pictures.

    Attributes:
        packets: in decoding order.
        kept: numbers of the frames to keep.
    """

    packets: list[Packet]
    kept: range

    @property
    def is_whole(self) -> bool:
        """Whether all of it is kept."""
        return len(self.kept) == len(self.packets)


def cut_file(
    source: str | Path, target: str | Path, options: CutOptions | None = None
) -> CutReport:
    """Cut a part out of a ``.clv`` stream.

    Whole groups are not decoded; the packets of a part are numbered anew, and nothing else of them
    changes. The memory holds the packets of one group. Of a pipe, what lies behind the part is not
    read. The target appears under its name when it is complete.

    Args:
        source: a ``.clv`` file; ``-`` = standard input.
        target: a ``.clv`` file; ``-`` = standard output.
        options: see `CutOptions`; None = the whole stream.

    Raises:
        ConfigError: there is no frame between ``seek`` and ``to``, the target is the source, or
            there is no native core to encode with.
        InputError: the source cannot be read, or has no such frames.
        OutputError: the target exists or cannot be written.
        HeaderError: the source is not a ``.clv`` stream.
        ModelMismatch: the model that the stream needs is not available.
        DamagedStream: the source is damaged.
        HashMismatch: a frame that is to be encoded again is not what was encoded.
    """
    options, name = options or CutOptions(), name_of(source, "stdin")
    if options.exact:
        core_for_encoding()
    check_apart({"the input": source, "the model": options.model}, {"the output": target})
    with (
        open_stream(source) as stream,
        named_errors(name),
        create_stream(target, overwrite=options.overwrite) as file,
    ):
        reader = ClvReader(stream)
        seek, count = section(options.seek, options.to, reader.header.fps)
        wanted = range(seek, seek + count if count is not None else 2**63)
        first, encoded = 0, 0
        made: JoinedStream | None = None
        edges = _Edges(reader.header, options)
        for group in _groups(reader, wanted, seekable=stream.seekable()):
            again = options.exact and not group.is_whole
            if made is None:
                made = JoinedStream(file, reader.header)
                first = group.kept.start if again else group.packets[0].frame_number
            encoded += len(group.kept) if again else 0
            for packet in edges.encoded(group) if again else group.packets:
                made.add(packet)
        if made is None:
            raise InputError(f"{name}: seek={options.seek} skips all frames there are; skip fewer")
        return CutReport(first, made.frames, encoded, made.finish())


def _groups(reader: ClvReader, wanted: range, *, seekable: bool) -> Iterator[_Group]:
    """The groups that have wanted frames, in order."""
    if wanted.start and seekable:
        try:
            reader.seek_to_key(wanted.start)
        except ConfigError:  # there is no such frame
            return
    packets: list[Packet] = []
    for packet in reader:
        assert isinstance(packet, Packet)  # damage raises
        if packet.is_key:
            yield from _wanted(packets, wanted)
            if packet.frame_number >= wanted.stop:
                return
            packets = []
        packets.append(packet)
    yield from _wanted(packets, wanted)


def _wanted(packets: list[Packet], wanted: range) -> Iterator[_Group]:
    """The group of these packets, if it has wanted frames."""
    if packets:
        key = packets[0].frame_number
        kept = range(max(key, wanted.start), min(key + len(packets), wanted.stop))
        if kept:
            yield _Group(packets, kept)


def _rest(decoder: Decoder) -> Iterator[Frame]:
    """The frames that are left at the end, once they are asked for."""
    yield from decoder.flush()


class _Edges:
    """Encodes parts of groups again, at the qualities that they have."""

    def __init__(self, header: StreamHeader, options: CutOptions) -> None:
        """Load nothing yet."""
        self._header, self._options = header, options
        self._model: Model | None = None

    def encoded(self, group: _Group) -> Iterator[Packet]:
        """The packets of a group of the frames to keep; its first frame becomes a key frame."""
        header = self._header
        with uninterrupted():
            from colorvid.codec.decoder import Decoder
            from colorvid.codec.encoder import GroupEncoder
            from colorvid.models.loading import model_for
        if self._model is None:
            check_picture(header.size, self._options.max_pixels)
            self._model = model_for(header.model_id, "cpu", self._options.model, encoder=True)
        decoder = Decoder(
            self._model,
            header.size,
            references=header.references,
            reorder=header.reorder,
            depth=header.depth,
        )
        encoder = GroupEncoder(
            self._model,
            self._settings(group),
            header.size,
            group.kept.start,
            depth=header.depth,
        )
        number = group.packets[0].frame_number
        frames = chain(chain.from_iterable(map(decoder.push, group.packets)), _rest(decoder))
        for frame in islice(frames, group.kept.start - number, group.kept.stop - number):
            yield from (coded.packet for coded in encoder.push(frame))
        yield from (coded.packet for coded in encoder.flush())

    def _settings(self, group: _Group) -> EncoderSettings:
        """Those of a group, as far as its packets tell, within the limits of the header."""
        key, *others = group.packets
        fitting = [
            count
            for count in range(MOST_BFRAMES + 1)
            if structure.reorder(count) <= self._header.reorder
            and structure.references(count) <= self._header.references
        ]
        steady = {packet.quality for packet in others}
        alone = self._header.references == 1  # too few for what other presets do
        return EncoderSettings(
            quality=key.quality,
            gop=len(group.kept),
            bframes=fitting[-1],
            preset="fast" if alone else DEFAULT_PRESET,
            inter_quality=steady.pop() if len(steady) == 1 else None,
        )
