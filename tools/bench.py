"""Speed of encoding and decoding with one and two workers, and where the time goes."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import colorvid
from colorvid.bitstream import ClvReader, ClvWriter, Packet
from colorvid.cli.options import resolution
from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import Encoder, Timings
from colorvid.codec.settings import EncoderSettings
from colorvid.config import DEFAULT_GOP, DEFAULT_QUALITY
from colorvid.errors import ColorvidError
from colorvid.evaluation.compare.machine import processor
from colorvid.files.streams import header_of, info_of
from colorvid.frame import Frame, Plane, chroma_size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.models.loading import model_on
from colorvid.models.modelfile import Model
from colorvid.system.cores import available_cores, one_torch_thread

Samples = NDArray[np.float64]
Stages = dict[str, float]
"""Seconds by stage."""


def generated_frames(count: int, width: int, height: int, seed: int = 7) -> Iterator[Frame]:
    """A textured background that pans, a square that moves the other way, and a little noise."""
    random = np.random.default_rng(seed)
    background = _texture(random, height + count, width + 2 * count)
    square = _texture(random, height // 3 + 1, width // 3 + 1)
    for index in range(count):
        y = background[index : index + height, 2 * index : 2 * index + width].copy()
        rows, columns = square.shape
        left = (width - columns) * (count - index) // count
        y[rows : 2 * rows, left : left + columns] = square[: height - rows]
        y = y + random.normal(0, 1.5, y.shape)
        chroma = chroma_size(height, width)
        u = 128 + (y[::2, ::2][: chroma[0], : chroma[1]] - 128) / 4
        yield Frame(_samples(y), _samples(u), _samples(256 - u))


def _texture(random: np.random.Generator, rows: int, columns: int) -> Samples:
    """Smooth noise around 128, float64."""
    noise = random.normal(0, 1, (rows + 16, columns + 16)).cumsum(0).cumsum(1)
    box = noise[16:, 16:] - noise[:-16, 16:] - noise[16:, :-16] + noise[:-16, :-16]
    smooth: Samples = 128 + box * 2.5
    return smooth


def _samples(values: Samples) -> Plane:
    samples: Plane = np.clip(np.rint(values), 0, 255).astype(np.uint8, order="C")
    return samples


def machine(model: Model) -> str:
    """What the figures depend on."""
    names = ("torch", "numpy", "av", "compressai")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"machine   {processor()}, {available_cores()} of {os.cpu_count()} cores, "
        f"{platform.system()}\n"
        f"versions  colorvid {colorvid.__version__}, Python {platform.python_version()}, "
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
    """Lines of the report on one clip."""
    stream, decoded = folder / "coded.clv", folder / "decoded.y4m"
    model = model_on("cpu", "default")
    yield machine(model)
    with one_torch_thread():
        encoding = encode_stages(model, source, stream, settings)
        decoding = decode_stages(model, stream, decoded)
    frames = len(colorvid.probe(stream).frames)
    yield f"clip      {source.name}, {frames} frames, quality {settings.quality}"
    yield f"{'':<10}{'encode':>12}{'decode':>12}"
    for workers in (1, 2):
        encoded = colorvid.encode_file(
            source, stream, quality=settings.quality, gop=settings.gop, threads=workers,
            overwrite=True,
        )  # fmt: skip
        result = colorvid.decode_file(stream, decoded, threads=workers, overwrite=True)
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        yield f"{name:<10}{encoded.fps:>8.1f} fps{result.fps:>8.1f} fps"
    yield "one worker, each frame:"
    yield _share("encode", encoding, frames)
    yield _share("decode", decoding, frames)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, help="video to code (default: a generated one)")
    parser.add_argument("--size", type=resolution, default=(352, 288), help="of the generated clip")
    parser.add_argument("--frames", type=int, default=64, help="frames (default: 64)")
    parser.add_argument(
        "--quality", type=int, default=DEFAULT_QUALITY, help="0..63, higher is better"
    )
    parser.add_argument(
        "--gop", type=int, default=DEFAULT_GOP, help="frames from key frame to key frame"
    )
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / f"{options.clip.stem if options.clip else 'generated'}.y4m"
            if options.clip:
                _copy(options.clip, source, options.frames)
            else:
                width, height = options.size
                _write(source, VideoInfo(width, height, Fraction(25)), options)
            settings = EncoderSettings(quality=options.quality, gop=options.gop)
            for line in bench(source, Path(name), settings):
                print(line, flush=True)
    except ColorvidError as error:
        print(f"bench [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _copy(clip: Path, target: Path, frames: int) -> None:
    """Decode the clip first, so that its own codec is not measured."""
    with open_reader(clip, frames=frames) as reader, open_writer(target, reader.info) as writer:
        for frame in reader:
            writer.write(frame)


def _write(target: Path, info: VideoInfo, options: argparse.Namespace) -> None:
    """Write the generated clip."""
    with open_writer(target, info) as writer:
        for frame in generated_frames(options.frames, info.width, info.height):
            writer.write(frame)


if __name__ == "__main__":
    sys.exit(main())
