"""The targets that need the model: entropy coding, whole streams, the Python API."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import colorvid
from colorvid.bitstream import ClvReader, Packet
from colorvid.bitstream.headers import header_size
from colorvid.bitstream.packets import short_crc
from colorvid.codec.decoder import Decoder
from colorvid.codec.settings import EncoderSettings
from colorvid.entropy.rans import SymbolReader, SymbolWriter
from colorvid.entropy.tables import MAX_SYMBOL
from colorvid.errors import ColorvidError, DamagedStream, HeaderError
from colorvid.evaluation.generated import generated_frames
from colorvid.files.decode import DecodedVideo, DecodeOptions
from colorvid.frame import Links, Motion, Size
from colorvid.io import VideoInfo, open_writer
from colorvid.models.loading import model_on
from colorvid.motion.coding import MotionCoder
from colorvid.motion.field import VECTOR_LIMIT, check_motion
from tests.motion.frames import same_motion
from tools.robustness.damage import coded_stream
from tools.robustness.fuzz_mutate import repair
from tools.robustness.fuzz_targets import (
    MEGABYTE,
    Broken,
    Target,
    accept_errors,
    require,
)

SIDE = 16
MAX_PIXELS = 4096
INFO = VideoInfo(SIDE, SIDE, Fraction(25))

_P = Links(past=0, future=None, inherits=0, target=1, past_distance=2)
_B = Links(past=0, future=1, inherits=1, target=2, past_distance=1, future_distance=1)
"""A P frame behind a key frame, and a B frame between the two."""


class EntropyTarget(Target):
    """Range coder with the vectors, and rANS with the model's tables; byte 0 chooses."""

    name = "entropy"
    memory_bytes = 64 * MEGABYTE
    tokens = (b"\x00" * 8, b"\xff" * 8, b"\x0f\xf0\xff\xff")

    def __init__(self) -> None:
        """Load the tables."""
        self._model = model_on("cpu", "default")
        super().__init__()

    def make_corpus(self) -> Sequence[bytes]:
        """Sections of real packets, and bytes that stand for symbols."""
        data = coded_stream(self._model, list(generated_frames(3, 48, 32)), 3, 40)
        packets = [p for p in ClvReader(io.BytesIO(data)) if isinstance(p, Packet)]
        motion = [b"\x00" + p.motion for p in packets[1:]]
        return [*motion, *(b"\x01" + p.latents for p in packets), b"\x02" + bytes(range(200))]

    def structured(self) -> SearchStrategy[bytes]:
        """Any bytes for each of the coders."""
        return st.tuples(st.integers(0, 3), st.binary(max_size=300)).map(
            lambda parts: bytes([parts[0]]) + parts[1]
        )

    def check(self, data: bytes) -> None:
        """Garbage gives values within their limits; what is written comes back."""
        kind, body = data[:1] or b"\0", data[1:]
        (self._vectors, self._symbols, self._symbols_back, self._vectors_back)[kind[0] % 4](body)

    @staticmethod
    def _vectors(body: bytes) -> None:
        """Motion of a P frame and of a B frame from garbage."""
        shape = (4, 6)
        coder = MotionCoder(shape)
        coder.start(0)
        for links in (_P, _B):
            try:
                motion = coder.decode(links, body)
            except DamagedStream:
                return
            check_motion(motion, shape)
            require(
                (motion.future is None) == (links.future is None), "both references have motion"
            )

    def _symbols(self, body: bytes) -> None:
        """Symbols from garbage."""
        book = self._model.books["intra.luma"]
        count = 64 + len(body) % 64
        index = np.arange(count, dtype=np.int32) % len(book.latents.sizes)
        reader = SymbolReader(body)
        for _ in range(2):
            symbols = reader.read(book.latents, index)
            require(len(symbols) == count, "as many symbols as asked for")
            require(int(np.abs(symbols).max()) <= MAX_SYMBOL, "symbols are within their limit")

    def _symbols_back(self, body: bytes) -> None:
        """Symbols written and read."""
        book = self._model.books["inter.luma"]
        words = np.frombuffer(body[: len(body) // 4 * 4], np.uint32)
        index = (words % len(book.latents.sizes)).astype(np.int32)
        reach = np.array((1, 3, 30, MAX_SYMBOL))[words >> 30]
        symbols = ((words >> 6) % (2 * reach + 1)).astype(np.int32) - reach.astype(np.int32)
        writer = SymbolWriter()
        writer.write(book.latents, symbols, index)
        back = SymbolReader(writer.finish()).read(book.latents, index)
        require(np.array_equal(back, symbols), "symbols come back")

    @staticmethod
    def _vectors_back(body: bytes) -> None:
        """Motion of a P frame and of a B frame, written and read."""
        small = np.resize(np.frombuffer(body or b"\0", np.int8), (3, 5, 2)).astype(np.int16)
        vectors = np.clip(small * (16 if len(body) % 2 else 1), -VECTOR_LIMIT, VECTOR_LIMIT)
        uses = np.resize(np.frombuffer(body or b"\0", np.uint8) % 3, (2, 3)).astype(np.uint8)
        p = Motion(vectors.astype(np.int16))
        writer, reader = MotionCoder((3, 5)), MotionCoder((3, 5))
        for coder in (writer, reader):
            coder.start(0)
        for links, motion in ((_P, p), (_B, Motion(p.past, p.past[::-1].copy(), uses))):
            back = reader.decode(links, writer.encode(links, motion))
            require(same_motion(back, motion), "motion comes back")


class StreamTarget(Target):
    """Whole streams through the decoder with the released model, on tiny pictures."""

    name = "stream"
    memory_bytes = 128 * MEGABYTE

    def __init__(self) -> None:
        """Load the model and code the clean streams."""
        self._model = model_on("cpu", "default")
        super().__init__()
        self._clean = {
            packet.frame_crc
            for data in self.corpus
            for packet in ClvReader(io.BytesIO(data))
            if isinstance(packet, Packet)
        }

    def make_corpus(self) -> Sequence[bytes]:
        """See `Target.make_corpus`."""
        frames = list(generated_frames(4, SIDE, SIDE))
        deep = [frame.at_depth(10) for frame in frames]
        streams = [coded_stream(self._model, frames, 2, quality) for quality in (30, 60)]
        return [*streams, coded_stream(self._model, deep, 2, 45)]

    def structured(self) -> SearchStrategy[bytes]:
        """Packets of the clean streams in any order, with other fields, under right CRCs."""
        packets = [list(ClvReader(io.BytesIO(data))) for data in self.corpus]
        known = st.sampled_from([p for part in packets for p in part if isinstance(p, Packet)])
        edit = st.tuples(st.integers(0, 5), st.integers(0, 63), st.binary(max_size=30))

        def edited(parts: tuple[Packet, tuple[int, int, bytes]]) -> bytes:
            packet, (kind, value, body) = parts
            values: dict[str, Any] = {
                field.name: getattr(packet, field.name) for field in dataclasses.fields(packet)
            }
            if kind == 1:
                values["quality"] = value
            elif kind == 2:
                values["frame_number"] = value - min(packet.shift, 0)
            elif kind == 3:
                values["latents"] = body
            elif kind == 4:
                values |= {"frame_type": 1, "past": 1 + value % 16, "motion": body}
                values |= {"level": 0, "future": 0}
            elif kind == 5:
                values |= {"frame_type": 2 + value % 2, "level": 1 + value % 7}
                values |= {"past": 1 + value % 16, "future": 1 + value // 4}
            return Packet(**values).to_bytes()

        header = st.sampled_from([data[: header_size(data)] for data in self.corpus])
        pieces = st.lists(st.tuples(known, edit).map(edited), max_size=5)
        return st.tuples(header, pieces).map(lambda parts: parts[0] + b"".join(parts[1]))

    def mutated(self, rng: random.Random) -> bytes:
        """See `Target.mutated`; the CRCs are right in most cases, so that the decoder sees it."""
        data = super().mutated(rng)
        return repair(data) if rng.random() < 0.7 else data

    def check(self, data: bytes) -> None:
        """A frame that counts as good is one of the clean ones; all else is reported."""
        try:
            options = DecodeOptions(model=self._model, threads=1, max_pixels=MAX_PIXELS)
            video = DecodedVideo(io.BytesIO(data), options)
        except HeaderError:
            return
        if video.header.model_id != self._model.identity:
            return
        shown, last = set(), None
        with closing(video.frames()) as frames:
            for frame in frames:
                if frame is not last:  # a lost one is the last good one, once more
                    shown.add(short_crc(frame.crc32()))
                last = frame
        report = video.report()
        require(shown <= self._clean, "a good frame is what was encoded")
        whole = video.stated_frames() == report.frames
        require(not report.ok or whole, "a sound stream has its frames")


class ApiTarget(Target):
    """The Python API with odd arguments, given as JSON; names stand for odd values."""

    name = "api"
    memory_bytes = 512 * MEGABYTE
    tokens = (b"null", b"true", b'"nan"', b'"-1"')

    def __init__(self) -> None:
        """Write the files that calls use."""
        self.folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        folder = Path(self.folder.name)
        self._model = model_on("cpu", "default")
        frames = list(generated_frames(2, SIDE, SIDE))
        clip, stream = folder / "clip.y4m", folder / "clip.clv"
        with open_writer(clip, INFO) as writer:
            for frame in frames:
                writer.write(frame)
        stream.write_bytes(coded_stream(self._model, frames, 2, 30))
        (folder / "empty").write_bytes(b"")
        self._values: dict[str, Any] = {
            "clip": clip, "stream": str(stream), "empty": folder / "empty", "folder": folder,
            "missing": folder / "missing.y4m", "out.clv": folder / "out.clv",
            "out.y4m": folder / "out.y4m", "out.odd": folder / "out.odd", "nul": "a\0b",
            "nul.clv": folder / "a\0b.clv",
            "nowhere": folder / "no" / "x.clv", "nan": math.nan, "inf": math.inf, "huge": 2**70,
            "-1": -1, "0": 0, "1": 1, "2": 2, "63": 63, "64": 64, "1.5": 1.5, "true": True,
            "none": None, "text": "text", "empty text": "", "bytes": b"x", "list": [], "tuple": (),
            "size": (16, 16), "odd size": ("a", None), "big size": (2**40, 1), "rate": Fraction(25),
            "zero rate": Fraction(0), "numpy": np.int64(3), "cpu": "cpu", "cuda": "cuda",
            "meta": "meta", "default": "default", "conceal": "conceal", "object": object(),
        }  # fmt: skip
        super().__init__()

    def _calls(self) -> dict[str, tuple[Callable[..., object], dict[str, str], Sequence[str]]]:
        """Functions by name, with arguments that work and all that may be given."""
        encode = {"source": "clip", "target": "out.clv", "overwrite": "true"}
        decode = {"source": "stream", "target": "out.y4m", "overwrite": "true"}
        more = ("quality", "gop", "inter_quality", "frames", "seek", "size", "rate", "threads")
        work = ("threads", "device", "model", "max_pixels", "progress")
        info = {"width": "2", "height": "2", "rate": "rate"}
        return {
            "encode_file": (
                colorvid.encode_file, encode, (*encode, *more, "device", "model", "csv", "convert")
            ),
            "decode_file": (colorvid.decode_file, decode, (*decode, *work, "on_error")),
            "verify_file": (colorvid.verify_file, {"source": "stream"}, ("source", *work)),
            "probe": (colorvid.probe, {"source": "stream"}, ("source",)),
            "EncoderSettings": (EncoderSettings, {}, ("quality", "gop", "inter_quality")),
            "VideoInfo": (VideoInfo, info, (*info, "sample_aspect", "matrix", "frames")),
            "load_model": (colorvid.load_model, {}, ("name", "device")),
            "Decoder": (self._decode_one, {"height": "2", "width": "2"}, ("height", "width")),
        }  # fmt: skip

    def _decode_one(self, height: Any, width: Any) -> None:
        """A decoder of an odd size, if it is small, and an empty packet."""
        decoder = Decoder(self._model, Size(width, height))
        if isinstance(height, int) and isinstance(width, int) and height * width < MAX_PIXELS:
            decoder.push(Packet(frame_type=0, quality=1, frame_number=0, frame_crc=0))

    def make_corpus(self) -> Sequence[bytes]:
        """See `Target.make_corpus`."""
        return [json.dumps({"call": name}).encode() for name in self._calls()]

    def structured(self) -> SearchStrategy[bytes]:
        """One to three odd arguments for any of the functions."""

        def call(name: str) -> SearchStrategy[bytes]:
            keys = st.sampled_from(sorted(self._calls()[name][2]))
            odd = st.dictionaries(keys, st.sampled_from(sorted(self._values)), max_size=3)
            return odd.map(lambda arguments: json.dumps({"call": name, **arguments}).encode())

        return st.sampled_from(sorted(self._calls())).flatmap(call)

    def mutated(self, rng: random.Random) -> bytes:
        """Odd arguments for any of the functions."""
        name = rng.choice(sorted(self._calls()))
        keys = sorted(self._calls()[name][2])
        chosen = rng.sample(keys, min(len(keys), rng.choice((1, 1, 2, 3))))
        values = sorted(self._values)
        return json.dumps({"call": name, **{k: rng.choice(values) for k in chosen}}).encode()

    def check(self, data: bytes) -> None:
        """A call works, or says in one line what is wrong; TypeError for a wrong type."""
        try:
            given = json.loads(data)
            function, needed, _ = self._calls()[given.pop("call")]
            names = {**needed, **given}
            arguments = {name: self._values[value] for name, value in names.items()}
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise Broken(f"the input is not a call: {error}") from error
        accept_errors(lambda: function(**arguments), (ColorvidError, TypeError))
