"""What a name leads to: a file, a pipe, or a stream that is open already; and whether two meet."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from colorvid.errors import ConfigError

PIPE = "-"
"""Name of standard input or standard output."""

Named = str | Path | BinaryIO | None
"""An input or an output; files without a name and None are left out of all comparisons."""

_DESCRIPTOR = re.compile(r"(?:/dev|/proc/(?:self|thread-self|\d+(?:/task/\d+)?))/fd/(\d+)")
_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_MOST_LINKS = 40  # as Linux allows
_Identity = tuple[str, object, object]


def descriptor(path: str | Path) -> int | None:
    """Number of the open descriptor that a name stands for, as ``/dev/stdout`` does; else None.

    What is written to such a name has to go through the descriptor: others may write to the same
    file, whose present end only the descriptor knows.
    """
    try:
        name = _in_folder(os.fspath(path))
        for _ in range(_MOST_LINKS):
            if name in _STREAMS:
                return _STREAMS[name]
            match = _DESCRIPTOR.fullmatch(name)
            if match:
                return int(match[1])
            name = _in_folder(os.path.join(os.path.dirname(name), os.readlink(name)))
    except (OSError, ValueError):  # no link, no such folder, or a NUL in the name
        pass
    return None


def _in_folder(name: str) -> str:
    """The name with the real path of its folder."""
    return os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))


def is_stream(path: str | Path) -> bool:
    """Whether what is written to a name flows on: an open descriptor, a named pipe, a device.

    Raises:
        OSError: the place cannot be looked at.
    """
    if descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def is_readable_again(path: str | Path) -> bool:
    """Whether an input that was opened can be opened at its start once more: it is a file."""
    return str(path) != PIPE and descriptor(path) is None and Path(path).is_file()


def stdin_bytes() -> BinaryIO:
    """Standard input as bytes.

    Raises:
        ConfigError: it is a terminal, or text without bytes behind it, as in a notebook.
    """
    return _bytes_of(sys.stdin, "stdin", "give a file, or send one")


def stdout_bytes() -> BinaryIO:
    """Standard output as bytes; see `stdin_bytes`."""
    return _bytes_of(sys.stdout, "stdout", "send it to a file or a pipe, or give a file")


def _bytes_of(stream: object, name: str, hint: str) -> BinaryIO:
    if getattr(stream, "isatty", bool)():
        raise ConfigError(f"{name} is a terminal; {hint}")
    inside: BinaryIO | None = getattr(stream, "buffer", None)
    if inside is None:
        raise ConfigError(f"{name} takes no bytes here; give the name of a file")
    return inside


def _status(path: str | Path, standard: int) -> os.stat_result | None:
    """Status of what a name leads to; ``standard`` is the descriptor of ``-``."""
    number = standard if str(path) == PIPE else descriptor(path)
    try:
        return os.stat(path) if number is None else os.fstat(number)
    except (OSError, ValueError):
        return None


def _identity(path: str | Path, standard: int) -> tuple[_Identity | None, bool]:
    """What two names of one thing have in common, and whether it is a pipe or a socket.

    None for what may be shared, as devices may. ``standard`` is the descriptor of ``-``.
    """
    status = _status(path, standard)
    if status is None:
        try:
            return ("name", os.path.realpath(path), None), False
        except (OSError, ValueError):
            return None, False
    kind = stat.S_IFMT(status.st_mode)
    flows = kind in (stat.S_IFIFO, stat.S_IFSOCK)
    shared = kind not in (stat.S_IFREG, stat.S_IFBLK) and not flows
    return (None if shared else ("file", status.st_dev, status.st_ino)), flows


def check_apart(inputs: Mapping[str, Named], outputs: Mapping[str, Named]) -> None:
    """Refuse an output that is an input or another output, by whatever names.

    Args:
        inputs: names of what is read, by what messages call them, as in ``the input``.
        outputs: names of what is written, likewise; ``-`` is standard output.

    Raises:
        ConfigError: two of them are one file, or two outputs one pipe.
    """
    taken: dict[_Identity, str] = {}
    for label, name in inputs.items():
        if isinstance(name, str | Path):
            identity, flows = _identity(name, 0)
            if identity is not None and not flows:  # one socket may serve both ways
                taken.setdefault(identity, label)
    for label, name in outputs.items():
        if isinstance(name, str | Path):
            identity, _ = _identity(name, 1)
            if identity is None:
                continue
            if identity in taken:
                raise ConfigError(
                    f"{name} ({label}) is {taken[identity]} itself; give another name"
                )
            taken[identity] = label


def open_elsewhere(status: os.stat_result) -> str | None:
    """The standard stream that goes to a plain file with this status; None if none does."""
    for number, name in ((1, "standard output"), (2, "standard error")):
        try:
            other = os.fstat(number)
        except OSError:
            continue
        if stat.S_ISREG(other.st_mode) and os.path.samestat(status, other):
            return name
    return None
