"""What decoded pictures of FFmpeg say of the display that they were made on, and of their light."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

from colorvid.colors import Light

_DISPLAY, _CONTENT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"
_DISPLAY_FIELDS = struct.Struct("=22i")
"""AVMasteringDisplayMetadata: x and y of red, green, blue and white, least and most luminance, all
as fractions, and whether chromaticities and luminances are there."""
_CONTENT_FIELDS = struct.Struct("=2I")
"""AVContentLightMetadata: MaxCLL and MaxFALL."""
_CHROMATICITY, _LUMINANCE = 50000, 10000
_MOST_LUMINANCE, _MOST_LEVEL = 2**32 - 1, 65535


def light_of(frame: Any) -> Light:
    """The light of an ``av.VideoFrame``; what is not stated, or has no sense, is 0."""
    found = {side.type.name: bytes(side) for side in frame.side_data}
    values: dict[str, int] = {}
    if len(found.get(_DISPLAY, b"")) >= _DISPLAY_FIELDS.size:
        values |= _display(_DISPLAY_FIELDS.unpack_from(found[_DISPLAY]))
    if len(found.get(_CONTENT, b"")) >= _CONTENT_FIELDS.size:
        levels = _CONTENT_FIELDS.unpack_from(found[_CONTENT])
        values |= dict(
            zip(("max_cll", "max_fall"), (min(v, _MOST_LEVEL) for v in levels), strict=True)
        )
    return Light(**values)


def _display(numbers: tuple[int, ...]) -> dict[str, int]:
    """The fields of `Light` that a display has."""
    *terms, has_primaries, has_luminance = numbers
    pairs = list(zip(terms[::2], terms[1::2], strict=True))
    values: dict[str, int] = {}
    if has_primaries:
        names = [f"{name}_{axis}" for name in ("red", "green", "blue", "white") for axis in "xy"]
        values |= {
            name: _units(pair, _CHROMATICITY, _CHROMATICITY)
            for name, pair in zip(names, pairs[:8], strict=True)
        }
    if has_luminance:
        darkest, brightest = (_units(pair, _LUMINANCE, _MOST_LUMINANCE) for pair in pairs[8:])
        values |= {"brightest": brightest, "darkest": darkest}
    return values


def _units(pair: tuple[int, int], unit: int, most: int) -> int:
    """A fraction in units of ``1 / unit``, rounded; 0 where it has no sense."""
    top, bottom = pair
    value = round(Fraction(top, bottom) * unit) if bottom else 0
    return value if 0 <= value <= most else 0
