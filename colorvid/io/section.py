"""A part of a video: skip some frames, then take a limited number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from colorvid.config import is_whole
from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame
from colorvid.io.base import FrameReader

MAX_COUNT = 2**31 - 1


class Section(FrameReader):
    """The frames ``seek`` to ``seek + frames - 1`` of another reader, which it owns."""

    def __init__(self, reader: FrameReader, name: str, *, frames: int | None, seek: int) -> None:
        """Cut ``reader``; ``frames`` None = to the end. Skipped frames are decoded, so exact.

        Raises:
            ConfigError: ``frames`` is not from 1 to 2^31 - 1, or ``seek`` not from 0.
        """
        if frames is not None and not is_whole(frames, 1, MAX_COUNT):
            raise ConfigError(f"--frames is {frames!r}; it must be from 1 to {MAX_COUNT}")
        if not is_whole(seek, 0, MAX_COUNT):
            raise ConfigError(f"--seek is {seek!r}; it must be from 0 to {MAX_COUNT}")
        self._reader = reader
        self._name = name
        self._seek = seek
        stop = None if frames is None else seek + frames
        self._frames: Iterator[Frame] = islice(reader, seek, stop)
        self._started = False
        total = reader.info.frames
        if total is not None:
            total = max(0, min(total, total if stop is None else stop) - seek)
        self.info = replace(reader.info, frames=total)

    def __next__(self) -> Frame:
        """Return the next frame; raises ``InputError`` if ``seek`` skips all there are."""
        frame = next(self._frames, None)
        if frame is not None:
            self._started = True
            return frame
        if not self._started:
            raise InputError(f"{self._name}: has no frame {self._seek}; choose a smaller --seek")
        raise StopIteration

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the reader."""
        return self._reader.warnings

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()
