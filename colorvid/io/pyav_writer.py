"""Lossless files in common containers, through PyAV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from colorvid.errors import OutputError
from colorvid.frame import Frame
from colorvid.io.base import FrameWriter, VideoInfo, check_frame_size
from colorvid.io.files import OutputFile
from colorvid.io.pyav_stream import ASPECT_TAG, OneFilter, av_errors

_FFV1 = ("ffv1", {"level": "3", "slicecrc": "1"})
_H264 = ("libx264", {"qp": "0", "preset": "veryfast"})
_CONTAINERS = {
    ".mkv": ("matroska", *_FFV1),
    ".avi": ("avi", *_FFV1),
    ".mp4": ("mp4", *_H264),
    ".mov": ("mov", *_H264),
}


class PyAvWriter(FrameWriter):
    """Writes FFV1 level 3 (RFC 9043) to mkv and avi, H.264 with QP 0 to mp4 and mov.

    Size, rate and colour description are kept, with these exceptions. avi has no place for the
    colour description. mkv stores the frame duration in nanoseconds and no chroma location below
    the middle (bottomleft, bottom). FFV1 keeps the sample aspect ratio in its frames; mkv has it
    as the tag ``SAMPLE_ASPECT_RATIO`` too, because PyAV cannot set the display size of mkv. H.264
    stores an unknown range as limited, and an unspecified chroma location as left.
    """

    def __init__(self, path: Path, info: VideoInfo, *, overwrite: bool = False) -> None:
        """Open the output.

        Raises:
            OutputError: see ``OutputFile``; or H.264 and an odd size; or no such encoder.
        """
        self.info = info
        self._name = str(path)
        self._count = 0
        self._closed = False
        container, codec, options = _CONTAINERS[path.suffix.lower()]
        if codec == "libx264" and (info.width % 2 or info.height % 2):
            raise OutputError(
                f"{path}: {info.size} is odd, which lossless H.264 cannot hold; "
                "write .mkv, .y4m or .yuv"
            )
        self._file = OutputFile(path, overwrite=overwrite)
        try:
            with av_errors(self._name, OutputError):
                self._container: Any = av.open(str(self._file.temporary), "w", format=container)
                self._stream = self._add_stream(codec, options)
                self._aspect: OneFilter | None = None
        except BaseException:
            self.abort()
            raise

    def _add_stream(self, codec: str, options: dict[str, str]) -> Any:
        """Return an ``av.VideoStream`` set up for ``info``."""
        info = self.info
        # PyAV has no attribute for the chroma location, but FFmpeg has an option.
        location = {"chroma_sample_location": str(info.chroma_location)}
        options = options | location | _slices(codec, info)
        stream = self._container.add_stream(codec, rate=info.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = info.width, info.height, "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / info.rate
        context.color_range = info.color_range
        context.colorspace = info.matrix
        context.color_primaries = info.primaries
        context.color_trc = info.transfer
        if info.sample_aspect:
            context.sample_aspect_ratio = info.sample_aspect
            stream.metadata[ASPECT_TAG] = str(info.sample_aspect)
        return stream

    def write(self, frame: Frame) -> None:
        """Append a frame; see ``FrameWriter.write``."""
        if self._closed:
            raise OutputError(f"{self._name}: is closed; open a new writer for more frames")
        check_frame_size(self._name, self.info, frame, self._count)
        with av_errors(self._name, OutputError):
            picture: Any = _picture(frame)
            if self.info.sample_aspect:
                picture = self._with_aspect(picture)
            picture.pts, picture.time_base = self._count, 1 / self.info.rate
            self._container.mux(self._stream.encode(picture))
        self._count += 1

    def _with_aspect(self, picture: Any) -> Any:
        """Set the sample aspect ratio of a frame, from which FFV1 takes it."""
        if self._aspect is None:
            ratio = self.info.sample_aspect
            self._aspect = OneFilter(picture, "setsar", f"{ratio.numerator}/{ratio.denominator}")
        return self._aspect(picture)

    def close(self) -> None:
        """Finish the output; see ``FrameWriter.close``."""
        if self._closed:
            return
        try:
            if self._count == 0:
                raise OutputError(f"{self._name}: no frame was written")
            with av_errors(self._name, OutputError):
                self._container.mux(self._stream.encode(None))
                self._container.close()
            self._file.commit()
        except BaseException:
            self.abort()
            raise
        self._closed = True

    def abort(self) -> None:
        """Throw the output away."""
        if self._closed:
            return
        self._closed = True
        try:
            container = getattr(self, "_container", None)
            if container is not None:
                with av_errors(self._name, OutputError):
                    container.close()
        except OutputError:
            pass  # the file goes away in any case
        finally:
            self._file.discard()


def _slices(codec: str, info: VideoInfo) -> dict[str, str]:
    """Return the number of FFV1 slices: its encoder refuses to cut small pictures."""
    return {"slices": "1" if min(info.width, info.height) < 64 else "4"} if codec == "ffv1" else {}


def _picture(frame: Frame) -> Any:
    """Copy the planes into an ``av.VideoFrame``, whose rows have padding."""
    picture: Any = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for source, target in zip(frame.planes, picture.planes, strict=True):
        height, width = source.shape
        rows = np.frombuffer(target, np.uint8, count=height * target.line_size)
        rows.reshape(height, target.line_size)[:, :width] = source
    return picture
