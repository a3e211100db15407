"""Coded groups of pictures on the disk, until it is known which of them are wanted."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from colorvid.errors import OutputError
from colorvid.io.files import os_errors

if TYPE_CHECKING:
    from colorvid.codec.groups import EncodedFrame


class Spool:
    """Keeps groups by number and quality in a temporary file without a name."""

    def __init__(self) -> None:
        """Open the file.

        Raises:
            OutputError: there is no folder for temporary files.
        """
        self._places: dict[tuple[int, int], int] = {}
        with _disk_errors():
            self._file = tempfile.TemporaryFile()

    def put(self, group: int, quality: int, frames: Sequence[EncodedFrame]) -> None:
        """Keep a group.

        Raises:
            OutputError: the disk is full.
        """
        with _disk_errors():
            self._places[group, quality] = self._file.seek(0, 2)
            pickle.dump(list(frames), self._file)

    def frames(self, qualities: Sequence[int]) -> Iterator[EncodedFrame]:
        """The frames of all groups, group ``g`` with ``qualities[g]``, which were kept."""
        for group, quality in enumerate(qualities):
            with _disk_errors():
                self._file.seek(self._places[group, quality])
                kept: list[EncodedFrame] = pickle.load(self._file)
            yield from kept

    def __enter__(self) -> Spool:
        """Return the spool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._file.close()


def _disk_errors() -> AbstractContextManager[None]:
    """Names the folder where the file lies."""
    return os_errors(tempfile.gettempdir(), OutputError)
