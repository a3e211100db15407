"""What a stream may ask of this machine: limits that depend on memory and not on the format."""

from __future__ import annotations

import os
from pathlib import Path

from colorvid.config import is_whole
from colorvid.errors import ConfigError, HeaderError, InputError
from colorvid.frame import Size

DECODE_BYTES_PER_PIXEL = 512
"""Memory that one worker takes for each luma sample of the picture, an upper bound; measured by
``tests/system/test_limits.py``. It is the same for sound and for damaged streams."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def require_folder() -> None:
    """Refuse to work in a working directory that was removed: MKL aborts the process there.

    Raises:
        InputError: it was.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError("the working directory was removed; change to another one") from None


def memory_bytes() -> int | None:
    """Memory of this machine, or of the control group if it has less; None if not known."""
    known = []
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    try:
        text = _CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        text = ""
    if text.isdigit():
        known.append(int(text))
    return min(known, default=None)


def most_workers(pixels: int) -> int | None:
    """How many workers can decode pictures of ``pixels`` luma samples in this memory, from 0 up.

    None if the memory is not known.
    """
    memory = memory_bytes()
    return None if memory is None else memory // (DECODE_BYTES_PER_PIXEL * pixels)


def check_picture(picture: Size, max_pixels: int | None) -> None:
    """Refuse pictures that are too large, before anything of their size is allocated.

    Args:
        picture: size of the pictures as the stream header says.
        max_pixels: most luma samples allowed; None = as many as the memory has room for.

    Raises:
        HeaderError: the picture is larger.
        ConfigError: ``max_pixels`` is not a positive integer.
    """
    if max_pixels is not None and not is_whole(max_pixels, 1):
        raise ConfigError(f"max_pixels is {max_pixels!r}; it must be a whole number, 1 or more")
    pixels = picture.pixels
    size = f"stream header: picture is {picture} = {pixels} px"
    if max_pixels is None:
        if most_workers(pixels) == 0:
            gigabytes = pixels * DECODE_BYTES_PER_PIXEL / 1e9
            raise HeaderError(
                f"{size}; decoding it takes up to {gigabytes:.1f} GB of memory, more than is here; "
                f"pass max_pixels={pixels} to try all the same"
            )
    elif pixels > max_pixels:
        raise HeaderError(f"{size}; max_pixels={max_pixels} allows fewer")
