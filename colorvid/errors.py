"""Every error colorvid raises on purpose, and the exit code of each.

::

    ColorvidError                 1  wrong use or configuration
    ├── ConfigError               1  an option or a configuration value is not allowed
    ├── InputError                2  an input cannot be opened, or holds what colorvid does not take
    │   └── OutputError           2  an output cannot be written
    ├── HeaderError               3  not a .clv stream, or a header field out of its limits
    │   ├── UnsupportedVersion    3  made by a newer colorvid
    │   └── ModelMismatch         3  needs a model that is not here
    ├── Aborted                   4  stopped by the user or a signal
    ├── DamagedStream             5  packets are missing, cut or corrupt
    ├── HashMismatch              6  decoded planes differ from the hash in the stream, or a result
    │                                of the self-test from its known answer
    └── OutOfMemory               7  the memory does not suffice

A message is one line: what, the value, what is allowed, what to do.
"""

from __future__ import annotations


class ColorvidError(Exception):
    """Root of all errors; ``exit_code`` is what the command line returns."""

    exit_code = 1


class ConfigError(ColorvidError):
    """An option or a configuration value is not allowed."""


class InputError(ColorvidError):
    """An input cannot be opened, or holds what colorvid does not take."""

    exit_code = 2


class OutputError(InputError):
    """An output cannot be written."""


class HeaderError(ColorvidError):
    """Not a ``.clv`` stream, or a header field is out of its limits."""

    exit_code = 3


class UnsupportedVersion(HeaderError):
    """The stream was made by a newer colorvid."""


class ModelMismatch(HeaderError):
    """The stream needs a model that is not here."""


class Aborted(ColorvidError):
    """Stopped by the user or a signal."""

    exit_code = 4


class DamagedStream(ColorvidError):
    """Packets are missing, cut or corrupt."""

    exit_code = 5


class HashMismatch(ColorvidError):
    """Decoded planes differ from the stream's hash, or a result from its known answer."""

    exit_code = 6


class OutOfMemory(ColorvidError):
    """The memory does not suffice."""

    exit_code = 7
