"""Speed of encoding and decoding with one and two workers, and where the time goes."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

from colorvid.bitstream import ClvReader, ClvWriter, Packet
from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import Encoder, Timings
from colorvid.codec.settings import EncoderSettings
from colorvid.config import PACKAGE_VERSION
from colorvid.evaluation.compare.machine import processor
from colorvid.evaluation.generated import generated_frames
from colorvid.files.decode import decode_file
from colorvid.files.encode import encode_file
from colorvid.files.streams import header_of, info_of, probe
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.models.loading import Model, model_on
from colorvid.system.cores import available_cores, one_torch_thread

Stages = dict[str, float]
"""Seconds by stage."""
WORKERS = (1, 2)
"""Numbers of workers whose speed is measured."""
_RATE = Fraction(25)


def machine(model: Model) -> str:
    """What the figures depend on."""
    names = ("torch", "numpy", "av", "compressai")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"machine   {processor()}, {available_cores()} of {os.cpu_count()} cores, "
        f"{platform.system()}\n"
        f"versions  colorvid {PACKAGE_VERSION}, Python {platform.python_version()}, "
        f"{versions}\n"
        f"model     {model.identity.hex()}"
    )


@contextmanager
def _timed(stages: Stages, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + time.perf_counter() - start


def encode_stages(model: Model, source: Path, stream: Path, settings: EncoderSettings) -> Stages:
    """Encode with one worker; seconds by stage."""
    stages: Stages = {}
    encoder = Encoder(model, settings)
    with open_reader(source) as reader, stream.open("wb") as file:
        writer = ClvWriter(file)
        writer.write_header(header_of(reader.info, settings.gop, model.identity))
        while True:
            with _timed(stages, "I/O"):
                frame = next(reader, None)
            if frame is None:
                break
            coded = encoder.push(frame)
            _add(stages, coded.timings)
            with _timed(stages, "I/O"):
                writer.write_packet(coded.packet)
        writer.finish()
    return stages


def decode_stages(model: Model, stream: Path, target: Path) -> Stages:
    """Decode with one worker; seconds by stage."""
    stages: Stages = {}
    with stream.open("rb") as file:
        reader = ClvReader(file)
        decoder = Decoder(model, reader.header.size)
        records = iter(reader)
        with open_writer(target, info_of(reader.header), overwrite=True) as writer:
            while True:
                with _timed(stages, "I/O"):
                    record = next(records, None)
                if not isinstance(record, Packet):
                    break
                frame = decoder.push(record)
                with _timed(stages, "I/O"):
                    writer.write(frame)
    _add(stages, decoder.timings)
    return stages


def _add(stages: Stages, timings: Timings) -> None:
    """Add what the codec measured itself."""
    for name in ("motion", "networks", "entropy"):
        stages[name] = stages.get(name, 0.0) + getattr(timings, name)


def _share(name: str, stages: Stages, frames: int) -> str:
    """Stages as one line, in milliseconds a frame and per cent."""
    total = sum(stages.values())
    parts = (
        f"{stage} {1000 * seconds / frames:.1f} ms ({seconds / total:.0%})"
        for stage, seconds in stages.items()
    )
    return f"{name:<8}{', '.join(parts)}"


def bench(source: Path, folder: Path, settings: EncoderSettings) -> Iterator[str]:
    """Lines of the report on one clip.

    Args:
        source: the clip, best a .y4m file, so that no other codec is measured.
        folder: for the coded and the decoded clip.
        settings: quality and distance of key frames.
    """
    stream, decoded = folder / "coded.clv", folder / "decoded.y4m"
    model = model_on("cpu", "default")
    yield machine(model)
    with one_torch_thread():
        encoding = encode_stages(model, source, stream, settings)
        decoding = decode_stages(model, stream, decoded)
    frames = len(probe(stream).frames)
    yield f"clip      {source.name}, {frames} frames, quality {settings.quality}"
    yield f"{'':<10}{'encode':>12}{'decode':>12}"
    for workers in WORKERS:
        encoded = encode_file(
            source, stream, quality=settings.quality, gop=settings.gop, threads=workers,
            overwrite=True,
        )  # fmt: skip
        result = decode_file(stream, decoded, threads=workers, overwrite=True)
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        yield f"{name:<10}{encoded.fps:>8.1f} fps{result.fps:>8.1f} fps"
    yield "one worker, each frame:"
    yield _share("encode", encoding, frames)
    yield _share("decode", decoding, frames)


def run(
    clip: Path | None, frames: int, size: tuple[int, int], settings: EncoderSettings
) -> Iterator[str]:
    """Lines of the report on ``frames`` frames of a clip, or of a generated one.

    Args:
        clip: what to code; None = a generated clip.
        frames: number of frames.
        size: width and height of the generated clip, luma samples.
        settings: quality and distance of key frames.

    Raises:
        InputError: the clip cannot be read, or it is shorter.
    """
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / f"{clip.stem if clip else 'generated'}.y4m"
        if clip is not None:
            _copy(clip, source, frames)
        else:
            _write(source, VideoInfo(*size, _RATE), frames)
        yield from bench(source, Path(name), settings)


def _copy(clip: Path, target: Path, frames: int) -> None:
    """Decode the clip first, so that its own codec is not measured."""
    with open_reader(clip, frames=frames) as reader, open_writer(target, reader.info) as writer:
        for frame in reader:
            writer.write(frame)


def _write(target: Path, info: VideoInfo, frames: int) -> None:
    """Write the generated clip."""
    with open_writer(target, info) as writer:
        for frame in generated_frames(frames, info.width, info.height):
            writer.write(frame)
