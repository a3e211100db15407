"""Names of files in what people read: a name may hold any bytes, a page of text may not."""

from __future__ import annotations

import codecs


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
