"""``colorvid --version``: everything that decides about bytes and pictures, in a few lines."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from colorvid.bitstream.headers import VERSION
from colorvid.config import PACKAGE_VERSION
from colorvid.files.streams import released_models
from colorvid.native.core import describe


def version_lines() -> Iterator[str]:
    """colorvid and its native core; format and models; libraries. PyTorch is not loaded for it."""
    import av

    yield f"colorvid {PACKAGE_VERSION} ({describe()})"
    models = ", ".join(f"{name} {identity[:8]}" for name, identity in released_models().items())
    yield f"format {VERSION}, models: {models}"
    yield (
        f"Python {platform.python_version()}, PyAV {av.__version__} with FFmpeg "
        f"{av.ffmpeg_version_info}, numpy {version('numpy')}, {_torch()}"
    )


def _torch() -> str:
    """The version of PyTorch, if it is installed."""
    try:
        return f"torch {version('torch')}"
    except PackageNotFoundError:
        return "no torch"
