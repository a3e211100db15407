"""Coded size of every frame of a file that FFmpeg reads, in display order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags

from colorvid.errors import InputError
from colorvid.io.pyav_errors import av_errors


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
    """Decode the first video stream of a file, and tell which packets each frame came from.

    Raw streams (``.264``, ``.obu``) have no timestamps to put packets into display order, so the
    decoder is asked: it hands on the number of the packet with each frame.

    Args:
        path: the file.
        name: what messages call it.
        frames: of so many first frames; ``None`` = all.

    Returns:
        The sizes; ``None`` if the decoder does not tell.

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
