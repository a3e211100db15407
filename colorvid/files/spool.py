"""Coded groups of pictures on the disk, until it is known which of them are wanted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from colorvid.bitstream import Packet, PacketHeader
from colorvid.codec.groups import EncodedFrame
from colorvid.errors import OutputError
from colorvid.io.files import os_errors
from colorvid.quality.log import FrameRow


@dataclass(frozen=True, slots=True)
class _Kept:
    """A frame whose payload lies in the file."""

    header: PacketHeader
    row: FrameRow

    def packet(self, motion: bytes, latents: bytes) -> Packet:
        """Its packet again."""
        header = self.header
        return Packet(
            frame_type=header.frame_type,
            quality=header.quality,
            frame_number=header.frame_number,
            shift=header.shift,
            level=header.level,
            past=header.past,
            future=header.future,
            frame_crc=header.frame_crc,
            motion=motion,
            latents=latents,
        )


class Spool:
    """Keeps groups by number and quality, their payloads in a temporary file without a name."""

    def __init__(self) -> None:
        """Open the file.

        Raises:
            OutputError: there is no folder for temporary files.
        """
        self._groups: dict[tuple[int, int], tuple[int, list[_Kept]]] = {}
        with _disk_errors():
            self._file = tempfile.TemporaryFile()

    def put(self, group: int, quality: int, frames: Sequence[EncodedFrame]) -> None:
        """Keep a group.

        Raises:
            OutputError: the disk is full.
        """
        with _disk_errors():
            place = self._file.seek(0, os.SEEK_END)
            for item in frames:
                self._file.write(item.packet.motion + item.packet.latents)
            self._file.flush()
        kept = [_Kept(item.packet.header, item.row) for item in frames]
        self._groups[group, quality] = place, kept

    def frames(self, qualities: Sequence[int]) -> Iterator[EncodedFrame]:
        """The frames of all groups, group ``g`` with ``qualities[g]``, which were kept.

        Raises:
            OutputError: the file cannot be read.
        """
        for group, quality in enumerate(qualities):
            place, kept = self._groups[group, quality]
            with _disk_errors():
                self._file.seek(place)
            for frame in kept:
                with _disk_errors():
                    motion = self._file.read(frame.header.motion_bytes)
                    latents = self._file.read(frame.header.latents_bytes)
                yield EncodedFrame(frame.packet(motion, latents), frame.row)

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
        with _disk_errors():
            self._file.close()


def _disk_errors() -> AbstractContextManager[None]:
    """Names the folder where the file lies."""
    return os_errors(tempfile.gettempdir(), OutputError)
