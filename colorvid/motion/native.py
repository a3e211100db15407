"""The motion coder in the native core, and the choice between it and the reference in Python."""

from __future__ import annotations

from typing import TypeAlias

from colorvid.effort import MEDIUM, SearchEffort
from colorvid.entropy.binary import check_end
from colorvid.frame import BytePlane, Links, Motion
from colorvid.motion.coding import MotionCoder, section, still_motion
from colorvid.motion.field import check_motion
from colorvid.motion.walk import refuse_vector
from colorvid.native.core import Core, core
from colorvid.native.motion import MotionState, Reference


class NativeMotionCoder:
    """Codes the motion of a group of pictures: the bytes of `MotionCoder`, much faster."""

    def __init__(self, native: Core, shape: tuple[int, int], slots: int) -> None:
        """Prepare for frames of ``(rows, columns)`` blocks in as many slots."""
        self._state = MotionState(native, shape, slots)
        self._shape = shape

    def start(self, target: int) -> None:
        """See `MotionCoder.start`."""
        self._state.start(target)

    def encode(self, links: Links, motion: Motion) -> bytes:
        """See `MotionCoder.encode`."""
        check_motion(motion, self._shape)
        return section(motion, self._state.encode(links, motion))

    def decode(self, links: Links, data: bytes) -> Motion:
        """See `MotionCoder.decode`."""
        if not data:
            still = still_motion(links, self._shape)
            self._state.encode(links, still)
            return still
        read = self._state.decode(links, data)
        if read.motion is None:
            refuse_vector(read.wrong)
        if not read.ended:
            check_end(len(data), read.position)
        return read.motion

    def estimate(
        self,
        links: Links,
        current: BytePlane,
        references: tuple[Reference, Reference | None],
        weight: int,
        effort: SearchEffort = MEDIUM.search,
    ) -> tuple[Motion, int]:
        """See `MotionState.estimate`."""
        return self._state.estimate(links, current, references, weight, effort)


AnyMotionCoder: TypeAlias = MotionCoder | NativeMotionCoder
"""What codes the motion of a group of pictures."""


def motion_coder(shape: tuple[int, int], slots: int) -> AnyMotionCoder:
    """A new coder: the native one where there is one, else the reference.

    Args:
        shape: rows and columns of blocks.
        slots: most pictures that are kept, with the one that is coded.
    """
    native = core()
    return MotionCoder(shape) if native is None else NativeMotionCoder(native, shape, slots)
