from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation import anchors
from colorvid.evaluation.anchors import ANCHORS, anchor_settings, picture_to_frame, run_anchor
from colorvid.frame import Frame
from colorvid.metrics import psnr
from tests.evaluation.sources import moving_frames

RATE = Fraction(25)


@pytest.mark.parametrize("name", ANCHORS)
@pytest.mark.parametrize("size", [(72, 96), (67, 81)])
def test_every_anchor_returns_the_frames_it_was_given(name: str, size: tuple[int, int]) -> None:
    frames = moving_frames(5, *size)
    preset = "12" if name.startswith("svt") else "ultrafast"
    settings = anchor_settings(name, 25, keyint=4, preset=preset)
    coded = run_anchor(frames, settings, RATE)
    assert coded.settings == settings
    assert 0 < coded.size_bytes < 5 * size[0] * size[1]
    for one, two in zip(frames, coded.frames, strict=True):
        assert one.y.shape == two.y.shape
        assert all(psnr(a, b) > 30 for a, b in zip(one.planes, two.planes, strict=True))


def test_a_lower_crf_costs_more_and_looks_better() -> None:
    frames = moving_frames(3)
    points = [
        run_anchor(frames, anchor_settings("x264", crf, keyint=32, preset="ultrafast"), RATE)
        for crf in (15, 35)
    ]
    assert points[0].size_bytes > points[1].size_bytes
    assert psnr(frames[2].y, points[0].frames[2].y) > psnr(frames[2].y, points[1].frames[2].y)


def keep_file(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:
    """Copy the coded file to ``target`` before it is decoded and removed."""
    original = anchors._decode

    def copy(path: Path, height: int, width: int) -> Iterator[Frame]:
        target.write_bytes(path.read_bytes())
        return original(path, height, width)

    monkeypatch.setattr(anchors, "_decode", copy)


@pytest.mark.parametrize("name", ["x264-intra", "x265-intra"])
def test_files_hold_no_sei(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    keep_file(monkeypatch, kept)
    run_anchor(moving_frames(1), anchor_settings(name, 30, keyint=1), RATE)
    assert name[:4].encode() not in kept.read_bytes()  # such a message names the encoder


@pytest.mark.parametrize("name", ANCHORS)
def test_key_frames_come_at_keyint_in_spite_of_cuts_and_no_b_frames_in_low_delay(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    keep_file(monkeypatch, kept)
    frames = moving_frames(20)
    for i in range(5, 11):  # another scene
        frames[i] = Frame(255 - frames[i].y[::-1].copy(), frames[i].v, frames[i].u)
    preset = "12" if name.startswith("svt") else "veryfast"
    run_anchor(frames, anchor_settings(name, 30, keyint=8, preset=preset), RATE)
    with av.open(str(kept)) as container:
        pictures = list(container.decode(video=0))
    keys = [i for i, picture in enumerate(pictures) if picture.key_frame]
    assert keys == (list(range(20)) if "intra" in name else [0, 8, 16])
    types = {PictureType(picture.pict_type) for picture in pictures}
    if not name.startswith("svt"):  # AV1 does not name B frames
        assert (PictureType.B in types) == (name in ("x264", "x265"))


def test_settings_are_exact() -> None:
    settings = anchor_settings("x265-zl", 27, keyint=32)
    assert settings == {
        "encoder": "libx265",
        "pyav": av.__version__,
        "preset": "medium",
        "crf": "27",
        "g": "32",
        "tune": "zerolatency",
        "x265-params": "log-level=none:keyint=32:min-keyint=32:scenecut=0:bframes=0"
        ":pools=none:frame-threads=1:wpp=0",
    }
    assert anchor_settings("x264-intra", 27, keyint=32)["g"] == "1"
    assert "tune" not in anchor_settings("x264", 27, keyint=32)


def test_unknown_names_and_empty_sequences_are_refused() -> None:
    with pytest.raises(ConfigError, match="anchor 'x266' is unknown; use one of x264-intra"):
        anchor_settings("x266", 27, keyint=32)
    with pytest.raises(InputError, match="no frames to encode"):
        run_anchor([], anchor_settings("x264", 27, keyint=32), RATE)


def test_pictures_of_other_formats_are_refused() -> None:
    picture = av.VideoFrame.from_ndarray(np.zeros((4, 4, 3), np.uint8), "rgb24")
    with pytest.raises(InputError, match="pictures are rgb24"):
        picture_to_frame(picture, 4, 4)
