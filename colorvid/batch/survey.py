"""What is known of an input before the work: its size, its length, what it costs."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorvid.batch.identity import fingerprint
from colorvid.batch.options import Options, encode_keywords
from colorvid.bitstream import ClvReader
from colorvid.files.streams import SUFFIX, named_errors, open_stream
from colorvid.io import open_reader

READ_DIRECTLY = (".y4m", ".yuv")
"""Inputs in which any frame is found without decoding those before it."""
Survey = dict[str, Any]
"""``fingerprint``, ``pixels`` of a frame, ``frames`` as far as the input tells (None = unknown),
``direct``: whether any frame is found without decoding those before it."""


def survey(task: str, source: str, options: Options) -> Survey:
    """Look at an input.

    Args:
        task: one of `colorvid.batch.options.TASKS`.
        source: path of the input.
        options: of the job.

    Raises:
        ColorvidError: the input cannot be read, or is not what the task takes.
    """
    known: Survey = {
        "fingerprint": fingerprint(source), "pixels": 0, "frames": None, "direct": False,
    }  # fmt: skip
    if task == "encode":
        _survey_video(known, source, options)
    elif Path(source).suffix.lower() == SUFFIX:
        _survey_stream(known, source)
    return known


def _survey_video(known: Survey, source: str, options: Options) -> None:
    """Size and number of the frames that an encoding would take; the first one is decoded."""
    keywords = encode_keywords(options)
    how = {key: keywords[key] for key in ("size", "rate", "convert") if key in keywords}
    with open_reader(source, depth=keywords.get("bit_depth"), **how) as reader:
        next(reader)
        total = reader.info.frames
        known["pixels"] = reader.info.size.pixels
        known["direct"] = Path(source).suffix.lower() in READ_DIRECTLY and total is not None
        if total is None and Path(source).suffix.lower() not in READ_DIRECTLY:
            total = stated_length(source, reader.info.rate)
    if total is not None:
        total = max(0, total - options.get("seek", 0))
        known["frames"] = min(total, options.get("frames", total))


def stated_length(source: str, rate: Fraction) -> int | None:
    """Frames by the duration that a container states, about; None if it states none."""
    import av
    import av.error

    try:
        with closing(av.open(source, "r")) as container:
            duration = container.duration
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return None if not duration else round(duration * rate / 1_000_000)


def _survey_stream(known: Survey, source: str) -> None:
    """Size and number of the frames of a ``.clv`` stream, by its header and index."""
    with open_stream(source) as file, named_errors(source):
        reader = ClvReader(file, "resync")
        known["pixels"] = reader.header.size.pixels
        known["frames"] = reader.stated_frames()
