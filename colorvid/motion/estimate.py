"""Motion estimation as the encoder uses it: libx264's vectors, then a rate-distortion decision."""

from __future__ import annotations

import math

from colorvid.frame import Frame, Plane
from colorvid.motion.coding import MotionCoder
from colorvid.motion.field import Vectors
from colorvid.motion.search import MotionSearch
from colorvid.motion.simplify import simplify

BIT_WEIGHT = 0.2
"""Price of a bit of the vectors in absolute differences, as a share of the quantiser step."""


def search_crf(step: float) -> float:
    """Quality of libx264's search for a quantiser step in sample values; 0..51.

    Finer than the codec's own: the search sees the source, and `simplify` makes the vectors cheap
    again where that pays.
    """
    return min(51.0, max(0.0, 6 * math.log2(step) - 8))


class MotionEstimator:
    """Vectors for each inter frame of one group of pictures."""

    def __init__(self, width: int, height: int, step: float) -> None:
        """Prepare for luma planes of ``width`` x ``height`` and a quantiser step."""
        self._search = MotionSearch(width, height, search_crf(step))
        self._weight = BIT_WEIGHT * step

    def start(self, frame: Frame) -> None:
        """Take the key frame."""
        self._search.push(frame, key=True)

    def estimate(self, frame: Frame, reference: Plane, coder: MotionCoder) -> Vectors:
        """Vectors int16 ``(ceil(H/8), ceil(W/8), 2)`` from the decoded frame before.

        Args:
            frame: the source.
            reference: decoded luma of the frame before, u8 ``(H, W)``.
            coder: what codes the vectors afterwards; its contexts price them.
        """
        vectors = self._search.push(frame)
        assert vectors is not None, "start comes first"
        return simplify(vectors, frame.y, reference, self._weight, coder)
