"""A clip that is encoded once for all tests, and models that are loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import colorvid
from colorvid.frame import Frame
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.models import loading
from colorvid.models.modelfile import RELEASED
from tests.clips import moving_frames

P_FRAMES_ALONE = "colorvid.codec.loop._LEAST_SHARE", float("inf")
"""What to set so that no P frame becomes an I frame, as those of tiny noisy pictures may."""

INFO = VideoInfo(
    64, 48, Fraction(30000, 1001), Fraction(12, 11), color_range=1, matrix=6, primaries=6,
    transfer=6, chroma_location=2,
)  # fmt: skip


@dataclass(frozen=True)
class CodedClip:
    """Eight frames of 64x48 with key frames 0, 3 and 6.

    Attributes:
        source: y4m file.
        stream: its ``.clv`` file.
        decoded: the frames that the stream decodes to.
    """

    source: Path
    stream: Path
    decoded: list[Frame]


def write_clip(path: Path, frames: list[Frame], info: VideoInfo = INFO) -> Path:
    """Write frames as y4m."""
    with open_writer(path, info) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def read_clip(path: Path) -> list[Frame]:
    """All frames of a video."""
    with open_reader(path) as reader:
        return list(reader)


@pytest.fixture(scope="session")
def coded(tmp_path_factory: pytest.TempPathFactory) -> CodedClip:
    """The clip; its files must not be changed."""
    folder = tmp_path_factory.mktemp("coded")
    source = write_clip(folder / "source.y4m", moving_frames(8, 48, 64))
    stream, result = folder / "coded.clv", folder / "decoded.y4m"
    colorvid.encode_file(source, stream, gop=3, threads=1)
    colorvid.decode_file(stream, result, threads=1)
    return CodedClip(source, stream, read_clip(result))


_models: dict[Any, loading.Model] = {}
"""Released models, as `colorvid.models.loading` keeps them."""


@pytest.fixture(autouse=True)
def released_models_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep them as a worker does; a test of loading itself sets `loading._kept` to None."""
    monkeypatch.setattr(loading, "_kept", _models)
    yield
    for key in [key for key in _models if key[1] not in RELEASED]:
        del _models[key]


@pytest.fixture
def short_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits the bottlenecks of a model file with few steps, where their values do not matter."""
    monkeypatch.setattr("colorvid.training.loop.weights._FIT_STEPS", 3)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """An empty folder for outputs alone."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


@pytest.fixture
def p_frames_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No P frame becomes an I frame."""
    monkeypatch.setattr(*P_FRAMES_ALONE)
