"""Pixels and descriptions survive writing and reading."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.frame import Frame
from colorvid.io import FrameReader, VideoInfo, open_reader, open_writer
from tests.clips import moving_frames

SIZES = [(1, 1), (2, 2), (3, 5), (17, 33), (64, 48)]
TAGGED = VideoInfo(
    width=16,
    height=24,
    rate=Fraction(30000, 1001),
    sample_aspect=Fraction(4, 3),
    color_range=2,
    matrix=9,
    primaries=1,
    transfer=16,
    chroma_location=3,
)


def write_clip(path: Path, frames: list[Frame], info: VideoInfo) -> None:
    with open_writer(path, info, lossless=True) as writer:
        for frame in frames:
            writer.write(frame)


def plain_info(frames: list[Frame]) -> VideoInfo:
    return VideoInfo(frames[0].width, frames[0].height, Fraction(25))


def crcs(frames: list[Frame] | FrameReader) -> list[int]:
    return [frame.crc32() for frame in frames]


@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv", ".avi"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_pixels_of_any_size(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    width, height = size
    frames = moving_frames(4, height, width)
    path = tmp_path / f"clip{suffix}"
    write_clip(path, frames, plain_info(frames))
    raw = {"size": size, "rate": Fraction(25)} if suffix == ".yuv" else {}
    with open_reader(path, **raw) as reader:
        assert (reader.info.width, reader.info.height) == size
        assert crcs(reader) == crcs(frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_h264_is_lossless(tmp_path: Path, suffix: str, color_range: int) -> None:
    frames = moving_frames(12, 48, 64)
    path = tmp_path / f"clip{suffix}"
    write_clip(path, frames, replace(plain_info(frames), color_range=color_range))
    with open_reader(path) as reader:
        assert reader.info.color_range in ((2,) if color_range == 2 else (0, 1))
        assert crcs(reader) == crcs(frames)


@pytest.mark.parametrize("suffix", [".y4m", ".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize(
    "info",
    [
        TAGGED,
        VideoInfo(16, 24, Fraction(60000, 1001), Fraction(1), 1, 1, 1, 1, 1),
        VideoInfo(16, 24, Fraction(24000, 1001), Fraction(64, 45), 1, 5, 5, 6, 2),
        VideoInfo(16, 24, Fraction(50), Fraction(10, 11), 1, 6, 6, 13, 4),
        VideoInfo(16, 24, Fraction(25, 2), chroma_location=1),
    ],
    ids=lambda info: str(info.rate).replace("/", ":"),
)
def test_every_tag(tmp_path: Path, suffix: str, info: VideoInfo) -> None:
    path = tmp_path / f"clip{suffix}"
    write_clip(path, moving_frames(3, info.height, info.width), info)
    with open_reader(path) as reader:
        assert replace(reader.info, frames=None) == info


@pytest.mark.parametrize(
    ("suffix", "location"),
    [(".y4m", code) for code in range(7)]
    + [(".mkv", code) for code in range(5)]
    + [(".mp4", code) for code in range(1, 7)],
)
def test_every_chroma_location(tmp_path: Path, suffix: str, location: int) -> None:
    info = replace(TAGGED, chroma_location=location)
    path = tmp_path / f"clip{suffix}"
    write_clip(path, moving_frames(1, info.height, info.width), info)
    with open_reader(path) as reader:
        assert reader.info.chroma_location == location


RATES = [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)] + [
    Fraction(n) for n in (1, 15, 24, 25, 30, 50, 60, 100, 120, 144, 1000)
]


@pytest.mark.parametrize("suffix", [".y4m", ".mkv", ".mp4", ".avi"])
@pytest.mark.parametrize("count", [1, 7])
def test_usual_frame_rates_are_exact(tmp_path: Path, suffix: str, count: int) -> None:
    frames = moving_frames(count, 16, 16)
    for index, rate in enumerate(RATES):
        path = tmp_path / f"{index}{suffix}"
        write_clip(path, frames, VideoInfo(16, 16, rate))
        with open_reader(path) as reader:
            assert reader.info.rate == rate


def test_number_of_frames(tmp_path: Path) -> None:
    frames = moving_frames(5, 16, 16)
    for name, expected in (("a.y4m", 5), ("a.yuv", 5), ("a.mp4", 5), ("a.mkv", None)):
        write_clip(tmp_path / name, frames, plain_info(frames))
        raw = {"size": (16, 16), "rate": Fraction(25)} if name == "a.yuv" else {}
        with open_reader(tmp_path / name, **raw) as reader:
            assert reader.info.frames == expected


@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
@pytest.mark.parametrize(
    ("seek", "limit", "kept"), [(0, 2, [0, 1]), (3, None, [3, 4]), (1, 2, [1, 2]), (4, 9, [4])]
)
def test_section(
    tmp_path: Path, suffix: str, seek: int, limit: int | None, kept: list[int]
) -> None:
    frames = moving_frames(5, 16, 16)
    path = tmp_path / f"clip{suffix}"
    write_clip(path, frames, plain_info(frames))
    with open_reader(path, seek=seek, frames=limit) as reader:
        assert reader.info.frames in (len(kept), None)
        assert crcs(reader) == crcs([frames[index] for index in kept])


def test_rate_overrides_the_source(tmp_path: Path) -> None:
    frames = moving_frames(2, 16, 16)
    for name in ("a.y4m", "a.mkv"):
        write_clip(tmp_path / name, frames, plain_info(frames))
        with open_reader(tmp_path / name, rate=Fraction(7, 3)) as reader:
            assert reader.info.rate == Fraction(7, 3)
