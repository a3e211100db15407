"""Motion in the native core: coding of vector fields, search, compensation.

Planes are u8 ``(H, W)``, vector fields int16 ``(ceil(H/8), ceil(W/8), 2)`` with components within
+-2047 quarter luma samples, as in `colorvid.motion`, whose results these functions give.
"""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import ConfigError
from colorvid.frame import Plane
from colorvid.native.core import Core, Status, pointer


@dataclass(frozen=True, slots=True)
class Read:
    """What decoding a field gave.

    Attributes:
        vectors: the field, or None where the data hold a vector that is out of range.
        wrong: that vector, ``(dy, dx)``.
        position: the byte at which the decoder stands.
        ended: whether that is where the data end, as the format allows it.
    """

    vectors: NDArray[np.int16] | None
    wrong: tuple[int, int] = (0, 0)
    position: int = 0
    ended: bool = True


class MotionState:
    """Contexts and modes that last over a group of pictures; used by one thread at a time."""

    def __init__(self, core: Core) -> None:
        """Start with fresh contexts.

        Raises:
            MemoryError: the memory does not suffice.
        """
        self._core = core
        self._handle = core.functions["motion_new"]()
        if not self._handle:
            raise MemoryError("native core: no memory for the contexts of motion")
        weakref.finalize(self, core.functions["motion_free"], self._handle)

    def reset(self) -> None:
        """Forget everything."""
        self._core.functions["motion_reset"](self._handle)

    def encode(self, vectors: NDArray[np.int16]) -> bytes:
        """The bytes of a field.

        Raises:
            ConfigError: a vector is out of range, or the field is empty or larger than 8192 blocks.
            MemoryError: the memory does not suffice.
        """
        field = np.ascontiguousarray(vectors)
        data, size = ctypes.c_void_p(), ctypes.c_size_t()
        self._core.call(
            "motion_encode",
            self._handle,
            pointer(field, np.int16),
            *field.shape[:2],
            ctypes.byref(data),
            ctypes.byref(size),
        )
        return ctypes.string_at(data, size.value) if size.value else b""

    def decode(self, data: bytes, shape: tuple[int, int]) -> Read:
        """Read a field of ``(rows, columns)`` blocks, whatever the bytes are.

        Raises:
            ConfigError: the shape is empty or larger than 8192 blocks along an axis.
            MemoryError: the memory does not suffice.
        """
        vectors = np.empty((*shape, 2), np.int16)
        report = np.zeros(2, np.int64)
        status = self._core.call(
            "motion_decode",
            self._handle,
            data,
            len(data),
            *shape,
            pointer(vectors, np.int16),
            pointer(report, np.int64),
        )
        first, second = report.tolist()
        if status is Status.WRONG_VECTOR:
            return Read(None, wrong=(first, second))
        return Read(vectors, position=first, ended=bool(second))

    def estimate(
        self,
        current: Plane,
        reference: Reference,
        weight: int,
        hint: NDArray[np.int16] | None = None,
    ) -> NDArray[np.int16]:
        """Vectors for coding here next; see `colorvid.motion.estimate`. Changes nothing here.

        Args:
            current: luma of the picture to predict, of the size of the reference.
            reference: where it is predicted from.
            weight: price of a bit in 1/65536 of an absolute difference, 0 .. 2^30.
            hint: a field to try too.

        Raises:
            ConfigError: sizes do not fit together, or a value is out of its range.
            MemoryError: the memory does not suffice.
        """
        if current.shape != reference.shape:
            raise ConfigError(
                f"the picture has shape {current.shape}; it must be {reference.shape} as its "
                "reference"
            )
        luma = np.ascontiguousarray(current)
        chosen = np.empty((*(-(-side // 8) for side in luma.shape), 2), np.int16)
        field = None if hint is None else np.ascontiguousarray(hint)
        if field is not None and field.shape != chosen.shape:
            raise ConfigError(f"the hint has shape {field.shape}; it must be {chosen.shape}")
        self._core.call(
            "estimate",
            self._core.level,
            self._handle,
            reference.handle,
            pointer(luma, np.uint8),
            None if field is None else pointer(field, np.int16),
            *chosen.shape[:2],
            weight,
            pointer(chosen, np.int16),
        )
        return chosen


class Reference:
    """Luma that vectors point into, prepared for the search of any number of pictures.

    Takes some 18 bytes a sample, which the next `fill` uses again. Threads may share it meanwhile.

    Attributes:
        shape: ``(H, W)`` of the luma; (0, 0) at first.
        handle: for the functions of the core.
    """

    def __init__(self, core: Core) -> None:
        """Make an empty one.

        Raises:
            MemoryError: the memory does not suffice.
        """
        self._core = core
        self.shape: tuple[int, ...] = (0, 0)
        self.handle = core.functions["reference_new"]()
        if not self.handle:
            raise MemoryError("native core: no memory for a reference")
        weakref.finalize(self, core.functions["reference_free"], self.handle)

    def fill(self, luma: Plane) -> None:
        """Interpolate ``luma`` at quarter samples.

        Raises:
            ConfigError: a side is not 1..8192.
            MemoryError: the memory does not suffice.
        """
        samples = np.ascontiguousarray(luma)
        self.shape = (0, 0)
        self._core.call(
            "reference_fill",
            self._core.level,
            self.handle,
            pointer(samples, np.uint8),
            *luma.shape,
        )
        self.shape = luma.shape


def compensate(
    core: Core, reference: tuple[Plane, Plane, Plane], vectors: NDArray[np.int16]
) -> tuple[Plane, Plane, Plane]:
    """Predict a frame from planes Y, U and V; see `colorvid.motion.compensate.compensate`.

    Raises:
        ConfigError: planes and vectors do not fit together, or a vector is out of range.
        MemoryError: the memory does not suffice.
    """
    field = np.ascontiguousarray(vectors)
    height, width = reference[0].shape
    planes: list[Plane] = []
    for chroma, plane in enumerate(reference):
        source = np.ascontiguousarray(plane)
        size = ((height + 1) // 2, (width + 1) // 2) if chroma else (height, width)
        assert source.shape == size
        predicted = np.empty_like(source)
        core.call(
            "compensate",
            core.level,
            min(chroma, 1),
            pointer(source, np.uint8),
            height,
            width,
            pointer(field, np.int16),
            *field.shape[:2],
            pointer(predicted, np.uint8),
        )
        planes.append(predicted)
    y, u, v = planes
    return y, u, v
