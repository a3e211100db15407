"""Frames as numbered pictures, PNG or JPEG, through PyAV."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from colorvid.errors import ConfigError, OutputError
from colorvid.frame import Frame
from colorvid.io.base import RANGE_FULL, FrameWriter, VideoInfo, check_frame_size
from colorvid.io.files import OutputFile, os_errors
from colorvid.quality.color import frame_to_rgb
from colorvid.quality.scores import color_spec

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_NUMBER = re.compile(r"%(?:0?\d{1,2})?d")
_JPEG_SCALE = "236"
"""FFmpeg's quality 2 of 1..31, in its units."""


def is_picture_name(path: str | Path) -> bool:
    """Whether a name ends as pictures do."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


class PictureWriter(FrameWriter):
    """Writes a picture for each frame, numbered from 1: sRGB as PNG, or JPEG of high quality.

    The pictures get their names at the end, all of them or none.
    """

    def __init__(self, pattern: Path, info: VideoInfo, *, overwrite: bool = False) -> None:
        """Prepare for pictures with names of a ``pattern`` such as ``frames/%04d.png``.

        The folder is made if it is missing.

        Raises:
            ConfigError: the pattern has no place for a number, or two.
            OutputError: the matrix of the video cannot be shown as RGB, or the first picture
                exists or cannot be written.
        """
        self.info = info
        self._name, self._pattern, self._overwrite = str(pattern), pattern, overwrite
        self._closed = False
        if len(_NUMBER.findall(pattern.name.replace("%%", ""))) != 1:
            raise ConfigError(
                f"{pattern}: pictures need a place for their number; give a name such as %04d.png"
            )
        spec = color_spec(info)
        if spec is None:
            raise OutputError(
                f"{pattern}: matrix coefficients {info.matrix} (ITU-T H.273) cannot be turned into "
                "RGB; write .y4m or .mkv"
            )
        self._spec = spec
        self._jpeg = pattern.suffix.lower() != ".png"
        self._files: list[OutputFile] = []
        with os_errors(self._name, OutputError):
            pattern.parent.mkdir(parents=True, exist_ok=True)
        OutputFile(self.path(1), overwrite=overwrite).discard()

    def path(self, number: int) -> Path:
        """File of a picture, numbered from 1."""
        return self._pattern.with_name(self._pattern.name % number)

    def write(self, frame: Frame) -> None:
        """Append a frame; see ``FrameWriter.write``."""
        if self._closed:
            raise OutputError(f"{self._name}: is closed; open a new writer for more frames")
        check_frame_size(self._name, self.info, frame, len(self._files))
        from colorvid.io.pyav_stream import av_errors

        with av_errors(self._name, OutputError):
            data = self._coded(frame)
        output = OutputFile(self.path(len(self._files) + 1), overwrite=self._overwrite)
        self._files.append(output)
        with os_errors(output.name, OutputError), output.open() as file:
            file.write(data)

    def _coded(self, frame: Frame) -> bytes:
        """The bytes of a picture."""
        import av

        rgb = frame_to_rgb(frame, self._spec)
        picture: Any = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        if self._jpeg:  # JFIF is BT.601, full range
            picture = picture.reformat(
                format="yuvj444p",
                src_colorspace="ITU601",
                dst_colorspace="ITU601",
                src_color_range=RANGE_FULL,
                dst_color_range=RANGE_FULL,
                threads=1,
            )
        codec: Any = av.CodecContext.create("mjpeg" if self._jpeg else "png", "w")
        codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, picture.format.name
        codec.time_base = 1 / self.info.rate
        codec.thread_count = 1
        if self._jpeg:
            codec.color_range = RANGE_FULL
            codec.options = {"flags": "qscale", "global_quality": _JPEG_SCALE, "huffman": "optimal"}
        picture.pts = None
        return b"".join(bytes(p) for p in (*codec.encode(picture), *codec.encode(None)))

    def close(self) -> None:
        """Give the pictures their names; see ``FrameWriter.close``."""
        if self._closed:
            return
        try:
            if not self._files:
                raise OutputError(f"{self._name}: no frame was written")
            for output in self._files:
                output.commit()
        except BaseException:
            self.abort()
            raise
        self._closed = True

    def abort(self) -> None:
        """Throw the pictures away that have no name yet."""
        if not self._closed:
            self._closed = True
            for output in self._files:
                output.discard()
