"""What a codec under test must do, and colorvid itself as one of them.

All of them work from file to file: a ``.y4m`` source to a coded file, and that to a ``.y4m`` file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from colorvid.bitstream import FrameSummary, FrameType, StreamSummary
from colorvid.config import DEFAULT_BFRAMES, PACKAGE_VERSION
from colorvid.effort import DEFAULT_PRESET
from colorvid.evaluation.compare.machine import source_digest
from colorvid.files.decode import decode_file
from colorvid.files.encode import encode_file
from colorvid.files.streams import probe
from colorvid.io import VideoInfo

_NOT_CODEC = ("cli/", "evaluation/", "quality/", "training/", "__main__")
"""Starts of the names of files that change no bytes, no pictures and no speed."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What one encoding gave besides its file.

    Attributes:
        seconds: of the work alone, from the first frame that is read to the closed file; loading
            libraries and models does not count.
        frame_bytes: bytes of each frame, in display order; they add up to the file.
    """

    seconds: float
    frame_bytes: list[int]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a codec was set: options, versions, models; prints as ``name=value name=value``.

    Attributes:
        items: names and values in their order; neither holds a space.
    """

    items: tuple[tuple[str, str], ...]

    @staticmethod
    def of(values: Mapping[str, str]) -> Settings:
        """From what `FileCodec.settings` gives."""
        return Settings(tuple(values.items()))

    @staticmethod
    def parse(text: str) -> Settings:
        """From the printed form."""
        parts = (item.partition("=") for item in text.split(" "))
        return Settings(tuple((name, value) for name, _, value in parts))

    def __str__(self) -> str:
        """In one line."""
        return " ".join(f"{name}={value}" for name, value in self.items)

    def get(self, name: str) -> str | None:
        """The value of a setting; None if the codec has no such setting."""
        return dict(self.items).get(name)


class FileCodec(Protocol):
    """Encodes and decodes files. Can be sent to a process: it may work in another one."""

    @property
    def suffix(self) -> str:
        """Suffix of coded files, with the dot."""
        ...

    def settings(self, quality: int) -> dict[str, str]:
        """All that defines the result besides the source: options, versions, weights."""
        ...

    def encode(self, source: Path, target: Path, quality: int) -> Encoded:
        """Encode a ``.y4m`` file into ``target``, which does not exist yet."""
        ...

    def decode(self, coded: Path, target: Path, info: VideoInfo) -> float:
        """Decode into a ``.y4m`` file of the video ``info``; gives the seconds of the work."""
        ...

    def frame_types(self, coded: Path) -> list[str]:
        """How each frame of a coded file is coded: ``key``, ``I``, ``P``, ``B``; as displayed."""
        ...


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec under test.

    Attributes:
        name: as printed.
        qualities: quality settings of its curve, in any order.
        run: does the work.
    """

    name: str
    qualities: tuple[int, ...]
    run: FileCodec


@dataclass(frozen=True, slots=True)
class ColorvidRun:
    """colorvid through its own file interface.

    Attributes:
        gop: distance of key frames, in frames; 1 = intra only.
        scenecut: whether new scenes begin with a key frame too.
        bframes: most B frames between two P frames; 0 = low delay.
        preset: see `EncoderSettings`.
        inter_quality: quality of P and B frames; ``None`` = colorvid's own choice.
        model: name of a released model or path of a model file.
        threads: most GOPs to work on at once.
        device: torch device that encodes and decodes.
    """

    gop: int
    bframes: int = DEFAULT_BFRAMES
    preset: str = DEFAULT_PRESET
    inter_quality: int | None = None
    model: str = "default"
    threads: int = 1
    device: str = "cpu"
    scenecut: bool = False

    @property
    def suffix(self) -> str:
        """``.clv``."""
        return ".clv"

    def settings(self, quality: int) -> dict[str, str]:
        """Options, the identity of the model, and digests over its file and colorvid's source."""
        return {
            "encoder": "colorvid",
            "version": PACKAGE_VERSION,
            "source": codec_digest(),
            "torch": version("torch"),
            "model_id": model_identity(self.model),
            "model_file": _file_digest(_model_path(self.model)),
            "quality": str(quality),
            "gop": str(self.gop),
            "scenecut": str(self.scenecut).lower(),
            "bframes": str(self.bframes),
            "preset": self.preset,
            "inter_quality": "auto" if self.inter_quality is None else str(self.inter_quality),
            "threads": str(self.threads),
            "device": self.device,
        }

    def encode(self, source: Path, target: Path, quality: int) -> Encoded:
        """Encode a ``.y4m`` file; the index of the stream counts for the last frame."""
        report = encode_file(
            source,
            target,
            quality=quality,
            gop=self.gop,
            scenecut=self.scenecut,
            bframes=self.bframes,
            preset=self.preset,
            inter_quality=self.inter_quality,
            model=self.model,
            threads=self.threads,
            device=self.device,
        )
        stream = probe(target)
        sizes = [frame.packet_bytes for frame in _as_displayed(stream)]
        sizes[0] += stream.header.size_bytes
        sizes[-1] += stream.index_bytes
        return Encoded(report.seconds, sizes)

    def decode(self, coded: Path, target: Path, info: VideoInfo) -> float:
        """Decode into a ``.y4m`` file."""
        report = decode_file(
            coded, target, model=self.model, threads=self.threads, device=self.device
        )
        return report.seconds

    def frame_types(self, coded: Path) -> list[str]:
        """Types of the frames of a stream."""
        frames = _as_displayed(probe(coded))
        return [FrameType(frame.header.frame_type).label for frame in frames]


def _as_displayed(stream: StreamSummary) -> list[FrameSummary]:
    """Packets in display order."""
    return sorted(stream.frames, key=lambda frame: frame.header.display_number)


@lru_cache(maxsize=1)
def codec_digest() -> str:
    """Digest over the source files that make colorvid's streams and pictures, 12 digits."""
    return source_digest(lambda name: not name.startswith(_NOT_CODEC))


@lru_cache(maxsize=8)
def model_identity(name: str) -> str:
    """Identity of a model by name or path, in hexadecimal.

    Raises:
        ModelMismatch: there is no such model.
    """
    from colorvid.models.loading import load_model

    return load_model(name).identity.hex()


def _model_path(name: str) -> Path:
    from colorvid.models.modelfile import find_model

    return find_model(name)


@lru_cache(maxsize=8)
def _file_digest(path: Path) -> str:
    """Digest over a file, 12 digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
