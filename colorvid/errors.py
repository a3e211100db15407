"""Every error colorvid raises on purpose, and the exit code of each.

::

    ColorvidError                 1  wrong use or configuration
    ├── ConfigError               1  an option or a configuration value is not allowed
    ├── InputError                2  an input cannot be opened, or holds what colorvid does not take
    │   └── OutputError           2  an output cannot be written
    ├── HeaderError               3  not a .clv stream, or a header field out of its limits
    │   ├── UnsupportedVersion    3  of another format version
    │   └── ModelMismatch         3  needs a model that is missing
    ├── Aborted                   4  stopped by the user or a signal
    ├── DamagedStream             5  packets are missing, cut or corrupt
    ├── HashMismatch              6  decoded planes differ from the hash in the stream, or a result
    │                                of the self-test from its known answer
    ├── OutOfMemory               7  there is not enough memory
    ├── ClusterError              8  the cluster of a batch is lost, or cannot do the work
    └── TargetMissed              9  no quality gives the rate, size or quality that is asked for

A message is one line: what, the value, what is allowed, what to do.
"""

from __future__ import annotations


class ColorvidError(Exception):
    """Root of all errors.

    Attributes:
        exit_code: what the command line returns.
        meaning: of that exit code, for help and documents; stands where a code is first used.
    """

    exit_code = 1
    meaning = "wrong use or configuration"


class ConfigError(ColorvidError):
    """An option or a configuration value is not allowed."""


class InputError(ColorvidError):
    """An input cannot be opened, or holds what colorvid does not take."""

    exit_code = 2
    meaning = "an input cannot be opened or read, or an output cannot be written"


class OutputError(InputError):
    """An output cannot be written."""


class HeaderError(ColorvidError):
    """Not a ``.clv`` stream, or a header field is out of its limits."""

    exit_code = 3
    meaning = "not a .clv stream, of another format version, or its model is missing"


class UnsupportedVersion(HeaderError):
    """The stream has another format version than this colorvid reads."""


class ModelMismatch(HeaderError):
    """The stream needs a model that is missing."""


class Aborted(ColorvidError):
    """Stopped by the user or a signal."""

    exit_code = 4
    meaning = "stopped by Ctrl-C or a signal"


class DamagedStream(ColorvidError):
    """Packets are missing, cut or corrupt."""

    exit_code = 5
    meaning = "the stream is damaged; what could be decoded was written"


class HashMismatch(ColorvidError):
    """Decoded planes differ from the stream's hash, or a result from its known answer."""

    exit_code = 6
    meaning = (
        "decoded pictures differ from the hashes in the stream, "
        "or the self-test from its known answers"
    )


class OutOfMemory(ColorvidError):
    """There is not enough memory."""

    exit_code = 7
    meaning = "there is not enough memory"


class ClusterError(ColorvidError):
    """The cluster of a batch cannot be reached, is lost, or has no worker that can do the work."""

    exit_code = 8
    meaning = "the cluster cannot be reached, is lost, or none of its workers can do the work"


class TargetMissed(ColorvidError):
    """No quality of the encoder gives the rate, the size or the quality that is asked for."""

    exit_code = 9
    meaning = "no quality gives the bit rate, size or quality asked for"


def exit_codes() -> dict[int, str]:
    """Every exit code of the command line and what it means, lowest first."""
    codes = {0: "success"}
    waiting: list[type[ColorvidError]] = [ColorvidError]
    for error in waiting:
        codes.setdefault(error.exit_code, error.meaning)
        waiting.extend(error.__subclasses__())
    return dict(sorted(codes.items()))
