"""Translation of what PyAV raises into the errors of colorvid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av.error

from colorvid.errors import InputError


@contextmanager
def av_errors(name: str, kind: type[InputError]) -> Iterator[None]:
    """Turn every PyAV or system error of the block into ``kind``: ``name: reason``, in one line.

    PyAV also raises plain ``ValueError`` (an option or a format it does not know) and
    ``RuntimeError`` (an object in the wrong state).
    """
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise kind(f"{name}: {' '.join(str(reason).split())}") from error
