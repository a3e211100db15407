"""Raw ``.yuv`` files: packed 4:2:0 frames one after another, without any header."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO

from colorvid.errors import InputError
from colorvid.frame import Frame, Size
from colorvid.io.base import FrameReader, VideoInfo
from colorvid.io.files import (
    StreamWriter,
    frame_bytes,
    os_errors,
    read_packed_frame,
    write_packed_frame,
)
from colorvid.io.sources import ByteSource


class RawReader(FrameReader):
    """Frames of a raw file."""

    def __init__(self, source: ByteSource, size: Size, rate: Fraction, depth: int = 8) -> None:
        """Read pictures of ``size`` at ``rate`` frames per second; `close` closes the source.

        ``depth`` is the bits of a sample; see `colorvid.io.files.frame_bytes`.

        Raises:
            InputError: the file cannot be read, is empty or does not hold whole frames.
        """
        self._name = source.label
        try:
            self.info = VideoInfo(size.width, size.height, rate, depth=depth)
        except InputError as error:
            raise InputError(f"{self._name}: {error}") from None
        self._stream = source
        self.info = replace(self.info, frames=self._count_frames())
        self._empty = True

    def _count_frames(self) -> int | None:
        """Frames by the length of the file; None for a pipe."""
        length = self._stream.file_bytes
        if length is None:
            return None
        step = frame_bytes(self.info.size, self.info.depth)
        if length == 0:
            raise InputError(f"{self._name}: holds no frame")
        if length % step:
            raise InputError(
                f"{self._name}: {length} bytes are not a multiple of the {step} bytes of a "
                f"{self.info.size} frame; the file is cut or the size is wrong"
            )
        return length // step

    def __next__(self) -> Frame:
        """Return the next frame; raises ``InputError`` if the last one is cut or there is none."""
        with os_errors(self._name, InputError):
            frame, count = self._read_frame()
        if frame is None:
            if count:
                raise InputError(f"{self._name}: the last frame is cut after {count} bytes")
            if self._empty:
                raise InputError(f"{self._name}: holds no frame")
            raise StopIteration
        self._empty = False
        return frame

    def _read_frame(self) -> tuple[Frame | None, int]:
        try:
            return read_packed_frame(self._stream, self.info.size, self.info.depth)
        except InputError as error:
            raise InputError(f"{self._name}: {error}; the bit depth is another") from None

    def skip(self, count: int) -> None:
        """Leave out frames without reading them; see ``FrameReader.skip``."""
        if self.info.frames is None:
            super().skip(count)
            return
        step = frame_bytes(self.info.size, self.info.depth)
        end = self.info.frames * step
        with os_errors(self._name, InputError):
            self._stream.seek(min(self._stream.tell() + count * step, end))
        self._empty = False

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class RawWriter(StreamWriter):
    """Writes packed frames only; size, rate and colour description are not kept."""

    def _append(self, stream: BinaryIO, frame: Frame) -> None:
        write_packed_frame(stream, frame)
