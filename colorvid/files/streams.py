"""``.clv`` files and pipes: opening, writing in one step, and what their header says of a video."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from colorvid.bitstream import StreamHeader, StreamSummary, Tune, summarise
from colorvid.codec.settings import EncoderSettings
from colorvid.config import TUNES
from colorvid.errors import (
    ConfigError,
    DamagedStream,
    HashMismatch,
    HeaderError,
    InputError,
    OutputError,
)
from colorvid.frame import DEPTHS
from colorvid.io import OUTPUT_SUFFIXES, VideoInfo
from colorvid.io.files import OutputFile, os_errors
from colorvid.io.places import PIPE, stdin_bytes, stdout_bytes

SUFFIX = ".clv"


@contextmanager
def open_stream(source: str | Path) -> Iterator[BinaryIO]:
    """Open a ``.clv`` stream for reading; ``-`` is standard input.

    Raises:
        InputError: the file cannot be opened.
        ConfigError: standard input is a terminal, or it is no name.
    """
    if not isinstance(source, str | Path):
        kind = type(source).__name__
        raise ConfigError(f"source is of type {kind}; it must be the name of a file")
    if str(source) == PIPE:
        yield stdin_bytes()
        return
    path = Path(source)
    with os_errors(str(path), InputError):
        if path.is_dir():
            raise InputError(f"{path}: is a directory; give the name of a file")
        file = path.open("rb")
    with file:
        yield file


@contextmanager
def create_stream(target: str | Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a ``.clv`` stream for writing; ``-`` is standard output.

    A file appears under its name when the block ends well, and not at all if it fails.

    Raises:
        ConfigError: the suffix is that of another format, or standard output is a terminal.
        OutputError: see `colorvid.io.files.OutputFile`; or the file cannot be written.
    """
    if str(target) == PIPE:
        stdout = stdout_bytes()
        yield stdout
        with os_errors("stdout", OutputError):
            stdout.flush()
        return
    path = Path(target)
    if path.suffix.lower() in OUTPUT_SUFFIXES:
        raise ConfigError(f"{path}: encoding writes {SUFFIX} streams; give a name in {SUFFIX}")
    output = OutputFile(path, overwrite=overwrite)
    try:
        output.refuse_terminal()
        with output.open(buffering=0) as file:
            yield file
        output.commit()
    except BaseException:
        output.discard()
        raise


def name_of(source: str | Path, pipe: str) -> str:
    """What messages call a file or a pipe (``stdin`` or ``stdout``)."""
    return pipe if str(source) == PIPE else str(source)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Put ``name`` in front of what the block says about the stream itself."""
    try:
        yield
    except (HeaderError, DamagedStream, HashMismatch) as error:
        raise type(error)(f"{name}: {error}") from error


def header_of(
    info: VideoInfo, settings: EncoderSettings, model_id: bytes, tune: Tune = Tune.DEFAULT
) -> StreamHeader:
    """Header of a stream that holds a video.

    Args:
        info: size, rate and colours.
        settings: of the encoder.
        model_id: identity of the model.
        tune: what the encoder was tuned for.
    """
    return StreamHeader(
        width=info.width,
        height=info.height,
        rate_num=info.rate.numerator,
        rate_den=info.rate.denominator,
        sar_num=info.sample_aspect.numerator,
        sar_den=info.sample_aspect.denominator,
        gop_length=settings.gop,
        reorder=settings.reorder,
        references=settings.references,
        tune=tune,
        color_range=info.color_range,
        matrix=info.matrix,
        primaries=info.primaries,
        transfer=info.transfer,
        chroma_location=info.chroma_location,
        pixel_format=DEPTHS.index(info.depth),
        light=info.light,
        model_id=model_id,
    )


def info_of(header: StreamHeader) -> VideoInfo:
    """The video that a stream holds.

    Raises:
        HeaderError: a ratio has terms above 2^31 - 1, which no output format can carry.
    """
    try:
        return VideoInfo(
            width=header.width,
            height=header.height,
            rate=header.fps,
            sample_aspect=Fraction(header.sar_num, header.sar_den),
            color_range=header.color_range,
            matrix=header.matrix,
            primaries=header.primaries,
            transfer=header.transfer,
            chroma_location=header.chroma_location,
            depth=header.depth,
            light=header.light,
        )
    except InputError as error:
        raise HeaderError(f"stream header: {error}") from error


def released_model(model_id: bytes) -> str | None:
    """Name of the released model with this identity; None if it is none of them."""
    found = (n for n, identity in released_models().items() if identity == model_id.hex())
    return next(found, None)


def released_models() -> dict[str, str]:
    """Names of the released models, and their identities in hexadecimal digits."""
    cards = {n: resources.files("colorvid") / "weights" / f"{n}.json" for n in TUNES}
    return {n: json.loads(c.read_text(encoding="utf-8"))["model"] for n, c in cards.items()}


def probe(source: str | Path) -> StreamSummary:
    """Read what a ``.clv`` stream says of itself, without decoding a picture.

    Args:
        source: a file, or ``-`` for standard input; read to its end.

    Returns:
        Header, packet headers, totals, and any damage.

    Raises:
        InputError: the file cannot be read.
        HeaderError: not a ``.clv`` stream, or its header is damaged.
        UnsupportedVersion: of another format version.
    """
    with open_stream(source) as file, named_errors(name_of(source, "stdin")):
        return summarise(file)
