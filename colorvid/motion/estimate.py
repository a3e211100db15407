"""Motion estimation, on the encoder's side: the native core searches and chooses vectors.

The search runs on what the decoder will really copy, the decoded reference, and takes any
reference: through a pyramid of both pictures to the whole sample, then to the quarter sample under
the window of the blended prediction. The choice minimises error plus the price of the bits, with
the contexts of the coder as they stand. All in integers, so that every machine finds the same
vectors. Decoders need none of this.
"""

from __future__ import annotations

from colorvid.frame import Plane
from colorvid.motion.field import Vectors
from colorvid.motion.native import AnyMotionCoder, NativeMotionCoder
from colorvid.native.core import core_for_encoding
from colorvid.native.motion import Reference

BIT_WEIGHT = 0.18
"""Price of a bit of the vectors in absolute differences, as a share of the quantiser step."""
_WEIGHT_UNIT = 1 << 16


class MotionEstimator:
    """Finds the vectors of inter frames for one quantiser step."""

    def __init__(self, step: float) -> None:
        """Prepare for a quantiser step in sample values.

        Raises:
            ConfigError: there is no native core.
        """
        self._reference = Reference(core_for_encoding())
        self._weight = round(BIT_WEIGHT * step * _WEIGHT_UNIT)

    def estimate(
        self, current: Plane, reference: Plane, coder: AnyMotionCoder, hint: Vectors | None = None
    ) -> Vectors:
        """Vectors int16 ``(ceil(H/8), ceil(W/8), 2)`` of a picture.

        Args:
            current: luma of the source, u8 ``(H, W)``.
            reference: decoded luma of the picture that it is predicted from, of the same size.
            coder: what codes the vectors afterwards; its contexts price them. It stays as it is.
            hint: vectors to try too, such as those of the picture before.

        Raises:
            ConfigError: the planes or the hint do not fit together.
        """
        assert isinstance(coder, NativeMotionCoder), "there is a core"
        self._reference.fill(reference)
        return coder.estimate(current, self._reference, self._weight, hint)
