"""The streams of the conformance set: what they show, how they are coded, where they lie.

Every case is coded once with each model: each released one and ``tiny``, which has random networks
that do take part and stays as it is when weights are released anew.
"""

from __future__ import annotations

import json
import lzma
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorvid.codec.settings import EncoderSettings
from colorvid.colors import Light
from colorvid.frame import Frame, chroma_size
from colorvid.models.loading import Model, load_model
from colorvid.models.modelfile import RELEASED
from tests.clips import grainy_frames, moving_frames

FOLDER = Path(__file__).parent
STREAMS = FOLDER / "streams"
EXPECTED = FOLDER / "expected.json"
TINY = FOLDER / "tiny.safetensors.xz"
MODELS = ("tiny", *RELEASED)

Source = Callable[[int, int, int], list[Frame]]


def moving(count: int, height: int, width: int) -> list[Frame]:
    """A moving texture."""
    return moving_frames(count, height, width, seed=9)


def cut(count: int, height: int, width: int) -> list[Frame]:
    """A moving texture that gives way to another one."""
    first = moving_frames(count // 2, height, width, seed=1)
    return first + moving_frames(count - count // 2, height, width, seed=2)


def still(count: int, height: int, width: int) -> list[Frame]:
    """The same picture over and over."""
    return moving_frames(1, height, width, seed=3) * count


def grain(count: int, height: int, width: int) -> list[Frame]:
    """A moving texture under noise."""
    return grainy_frames(count, height, width, seed=9)


def noise(count: int, height: int, width: int) -> list[Frame]:
    """Samples that have nothing to do with each other."""
    random = np.random.default_rng(4)
    sizes = ((height, width), chroma_size(height, width), chroma_size(height, width))
    return [Frame(*(random.integers(0, 256, s, np.uint8) for s in sizes)) for _ in range(count)]


def deep(count: int, height: int, width: int) -> list[Frame]:
    """A moving texture of 10 bits."""
    return moving_frames(count, height, width, seed=9, depth=10)


def deep_noise(count: int, height: int, width: int) -> list[Frame]:
    """Noise of 10 bits, with much black and white."""
    random = np.random.default_rng(5)
    sizes = ((height, width), chroma_size(height, width), chroma_size(height, width))
    return [
        Frame(*(random.integers(-512, 1536, s).clip(0, 1023).astype(np.uint16) for s in sizes))
        for _ in range(count)
    ]


def grey(count: int, height: int, width: int) -> list[Frame]:
    """Nothing to see."""
    y, uv = np.full((height, width), 128, np.uint8), chroma_size(height, width)
    return [Frame(y, np.full(uv, 128, np.uint8), np.full(uv, 128, np.uint8))] * count


@dataclass(frozen=True)
class Case:
    """A stream: its source, ``(frames, height, width)``, settings, fields of the header."""

    source: Source
    size: tuple[int, int, int]
    settings: EncoderSettings
    tags: dict[str, Any] = field(default_factory=dict)


def _settings(
    quality: int,
    gop: int,
    inter_quality: int | None = None,
    bframes: int = 15,
    preset: str = "medium",
) -> EncoderSettings:
    return EncoderSettings(
        quality=quality, gop=gop, bframes=bframes, inter_quality=inter_quality, preset=preset
    )


LIGHT = Light(
    *(34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10_000_000, 50),
    max_cll=1000,
    max_fall=400,
)

CASES = {
    "moving": Case(moving, (6, 45, 59), _settings(46, 4, 40)),
    "pixel": Case(moving, (3, 1, 1), _settings(44, 2)),
    "wide": Case(moving, (3, 6, 131), _settings(30, 3)),
    "tall": Case(moving, (3, 97, 3), _settings(52, 8)),
    "cut": Case(cut, (4, 48, 64), _settings(38, 8)),
    "intra": Case(cut, (4, 24, 32), _settings(38, 8, bframes=1)),
    "still": Case(still, (4, 40, 56), _settings(44, 8)),
    "noise": Case(noise, (2, 33, 17), _settings(63, 2, 63)),
    "grey": Case(grey, (3, 20, 20), _settings(32, 3)),
    "coarse": Case(moving, (4, 64, 96), _settings(0, 4)),
    "fine": Case(moving, (2, 32, 32), _settings(63, 2, 62)),
    "pyramid": Case(moving, (9, 24, 40), _settings(44, 9)),
    "lowdelay": Case(moving, (3, 45, 59), _settings(46, 8, bframes=0)),
    "seconds": Case(grain, (11, 37, 45), _settings(44, 16, bframes=0, preset="slow")),
    "short": Case(moving, (4, 37, 41), _settings(50, 8, 45, bframes=2)),
    "groups": Case(moving, (6, 24, 40), _settings(40, 2)),
    "tags": Case(
        moving,
        (2, 16, 18),
        _settings(48, 1),
        {"color_range": 2, "matrix": 9, "primaries": 9, "transfer": 16, "chroma_location": 3},
    ),
    "deep": Case(deep, (6, 45, 59), _settings(46, 6, 40)),
    "deepnoise": Case(deep_noise, (3, 33, 17), _settings(63, 3, 63)),
    "deeplight": Case(
        deep,
        (2, 18, 34),
        _settings(56, 1),
        {"matrix": 9, "primaries": 9, "transfer": 16, "light": LIGHT},
    ),
}

SELFTEST = Case(moving, (4, 51, 67), _settings(40, 3))
"""The stream inside the package, one for each released model."""


def model(name: str, device: str = "cpu", carrier: torch.dtype = torch.float32) -> Model:
    """One of `MODELS`."""
    if name != "tiny":
        return load_model(name, device, carrier)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        path.write_bytes(lzma.decompress(TINY.read_bytes()))
        return load_model(str(path), device, carrier)


@lru_cache(maxsize=8)
def loaded(name: str, device: str = "cpu", carrier: torch.dtype = torch.float32) -> Model:
    """One of `MODELS`, loaded once; nothing may change it."""
    return model(name, device, carrier)


def stream(model_name: str, case: str) -> Path:
    """Where a stream lies; its stem is its name in `expected`."""
    return STREAMS / f"{model_name}_{case}.clv"


def expected() -> dict[str, dict[str, Any]]:
    """By stream: ``model``, its identity, and ``frames``, the SHA-256 of every decoded frame."""
    found: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found
