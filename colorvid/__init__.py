"""colorvid: a learned video codec that codes luma and chroma apart and decodes exactly.

>>> import colorvid
>>> report = colorvid.encode("in.y4m", "out.clv", quality=40)
>>> with colorvid.open("out.clv") as clip:
...     picture = clip[40].to_rgb()

The names below are loaded on first use, so that ``import colorvid`` alone is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from colorvid.config import PACKAGE_VERSION

if TYPE_CHECKING:
    from colorvid.api.clip import Clip, ClipFrame, decode, open
    from colorvid.api.coding import Writer, encode
    from colorvid.codec.decoder import Decoder
    from colorvid.codec.encoder import Encoder
    from colorvid.codec.settings import EncoderSettings
    from colorvid.colors import Color
    from colorvid.errors import ColorvidError
    from colorvid.files.decode import decode_file, verify_file
    from colorvid.files.encode import encode_file
    from colorvid.files.streams import probe
    from colorvid.frame import Frame
    from colorvid.images.codec import ImageCodec
    from colorvid.models.loading import load_model

__version__ = PACKAGE_VERSION

__all__ = [
    "Clip",
    "ClipFrame",
    "Color",
    "ColorvidError",
    "Decoder",
    "Encoder",
    "EncoderSettings",
    "Frame",
    "ImageCodec",
    "Writer",
    "decode",
    "decode_file",
    "encode",
    "encode_file",
    "load_model",
    "open",
    "probe",
    "verify_file",
]

_HOMES = {
    "Clip": "colorvid.api.clip",
    "ClipFrame": "colorvid.api.clip",
    "Color": "colorvid.colors",
    "ColorvidError": "colorvid.errors",
    "Decoder": "colorvid.codec.decoder",
    "Encoder": "colorvid.codec.encoder",
    "EncoderSettings": "colorvid.codec.settings",
    "Frame": "colorvid.frame",
    "ImageCodec": "colorvid.images.codec",
    "Writer": "colorvid.api.coding",
    "decode": "colorvid.api.clip",
    "decode_file": "colorvid.files.decode",
    "encode": "colorvid.api.coding",
    "encode_file": "colorvid.files.encode",
    "load_model": "colorvid.models.loading",
    "open": "colorvid.api.clip",
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
