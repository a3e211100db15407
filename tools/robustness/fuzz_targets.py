"""What is fuzzed: sound inputs, how to build others, and what must hold for any of them."""

from __future__ import annotations

import io
import random
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from colorvid.bitstream import (
    ClvReader,
    Damage,
    OnDamage,
    Packet,
    StreamHeader,
    summarise,
)
from colorvid.bitstream.headers import header_bytes, header_size
from colorvid.bitstream.index import END_MARKER, INDEX_MARKER, StreamIndex
from colorvid.bitstream.packets import MAX_FRAME_NUMBER, PACKET_MARKER
from colorvid.colors import Light
from colorvid.errors import ColorvidError, ConfigError, DamagedStream, HeaderError, InputError
from colorvid.files.streams import info_of
from colorvid.io import open_reader
from colorvid.io.y4m import format_header
from tools.robustness.container import container
from tools.robustness.fuzz_mutate import mutate, repair

MEGABYTE = 1 << 20


class Broken(Exception):
    """A promise does not hold for an input."""


def require(holds: bool, promise: str) -> None:
    """Raise ``Broken`` with the promise if it does not hold."""
    if not holds:
        raise Broken(promise)


class Target(ABC):
    """One part of the program that takes untrusted input.

    Attributes:
        name: as on the command line.
        memory_bytes: what a case may take beyond what the process takes after the first input.
        tokens: strings that mean something in the input.
        folder: where it puts files, if any.
    """

    name: ClassVar[str]
    memory_bytes: ClassVar[int] = 32 * MEGABYTE
    tokens: ClassVar[Sequence[bytes]] = (PACKET_MARKER, INDEX_MARKER, END_MARKER)

    folder: tempfile.TemporaryDirectory[str] | None = None

    def __init__(self) -> None:
        """Make the corpus."""
        self.corpus: Sequence[bytes] = self.make_corpus()

    @abstractmethod
    def make_corpus(self) -> Sequence[bytes]:
        """Sound inputs; mutations start from them."""

    @abstractmethod
    def structured(self) -> SearchStrategy[bytes]:
        """Inputs that are well formed in most places."""

    @abstractmethod
    def check(self, data: bytes) -> None:
        """Feed one input.

        Raises:
            Broken: a promise does not hold. Any other exception is a finding too.
        """

    def close(self) -> None:
        """Remove the folder."""
        if self.folder is not None:
            self.folder.cleanup()

    def mutated(self, rng: random.Random) -> bytes:
        """A mutation of a sound input."""
        return mutate(rng.choice(self.corpus), self.corpus, self.tokens, rng)


def sample_header(**changes: Any) -> StreamHeader:
    """A header of a small stream."""
    values: dict[str, Any] = dict(
        width=16, height=16, rate_num=30000, rate_den=1001, gop_length=3, reorder=1, references=2,
        model_id=bytes(range(16)),
    )  # fmt: skip
    return StreamHeader(**{**values, **changes})


def sample_packet(number: int) -> Packet:
    """A packet: key, P and unkept B frame in turn. Sizes need one and two bytes."""
    place: dict[str, int] = (
        dict(frame_type=0),
        dict(frame_type=1, shift=1, past=2),
        dict(frame_type=3, shift=-1, level=1, past=1, future=1),
    )[number % 3]
    return Packet(
        **place,
        quality=number % 64,
        frame_number=number,
        frame_crc=0x0102 * number % 2**16,
        motion=b"motion" * (number % 3),
        latents=bytes(range(7)) * 7 * (number % 4),
    )


def any_packet() -> SearchStrategy[Packet]:
    """Packets of all types with any values that they may have."""
    distance, level = st.integers(1, 16), st.integers(1, 7)
    places = (
        dict(frame_type=st.just(0)),
        dict(frame_type=st.just(1), past=distance),
        dict(frame_type=st.integers(2, 3), past=distance, future=distance, level=level),
    )
    number = st.integers(8, MAX_FRAME_NUMBER - 16) | st.integers(8, 20)

    def made(place: dict[str, SearchStrategy[int]]) -> SearchStrategy[Packet]:
        moves = {} if len(place) == 1 else {"shift": st.integers(-8, 16) | st.integers(-1, 1)}
        return st.builds(
            Packet,
            **place,
            **moves,
            quality=st.integers(0, 63),
            frame_number=number if moves else number | st.integers(0, MAX_FRAME_NUMBER),
            frame_crc=st.just(1),
            latents=st.binary(max_size=40),
        )

    return st.sampled_from(places).flatmap(made)


class HeaderTarget(Target):
    """The stream header alone."""

    name = "header"

    def make_corpus(self) -> Sequence[bytes]:
        """See `Target.make_corpus`."""
        light = Light(red_x=50000, brightest=2**32 - 1, max_fall=400)
        kinds: tuple[dict[str, Any], ...] = (
            {}, {"width": 8192, "height": 1}, {"pixel_format": 1},
            {"pixel_format": 1, "light": light},
        )  # fmt: skip
        return [sample_header(**changes).to_bytes() for changes in kinds]

    def structured(self) -> SearchStrategy[bytes]:
        """Any bytes behind a right magic and version, under a right CRC."""
        start = self.corpus[0][:9]
        size = header_bytes(10) - len(start)
        return st.binary(min_size=size, max_size=size).map(lambda body: repair(start + body))

    def mutated(self, rng: random.Random) -> bytes:
        """See `Target.mutated`; the CRC is right in half of the cases."""
        data = super().mutated(rng)
        return repair(data) if rng.random() < 0.5 else data

    def check(self, data: bytes) -> None:
        """A header is refused by name, or says what its bytes say."""
        try:
            header = StreamHeader.from_bytes(data[: header_size(data)])
        except HeaderError:
            return
        require(header.to_bytes() == data[: header.size_bytes], "a header that is read is unique")
        with suppress(HeaderError):
            info_of(header)


class PacketTarget(Target):
    """Packets and index: the container without decoding."""

    name = "packet"

    def make_corpus(self) -> Sequence[bytes]:
        """See `Target.make_corpus`."""
        packets = [sample_packet(n) for n in range(9)]
        deep = container(sample_header(pixel_format=1), packets[:4])
        return [deep, *(container(sample_header(), packets[:n]) for n in (0, 1, 4, 9))]

    def structured(self) -> SearchStrategy[bytes]:
        """Pieces of streams in any order, under right CRCs."""
        whole = self.corpus[-1]
        packet = any_packet().map(lambda p: p.to_bytes())
        index = st.binary(max_size=20).map(lambda b: INDEX_MARKER + bytes(4) + b + whole[-8:])
        piece = packet | index | st.binary(max_size=20) | st.sampled_from(self.tokens)
        tail = st.sampled_from((b"", whole[whole.rfind(INDEX_MARKER) :]))
        return st.tuples(st.lists(piece, max_size=12), tail).map(
            lambda parts: repair(whole[: header_size(whole)] + b"".join(parts[0]) + parts[1])
        )

    def mutated(self, rng: random.Random) -> bytes:
        """See `Target.mutated`; the CRCs are right in half of the cases."""
        data = super().mutated(rng)
        return repair(data) if rng.random() < 0.5 else data

    def check(self, data: bytes) -> None:
        """Packets that come out stand in the file, in order; damage is reported in both modes.

        Without damage every frame has its own display number, and none is left out.
        """
        try:
            reader = ClvReader(io.BytesIO(data), "resync")
        except HeaderError:
            return
        due, damages, shown = 0, 0, set()
        for record in reader:
            if isinstance(record, Damage):
                damages += 1
                continue
            require(record.frame_number >= due, "frame numbers rise")
            due = record.frame_number + 1
            shown.add(record.display_number)
            stands = data[reader.packet_offset :][: reader.packet_bytes]
            require(record.to_bytes() == stands, "a packet is what stands in the file")
        require(damages > 0 or reader.total_frames == due, "a missing frame is damage")
        require(damages > 0 or shown == set(range(due)), "every display number has its frame")
        self._check_strict(data, damages > 0)
        self._check_seeking(data)

    @staticmethod
    def _check_strict(data: bytes, damaged: bool) -> None:
        """Strict reading stops exactly where the other mode reports damage."""
        stopped = False
        try:
            for _ in ClvReader(io.BytesIO(data)):
                pass
        except DamagedStream:
            stopped = True
        require(stopped == damaged, "both modes agree whether a stream is damaged")
        require((summarise(io.BytesIO(data)).damages > 0) == damaged, "so does the summary")

    @staticmethod
    def _check_seeking(data: bytes) -> None:
        """The index serves, or is refused by name."""
        for mode in get_args(OnDamage):
            reader = ClvReader(io.BytesIO(data), mode)
            reader.stated_frames()
            with suppress(DamagedStream, ConfigError):
                key = reader.seek_to_key(4)
                first = next(iter(reader))
                require(isinstance(first, Packet) and first.frame_number == key, "seeking is exact")
        with suppress(DamagedStream):
            StreamIndex.from_bytes(data[header_size(data) :])


class InputTarget(Target):
    """The readers of y4m and raw video; the first byte chooses which."""

    name = "input"
    memory_bytes = 128 * MEGABYTE  # one frame of the largest size
    tokens = (
        b"FRAME\n", b"FRAME Ip\n", b" W8192", b" H8192", b" F30:1", b" C420p10", b" Ip", b"\n",
        b" W99999999999", b" F0:0", b" A1:0", b" X", b" C", b"YUV4MPEG2",
    )  # fmt: skip

    def __init__(self) -> None:
        """Make a folder for the files."""
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._paths = [Path(self.folder.name) / f"in{suffix}" for suffix in (".y4m", ".yuv")]

    def make_corpus(self) -> Sequence[bytes]:
        """See `Target.make_corpus`."""
        frame = b"FRAME\n" + bytes(range(12))
        plain = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n"
        coded = b"YUV4MPEG2 W3 H1 F30000:1001 XCLV_MATRIX=1 C420\nFRAME\n" + bytes(7)
        return [b"y" + plain + 2 * frame, b"y" + coded, b"r\x04\x02" + bytes(24)]

    def structured(self) -> SearchStrategy[bytes]:
        """Headers of known tokens with any value, and whole or cut frames."""
        value = st.integers(-1, 2**34).map(str) | st.sampled_from(("", "0", "4", "4:1", "1:0", "x"))
        token = st.tuples(st.sampled_from(("W", "H", "F", "A", "C", "I", "X", "Z")), value)
        known = st.sampled_from((" W4 H2 F25:1", " W1 H1 F1:1", " W8192 H8192 F1:1"))
        line = st.tuples(known, st.lists(token.map(lambda t: " " + "".join(t)), max_size=3))
        body = st.lists(
            st.sampled_from((b"FRAME\n", bytes(12), b"FRAME x\n", bytes(3))), max_size=6
        )
        return st.tuples(line, body).map(
            lambda parts: b"".join(
                (
                    b"yYUV4MPEG2",
                    parts[0][0].encode(),
                    "".join(parts[0][1]).encode(),
                    b"\n",
                    *parts[1],
                )
            )
        )

    def check(self, data: bytes) -> None:
        """Whole frames of the stated size come out, or an error of the input."""
        raw = data[:1] == b"r"
        path = self._paths[raw]
        path.write_bytes(data[3 if raw else 1 :])
        size = (data[1] * 37, data[2] * 37) if raw and len(data) > 2 else None
        count = 0
        try:
            with open_reader(path, size=size, rate=Fraction(25) if raw else None) as reader:
                info = reader.info
                for frame in reader:
                    require((frame.width, frame.height) == (info.width, info.height), "frame size")
                    count += 1
        except (InputError, ConfigError):
            return
        require(count > 0 and info.frames in (None, count), "a sound input has its frames")
        require(raw or len(format_header(info)) < 1024, "its header can be written")


Check = Callable[[], object]


def accept_errors(call: Check, accepted: tuple[type[Exception], ...] = (ColorvidError,)) -> None:
    """Call; an error of one of these classes is an answer."""
    try:
        call()
    except accepted as error:
        require("\n" not in str(error), f"a message is one line: {error}")
