"""The reference encoders by name; `colorvid.evaluation.compare.anchors` runs them."""

from __future__ import annotations

from dataclasses import dataclass

X26X_CRFS = (19, 23, 27, 31, 35, 39)
SVT_CRFS = (23, 31, 39, 47, 55, 63)
JPEG_QUALITIES = (95, 90, 80, 65, 50, 35, 20, 10)


@dataclass(frozen=True, slots=True)
class Anchor:
    """One reference encoder.

    Attributes:
        encoder: name of the encoder in FFmpeg, or ``jpeg``.
        qualities: of its curve, best first: constant rate factors (lower is better), or qualities
            of JPEG (higher is better).
        intra: every frame is a key frame.
        low_delay: tuned for zero latency; no B frames, no lookahead.
    """

    encoder: str
    qualities: tuple[int, ...]
    intra: bool = False
    low_delay: bool = False


ANCHORS: dict[str, Anchor] = {
    "x264-intra": Anchor("libx264", X26X_CRFS, intra=True),
    "x265-intra": Anchor("libx265", X26X_CRFS, intra=True),
    "svtav1-intra": Anchor("libsvtav1", SVT_CRFS, intra=True),
    "jpeg": Anchor("jpeg", JPEG_QUALITIES, intra=True),
    "x264-zl": Anchor("libx264", X26X_CRFS, low_delay=True),
    "x265-zl": Anchor("libx265", X26X_CRFS, low_delay=True),
    "x264": Anchor("libx264", X26X_CRFS),
    "x265": Anchor("libx265", X26X_CRFS),
    "svtav1": Anchor("libsvtav1", SVT_CRFS),
}
