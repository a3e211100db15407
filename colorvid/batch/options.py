"""Options of jobs as text and as JSON: one table for the command line, TOML and CSV."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorvid.config import TUNES
from colorvid.errors import ConfigError
from colorvid.system.text import amount

Options = dict[str, Any]
"""Options of a job by name, as values that JSON can hold."""


def _whole(text: str) -> int:
    return int(text)


def _switch(text: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return known[text.lower()]


def _rate(text: str) -> str:
    value = Fraction(text)
    if value <= 0:
        raise ValueError(text)
    return f"{value.numerator}/{value.denominator}"


def _size(text: str) -> list[int]:
    width, height = text.lower().split("x")
    return [int(width), int(height)]


def _model(text: str) -> str:
    return text if text in TUNES else str(Path(text).absolute())


def _names(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in _names(text)]


Parser = Callable[[str], Any]
_DECODING: dict[str, Parser] = {"model": _model, "device": str}
FIELDS: dict[str, dict[str, Parser]] = {
    "encode": {
        "quality": _whole,
        "bitrate": amount,
        "target_size": amount,
        "target_psnr": float,
        "target_de": float,
        "target_ms_ssim": float,
        "one_pass": _switch,
        "maxrate": amount,
        "bufsize": amount,
        "gop": _whole,
        "scenecut": _switch,
        "min_gop": _whole,
        "bframes": _whole,
        "preset": str,
        "inter_quality": _whole,
        "frames": _whole,
        "seek": _whole,
        "size": _size,
        "rate": _rate,
        "convert": _switch,
        "bit_depth": _whole,
        "model": _model,
        "device": str,
        "scores": _switch,
    },
    "decode": {**_DECODING, "on_error": str, "max_pixels": _whole, "suffix": str},
    "verify": {**_DECODING, "max_pixels": _whole},
    "eval": {**_DECODING, "reference": str, "frames": _whole, "convert": _switch},
    "compare": {
        "anchors": _names,
        "qualities": _numbers,
        "frames": _whole,
        "gop": _whole,
        "scenecut": _switch,
        "bframes": _whole,
        "preset": str,
        "inter_quality": _whole,
        "model": _model,
    },
}
"""What a job of each task may set, and how its text becomes a value."""
TASKS = tuple(FIELDS)
_EXAMPLES: dict[Parser, str] = {
    _whole: "a whole number",
    _switch: "true or false",
    amount: "an amount, as in 800k or 20M",
    float: "a number",
    _rate: "a frame rate, as in 25 or 30000/1001",
    _size: "WxH, as in 1920x1080",
    _numbers: "whole numbers, as in 20,40",
}


def parse_option(task: str, name: str, text: str, where: str) -> Any:
    """The value of an option that is given as text.

    Args:
        task: one of `TASKS`.
        name: of the option.
        text: its value.
        where: what messages begin with, as in ``jobs.csv, line 3``.

    Raises:
        ConfigError: the task has no such option, or the text is no value for it.
    """
    known = FIELDS[task]
    if name not in known:
        raise ConfigError(
            f"{where}: {name!r} is no option of {task}; allowed are {', '.join(known)}"
        )
    try:
        return known[name](text)
    except (ValueError, KeyError, ZeroDivisionError):
        wanted = _EXAMPLES.get(known[name], "text")
        raise ConfigError(f"{where}: {name} is {text!r}; it must be {wanted}") from None


def encode_keywords(options: Options) -> dict[str, Any]:
    """Options of an encoding as keywords of `colorvid.files.encode.EncodeOptions`."""
    keywords = dict(options)
    if "rate" in keywords:
        keywords["rate"] = Fraction(keywords["rate"])
    if "size" in keywords:
        keywords["size"] = tuple(keywords["size"])
    return keywords


def check_options(task: str, options: Options, where: str) -> None:
    """Refuse values that are out of their ranges, before anything starts.

    Raises:
        ConfigError: one is.
    """
    from colorvid.files.decode import DecodeOptions
    from colorvid.files.encode import EncodeOptions
    from colorvid.io.opening import OUTPUT_SUFFIXES

    try:
        if task == "encode":
            EncodeOptions(**encode_keywords(options))
        elif task in ("decode", "verify"):
            DecodeOptions(**{k: v for k, v in options.items() if k != "suffix"})
            _check_whole(options, max_pixels=1)
            suffix = options.get("suffix", OUTPUT_SUFFIXES[0])
            if suffix not in OUTPUT_SUFFIXES:
                allowed = ", ".join(OUTPUT_SUFFIXES)
                raise ConfigError(f"suffix is {suffix!r}; allowed are {allowed}")
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_whole(options: Options, **least: int) -> None:
    for name, low in least.items():
        value = options.get(name)
        if value is not None and value < low:
            raise ConfigError(f"{name} is {value}; it must be {low} or more")
