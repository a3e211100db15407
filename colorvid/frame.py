"""Planar 4:2:0 frames of 8 or 10 bits, the one formula for the size of chroma, and motion."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import InputError

Plane = NDArray[np.uint8 | np.uint16]
"""Samples of 8 bits as uint8, of 10 bits as uint16."""
BytePlane = NDArray[np.uint8]
"""Samples of 8 bits alone, as the motion search sees them."""
DEPTHS = (8, 10)
"""Bits of a sample that are coded."""
Vectors = NDArray[np.int16]


class Size(NamedTuple):
    """Width and height of a picture in luma samples; prints as ``WxH``."""

    width: int
    height: int

    def __str__(self) -> str:
        """The size as people write it."""
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Luma samples of a picture."""
        return self.width * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the luma plane, ``(height, width)``."""
        return self.height, self.width


def chroma_size(height: int, width: int) -> tuple[int, int]:
    """Height and width in samples of a 4:2:0 chroma plane; odd luma sizes round up."""
    return (height + 1) // 2, (width + 1) // 2


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: three C-contiguous planes of one type. Equal are frames of equal samples.

    Planes are uint8, 0..255, for 8 bits a sample, and uint16, 0..1023, for 10 bits.

    Attributes:
        y: luma, shape ``(H, W)``.
        u, v: chroma, shape ``(ceil(H/2), ceil(W/2))``.

    Raises:
        InputError: a plane has the wrong type or shape.
    """

    y: Plane
    u: Plane
    v: Plane

    def __post_init__(self) -> None:
        """Refuse planes that do not make a 4:2:0 picture."""
        for name, plane in zip("yuv", self.planes, strict=True):
            if not isinstance(plane, np.ndarray):
                kind = type(plane).__name__
                raise InputError(
                    f"plane {name} is of type {kind}; it must be an array of uint8 or uint16"
                )
        if self.y.ndim != 2 or 0 in self.y.shape:
            raise InputError(f"luma plane has shape {self.y.shape}; it must be (height, width)")
        height, width = self.y.shape
        expected = chroma_size(height, width)
        if self.y.dtype not in (np.uint8, np.uint16):
            raise InputError(f"plane y is {self.y.dtype}; it must be uint8, or uint16 for 10 bits")
        for name, plane in zip("yuv", self.planes, strict=True):
            if plane.dtype != self.y.dtype:
                raise InputError(f"plane {name} is {plane.dtype}; it must be {self.y.dtype} as y")
            if name != "y" and plane.shape != expected:
                raise InputError(
                    f"plane {name} has shape {plane.shape}; 4:2:0 of {height}x{width} "
                    f"(height x width) needs {expected}"
                )
            if self.depth > 8 and plane.max() > self.peak:
                raise InputError(
                    f"plane {name} has the sample {plane.max()}; samples of 10 bits are 0..1023"
                )

    def __eq__(self, other: object) -> bool:
        """Whether all samples are the same."""
        if not isinstance(other, Frame):
            return NotImplemented
        return self.depth == other.depth and all(map(np.array_equal, self.planes, other.planes))

    def __repr__(self) -> str:
        """Its size; samples would fill a screen."""
        depth = "" if self.depth == 8 else f", {self.depth} bits"
        return f"{type(self).__name__}({self.size}{depth})"

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """The planes in the order Y, U, V."""
        return self.y, self.u, self.v

    @property
    def height(self) -> int:
        """Luma rows."""
        return int(self.y.shape[0])

    @property
    def width(self) -> int:
        """Luma columns."""
        return int(self.y.shape[1])

    @property
    def size(self) -> Size:
        """Luma columns and rows."""
        return Size(self.width, self.height)

    @property
    def depth(self) -> int:
        """Bits of a sample, 8 or 10."""
        return 8 if self.y.dtype == np.uint8 else 10

    @property
    def peak(self) -> int:
        """The largest sample, 255 or 1023."""
        return (1 << self.depth) - 1

    def at_depth(self, depth: int) -> Frame:
        """The same picture with samples of 8 or 10 bits; to 8 bits they are rounded."""
        if depth == self.depth:
            return self
        if depth == 8:
            return Frame(*map(rounded, self.planes))
        y, u, v = (plane.astype(np.uint16) << np.uint16(2) for plane in self.planes)
        return Frame(y, u, v)

    def search_luma(self) -> BytePlane:
        """Luma as the motion search sees it, 8 bits."""
        return rounded(self.y)

    def packed(self) -> list[NDArray[Any]]:
        """Contiguous planes as files have them: two bytes of 10 bits, the lower one first."""
        return [np.ascontiguousarray(p, p.dtype.newbyteorder("<")) for p in self.planes]

    def crc32(self) -> int:
        """CRC-32 (ISO 3309, as zlib) of the bytes of `packed`."""
        crc = 0
        for plane in self.packed():
            crc = zlib.crc32(plane.data, crc)
        return crc

    def sha256(self) -> str:
        """SHA-256 (FIPS 180-4) of the same bytes, as 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for plane in self.packed():
            digest.update(plane.data)
        return digest.hexdigest()


def rounded(plane: Plane) -> BytePlane:
    """Samples of 10 bits rounded to 8, half up; those of 8 bits are returned as they are."""
    if plane.dtype == np.uint8:
        return plane.view(np.uint8)
    return np.asarray(((plane + np.uint16(2)) >> np.uint16(2)).clip(0, 255), np.uint8)


MOST_DISTANCE = 16
"""Most frames from a frame to one of its references, in display order."""

PAST, FUTURE, BOTH = range(3)
"""What a macroblock of a B frame is predicted from."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a frame is predicted from its references.

    Attributes:
        past: vectors towards the earlier reference, int16 ``(ceil(H/8), ceil(W/8), 2)``, the last
            axis ``(dy, dx)`` in quarter luma samples. The block at luma position ``(y, x)`` is
            predicted from ``(y + dy/4, x + dx/4)``.
        future: vectors of a B frame towards the later reference; None in a P frame.
        uses: what each macroblock of a B frame is predicted from, `PAST`, `FUTURE` or `BOTH`, uint8
            ``(ceil(H/16), ceil(W/16))``; None in a P frame. Vectors for a reference that a
            macroblock does not use count only as neighbours.
    """

    past: Vectors
    future: Vectors | None = None
    uses: NDArray[np.uint8] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return self.past.shape[0], self.past.shape[1]


@dataclass(frozen=True, slots=True)
class Links:
    """Which pictures a frame is predicted from.

    Pictures are named by their slots, the places in which a codec keeps them.

    Attributes:
        past, future: slots of the earlier and of the later reference. That of a P frame is the
            earlier one; a second one, before it, stands in the place of the later one.
        inherits: the one of both whose motion contexts the frame goes on with.
        target: the slot that the frame itself is put into.
        past_distance, future_distance: to the references in frames of display, 1..16; 0 = none.
            To the second reference of a P frame -16..-2.
    """

    past: int
    future: int | None
    inherits: int
    target: int
    past_distance: int
    future_distance: int = 0

    @property
    def nearer(self) -> int:
        """Slot of the nearer reference; the earlier one of equals."""
        if self.future is not None and 0 < self.future_distance < self.past_distance:
            return self.future
        return self.past

    @property
    def alone(self) -> Links:
        """Those of a P frame without its second reference."""
        return replace(self, future=None, future_distance=0)
