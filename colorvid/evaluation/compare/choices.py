"""What a comparison can be made of: reference encoders, qualities, what is measured.

No codec is loaded before one is chosen, so that ``colorvid compare --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from colorvid.config import QUALITIES
from colorvid.errors import ColorvidError, ConfigError
from colorvid.system.packages import install_hint, package_of

OWN = "colorvid"
"""Name of colorvid among the codecs."""

X26X_CRFS = (19, 23, 27, 31, 35, 39)
SVT_CRFS = (23, 31, 39, 47, 55, 63)
JPEG_QUALITIES = (95, 90, 80, 65, 50, 35, 20, 10)
_RISING = {
    "libx264": range(51, -1, -1),
    "libx265": range(51, -1, -1),
    "libsvtav1": range(63, -1, -1),
    "jpeg": range(1, 101),
}
"""All settings of an encoder, in order of rising rate."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One reference encoder.

    Attributes:
        encoder: name of the encoder in FFmpeg, or ``jpeg``.
        qualities: of its curve, best first: constant rate factors (lower is better), or qualities
            of JPEG (higher is better).
        intra: every frame is a key frame.
        low_delay: tuned for zero latency; no B frames, no lookahead.
    """

    encoder: str
    qualities: tuple[int, ...]
    intra: bool = False
    low_delay: bool = False


ANCHORS: dict[str, Anchor] = {
    "x264-intra": Anchor("libx264", X26X_CRFS, intra=True),
    "x265-intra": Anchor("libx265", X26X_CRFS, intra=True),
    "svtav1-intra": Anchor("libsvtav1", SVT_CRFS, intra=True),
    "jpeg": Anchor("jpeg", JPEG_QUALITIES, intra=True),
    "x264-zl": Anchor("libx264", X26X_CRFS, low_delay=True),
    "x265-zl": Anchor("libx265", X26X_CRFS, low_delay=True),
    "x264": Anchor("libx264", X26X_CRFS),
    "x265": Anchor("libx265", X26X_CRFS),
    "svtav1": Anchor("libsvtav1", SVT_CRFS),
}
"""The reference encoders by name; `colorvid.evaluation.compare.anchors` runs them."""


def rising_settings(codec: str) -> range:
    """All settings of colorvid or of an anchor by its name, in order of rising rate."""
    return range(QUALITIES) if codec == OWN else _RISING[ANCHORS[codec].encoder]


NO_ANCHORS = "none"
INTRA_ANCHORS = ("x264-intra", "x265-intra")
INTER_ANCHORS = ("x264-zl", "x265-zl")
"""Compared with if nothing else is asked for."""

INTRA_QUALITIES = (63, 52, 42, 32, 22)
INTER_QUALITIES = (62, 52, 40, 28, 16)
"""Qualities of colorvid that cover the curves of the anchors, best first."""

COMPARED_FRAMES = 32
PATCH_BPP = 0.4
"""Rate of patches that are shown, bits per pixel, unless another is asked for."""

Memory = Literal["all", "one", "none"]
"""Where peak memory is measured.

``all``: every encoding and every decoding has a process of its own, speeds are taken there too.
``one``: the first quality of each codec and clip is run once more for it, in such processes.
"""

_PACKAGES = ("bjontegaard", "matplotlib", "PIL", "pytorch_msssim", "torch")


def check_packages() -> None:
    """Refuse to start what would fail at the end.

    Raises:
        ColorvidError: a package of the extra ``eval`` is missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ColorvidError(
            f"comparing needs {', '.join(map(package_of, missing))}; {install_hint(*missing)}"
        )


def default_cache() -> Path:
    """Folder for points in the user's cache directory of the platform (XDG on Linux).

    Raises:
        ConfigError: there is no home directory.
    """
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise ConfigError("there is no home directory; pass cache=DIR, or keep no points") from None
    return base / "colorvid-cache"
