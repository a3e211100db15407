"""Places in a video: frames by their numbers or by times."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from numbers import Real

from colorvid.config import is_whole
from colorvid.errors import ConfigError

Place = int | str
"""A frame by its number from 0, or a time as text: ``10s``, ``2.5s``, ``1:02.5``, ``1:00:02``."""

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)s?", re.ASCII)


def frame_number(place: Place, rate: Fraction, name: str) -> int:
    """Number of the first frame at or after a place, in a video of ``rate`` frames per second.

    Args:
        place: see `Place`; digits alone are a number.
        rate: of the video.
        name: of the argument, for the message.

    Raises:
        ConfigError: it is neither a number nor a time.
    """
    if is_whole(place, 0):
        return int(place)
    match = _TIME.fullmatch(place) if isinstance(place, str) else None
    if match is None:
        raise ConfigError(
            f"{name}={place} is not allowed; give a frame by its number, or a time such as 10s or "
            "1:02.5"
        )
    return int(match[0]) if match[0].isdecimal() else math.ceil(_seconds(match) * rate)


def section(seek: Place, to: Place | None, rate: Fraction) -> tuple[int, int | None]:
    """Number of the first frame of a part of a video, and how many frames it has.

    Args:
        seek: the first frame.
        to: the first frame behind the part; None = to the end, and then the second number is None.
        rate: of the video.

    Raises:
        ConfigError: there is no frame between the two, or one is no place.
    """
    first = frame_number(seek, rate, "seek")
    if to is None:
        return first, None
    count = frame_number(to, rate, "to") - first
    if count < 1:
        raise ConfigError(f"to={to} is not after seek={seek}; give a later frame or time")
    return first, count


def shown_at(time: float | Fraction | str, rate: Fraction, name: str) -> int:
    """Number of the frame that is on the screen at a time.

    Args:
        time: seconds as a number, or text as in `Place`.
        rate: frames per second.
        name: of the argument, for the message.

    Raises:
        ConfigError: it is no time, or lies before the first frame.
    """
    if isinstance(time, str):
        match = _TIME.fullmatch(time)
        if match is not None and not match[0].isdecimal():
            return math.floor(_seconds(match) * rate)
    elif isinstance(time, Real) and not isinstance(time, bool) and 0 <= time < math.inf:
        return math.floor(Fraction(str(time)) * rate)  # of the digits that one sees
    raise ConfigError(
        f"{name}={time!r} is not allowed; give seconds, or a time such as '3.2s' or '1:02.5'"
    )


def _seconds(match: re.Match[str]) -> Fraction:
    """The time that a text means."""
    hours, minutes = int(match[1] or 0), int(match[2] or 0)
    return hours * 3600 + minutes * 60 + Fraction(match[3])


def rate_of(fps: float | str | Fraction, name: str) -> Fraction:
    """Frames per second of a number, or of text such as ``30000/1001`` and ``29.97``.

    Args:
        fps: more than 0.
        name: of the argument, for the message.

    Raises:
        ConfigError: it is no such rate.
    """
    try:
        rate = Fraction(str(fps))
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise ConfigError(f"{name}={fps!r} is not allowed; give a rate such as 25 or '30000/1001'")
    return rate
