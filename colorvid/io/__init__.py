"""Reading and writing of uncompressed and compressed video."""

from colorvid.io.base import FrameReader, FrameWriter, VideoInfo
from colorvid.io.opening import OUTPUT_SUFFIXES, open_reader, open_writer

__all__ = [
    "OUTPUT_SUFFIXES",
    "FrameReader",
    "FrameWriter",
    "VideoInfo",
    "open_reader",
    "open_writer",
]
