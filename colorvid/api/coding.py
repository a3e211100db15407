"""Pictures and videos to ``.clv`` streams, in memory or in files, by one call or by packets."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, cast, overload

from colorvid.api.pictures import Pictures
from colorvid.api.shared import (
    BYTES,
    Source,
    Target,
    check_color,
    label_of,
    open_target,
    plain,
)
from colorvid.bitstream import ClvWriter, Packet, Tune
from colorvid.colors import Color
from colorvid.errors import ConfigError, InputError
from colorvid.files.encode import EncodeOptions, check_outputs, encode_video, open_source
from colorvid.files.reports import EncodeReport
from colorvid.files.streams import header_of, released_model
from colorvid.io import FrameReader, VideoInfo
from colorvid.io.opening import AtDepth, Section
from colorvid.io.places import is_readable_again
from colorvid.io.sources import ByteSource
from colorvid.io.times import frame_number, rate_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from colorvid.api.pictures import Picture
    from colorvid.codec.encoder import Encoder
    from colorvid.files.encode import EncodeKeywords

Rate = float | Fraction | str
"""Frames per second: a number, or text such as ``30000/1001``."""
_STACK_DIMENSIONS = 4


@overload
def encode(
    source: Iterable[Picture] | Source,
    target: None = None,
    *,
    fps: Rate | None = None,
    color: Color | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> bytes: ...
@overload
def encode(
    source: Iterable[Picture] | Source,
    target: Target,
    *,
    fps: Rate | None = None,
    color: Color | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> EncodeReport: ...
def encode(
    source: Iterable[Picture] | Source,
    target: Target | None = None,
    *,
    fps: Rate | None = None,
    color: Color | None = None,
    **keywords: Unpack[EncodeKeywords],
) -> bytes | EncodeReport:
    """Encode pictures, or a video, into a ``.clv`` stream.

    Args:
        source: pictures of one size, one after the other: frames of a clip, `colorvid.Frame`,
            planes ``(y, u, v)`` as u8 arrays, or R'G'B' as u8 arrays ``(H, W, 3)``, as torch
            tensors ``(3, H, W)`` of u8 or of floats 0..1, or as Pillow images. Or a video: the
            name of a file, its bytes, or a binary file, see `colorvid.io.open_reader`.
        target: name of a ``.clv`` file, or a binary file that is open; None = give the bytes.
        fps: frames per second; needed for pictures other than frames of a clip.
        color: what the planes mean, or what R'G'B' becomes (BT.709 in limited range without it);
            replaces what a video states.
        keywords: fields of `colorvid.files.encode.EncodeOptions`, such as ``quality``.

    Returns:
        The stream without a target, and then what is doubtful about a video is a Python warning;
        else what became of it.

    Raises:
        InputError: a picture or the video is not what colorvid takes.
        OutputError: the target exists or cannot be written.
        ConfigError: an argument is not allowed, or there is no native core.
        ModelMismatch: no such model.
    """
    check_color(color)
    options = EncodeOptions(**plain(keywords))
    if fps is not None:
        options = replace(options, rate=rate_of(fps, "fps"))
    check_outputs(_name(source), _name(target), options)
    again = partial(_reader, source, options, color) if _is_lasting(source) else None
    with ExitStack() as stack:
        reader = stack.enter_context(_reader(source, options, color))
        if target is None:
            memory = io.BytesIO()
            for text in encode_video(reader, memory, options, again).warnings:
                warnings.warn(text, stacklevel=2)
            return memory.getvalue()
        file = stack.enter_context(open_target(target, overwrite=options.overwrite))
        return encode_video(reader, file, options, again)


def _is_lasting(source: object) -> bool:
    """Whether it can be read more than once: bytes, files by name that are no pipes, sequences."""
    if isinstance(source, str | Path):
        return is_readable_again(source)
    return hasattr(source, "__getitem__") and hasattr(source, "__len__")


def _name(place: object) -> str | Path | None:
    """The name of what has one."""
    return place if isinstance(place, str | Path) else None


def _reader(
    source: Iterable[Picture] | Source, options: EncodeOptions, color: Color | None
) -> FrameReader:
    """What gives the frames."""
    if isinstance(source, BYTES):
        source = io.BytesIO(source)
    if isinstance(source, str | Path) or hasattr(source, "read"):
        file = cast("str | Path | BinaryIO", source)
        opened = file if isinstance(file, str | Path) else _byte_source(file)
        reader = open_source(opened, options)
        if color is not None:
            reader.info = reader.info.with_color(color)
        return reader
    if not isinstance(source, Iterable):
        raise ConfigError(
            f"source is of type {type(source).__name__}; it must be pictures one after the other, "
            "the name of a file, bytes or a binary file"
        )
    shape = getattr(source, "shape", None)
    if shape is not None and len(shape) != _STACK_DIMENSIONS:
        raise InputError(
            f"source has shape {tuple(shape)}, which is no stack of pictures; put pictures into a "
            "list, or into an array of shape (frames, height, width, 3)"
        )
    if options.size is not None:
        raise ConfigError(f"size={options.size} is for raw video; pictures have theirs, so drop it")
    pictures: FrameReader = Pictures(source, options.rate, color, convert=options.convert)
    if options.bit_depth not in (None, pictures.info.depth):
        pictures = AtDepth(pictures, options.bit_depth)
    first = frame_number(options.seek, pictures.info.rate, "seek")
    if not first and options.frames is None:
        return pictures
    return Section(pictures, "source", frames=options.frames, seek=first)


def _byte_source(file: BinaryIO) -> ByteSource:
    """A file that is open, for reading, left open at the end."""
    return ByteSource(file, label_of(file), owned=False)


class Writer:
    """Writes the packets of an `Encoder` as a ``.clv`` stream; a context manager.

    A file by name appears under it when the block ends well, and not at all if it fails.
    """

    def __init__(
        self,
        target: Target,
        encoder: Encoder,
        *,
        fps: Rate,
        color: Color | None = None,
        overwrite: bool = False,
    ) -> None:
        """Open the target.

        Args:
            target: name of a ``.clv`` file (``-`` = standard output), or a binary file.
            encoder: that makes the packets, from frame 0 on.
            fps: frames per second.
            color: what the planes mean; None = not stated.
            overwrite: whether an existing file is replaced.

        Raises:
            OutputError: the target exists or cannot be written.
            ConfigError: an argument is not allowed.
        """
        check_color(color)
        self._encoder, self._rate = encoder, rate_of(fps, "fps")
        self._color = color or Color()
        self._stack = ExitStack()
        self._writer = ClvWriter(
            self._stack.enter_context(open_target(target, overwrite=overwrite))
        )
        self._begun = self._closed = False

    def write(self, packet: Packet) -> int:
        """Write the next packet in decoding order; its size in bytes.

        Raises:
            ConfigError: the packet cannot follow, see `colorvid.bitstream.ClvWriter.write_packet`.
            OutputError: the target cannot be written.
        """
        if not self._begun:
            self._begin()
        return self._writer.write_packet(packet)

    def _begin(self) -> None:
        """Write the header: the first packet is there, so the encoder knows the size."""
        encoder, size = self._encoder, self._encoder.size
        if size is None:
            raise ConfigError("encoder has made no packet yet; push a frame first")
        info = VideoInfo(*size, self._rate, depth=encoder.depth).with_color(self._color)
        identity = encoder.model.identity
        tune = Tune.COLOR if released_model(identity) == "color" else Tune.DEFAULT
        self._writer.write_header(header_of(info, encoder.settings, identity, tune))
        self._begun = True

    def close(self) -> None:
        """Write the index, which ends the stream; the file gets its name.

        Raises:
            ConfigError: the last frames of the encoder are missing: see its `flush`.
            InputError: no packet was written.
            OutputError: the target cannot be written.
        """
        self.__exit__(None, None, None)

    def __enter__(self) -> Writer:
        """The writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Finish the stream, or throw a file away if the block failed."""
        if self._closed:
            return
        self._closed = True
        if error is not None:
            self._stack.__exit__(kind, error, tb)
            return
        with self._stack:
            if not self._begun:
                raise InputError("no packet was written; write those that Encoder.push gives")
            self._writer.finish()
