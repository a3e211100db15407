"""Parts of whole groups: how a film is cut so that it fills all workers and loses little."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

PARTS_OF_A_WORKER = 6
"""As many parts of the whole work a worker gets on average, so that all end at about one time."""
MOST_FRAMES = 1024
"""Longest part; what a worker that dies has done on it is done again."""
LEAST_FRAMES = 64
"""Shortest part, unless a group is longer: each part opens the input, and is checked."""
MOST_DECODED = 64
"""Most parts of an input that must be decoded from its start to reach a frame."""
Part = tuple[int, int | None]
"""First frame, and number of frames; None = to the end."""


@dataclass(frozen=True)
class Splitter:
    """Cuts videos for a number of workers.

    Attributes:
        workers: how many work at once.
        pixels: luma samples of all frames of all files.
    """

    workers: int
    pixels: int

    def parts(self, *, frames: int | None, pixels: int, gop: int, direct: bool) -> list[Part]:
        """Parts of one video, in order; all but the last begin and end with whole groups.

        The last one goes to the end, as stated lengths may be wrong.

        Args:
            frames: length as far as it is known; None = unknown, and one part.
            pixels: luma samples of a frame.
            gop: frames of a group.
            direct: whether any frame is found without decoding those before it.
        """
        if not frames or not pixels:
            return [(0, None)]
        ideal = self.pixels / (self.workers * PARTS_OF_A_WORKER) / pixels
        groups = max(1, ceil(min(MOST_FRAMES, max(ideal, LEAST_FRAMES)) / gop))
        if not direct:
            groups = max(groups, ceil(frames / MOST_DECODED / gop))
        step = groups * gop
        starts = range(0, frames, step)
        return [(s, step) for s in starts[:-1]] + [(starts[-1], None)]
