"""Frames of any container and codec that FFmpeg reads, and their coded sizes, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.codec.context import Flags

from colorvid.errors import InputError
from colorvid.frame import Frame, Plane, chroma_size
from colorvid.io.base import RANGE_FULL, RANGE_LIMITED, FrameReader
from colorvid.io.pyav_stream import (
    Clock,
    av_errors,
    describe,
    is_full_range,
    is_rgb,
    refuse_hidden_alpha,
    refuse_orientation,
    rgb_matrix,
    video_stream,
)

FORMATS_420 = ("yuv420p", "yuvj420p")
"""FFmpeg's names of 8-bit planar 4:2:0; the second one is its old name for full range."""


class ByteSource(Protocol):
    """A pipe that counts what is read from it."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...

    def count(self) -> int:
        """Bytes that were read so far."""
        ...

    def close(self) -> None:
        """Let go of the pipe."""
        ...


class PyAvReader(FrameReader):
    """Decodes the first video stream of a file or a pipe.

    The frame rate is taken as constant; ``warnings`` says where the times of frames differ from
    that, and where the source ends before the duration in its header.
    """

    def __init__(
        self,
        source: str | ByteSource,
        name: str,
        *,
        rate: Fraction | None = None,
        convert: bool = False,
        container_format: str | None = None,
    ) -> None:
        """Open ``source`` and decode its first frame, which completes ``info``.

        Args:
            source: a path, or the bytes of a pipe.
            name: what messages call the source.
            rate: frames per second, in place of what the container states.
            convert: whether other pixel formats are converted to 8-bit 4:2:0. RGB becomes
                limited-range BT.709 from 720 rows up, else BT.601; all else keeps its range and
                matrix. Alpha is dropped.
            container_format: FFmpeg's name of the container; None = find out.

        Raises:
            InputError: not a video, no frame in it, interlaced, to be turned for display, frame
                rate unknown, or a pixel format or alpha that needs ``convert``.
        """
        self._source = source
        self._name = name
        self._convert = convert
        with av_errors(f"{name}: cannot be opened as video", InputError):
            self._container: Any = av.open(source, "r", format=container_format)
        try:
            self._start(rate)
        except BaseException:
            self.close()
            raise

    def _start(self, rate: Fraction | None) -> None:
        """Decode the first frame and describe the video by it."""
        stream, count = video_stream(self._container, self._name)
        if not self._convert:
            refuse_hidden_alpha(stream, self._name)
        self._notes = (
            [f"{self._name}: has {count} video streams; the first one is taken"]
            if count > 1
            else []
        )
        with av_errors(self._name, InputError):
            self._packets = self._container.demux(stream)
        self._waiting: list[av.VideoFrame] = []
        self._read_bytes = 0
        self._index = 0
        first = self._decode()
        if first is None:
            raise InputError(f"{self._name}: holds no frame that can be decoded")
        self._kind = _kind(first)
        self._check(first)
        matches_420 = "420" in first.format.name or first.format.name in ("nv12", "nv21")
        try:
            with av_errors(self._name, InputError):
                self.info = describe(stream, first, matches_420=matches_420, rate=rate)
        except InputError as error:
            raise _named(self._name, error) from error
        self._next: av.VideoFrame | None = first
        fixed = rate is not None
        self._clock = Clock(self._container, stream, self.info.rate, constant=fixed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``FrameReader.warnings``."""
        return (*self._notes, *self._clock.warnings(self._name))

    def _decode(self) -> av.VideoFrame | None:
        """Return the next decoded frame; None at the end."""
        with av_errors(f"{self._name}: frame {self._index}", InputError):
            while not self._waiting:
                packet = next(self._packets, None)
                if packet is None:
                    return None
                if packet.pos is not None:
                    self._read_bytes = packet.pos + packet.size
                self._waiting = packet.decode()
            return self._waiting.pop(0)

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            InputError: the data is damaged, or size or pixel format changes.
        """
        frame = self._next
        self._next = None
        if frame is None and (frame := self._decode()) is None:
            self._finish()
            raise StopIteration
        self._check(frame)
        self._clock.see(frame)
        with av_errors(f"{self._name}: frame {self._index}", InputError):
            picture = _grey(frame) if frame.format.name == "gray" else _planes(_to_420(frame))
        self._index += 1
        return picture

    def _finish(self) -> None:
        """Look at how the source ended; FFmpeg drops a y4m frame that is cut without a word."""
        self._clock.finish()
        rest = 0 if isinstance(self._source, str) else self._source.count() - self._read_bytes
        if rest:
            raise InputError(f"{self._name}: frame {self._index} is cut after {rest} bytes")

    def _check(self, frame: av.VideoFrame) -> None:
        """Refuse what cannot be passed on as a progressive 4:2:0 frame like the first one."""
        name = frame.format.name
        if _kind(frame) != self._kind:
            raise InputError(
                f"{self._name}: frame {self._index} is {_kind(frame)}, the first one {self._kind}; "
                "the picture format must not change within a video"
            )
        if not self._convert and name not in FORMATS_420:
            raise InputError(
                f"{self._name}: pixel format {name} is not 8-bit 4:2:0 (yuv420p); "
                "pass convert=True to convert it"
            )
        if frame.is_corrupt:
            raise InputError(f"{self._name}: frame {self._index} is damaged in the source")
        if frame.interlaced_frame:
            raise InputError(
                f"{self._name}: frame {self._index} is interlaced; only progressive video is "
                "taken, so deinterlace it first"
            )
        refuse_orientation(frame, self._name)

    def close(self) -> None:
        """Close the container, and the source if it is an object."""
        self._container.close()
        if not isinstance(self._source, str):
            self._source.close()


def _named(name: str, error: InputError) -> InputError:
    """Put the name of the source before the message, unless it is there."""
    text = str(error)
    return error if text.startswith(f"{name}: ") else InputError(f"{name}: {text}")


def _kind(frame: av.VideoFrame) -> str:
    """Return size and pixel format, as in ``640x480 yuv420p``."""
    return f"{frame.width}x{frame.height} {frame.format.name}"


def _to_420(frame: av.VideoFrame) -> av.VideoFrame:
    """Convert to ``yuv420p``; a frame that is 8-bit 4:2:0 already is returned as it is."""
    if frame.format.name in FORMATS_420:
        return frame
    if is_rgb(frame):
        matrix = "ITU709" if rgb_matrix(frame.height) == 1 else "ITU601"
        return frame.reformat(
            format="yuv420p",
            dst_colorspace=matrix,
            src_color_range=RANGE_FULL,
            dst_color_range=RANGE_LIMITED,
            interpolation="BICUBIC",
        )
    span = RANGE_FULL if is_full_range(frame) else RANGE_LIMITED
    return frame.reformat(
        format="yuv420p", src_color_range=span, dst_color_range=span, interpolation="BICUBIC"
    )


def _planes(frame: av.VideoFrame) -> Frame:
    """Copy the planes out of a ``yuv420p`` frame, whose rows are padded to ``line_size`` bytes."""
    chroma = chroma_size(frame.height, frame.width)
    sizes = ((frame.height, frame.width), chroma, chroma)
    y, u, v = (_plane(plane, *size) for plane, size in zip(frame.planes, sizes, strict=True))
    return Frame(y, u, v)


def _grey(frame: av.VideoFrame) -> Frame:
    """Return 8-bit grey as luma with neutral chroma; swscale would change its range."""
    neutral = np.full(chroma_size(frame.height, frame.width), 128, np.uint8)
    return Frame(_plane(frame.planes[0], frame.height, frame.width), neutral, neutral.copy())


def _plane(plane: Any, height: int, width: int) -> Plane:
    if plane.line_size < width:
        raise ValueError(f"rows lie {plane.line_size} bytes apart, which is not supported")
    rows = np.frombuffer(plane, np.uint8, count=height * plane.line_size)
    visible: Plane = rows.reshape(height, plane.line_size)[:, :width].copy()
    return visible


@dataclass(frozen=True, slots=True)
class FrameSizes:
    """Coded sizes of the frames of a video.

    Attributes:
        sizes: bytes of the packets of each frame, in display order. Packets that are decoded but
            never shown count for the next frame that is.
        complete: the video has no more frames than these.
        alone: the file has no other stream, such as sound.
    """

    sizes: list[int]
    complete: bool
    alone: bool


def frame_sizes(path: Path, name: str, frames: int | None = None) -> FrameSizes | None:
    """Decode the first video stream of a file, and find which packets each frame came from.

    Raw streams (``.264``, ``.obu``) have no timestamps to put packets into display order, so the
    decoder is asked: it hands on the number of the packet with each frame.

    Args:
        path: the file.
        name: what messages call it.
        frames: stop after this number of frames; ``None`` = all.

    Returns:
        The sizes; ``None`` if the decoder does not say.

    Raises:
        InputError: the file cannot be read.
    """
    packets: list[int] = []
    with av_errors(name, InputError), av.open(str(path.absolute())) as container:
        stream = container.streams.video[0]
        stream.codec_context.flags |= Flags.copy_opaque
        shown: list[Any] = []
        for number in _shown(container, stream, packets, frames):
            shown.append(number)
        alone = len(container.streams) == 1
    if any(number is None for number in shown):
        return None
    sizes = _sum_up(packets, shown)
    count = len(sizes) if frames is None else min(frames, len(sizes))
    return FrameSizes(sizes[:count], count == len(sizes), alone)


def _shown(
    container: Any, stream: Any, packets: list[int], frames: int | None
) -> Iterator[int | None]:
    """Number of the packet of each frame, in display order; fills ``packets`` with sizes.

    Reads packets until there is a frame more than asked for, and gives all frames of those.
    """
    count = 0
    for packet in container.demux(stream):
        packet.opaque = len(packets)
        packets.append(packet.size)
        for frame in packet.decode():
            yield frame.opaque
            count += 1
        if frames is not None and count > frames and packet.size:  # the last one is empty
            for frame in stream.codec_context.decode(None):
                yield frame.opaque
            return


def _sum_up(packets: list[int], shown: list[int]) -> list[int]:
    """Bytes for each shown frame: its packet, and those before it that show nothing."""
    sizes = dict.fromkeys(sorted(shown), 0)
    waiting = 0
    last = None
    for number, size in enumerate(packets):
        waiting += size
        if number in sizes:
            sizes[number], waiting, last = waiting, 0, number
    if last is not None:
        sizes[last] += waiting
    return [sizes.pop(number, 0) for number in shown]
