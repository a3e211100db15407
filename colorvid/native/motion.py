"""Motion in the native core: coding of motion, choice of vectors, compensation.

The search sees planes of 8 bits, u8 ``(H, W)``; for motion see `colorvid.frame.Motion`. The results
are those of `colorvid.motion`.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colorvid.effort import MEDIUM, SearchEffort
from colorvid.errors import ConfigError
from colorvid.frame import BytePlane, Links, Motion, Plane
from colorvid.native.core import Core, Status, pointer

_FEW = 2048
"""Most blocks whose motion is read in less time than a thread waits for the interpreter lock."""


class LinksStruct(ctypes.Structure):
    """``Links`` of ``src/motion.h``."""

    _fields_ = [  # noqa: RUF012
        (name, ctypes.c_int32)
        for name in ("past", "future", "inherits", "target", "past_distance", "future_distance")
    ]

    @classmethod
    def of(cls, links: Links) -> LinksStruct:
        """From the links of a frame."""
        future = -1 if links.future is None else links.future
        distances = links.past_distance, links.future_distance
        return cls(links.past, future, links.inherits, links.target, *distances)


class _PlacedStruct(ctypes.Structure):
    """``Placed`` of ``src/inheritance.h``."""

    _fields_ = [  # noqa: RUF012
        (name, ctypes.c_int32) for name in ("number", "past", "future")
    ]


class SearchStruct(ctypes.Structure):
    """``SearchEffort`` of ``src/search.h``."""

    _fields_ = [  # noqa: RUF012
        (name, ctypes.c_int32) for name in ("around", "split_bits", "rounds")
    ]

    @classmethod
    def of(cls, effort: SearchEffort) -> SearchStruct:
        """From the effort of a preset."""
        return cls(effort.around, effort.split_bits, effort.rounds)


@dataclass(frozen=True, slots=True)
class Read:
    """What decoding gave.

    Attributes:
        motion: of the frame, or None where the data hold a vector that is out of range.
        wrong: that vector, ``(dy, dx)``.
        position: the byte at which the decoder stands.
        ended: whether that is where the data end, as the format allows it.
    """

    motion: Motion | None
    wrong: tuple[int, int] = (0, 0)
    position: int = 0
    ended: bool = True


class MotionState:
    """What the pictures in the slots leave for later frames.

    Threads may use it at the same time, where no frame is put into a slot that another one needs.
    """

    def __init__(self, core: Core, shape: tuple[int, int], slots: int) -> None:
        """Prepare for ``(rows, columns)`` blocks, and as many pictures as there are slots.

        Raises:
            MemoryError: the memory does not suffice.
        """
        self._core, self._shape = core, shape
        self._few = shape[0] * shape[1] <= _FEW
        self._handle = core.functions["motion_new"](*shape, slots)
        if not self._handle:
            raise MemoryError("native core: no memory for the contexts of motion")
        weakref.finalize(self, core.functions["motion_free"], self._handle)

    def start(self, target: int) -> None:
        """Put a key frame into a slot."""
        self._core.call("motion_start", self._handle, target, quick=True)

    def encode(self, links: Links, motion: Motion) -> bytes:
        """The bytes of a frame's motion.

        Raises:
            ConfigError: a value is out of its range, or a reference is not there.
            MemoryError: the memory does not suffice.
        """
        data, size = ctypes.c_void_p(), ctypes.c_size_t()
        self._core.call(
            "motion_encode",
            self._handle,
            ctypes.byref(LinksStruct.of(links)),
            *arrays(contiguous(motion)),
            ctypes.byref(data),
            ctypes.byref(size),
        )
        return ctypes.string_at(data, size.value) if size.value else b""

    def decode(self, links: Links, data: bytes) -> Read:
        """Read a frame's motion, whatever the bytes are.

        Raises:
            ConfigError: a value is out of its range, or a reference is not there.
            MemoryError: the memory does not suffice.
        """
        motion = self._empty(links)
        report = np.zeros(2, np.int64)
        status = self._core.call(
            "motion_decode",
            self._handle,
            ctypes.byref(LinksStruct.of(links)),
            data,
            len(data),
            *arrays(motion),
            pointer(report, np.int64),
            quick=self._few,
        )
        first, second = report.tolist()
        if status is Status.WRONG_VECTOR:
            return Read(None, wrong=(first, second))
        return Read(motion, position=first, ended=bool(second))

    def estimate(
        self,
        links: Links,
        current: BytePlane,
        references: tuple[Reference, Reference | None],
        weight: int,
        effort: SearchEffort = MEDIUM.search,
    ) -> tuple[Motion, int]:
        """Motion of a frame for coding it here next; see `colorvid.motion.estimate`.

        Changes nothing here.

        Args:
            links: of the frame.
            current: its luma.
            references: the first and, where there is one, the second one, of its size.
            weight: price of a bit in 1/65536 of an absolute difference, 0 .. 2^30.
            effort: of the search.

        Returns:
            The motion, and its sum of error and price, to be compared with others of the frame.

        Raises:
            ConfigError: sizes do not fit together, or a value is out of its range.
            MemoryError: the memory does not suffice.
        """
        past, future = references
        if current.shape != past.shape:
            raise ConfigError(
                f"the picture has shape {current.shape}; it must be {past.shape} as its reference"
            )
        luma = np.ascontiguousarray(current)
        motion, cost = self._empty(links), ctypes.c_int64()
        self._core.call(
            "estimate",
            self._core.level,
            self._handle,
            ctypes.byref(LinksStruct.of(links)),
            pointer(luma, np.uint8),
            past.handle,
            None if future is None else future.handle,
            weight,
            ctypes.byref(SearchStruct.of(effort)),
            *arrays(motion),
            ctypes.byref(cost),
        )
        return motion, cost.value

    def _empty(self, links: Links) -> Motion:
        """Motion to be filled."""
        past = np.empty((*self._shape, 2), np.int16)
        if links.future is None:
            return Motion(past)
        uses = np.empty((-(-self._shape[0] // 2), -(-self._shape[1] // 2)), np.uint8)
        return Motion(past, np.empty_like(past), uses)


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

    def fill(self, luma: BytePlane) -> None:
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


class Pyramid:
    """A picture at smaller sizes, for the look-ahead; threads may share it.

    Attributes:
        core: that made it.
        handle: for the functions of the core.
    """

    def __init__(self, core: Core, luma: BytePlane) -> None:
        """Shrink luma ``(H, W)``.

        Raises:
            ConfigError: a side is not 1..8192.
            MemoryError: the memory does not suffice.
        """
        self.core = core
        samples, place = np.ascontiguousarray(luma), ctypes.c_void_p()
        core.call("pyramid_new", pointer(samples, np.uint8), *luma.shape, ctypes.byref(place))
        self.handle = place
        weakref.finalize(self, core.functions["pyramid_free"], place)

    def novelty(self, reference: Pyramid, halvings: int = MEDIUM.look_ahead.halvings) -> float:
        """Share of the picture that ``reference`` does not predict, moved or not, 0..1.

        ``halvings``: of the sizes of both before they are compared, 1..5.

        Raises:
            ConfigError: the pictures have different sizes, or they cannot be halved so often.
            MemoryError: the memory does not suffice.
        """
        counts = np.zeros(2, np.int32)
        self.core.call(
            "novelty",
            self.core.level,
            self.handle,
            reference.handle,
            halvings,
            pointer(counts, np.int32),
        )
        cells, fresh = counts.tolist()
        return fresh / cells if cells else 0.0


def inherited(
    pictures: Sequence[Pyramid],
    places: Sequence[tuple[int, int, int]],
    to_come: int,
    *,
    search: bool = True,
) -> list[int]:
    """How much later frames inherit from each picture of a mini-GOP, by the sources alone.

    A picture that ``n`` frames inherit wholly counts as log2(1 + n), in 1/256.

    Args:
        pictures: the key or P frame before the mini-GOP and its 1..16 frames, in order of display.
        places: of these frames in decoding order: number behind the first picture, and distances to
            both references, 0 = none.
        to_come: frames of the group behind the mini-GOP, 0..2^20, taken to be like it.
        search: whether to compare the pictures; else all are taken to predict each other as most
            do.

    Raises:
        ConfigError: the pictures have different sizes, or the places are not those of a mini-GOP.
        MemoryError: the memory does not suffice.
    """
    core = pictures[0].core
    handles = (ctypes.c_void_p * len(pictures))(*(picture.handle.value for picture in pictures))
    structs = (_PlacedStruct * len(places))(*(_PlacedStruct(*place) for place in places))
    means = np.zeros(len(pictures), np.int32)
    assert len(pictures) == len(places) + 1
    core.call(
        "inherit", core.level, handles, structs, len(places), to_come, search,
        pointer(means, np.int32),
    )  # fmt: skip
    return [int(mean) for mean in means]


def arrays(motion: Motion) -> tuple[int | None, int | None, int | None]:
    """Addresses of the arrays of motion that are there."""
    future = None if motion.future is None else pointer(motion.future, np.int16)
    uses = None if motion.uses is None else pointer(motion.uses, np.uint8)
    return pointer(motion.past, np.int16), future, uses


Planes = tuple[Plane, Plane, Plane]


def compensate(core: Core, motion: Motion, past: Planes, future: Planes | None = None) -> Planes:
    """Predict a frame from planes Y, U and V; see `colorvid.motion.compensate.predict`.

    Planes are those of a `colorvid.frame.Frame`.

    Raises:
        ConfigError: planes and vectors do not fit together, or a vector is out of range.
        MemoryError: the memory does not suffice.
    """
    assert (future is None) == (motion.future is None)
    motion = contiguous(motion)
    past_vectors, future_vectors, uses = arrays(motion)
    height, width = past[0].shape
    kind = past[0].dtype
    planes: list[Plane] = []
    for number in range(3):
        size = ((height + 1) // 2, (width + 1) // 2) if number else (height, width)
        sources = [np.ascontiguousarray(p[number]) for p in (past, future) if p is not None]
        assert all(source.shape == size for source in sources)
        predicted = np.empty(size, kind)
        core.call(
            "compensate",
            core.level,
            8 if kind == np.uint8 else 10,
            min(number, 1),
            pointer(sources[0], kind),
            pointer(sources[1], kind) if future is not None else None,
            height,
            width,
            past_vectors,
            future_vectors,
            uses,
            *motion.shape,
            pointer(predicted, kind),
        )
        planes.append(predicted)
    y, u, v = planes
    return y, u, v


def contiguous(motion: Motion) -> Motion:
    """The same motion in arrays that the core can read."""
    return Motion(
        np.ascontiguousarray(motion.past),
        None if motion.future is None else np.ascontiguousarray(motion.future),
        None if motion.uses is None else np.ascontiguousarray(motion.uses),
    )
