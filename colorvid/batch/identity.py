"""What the bytes of a part depend on: source, model, version and code of colorvid."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from colorvid.bitstream.headers import VERSION
from colorvid.config import PACKAGE_VERSION, TUNES
from colorvid.errors import InputError
from colorvid.io.files import os_errors

WHOLE_BYTES = 2**22
"""Files up to this size are hashed whole; of larger ones `SAMPLES` pieces."""
SAMPLES = 16
SAMPLE_BYTES = 2**16
Fingerprint = dict[str, Any]
"""``bytes``, ``mtime_ns`` and ``sha256`` of a file, the last one over samples of a large file."""


def fingerprint(path: str | Path) -> Fingerprint:
    """Size, time of change and hash of a file; of a large one, the hash of samples.

    Raises:
        InputError: it cannot be read.
    """
    with os_errors(str(path), InputError), open(path, "rb") as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        digest = hashlib.sha256()
        if size <= WHOLE_BYTES:
            digest.update(file.read(WHOLE_BYTES))
        else:
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return {"bytes": size, "mtime_ns": status.st_mtime_ns, "sha256": digest.hexdigest()}


def is_same(path: str | Path, known: Fingerprint) -> bool:
    """Whether a file is that of a fingerprint; one that only its time tells apart is read again.

    A large file with another time is another one, as its hash covers samples alone.

    Raises:
        InputError: it cannot be read.
    """
    with os_errors(str(path), InputError):
        status = os.stat(path)
    if status.st_size != known["bytes"]:
        return False
    if status.st_mtime_ns == known["mtime_ns"]:
        return True
    if status.st_size > WHOLE_BYTES:
        return False
    return bool(fingerprint(path)["sha256"] == known["sha256"])


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest over the source files and released models of this colorvid, 16 hexadecimal digits.

    The native core is left out: it gives the same bytes as the source files.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for pattern in ("*.py", "*.safetensors"):
        for path in sorted(package.rglob(pattern)):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def made_by() -> dict[str, Any]:
    """Version, format version and code of this colorvid."""
    return {"version": PACKAGE_VERSION, "format": VERSION, "code": code_digest()}


@lru_cache(maxsize=8)
def model_digest(name: str | None) -> str:
    """What identifies a model: the name of a released one, or the hash of a model file.

    Raises:
        InputError: the file cannot be read.
    """
    if name is None or name in TUNES:
        return name or TUNES[0]
    with os_errors(name, InputError):
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()
