"""Looking ahead in the source: where a scene begins, and how far its frames predict each other."""

from __future__ import annotations

from collections.abc import Sequence

from colorvid.codec.settings import EncoderSettings
from colorvid.codec.structure import Place
from colorvid.effort import MEDIUM, LookAhead
from colorvid.frame import Frame
from colorvid.native.core import core_for_encoding
from colorvid.native.motion import Pyramid, inherited

CUT = 0.6
"""A scene begins where the frame before leaves more than this share of a frame unpredicted.

Between the shares of unrelated training clips and those of frames of one scene."""
FAR = {16: 0.42, 8: 0.28, 4: 0.14, 2: 0.1}
"""A P frame so many frames behind its reference is too far if that does not predict so much of it.

Found on the training clips: where motion is that fast, shorter mini-GOPs take fewer bits."""

_SHORTER = (8, 4, 2)  # lengths that are tried, besides the longest one and 1
_FAR_AHEAD = 1 << 10  # more frames to come make no difference


def small(frame: Frame) -> Pyramid:
    """A frame as the look-ahead sees it."""
    return Pyramid(core_for_encoding(), frame.search_luma())


class KeyFrames:
    """Says which frames of a video, given in order, become key frames.

    Every ``gop``-th frame does, whatever is between, so that parts of a video which begin there
    come out as in the whole; and the first frame of a scene, unless a key frame is near before it.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        """Begin before the first frame."""
        self._settings = settings
        self._number = self._key = 0
        self._before: Pyramid | None = None

    def begins(self, frame: Frame) -> bool:
        """Whether the next frame becomes a key frame."""
        number = self._number
        self._number += 1
        begins = number % self._settings.gop == 0
        if self._settings.scenecut and self._settings.gop > 1:
            seen, before = small(frame), self._before
            self._before = seen
            if not begins and before is not None:
                far = number - self._key >= self._settings.min_gop
                begins = far and seen.novelty(before) > CUT
        if begins:
            self._key = number
        return begins


def weights(
    frames: Sequence[Pyramid], places: Sequence[Place], to_come: int, *, search: bool = True
) -> dict[int, int]:
    """How much later frames inherit from those of a mini-GOP and from the one before it.

    See `colorvid.native.motion.inherited`.

    Args:
        frames: the frame before, then those of the mini-GOP.
        places: of these, in decoding order.
        to_come: frames of the group behind them, as far as is known.
        search: whether to compare the frames.

    Returns:
        log2(1 + n) for ``n`` frames that inherit, in 1/256, by number in the group.
    """
    first = places[0].number - places[0].past
    order = [(p.number - first, p.past, p.future) for p in places]
    found = inherited(frames, order, min(to_come, _FAR_AHEAD), search=search)
    return {first + offset: weight for offset, weight in enumerate(found)}


def mini_gop_length(frames: Sequence[Pyramid], look: LookAhead = MEDIUM.look_ahead) -> int:
    """How many frames the next mini-GOP has: as many as there are, unless motion is too fast.

    Args:
        frames: the last frame that is coded, then those that wait, at least one.
        look: how to find out.
    """
    waiting = len(frames) - 1
    if look.longest:
        return waiting
    for length in (waiting, *(length for length in _SHORTER if length < waiting)):
        most = FAR[min(distance for distance in FAR if distance >= length)]
        if length > 1 and frames[length].novelty(frames[0], look.halvings) <= most:
            return length
    return 1
