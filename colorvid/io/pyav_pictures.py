"""Decoded pictures of FFmpeg as 4:2:0 frames: planes, conversion, and meaning of colours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.frame import Frame, Plane, chroma_size
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL, RANGE_LIMITED, RANGE_UNKNOWN, UNSPECIFIED

FORMATS_420: dict[str, np.dtype[Any]] = {
    "yuv420p": np.dtype("u1"),
    "yuvj420p": np.dtype("u1"),
    "yuv420p10le": np.dtype("<u2"),
    "yuv420p10be": np.dtype(">u2"),
}
"""FFmpeg's names of planar 4:2:0 of 8 and 10 bits, and the type of a sample; the second one is its
old name for full range."""

_GREY = re.compile(r"(?P<channels>gray|ya)(?P<float>f?)(?P<bits>\d*)(?P<order>le|be)?")
_MONO = ("monob", "monow")
_XYZ = ("xyz12le", "xyz12be")
_ANY_MATRIX = "ITU601"  # between luma and chroma of one matrix the matrix does not matter
_LEFT, _CENTER = CHROMA_LOCATIONS.index("left"), CHROMA_LOCATIONS.index("center")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the samples of the 4:2:0 frames mean; fields as in `colorvid.io.base.VideoInfo`."""

    color_range: int
    matrix: int
    primaries: int
    transfer: int
    chroma_location: int


def meaning(frame: Any, codec: Any, location: int) -> Meaning:
    """What the samples mean after `to_frame`.

    Args:
        frame: an ``av.VideoFrame`` as it was decoded.
        codec: the ``av.VideoCodecContext`` that it came from.
        location: chroma location of ``frame``, 0 = unknown.
    """
    primaries = code_point(codec.color_primaries)
    transfer = code_point(codec.color_trc)
    matrix = code_point(frame.colorspace)
    if is_rgb(frame):
        matrix = rgb_matrix(frame.height)
    if frame.format.name in _XYZ:  # swscale's RGB of XYZ has primaries of BT.709 and gamma 2.2
        primaries, transfer = 1, 4
    return Meaning(_range(frame, codec), matrix, primaries, transfer, _location(frame, location))


def _range(frame: Any, codec: Any) -> int:
    if is_rgb(frame):
        return RANGE_LIMITED
    if _is_full_range(frame):
        return RANGE_FULL
    color_range = int(frame.color_range) or int(codec.color_range)
    return color_range if color_range <= RANGE_FULL else RANGE_UNKNOWN


def _is_full_range(frame: Any) -> bool:
    """Whether samples span 0..255: tagged so, or by their format."""
    name = frame.format.name
    grey = _GREY.fullmatch(name)
    by_format = name.startswith("yuvj") or name in _MONO or bool(grey and grey["float"])
    return by_format or int(frame.color_range) == RANGE_FULL


def _location(frame: Any, location: int) -> int:
    """Chroma location of the result: swscale puts new samples amid those that they are of."""
    layout = frame.format
    if _is_grey(frame):
        return 0
    across, down = layout.chroma_width(16), layout.chroma_height(16)
    if is_rgb(frame) or across == 16:
        return _CENTER
    if (across, down) == (8, 8):
        return location
    if (across, down) == (8, 16) and location:
        return _LEFT if "left" in CHROMA_LOCATIONS[location] else _CENTER
    return 0


def is_rgb(frame: Any) -> bool:
    """Whether the frame holds colours other than luma and chroma, so that a matrix is needed."""
    return bool(frame.format.is_rgb) or frame.format.name in ("pal8", *_XYZ)


def rgb_matrix(height: int) -> int:
    """H.273 matrix for pictures converted from RGB: BT.709 from 720 rows up, else BT.601."""
    return 1 if height >= 720 else 6


def code_point(value: Any) -> int:
    """Return the H.273 code point; FFmpeg's private ones above 255 become "unspecified"."""
    return int(value) if 0 <= int(value) <= 255 else UNSPECIFIED


def _is_grey(frame: Any) -> bool:
    name = frame.format.name
    return name in _MONO or _GREY.fullmatch(name) is not None


def to_frame(frame: Any) -> Frame:
    """Copy a decoded picture into a frame; all but 4:2:0 of 8 or 10 bits is converted to 8.

    RGB becomes limited-range BT.709 from 720 rows up, else BT.601; all else keeps its range and
    matrix. Alpha is dropped.
    """
    if _is_grey(frame):
        neutral = np.full(chroma_size(frame.height, frame.width), 128, np.uint8)
        return Frame(_grey(frame), neutral, neutral.copy())
    return _planes(_to_420(frame))


def _to_420(frame: Any) -> Any:
    """Convert to ``yuv420p``; a frame of `FORMATS_420` is returned as it is."""
    if frame.format.name in FORMATS_420:
        return frame
    matrix, own, new = _ANY_MATRIX, RANGE_LIMITED, RANGE_LIMITED
    if is_rgb(frame):
        matrix, own = "ITU709" if rgb_matrix(frame.height) == 1 else "ITU601", RANGE_FULL
    elif _is_full_range(frame):
        own = new = RANGE_FULL
    return frame.reformat(
        format="yuv420p",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=own,
        dst_color_range=new,
        interpolation="BICUBIC",
        threads=1,
    )


def _planes(frame: Any) -> Frame:
    """Copy the planes out of a frame of `FORMATS_420`, whose rows have ``line_size`` bytes."""
    kind = FORMATS_420[frame.format.name]
    chroma = chroma_size(frame.height, frame.width)
    sizes = ((frame.height, frame.width), chroma, chroma)
    y, u, v = (
        _rows(plane, height, kind)[:, :width].astype(kind.newbyteorder("="))
        for plane, (height, width) in zip(frame.planes, sizes, strict=True)
    )
    return Frame(y, u, v)


def depth_of(frame: Any) -> int:
    """Bits of a sample of what `to_frame` gives."""
    kind = FORMATS_420.get(frame.format.name)
    return 8 if kind is None or kind.itemsize == 1 else 10


def _rows(plane: Any, height: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """All samples of a plane, with the padding of its rows."""
    if plane.line_size <= 0 or plane.line_size % kind.itemsize:
        raise ValueError(f"rows lie {plane.line_size} bytes apart, which is not supported")
    count = height * plane.line_size // kind.itemsize
    samples: NDArray[Any] = np.frombuffer(plane, kind, count=count).reshape(height, -1)
    return samples


def _grey(frame: Any) -> Plane:
    """Luma of a grey picture in 8 bits, range as it is; swscale takes most greys for full range."""
    name, (height, width) = frame.format.name, (frame.height, frame.width)
    if name in _MONO:
        bits = np.unpackbits(_rows(frame.planes[0], height, np.dtype(np.uint8)), axis=1)[:, :width]
        return np.asarray(255 * (bits if name == "monob" else 1 - bits), np.uint8)
    match = _GREY.fullmatch(name)
    assert match is not None
    channels = 2 if match["channels"] == "ya" else 1
    depth = int(match["bits"] or 8)
    order = ">" if match["order"] == "be" else "<"
    letter, size = "f" if match["float"] else "u", 1 if depth == 8 else 2 if depth <= 16 else 4
    code = f"{order}{letter}{size}"
    samples = _rows(frame.planes[0], height, np.dtype(code))[:, : width * channels : channels]
    if match["float"]:
        return np.asarray(np.rint(np.nan_to_num(samples) * 255.0).clip(0, 255), np.uint8)
    if depth == 8:
        return np.asarray(samples.copy(), np.uint8)
    values = samples.astype(np.uint64)
    if int(frame.color_range) == RANGE_FULL:
        top = np.uint64(2**depth - 1)
        half = top // np.uint64(2)
        return np.asarray((values * np.uint64(255) + half) // top, np.uint8)
    half = np.uint64(2 ** (depth - 9))
    return np.asarray(((values + half) >> np.uint64(depth - 8)).clip(0, 255), np.uint8)
