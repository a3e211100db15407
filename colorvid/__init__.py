"""colorvid: a learned video codec that codes luma and chroma apart and decodes exactly.

>>> import colorvid
>>> report = colorvid.encode_file("in.y4m", "out.clv", quality=40)
>>> report = colorvid.decode_file("out.clv", "out.y4m")

The names below are loaded on first use, so that ``import colorvid`` alone is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorvid.api import decode_file, encode_file, probe, verify_file
    from colorvid.codec import Decoder, Encoder, EncoderSettings
    from colorvid.frame import Frame
    from colorvid.models.modelfile import load_model

__version__ = "0.1.0"

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
    "Decoder": "colorvid.codec",
    "Encoder": "colorvid.codec",
    "EncoderSettings": "colorvid.codec",
    "Frame": "colorvid.frame",
    "decode_file": "colorvid.api",
    "encode_file": "colorvid.api",
    "load_model": "colorvid.models.modelfile",
    "probe": "colorvid.streams",
    "verify_file": "colorvid.api",
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
