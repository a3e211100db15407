"""Motion estimation, on the encoder's side: the native core searches and chooses motion.

The search runs on what the decoder will really copy, the decoded references, at any distance:
through a pyramid of both pictures to the whole sample, then to the quarter sample under the window
of the blended prediction. The choice minimises error plus the price of the bits, with the contexts
of the coder as they stand. All in integers, so that every machine finds the same motion. Decoders
need none of this.
"""

from __future__ import annotations

from dataclasses import replace

from colorvid.effort import MEDIUM, SearchEffort
from colorvid.frame import BytePlane, Links, Motion
from colorvid.motion.field import grid_shape
from colorvid.motion.native import NativeMotionCoder
from colorvid.native.core import core_for_encoding
from colorvid.native.motion import Reference

BIT_WEIGHT = 0.36
"""Price of a bit of a P frame's motion in absolute differences, over the quantiser step."""
PAIR_WEIGHT = 0.28
"""That of a B frame's, of which fewer blocks have a residual to mend what motion leaves."""
_LEAST_GAIN = 100
"""A second reference of a P frame must lower error and price by one part in so many."""
WEIGHT_UNIT = 1 << 16


class MotionEstimator:
    """Chooses and codes the motion of the frames of a group of pictures, in decoding order."""

    def __init__(
        self, shape: tuple[int, int], slots: int, effort: SearchEffort = MEDIUM.search
    ) -> None:
        """Prepare for luma of ``(H, W)`` samples, and as many pictures as there are slots.

        Raises:
            ConfigError: there is no native core.
            MemoryError: the memory does not suffice.
        """
        self._core, self._effort = core_for_encoding(), effort
        self._coder = NativeMotionCoder(self._core, grid_shape(*shape), slots)
        self._references: dict[int, Reference] = {}

    def start(self, target: int) -> None:
        """Put a key or I frame into a slot."""
        self._coder.start(target)

    def keep(self, target: int, luma: BytePlane) -> None:
        """Remember the decoded luma ``(H, W)`` of the frame in a slot, rounded to 8 bits."""
        if target not in self._references:
            self._references[target] = Reference(self._core)
        self._references[target].fill(luma)

    def code(self, links: Links, current: BytePlane, step: float) -> tuple[Motion, bytes]:
        """Choose the motion of a P or B frame and code it.

        A P frame uses its second reference if that pays; without it, the motion has one field.

        Args:
            links: of the frame; its references have been kept.
            current: luma of the source, u8 ``(H, W)``.
            step: of the quantiser, in sample values of 8 bits.

        Returns:
            The motion, and its bytes.
        """
        motion, cost = self._estimate(links, current, step)
        if links.future_distance < 0:
            alone, cost_alone = self._estimate(links.alone, current, step)
            if cost * _LEAST_GAIN > cost_alone * (_LEAST_GAIN - 1):
                motion, links = alone, links.alone
        return motion, self._coder.encode(links, motion)

    def _estimate(self, links: Links, current: BytePlane, step: float) -> tuple[Motion, int]:
        """The motion with these references, and its cost."""
        past = self._references[links.past]
        future = None if links.future is None else self._references[links.future]
        share = PAIR_WEIGHT if links.future_distance > 0 else BIT_WEIGHT
        weight = round(share * step * WEIGHT_UNIT)
        effort = replace(self._effort, rounds=0) if links.future_distance < 0 else self._effort
        return self._coder.estimate(links, current, (past, future), weight, effort)
