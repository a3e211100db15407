"""Text for people: names of files, which may hold any bytes, and numbers as they are written."""

from __future__ import annotations

import codecs
from fractions import Fraction


def printable(name: object) -> str:
    """A name in one line: what is no printable character becomes an escape, as in ``\\\\x1b``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


def encodable(text: str, encoding: str | None) -> str:
    """The text, with escapes in place of what ``encoding`` (None = UTF-8) cannot hold."""
    try:
        known = codecs.lookup(encoding or "utf-8").name
        return text.encode(known, "backslashreplace").decode(known)
    except (LookupError, UnicodeError):  # an unknown encoding, or one that does not come back
        return text.encode("ascii", "backslashreplace").decode("ascii")


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def amount(text: str) -> int:
    """The number that ``800k``, ``1.5M`` or ``2G`` stand for (thousands, millions, billions).

    Raises:
        ValueError: the text is none, or less than 1.
    """
    digits = text.rstrip("kKmMgG")
    unit = _UNITS.get(text[len(digits) :].lower())
    try:
        value = 0 if unit is None else round(Fraction(digits) * unit)
    except ZeroDivisionError:
        value = 0
    if value < 1:
        raise ValueError(text)
    return value


def duration(seconds: float) -> str:
    """A time as people write it: ``4.2 s``, ``1:05 min``, ``2:00:09 h``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def plural(count: int, thing: str) -> str:
    """A number of things: ``1 frame``, ``2 frames``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def file_size(size: int) -> str:
    """A number of bytes as people write it: ``812 bytes``, ``4.2 kB``, ``1.3 GB``."""
    if size < 1000:
        return plural(size, "byte")
    value, unit = float(size), ""
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 - the last one counts
        value /= 1000
        if value < 999.95:
            break
    return f"{value:.1f} {unit}"


def frame_rate(rate: Fraction) -> str:
    """A rate as people write it: ``25``, ``29.97``, ``33.333``."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")
