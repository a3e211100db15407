"""The structure of a group of pictures: which frames are P, which are B, and what they refer to.

After the key frame come mini-GOPs: a P frame some frames ahead, then the frames between by halves,
each a B frame between the two nearest that are coded already::

    0 key                                                    8 P
                               4 B
                2 B                           6 B
        1 b           3 b             5 b             7 b

The lowest ones (b) are not kept, as no frame refers to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from colorvid.bitstream import FrameType, Ordered
from colorvid.bitstream.packets import MOST_DISTANCE


@dataclass(frozen=True, slots=True)
class Place(Ordered):
    """The place of a frame in its group of pictures.

    Attributes:
        number: in order of display, from 0, the key frame.
        frame_type: key, P, B, or B that is not kept. A P frame may become an I frame when it is
            coded.
        level: temporal level; 0 for key and P frames, but 1 for P frames between refreshing ones
            that others shall refer to.
        past, future: distances to the references in frames of display; 0 = none. ``future`` of a P
            frame is below 0: its second reference lies before the first.
        refresh: a key frame, or a P frame of high quality, as none was near before it.
    """

    number: int
    frame_type: FrameType
    level: int = 0
    past: int = 0
    future: int = 0
    refresh: bool = False

    @property
    def display_number(self) -> int:
        """Place in the order of display."""
        return self.number

    @property
    def alone(self) -> Place:
        """The same for an I frame, which refers to none."""
        return replace(self, frame_type=FrameType.I, past=0, future=0)


KEY = Place(0, FrameType.KEY, refresh=True)
REFRESH_PERIOD = 8
"""Frames from one refreshing frame to the next, at least."""


def mini_gop(first: int, last: int, *, refresh: bool = True) -> Iterator[Place]:
    """The frames behind ``first`` up to the P frame ``last``, in decoding order.

    Args:
        first: the key or P frame before them.
        last: the P frame, 1..16 frames behind.
        refresh: whether it is of high quality.
    """
    yield Place(last, FrameType.P, past=last - first, refresh=refresh)
    yield from _between(first, last, 1)


def _between(low: int, high: int, level: int) -> Iterator[Place]:
    """The B frames between two frames that are there, in decoding order."""
    if high - low < 2:
        return
    middle = (low + high) // 2
    kept = high - low > 2
    kind = FrameType.B if kept else FrameType.B_UNKEPT
    yield Place(middle, kind, level, middle - low, high - middle)
    yield from _between(low, middle, level + 1)
    yield from _between(middle, high, level + 1)


def low_delay(number: int, refreshed: int, *, refresh: bool) -> Place:
    """A P frame behind another one, with the last refreshing frame as second reference.

    Args:
        number: of the frame.
        refreshed: number of the last key or refreshing frame before it.
        refresh: whether this one is of high quality too; ``refreshed`` stays in the buffer up to
            it, and this one from then on.
    """
    distance = number - refreshed
    second = -distance if 1 < distance <= MOST_DISTANCE else 0
    return Place(number, FrameType.P, 0 if refresh else 1, 1, second, refresh=refresh)


def reorder(bframes: int) -> int:
    """Most frames that come before one that is shown earlier, in a mini-GOP of 0..15 B frames.

    Every halving puts a frame before all those of its first half, which is the smaller one.
    """
    return (bframes + 1).bit_length() - 1


def references(bframes: int) -> int:
    """Most pictures that such a mini-GOP needs at once, without second references of P frames."""
    return reorder(bframes) + 1
