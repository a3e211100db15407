"""What the latents of a stream went to, which only their decoding shows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.bitstream import ClvReader
from colorvid.errors import ConfigError
from colorvid.files.streams import named_errors, open_stream
from colorvid.io.places import PIPE
from colorvid.native.core import describe
from colorvid.system.interrupts import uninterrupted

if TYPE_CHECKING:
    from colorvid.models.loading import Model


def chroma_share(source: str | Path, model: str | Model | None = None) -> float:
    """How much of the latents of a stream chroma has, 0..1; what is damaged is left out.

    Luma and chroma share one entropy-coded stream in each packet: the information of their symbols
    counts, hyper-latents included.

    Args:
        source: a ``.clv`` file; standard input is refused, as it can be read only once.
        model: see `colorvid.files.decode.DecodeOptions`.

    Raises:
        ConfigError: standard input, or there is no native core.
        ColorvidError: see `colorvid.files.decode.decode_file`.
    """
    if str(source) == PIPE:
        raise ConfigError(
            "shares=True reads the stream twice, and stdin can be read only once; give a file"
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
    return chroma / (luma + chroma) if luma + chroma else 0.0
