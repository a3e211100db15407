"""colorvid: a learned video codec that codes luma and chroma apart and decodes exactly.

>>> import colorvid
>>> report = colorvid.encode_file("in.y4m", "out.clv", quality=40)
>>> report = colorvid.decode_file("out.clv", "out.y4m")

The names below are loaded on first use, so that ``import colorvid`` alone is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from colorvid.config import PACKAGE_VERSION

if TYPE_CHECKING:
    from colorvid.codec.decoder import Decoder
    from colorvid.codec.encoder import Encoder
    from colorvid.codec.settings import EncoderSettings
    from colorvid.files.decode import decode_file, verify_file
    from colorvid.files.encode import encode_file
    from colorvid.files.streams import probe
    from colorvid.frame import Frame
    from colorvid.models.loading import load_model

__version__ = PACKAGE_VERSION

__all__ = [
    "Decoder",
    "Encoder",
    "EncoderSettings",
    "Frame",
    "decode_file",
    "encode_file",
    "load_model",
    "probe",
    "verify_file",
]

_HOMES = {
    "Decoder": "colorvid.codec.decoder",
    "Encoder": "colorvid.codec.encoder",
    "EncoderSettings": "colorvid.codec.settings",
    "Frame": "colorvid.frame",
    "decode_file": "colorvid.files.decode",
    "encode_file": "colorvid.files.encode",
    "load_model": "colorvid.models.loading",
    "probe": "colorvid.files.streams",
    "verify_file": "colorvid.files.decode",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'colorvid' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All names, loaded or not."""
    return sorted({*globals(), *__all__})
