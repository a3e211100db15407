"""The common part of the writers that put bytes into a file or a pipe themselves."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import BinaryIO

from colorvid.errors import OutputError
from colorvid.frame import Frame
from colorvid.io.base import FrameWriter, VideoInfo, check_frame_size
from colorvid.io.files import OutputFile, os_errors


class StreamWriter(FrameWriter):
    """Writes frames to a pipe, or to a file that gets its name at the end."""

    def __init__(
        self, target: Path | BinaryIO, name: str, info: VideoInfo, *, overwrite: bool = False
    ) -> None:
        """Open the file ``target``, or take an open pipe, which is left open at the end.

        Raises:
            OutputError: see ``OutputFile``.
        """
        self.info = info
        self._name = name
        self._count = 0
        self._file: OutputFile | None = None
        self._stream: BinaryIO | None
        if isinstance(target, Path):
            self._file = OutputFile(target, overwrite=overwrite)
            with os_errors(name, OutputError):
                self._stream = self._file.temporary.open("wb")
        else:
            self._stream = target

    def _begin(self, stream: BinaryIO) -> None:  # noqa: B027 - most formats have no header
        """Write what comes before the first frame."""

    @abstractmethod
    def _append(self, stream: BinaryIO, frame: Frame) -> None:
        """Write one frame."""

    def write(self, frame: Frame) -> None:
        """Append a frame; see ``FrameWriter.write``."""
        if self._stream is None:
            raise OutputError(f"{self._name}: is closed; open a new writer for more frames")
        check_frame_size(self._name, self.info, frame, self._count)
        with os_errors(self._name, OutputError):
            if self._count == 0:
                self._begin(self._stream)
            self._append(self._stream, frame)
            if self._file is None:
                self._stream.flush()  # whoever reads the pipe may be waiting for this frame
        self._count += 1

    def close(self) -> None:
        """Finish the output; see ``FrameWriter.close``."""
        if self._stream is None:
            return
        try:
            if self._count == 0:
                raise OutputError(f"{self._name}: no frame was written")
            with os_errors(self._name, OutputError):
                self._stream.flush()
                if self._file:
                    self._stream.close()
            if self._file:
                self._file.commit()
        except BaseException:
            self.abort()
            raise
        self._stream = None

    def abort(self) -> None:
        """Throw a file away; what went into a pipe stays there."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        if self._file:
            try:
                stream.close()
            except OSError:
                pass  # the buffered rest is not wanted either
            self._file.discard()
