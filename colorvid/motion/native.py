"""The motion coder in the native core, and the choice between it and the reference in Python."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from colorvid.entropy.binary import check_end
from colorvid.frame import Plane
from colorvid.motion.coding import MotionCoder, refuse_vector
from colorvid.motion.field import Vectors, check_field
from colorvid.native.core import Core, core
from colorvid.native.motion import MotionState, Reference


class NativeMotionCoder:
    """Codes the vector fields of a group of pictures: the bytes of `MotionCoder`, much faster."""

    def __init__(self, native: Core) -> None:
        """Start with fresh contexts."""
        self._state = MotionState(native)

    def reset(self) -> None:
        """See `MotionCoder.reset`."""
        self._state.reset()

    def encode(self, vectors: Vectors) -> bytes:
        """See `MotionCoder.encode`."""
        check_field(vectors, (vectors.shape[0], vectors.shape[1]))
        data = self._state.encode(vectors)
        return data if vectors.any() else b""

    def decode(self, data: bytes, shape: tuple[int, int]) -> Vectors:
        """See `MotionCoder.decode`."""
        if not data:
            still = np.zeros((*shape, 2), np.int16)
            self._state.encode(still)
            return still
        read = self._state.decode(data, shape)
        if read.vectors is None:
            refuse_vector(read.wrong)
        if not read.ended:
            check_end(len(data), read.position)
        return read.vectors

    def estimate(
        self, current: Plane, reference: Reference, weight: int, hint: Vectors | None
    ) -> Vectors:
        """See `colorvid.motion.estimate`; ``weight`` as in `MotionState.estimate`."""
        return self._state.estimate(current, reference, weight, hint)


AnyMotionCoder: TypeAlias = MotionCoder | NativeMotionCoder
"""What codes the vectors of a group of pictures."""


def motion_coder() -> AnyMotionCoder:
    """A new coder: the native one where there is one, else the reference."""
    native = core()
    return MotionCoder() if native is None else NativeMotionCoder(native)
