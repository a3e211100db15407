"""What the latents of a stream went to, which only their decoding shows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.bitstream import ClvReader
from colorvid.errors import ConfigError, InputError
from colorvid.files.streams import name_of, named_errors, open_stream
from colorvid.io.files import os_errors
from colorvid.io.places import PIPE, is_stream
from colorvid.native.core import describe
from colorvid.system.interrupts import uninterrupted

if TYPE_CHECKING:
    from colorvid.models.loading import Model


def chroma_share(source: str | Path, model: str | Model | None = None) -> float | None:
    """How much of the latents of a stream chroma has, 0..1; what is damaged is left out.

    None if no frame can be decoded.

    Luma and chroma share one entropy-coded stream in each packet: the information of their symbols
    counts, hyper-latents included.

    Args:
        source: a ``.clv`` file; pipes are refused, as they can be read only once.
        model: see `colorvid.files.decode.DecodeOptions`.

    Raises:
        ConfigError: a pipe, or there is no native core.
        ColorvidError: see `colorvid.files.decode.decode_file`.
    """
    with os_errors(str(source), InputError):
        if str(source) == PIPE or is_stream(source):
            name = name_of(source, "stdin")
            raise ConfigError(
                f"shares=True reads the stream twice, and {name} can be read only once; give a file"
            )
    with uninterrupted():
        from colorvid.codec.groups import decode_stream

    luma = chroma = 0.0
    with open_stream(source) as file, named_errors(str(source)):
        records = decode_stream(ClvReader(file, "resync"), model=model)
        with closing(records):
            for record in records:
                if record.frame is None:
                    continue
                if record.bits is None:
                    raise ConfigError(f"shares=True needs the native core: {describe()}")
                luma, chroma = luma + record.bits[0], chroma + record.bits[1]
    return chroma / (luma + chroma) if luma + chroma else None
