"""Timing and colour description of a stream that PyAV decodes."""

from __future__ import annotations

import re
import threading
from fractions import Fraction
from typing import Any

import av.logging

from colorvid.errors import InputError
from colorvid.io.base import (
    CHROMA_LOCATIONS,
    RANGE_FULL,
    RANGE_LIMITED,
    RANGE_UNKNOWN,
    UNSPECIFIED,
    VideoInfo,
)
from colorvid.io.pyav_filter import OneFilter

ASPECT_TAG = "SAMPLE_ASPECT_RATIO"
"""Stream tag that holds the sample aspect ratio in Matroska files of colorvid, as in ``4/3``."""

_LOG_LEVEL = threading.Lock()  # the log level belongs to the whole process


def describe(stream: Any, frame: Any, *, matches_420: bool, rate: Fraction | None) -> VideoInfo:
    """Describe a video by its stream and first decoded frame.

    Args:
        stream: an ``av.VideoStream``.
        frame: the first ``av.VideoFrame``, before any conversion.
        matches_420: False if the frames will be converted from another chroma sampling, so that
            the chroma location of the source does not hold.
        rate: replaces the frame rate of the stream.

    Raises:
        InputError: no frame rate is known, or a value is out of its range.
    """
    rate = rate or _exact_rate(stream)
    if not rate:
        raise InputError("frame rate unknown; pass --fps, as in --fps 30000/1001")
    location, frame_aspect = _location_and_aspect(frame)
    color_range, matrix = _range_and_matrix(stream.codec_context, frame)
    return VideoInfo(
        width=frame.width,
        height=frame.height,
        rate=rate,
        sample_aspect=stream.sample_aspect_ratio or frame_aspect or _tagged_aspect(stream),
        color_range=color_range,
        matrix=matrix,
        primaries=_code_point(stream.codec_context.color_primaries),
        transfer=_code_point(stream.codec_context.color_trc),
        chroma_location=location if matches_420 else 0,
        frames=stream.frames or None,
    )


def is_full_range(frame: Any) -> bool:
    """Whether samples span 0..255: tagged so, or in one of FFmpeg's old ``yuvj`` formats."""
    return frame.format.name.startswith("yuvj") or int(frame.color_range) == RANGE_FULL


def is_rgb(frame: Any) -> bool:
    """Whether the frame holds colours other than luma and chroma, so that a matrix is needed."""
    return bool(frame.format.is_rgb) or frame.format.name in ("pal8", "xyz12le", "xyz12be")


def rgb_matrix(height: int) -> int:
    """H.273 matrix for pictures converted from RGB: BT.709 from 720 rows up, else BT.601."""
    return 1 if height >= 720 else 6


def _range_and_matrix(codec: Any, frame: Any) -> tuple[int, int]:
    if is_rgb(frame):
        return RANGE_LIMITED, rgb_matrix(frame.height)
    if is_full_range(frame):
        return RANGE_FULL, _code_point(frame.colorspace)
    color_range = int(frame.color_range) or int(codec.color_range)
    if color_range > RANGE_FULL:
        color_range = RANGE_UNKNOWN
    return color_range, _code_point(frame.colorspace)


def _code_point(value: Any) -> int:
    """Return the H.273 code point; FFmpeg's private ones above 255 become "unspecified"."""
    return int(value) if 0 <= int(value) <= 255 else UNSPECIFIED


def _exact_rate(stream: Any) -> Fraction | None:
    """Return the frame rate, preferring whole numbers and multiples of 1/1001.

    The average is derived from timestamps in some containers and the guess from a table of usual
    rates in others, so the plainer one of the two is the true one.
    """
    known: list[Fraction | None] = [stream.average_rate, stream.guessed_rate]
    rates = [rate for rate in known if rate]
    if "matroska" in stream.container.format.name:
        rates = [_undo_nanoseconds(rate) for rate in rates]
    plain = [rate for rate in rates if rate.denominator in (1, 1001)]
    return next(iter(plain or rates[::-1]), None)


def _undo_nanoseconds(rate: Fraction) -> Fraction:
    """Return n * 1000/1001 if ``rate`` is that but for rounding.

    Matroska stores the duration of a frame in nanoseconds, and FFmpeg returns the nearest
    fraction with small terms: 19001/317 for 60000/1001.
    """
    nearest = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    if rate.denominator != 1 and abs(nearest - rate) < rate / 2_000_000:
        return nearest
    return rate


def _location_and_aspect(frame: Any) -> tuple[int, Fraction]:
    """Chroma location and sample aspect ratio of a frame; 0 = unknown.

    PyAV has no attribute for either. FFmpeg's ``showinfo`` filter logs both, so one frame is sent
    through it.
    """
    text = _showinfo(frame)
    location = re.search(r"\bcl:([a-z]+)", text)
    aspect = re.search(r"\bsar:([0-9]+)/([0-9]+)", text)
    index = 0
    if location and location[1] in CHROMA_LOCATIONS:
        index = CHROMA_LOCATIONS.index(location[1])
    if not aspect or int(aspect[2]) == 0:
        return index, Fraction(0)
    return index, Fraction(int(aspect[1]), int(aspect[2]))


def _tagged_aspect(stream: Any) -> Fraction:
    """Return the aspect ratio of our own Matroska tag; 0 = none. FFmpeg before 8.1 needs it."""
    match = re.fullmatch(r"([0-9]{1,10})(?:/([0-9]{1,10}))?", stream.metadata.get(ASPECT_TAG, ""))
    if not match or int(match[2] or 1) == 0:
        return Fraction(0)
    return Fraction(int(match[1]), int(match[2] or 1))


def _showinfo(frame: Any) -> str:
    """Return what ``showinfo`` logs about the frame."""
    with _LOG_LEVEL:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)
        try:
            with av.logging.Capture() as lines:
                OneFilter(frame, "showinfo", "checksum=0")(frame)
        finally:
            av.logging.set_level(level)
    return "".join(text for _, source_name, text in lines if "showinfo" in source_name)
