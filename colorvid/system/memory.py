"""Running out of memory: noticed early where possible, and reported as what it is."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterator

from colorvid.errors import OutOfMemory

BASE_BYTES = 32 * 2**20
"""What the libraries take when work begins, whatever its size."""
THREAD_BYTES = 96 * 2**20
"""Address space that the C library sets aside for a thread: its stack and its part of the heap."""
WORK_FACTOR = 100
"""Memory for the work on a picture, over the size of that picture: less than is really used."""

_SIGNS = (
    "failed to map segment",  # the loader of shared libraries
    "cannot allocate memory",
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "can't start new thread",
    "could not create a primitive",  # oneDNN
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what it arose from, says that memory ran out.

    Libraries say so in many ways; PyTorch, oneDNN and the loader have no class of their own for it.
    """
    return any(
        isinstance(cause, MemoryError)
        or getattr(cause, "errno", None) == errno.ENOMEM
        or any(sign in str(cause).lower() for sign in _SIGNS)
        for cause in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it arose from, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def require(workers: int, picture_bytes: int) -> None:
    """Refuse to begin work that could not be ended, as C libraries crash where memory runs out.

    Address space is asked for and given back. That finds a limit of the process (``ulimit -v``);
    a machine that promises more memory than it has is not found out.

    Args:
        workers: pictures that are worked on at once.
        picture_bytes: size of one as 8-bit 4:2:0.

    Raises:
        OutOfMemory: it is not there.
    """
    threads = workers if workers > 1 else 0  # one worker is the caller's own thread
    needed = BASE_BYTES + threads * THREAD_BYTES + workers * WORK_FACTOR * picture_bytes
    try:
        mmap.mmap(-1, needed).close()
    except OSError as error:
        raise OutOfMemory(
            f"{needed >> 20} MiB of memory are needed and not available; lower threads={workers} "
            "or raise the limit (ulimit -v)"
        ) from error
