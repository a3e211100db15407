"""Anchors: what they code comes back, in files that hold no more than they must."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.anchors import (
    ANCHORS,
    AnchorRun,
    anchor_settings,
    library_version,
    picture_to_frame,
    write_jpegs,
)
from colorvid.evaluation.compare.clips import read_video, write_y4m
from colorvid.frame import Frame, Size, chroma_size
from colorvid.quality.metrics import psnr
from tests.evaluation.sources import moving_clip


def fast(name: str, keyint: int = 4) -> AnchorRun:
    """An anchor with its fastest preset."""
    return AnchorRun(name, keyint, preset="12" if name.startswith("svt") else "ultrafast")


@pytest.mark.parametrize("name", ANCHORS)
@pytest.mark.parametrize(("size", "depth"), [((72, 96), 8), ((67, 81), 8), ((67, 81), 10)])
def test_every_anchor_returns_the_frames_it_was_given(
    name: str, size: tuple[int, int], depth: int, tmp_path: Path
) -> None:
    clip, run = moving_clip(5, *size, depth=depth), fast(name)
    source, coded, result = tmp_path / "a.y4m", tmp_path / f"a{run.suffix}", tmp_path / "b.y4m"
    write_y4m(source, clip)
    encoded = run.encode(source, coded, 80 if name == "jpeg" else 25)
    assert run.decode(coded, result, clip.info) > 0 and encoded.seconds > 0
    assert len(encoded.frame_bytes) == 5
    assert sum(encoded.frame_bytes) == coded.stat().st_size < 5 * size[0] * size[1]
    for one, two in zip(clip.frames, read_video(result, 5).frames, strict=True):
        assert one.y.shape == two.y.shape and two.depth == depth
        assert name == "jpeg" or depth == 8 or (two.y & 3).any()
        assert all(psnr(a, b) > 30 for a, b in zip(one.planes, two.planes, strict=True))


def test_bytes_of_frames_are_in_display_order(tmp_path: Path) -> None:
    """A frame of noise costs most, wherever B frames put it in the file."""
    clip = moving_clip(9)
    noise = np.random.default_rng(1).integers(0, 255, clip.frames[6].y.shape).astype(np.uint8)
    clip.frames[6] = Frame(noise, clip.frames[6].u, clip.frames[6].v)
    write_y4m(tmp_path / "a.y4m", clip)
    sizes = AnchorRun("x264", 32).encode(tmp_path / "a.y4m", tmp_path / "a.264", 27).frame_bytes
    assert sorted(range(9), key=lambda i: sizes[i])[-1] == 6


@pytest.mark.parametrize("name", ["x264-intra", "x265-intra"])
def test_files_hold_no_sei(name: str, tmp_path: Path) -> None:
    write_y4m(tmp_path / "a.y4m", moving_clip(1))
    AnchorRun(name, 1).encode(tmp_path / "a.y4m", tmp_path / "coded", 30)
    assert name[:4].encode() not in (tmp_path / "coded").read_bytes()  # it names the encoder


@pytest.mark.parametrize("name", [name for name in ANCHORS if name != "jpeg"])
def test_key_frames_come_at_keyint_in_spite_of_cuts_and_no_b_frames_in_low_delay(
    name: str, tmp_path: Path
) -> None:
    clip = moving_clip(20)
    for i in range(5, 11):  # another scene
        frame = clip.frames[i]
        clip.frames[i] = Frame(255 - frame.y[::-1].copy(), frame.v, frame.u)
    preset = "12" if name.startswith("svt") else "veryfast"
    run = AnchorRun(name, 8, preset=preset)
    write_y4m(tmp_path / "a.y4m", clip)
    run.encode(tmp_path / "a.y4m", tmp_path / f"a{run.suffix}", 30)
    with av.open(str(tmp_path / f"a{run.suffix}")) as container:
        pictures = list(container.decode(video=0))
    keys = [i for i, picture in enumerate(pictures) if picture.key_frame]
    assert keys == (list(range(20)) if "intra" in name else [0, 8, 16])
    types = {PictureType(picture.pict_type) for picture in pictures}
    if not name.startswith("svt"):  # AV1 does not name B frames
        assert (PictureType.B in types) == (name in ("x264", "x265"))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such call on this system")
def test_svt_leaves_the_scheduling_of_the_process_as_it_was(tmp_path: Path) -> None:
    """It changes it for root alone, as in a container."""
    before = (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)
    write_y4m(tmp_path / "a.y4m", moving_clip(1))
    fast("svtav1").encode(tmp_path / "a.y4m", tmp_path / "a.obu", 25)
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before


def test_settings_are_exact() -> None:
    settings = anchor_settings("x265-zl", 27, keyint=32)
    assert settings == {
        "encoder": "libx265",
        "library": library_version("libx265"),
        "pyav": av.__version__,
        "avcodec": ".".join(str(part) for part in av.library_versions["libavcodec"]),
        "threads": "1",
        "preset": "medium",
        "crf": "27",
        "g": "32",
        "tune": "zerolatency",
        "x265-params": "log-level=none:keyint=32:min-keyint=32:scenecut=0:bframes=0"
        ":pools=none:frame-threads=1:wpp=0",
    }
    assert anchor_settings("x264-intra", 27, keyint=32)["g"] == "1"


def test_key_frames_at_new_scenes_are_a_choice() -> None:
    named = {"x264": "x264-params", "x265": "x265-params", "svtav1": "svtav1-params"}
    fixed = {n: anchor_settings(n, 27, keyint=32)[p] for n, p in named.items()}
    free = {n: anchor_settings(n, 27, keyint=32, scenecut=True)[p] for n, p in named.items()}
    assert fixed["x264"] == "keyint=32:min-keyint=32:scenecut=0:threads=1"
    assert free["x264"] == "keyint=32:threads=1"
    assert free["x265"].startswith("log-level=none:keyint=32:pools=none")
    assert (fixed["svtav1"], free["svtav1"]) == ("lp=1:scd=0", "lp=1:scd=1")


def test_low_delay_is_a_tune() -> None:
    assert anchor_settings("x264-zl", 27, keyint=32)["tune"] == "zerolatency"
    assert "tune" not in anchor_settings("x264", 27, keyint=32)


def test_versions_of_encoders_are_told() -> None:
    assert library_version("libx264").startswith("core-1")
    assert library_version("libx265")[0].isdigit()
    assert anchor_settings("jpeg", 90, keyint=1)["library"].startswith("libjpeg")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="anchor 'x266' is unknown; use one of x264-intra"):
        anchor_settings("x266", 27, keyint=32)


def test_pictures_of_other_formats_are_refused() -> None:
    picture = av.VideoFrame.from_ndarray(np.zeros((4, 4, 3), np.uint8), "rgb24")
    with pytest.raises(InputError, match="pictures are rgb24"):
        picture_to_frame(picture, Size(4, 4))


@pytest.mark.parametrize("size", [(64, 48), (33, 47)])
def test_flat_blocks_of_chroma_come_back_as_they_were(
    size: tuple[int, int], tmp_path: Path
) -> None:
    """Blocks of one value survive the transform: what is lost would be lost in resampling."""
    rng = np.random.default_rng(3)
    shapes = (size, chroma_size(*size), chroma_size(*size))
    planes = []
    for height, width in shapes:
        blocks = rng.integers(16, 235, (-(-height // 8), -(-width // 8)), np.uint8)
        planes.append(blocks.repeat(8, 0).repeat(8, 1)[:height, :width].copy())
    frame = Frame(*planes)
    path = tmp_path / "a.mjpeg"
    sizes = write_jpegs([frame, frame], path, 100)
    assert sum(sizes) == path.stat().st_size and sizes[0] == sizes[1]
    with av.open(str(path), format="mjpeg") as container:
        pictures = [picture_to_frame(p, Size(size[1], size[0])) for p in container.decode(video=0)]
    assert len(pictures) == 2
    for one, two in zip(frame.planes, pictures[1].planes, strict=True):
        assert np.abs(one.astype(int) - two.astype(int)).max() <= 1  # rounding of the transform


def test_a_higher_quality_costs_more(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    frame = Frame(noise, noise[::2, ::2].copy(), noise[::2, ::2].copy())
    sizes = [write_jpegs([frame], tmp_path / "a.mjpeg", quality)[0] for quality in (10, 50, 95)]
    assert sizes == sorted(set(sizes))
