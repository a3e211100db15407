"""Planar 8-bit 4:2:0 frames, and the one formula for the size of a chroma plane."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import InputError

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, order=True)
class Size:
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


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: three C-contiguous u8 planes, 0..255.

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
        if self.y.ndim != 2 or 0 in self.y.shape:
            raise InputError(f"luma plane has shape {self.y.shape}; it must be (height, width)")
        height, width = self.y.shape
        expected = chroma_size(height, width)
        for name, plane in zip("yuv", self.planes, strict=True):
            if plane.dtype != np.uint8:
                raise InputError(f"plane {name} is {plane.dtype}; it must be uint8")
            if name != "y" and plane.shape != expected:
                raise InputError(
                    f"plane {name} has shape {plane.shape}; 4:2:0 of {height}x{width} "
                    f"(height x width) needs {expected}"
                )

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

    def crc32(self) -> int:
        """CRC-32 (ISO 3309, as zlib) of the rows of Y, U and V, in this order, without padding."""
        crc = 0
        for plane in self.planes:
            crc = zlib.crc32(np.ascontiguousarray(plane).data, crc)
        return crc

    def sha256(self) -> str:
        """SHA-256 (FIPS 180-4) of the same rows, as 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for plane in self.planes:
            digest.update(np.ascontiguousarray(plane).data)
        return digest.hexdigest()
