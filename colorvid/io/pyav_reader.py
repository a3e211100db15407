"""Frames of any container and codec that FFmpeg reads, and their coded sizes, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags
from av.video.frame import PictureType

from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.io.base import FrameReader, VideoInfo
from colorvid.io.pyav_pictures import FORMATS_420, to_frame
from colorvid.io.pyav_stream import (
    Clock,
    Orientation,
    Times,
    av_errors,
    cropping,
    describe,
    is_raw_stream,
    open_container,
    refuse_hidden_alpha,
    states_no_rate,
    video_stream,
)
from colorvid.io.sources import ByteSource

Y4M_FORMAT = "yuv4mpegpipe"
"""FFmpeg's name of YUV4MPEG2."""
Crop = tuple[int, int, int, int]
"""Samples to cut off left, right, above and below."""


class PyAvReader(FrameReader):
    """Decodes the first video stream of a file or a pipe.

    The frame rate is taken as constant; ``warnings`` says where the times of frames differ from
    that, and where the source ends before the duration in its header.
    """

    def __init__(
        self,
        source: ByteSource,
        *,
        rate: Fraction | None = None,
        convert: bool = False,
        container_format: str | None = None,
    ) -> None:
        """Open ``source`` and decode its first frame, which completes ``info``.

        Args:
            source: a file or a pipe; `close` closes it.
            rate: frames per second, in place of what the container states.
            convert: whether pixel formats but 4:2:0 of 8 or 10 bits are converted to 8, see
                `colorvid.io.pyav_pictures.to_frame`.
            container_format: FFmpeg's name of the container; None = find out.

        Raises:
            InputError: not a video, no frame in it, interlaced, to be turned for display, frame
                rate unknown, or a pixel format or alpha that needs ``convert``.
        """
        self._source = source
        self._name = source.label
        self._convert = convert
        self._is_y4m = container_format == Y4M_FORMAT
        self._container: Any = open_container(source, container_format)
        try:
            self._start(rate)
        except BaseException:
            self._container.close()  # the source is still the caller's
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
        if self._container.streams.audio:
            self._notes.append(
                f"{self._name}: has sound, which a .clv stream does not hold; decode with "
                f"with_audio={self._name} to get it back"
            )
        self._crop = cropping(self._container, stream, self._name)
        self._orientation = Orientation()
        stream.codec_context.thread_count = 1  # reading is not what takes long
        with av_errors(self._name, InputError):
            times = Times(self._container.demux(stream))
        self._packets = times.packets
        self._waiting: list[av.VideoFrame] = []
        self._read_bytes = 0
        self._index = 0
        first = self._decode()
        if first is None:
            raise InputError(f"{self._name}: holds no frame that can be decoded")
        self._kind = _kind(first)
        self._check(first)
        try:
            with av_errors(self._name, InputError):
                info = describe(stream, first, times, rate=rate)
            self.info = _cropped_info(info, self._crop)
        except InputError as error:
            raise _named(self._name, error) from error
        self._next: av.VideoFrame | None = first
        self._made_up_rate = rate is None and states_no_rate(self._container)
        timeless = rate is not None or self._made_up_rate or is_raw_stream(self._container)
        self._clock = Clock(self._container, stream, self.info.rate, constant=timeless)

    @property
    def warnings(self) -> tuple[str, ...]:
        """See ``FrameReader.warnings``."""
        made_up = []
        if self._made_up_rate and self._index > 1:
            made_up = [
                f"{self._name}: states no frame rate; {self.info.rate} frames per second are "
                "taken; pass rate=30 for another rate"
            ]
        return (*self._notes, *made_up, *self._clock.warnings(self._name))

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
            picture = _cropped(to_frame(frame), self._crop)
        self._index += 1
        return picture

    def _finish(self) -> None:
        """Look at how the source ended; FFmpeg drops a y4m frame that is cut without a word."""
        self._clock.finish()
        rest = self._source.count() - self._read_bytes if self._is_y4m else 0
        if rest and not self._source.ended_in_line_feed(rest):
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
                f"{self._name}: pixel format {name} is not 4:2:0 of 8 or 10 bits (yuv420p, "
                "yuv420p10le); pass convert=True to convert it"
            )
        if frame.is_corrupt:
            raise InputError(f"{self._name}: frame {self._index} is damaged in the source")
        if frame.interlaced_frame:
            raise InputError(
                f"{self._name}: frame {self._index} is interlaced; only progressive video is "
                "taken, so deinterlace it first"
            )
        self._orientation.check(frame, self._name)

    def close(self) -> None:
        """Close the container and the source."""
        self._container.close()
        self._source.close()


def _cropped_info(info: VideoInfo, crop: Crop) -> VideoInfo:
    """The description of cropped pictures; raises ``InputError`` if nothing is left of them."""
    left, right, above, below = crop
    return replace(info, width=info.width - left - right, height=info.height - above - below)


def _cropped(frame: Frame, crop: Crop) -> Frame:
    """Cut rows and columns off; ``left`` and ``above`` are even."""
    left, right, above, below = crop
    if crop == (0, 0, 0, 0):
        return frame
    rows = slice(above, frame.height - below)
    columns = slice(left, frame.width - right)
    half_rows = slice(above // 2, (rows.stop + 1) // 2)
    half_columns = slice(left // 2, (columns.stop + 1) // 2)
    chroma = (plane[half_rows, half_columns].copy() for plane in (frame.u, frame.v))
    return Frame(frame.y[rows, columns].copy(), *chroma)


def _named(name: str, error: InputError) -> InputError:
    """Put the name of the source before the message, unless it is there."""
    text = str(error)
    return error if text.startswith(f"{name}: ") else InputError(f"{name}: {text}")


def _kind(frame: av.VideoFrame) -> str:
    """Return size and pixel format, as in ``640x480 yuv420p``."""
    return f"{frame.width}x{frame.height} {frame.format.name}"


@dataclass(frozen=True, slots=True)
class FrameSizes:
    """Coded sizes of the frames of a video.

    Attributes:
        sizes: bytes of the packets of each frame, in display order. Packets that are decoded but
            never shown count for the next frame that is.
        types: how each frame is coded: ``key``, ``I``, ``P``, ``B``, or what else FFmpeg calls it.
        complete: the video has no more frames than these.
        alone: the file has no other stream, such as sound.
    """

    sizes: list[int]
    types: list[str]
    complete: bool
    alone: bool


def frame_sizes(source: ByteSource, frames: int | None = None) -> FrameSizes | None:
    """Decode the first video stream of a file, and find which packets each frame came from.

    Raw streams (``.264``, ``.obu``) have no timestamps to put packets into display order, so the
    decoder is asked: it hands on the number of the packet with each frame.

    Args:
        source: the file; left at its first byte again.
        frames: stop after this number of frames; ``None`` = all.

    Returns:
        The sizes; ``None`` if the decoder does not say.

    Raises:
        InputError: the file cannot be read.
    """
    packets: list[int] = []
    with av_errors(source.label, InputError), open_container(source) as container:
        stream, _ = video_stream(container, source.label)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.copy_opaque
        shown: list[Any] = []
        types: list[str] = []
        for frame in _shown(container, stream, packets, frames):
            shown.append(frame.opaque)
            types.append(type_of(frame))
        alone = len(container.streams) == 1
    source.rewind()
    if any(number is None for number in shown):
        return None
    sizes = _sum_up(packets, shown)
    count = len(sizes) if frames is None else min(frames, len(sizes))
    return FrameSizes(sizes[:count], types[:count], count == len(sizes), alone)


def type_of(frame: av.VideoFrame) -> str:
    """How a frame is coded: ``key``, ``I``, ``P``, ``B``, or what else FFmpeg calls it."""
    return "key" if frame.key_frame else PictureType(frame.pict_type).name


def _shown(container: Any, stream: Any, packets: list[int], frames: int | None) -> Iterator[Any]:
    """Each frame, in display order, ``opaque`` the number of its packet; fills ``packets``.

    Reads packets until there is a frame more than asked for, and gives all frames of those.
    """
    count = 0
    for packet in container.demux(stream):
        packet.opaque = len(packets)
        packets.append(packet.size)
        for frame in packet.decode():
            yield frame
            count += 1
        if frames is not None and count > frames and packet.size:  # the last one is empty
            yield from stream.codec_context.decode(None)
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
