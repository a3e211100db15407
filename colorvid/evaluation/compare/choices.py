"""What a comparison can be made of; nothing here loads a codec."""

from __future__ import annotations

from typing import Literal

NO_ANCHORS = "none"
INTRA_ANCHORS = ("x264-intra", "x265-intra")
INTER_ANCHORS = ("x264-zl", "x265-zl")
"""Compared with if nothing else is asked for."""

INTRA_QUALITIES = (63, 52, 42, 32, 22)
INTER_QUALITIES = (62, 52, 40, 28, 16)
"""Qualities of colorvid that cover the curves of the anchors, best first."""

COMPARED_FRAMES = 32

Memory = Literal["all", "one", "none"]
"""Where peak memory is measured.

``all``: every encoding and every decoding has a process of its own, speeds are taken there too.
``one``: the first quality of each codec and clip is run once more for it, in such processes.
"""
