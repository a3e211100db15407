"""YUV4MPEG2 streams of 8-bit 4:2:0 frames, from and to files and pipes."""

from __future__ import annotations

from typing import BinaryIO

from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.io.base import FrameReader, VideoInfo
from colorvid.io.files import frame_bytes, os_errors, read_packed_frame, write_packed_frame
from colorvid.io.stream_writer import StreamWriter
from colorvid.io.y4m_header import LINE_LIMIT, format_header

FRAME_LINE = b"FRAME\n"
COUNTED = 100_000


def count_frames(info: VideoInfo, stream: BinaryIO, file_bytes: int) -> int | None:
    """Frames in a y4m file of ``file_bytes``, read as far as its header line; None if not known.

    Every FRAME line is looked at, as one with parameters makes a frame longer; files of more than
    `COUNTED` frames are left alone.
    """
    start = stream.tell()
    step = frame_bytes(info.height, info.width) + len(FRAME_LINE)
    count, rest = divmod(file_bytes - start, step)
    if rest or count > COUNTED:
        return None
    try:
        for number in range(count):
            stream.seek(start + number * step)
            if stream.read(len(FRAME_LINE)) != FRAME_LINE:
                return None
    finally:
        stream.seek(start)
    return count


class Y4mReader(FrameReader):
    """Frames of a y4m stream whose header line has been read already.

    Parameters of FRAME lines are skipped, as the format allows, but for ``Ixyz`` with y = i:
    the two fields of the frame are of different times.
    """

    def __init__(self, stream: BinaryIO, name: str, info: VideoInfo, *, owned: bool) -> None:
        """Read frames of ``info`` from ``stream``, which ``close`` closes if it is ``owned``."""
        self.info = info
        self._stream = stream
        self._name = name
        self._owned = owned
        self._index = 0

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            InputError: the stream has no frame, is cut within one, or loses its FRAME lines.
        """
        with os_errors(self._name, InputError):
            if not self._next_frame_line():
                raise StopIteration
            frame, count = read_packed_frame(self._stream, self.info.height, self.info.width)
        if frame is None:
            expected = frame_bytes(self.info.height, self.info.width)
            raise InputError(
                f"{self._name}: frame {self._index} is cut: {count} of {expected} bytes"
            )
        self._index += 1
        return frame

    def _next_frame_line(self) -> bool:
        """Read a FRAME line; False at the end of the stream."""
        line = self._stream.readline(LINE_LIMIT + 1)
        if not line:
            if self._index == 0:
                raise InputError(f"{self._name}: holds no frame")
            return False
        if line != FRAME_LINE and not (line.startswith(b"FRAME ") and line.endswith(b"\n")):
            raise InputError(
                f"{self._name}: frame {self._index} does not begin with a FRAME line; "
                "the stream is damaged or its header states a wrong size"
            )
        if any(word[:1] == b"I" and word[2:3] == b"i" for word in line.split()[1:]):
            raise InputError(
                f"{self._name}: frame {self._index} is interlaced; only progressive video is "
                "taken, so deinterlace it first"
            )
        return True

    def close(self) -> None:
        """Close the stream if it is owned."""
        if self._owned:
            self._stream.close()


class Y4mWriter(StreamWriter):
    """Writes a header and then FRAME lines with packed frames."""

    def _begin(self, stream: BinaryIO) -> None:
        stream.write(format_header(self.info))

    def _append(self, stream: BinaryIO, frame: Frame) -> None:
        stream.write(FRAME_LINE)
        write_packed_frame(stream, frame)
