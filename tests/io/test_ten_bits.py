"""Video of 10 bits: read, written, and brought to 8 bits."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from colorvid.colors import Light
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.frame import Frame
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.y4m import format_header
from tests.clips import moving_frames
from tests.io.test_roundtrip import write_clip

LIGHT = Light(34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10**7, 50, 1000, 400)
INFO = VideoInfo(
    64, 48, Fraction(25), color_range=1, matrix=9, primaries=9, transfer=16, depth=10, light=LIGHT
)
FRAMES = moving_frames(4, 48, 64, depth=10)


@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv", ".avi", ".mp4", ".mov"])
def test_every_sample_survives(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    write_clip(path, FRAMES, INFO)
    raw: dict[str, Any] = {}
    if suffix == ".yuv":
        raw = {"size": (64, 48), "rate": Fraction(25), "depth": 10}
    with open_reader(path, **raw) as reader:
        assert reader.info.depth == 10
        if suffix in (".y4m", ".mkv", ".mp4"):
            kept = LIGHT if suffix == ".mp4" else Light()
            found = replace(reader.info, frames=None, chroma_location=0)
            assert found == replace(INFO, light=kept)
        assert list(reader) == FRAMES


@pytest.mark.parametrize(
    "light",
    [Light(), replace(LIGHT, max_cll=0, max_fall=0), Light(max_cll=4000, max_fall=80)],
    ids=["nothing", "display", "content"],
)
def test_light_that_is_stated_in_part(tmp_path: Path, light: Light) -> None:
    write_clip(tmp_path / "a.mp4", FRAMES[:1], replace(INFO, light=light))
    with open_reader(tmp_path / "a.mp4") as reader:
        assert reader.info.light == (light if light.brightest else Light())


def test_mp4_is_nearly_the_same(tmp_path: Path) -> None:
    with open_writer(tmp_path / "a.mp4", INFO) as writer:
        for frame in FRAMES:
            writer.write(frame)
    with open_reader(tmp_path / "a.mp4") as reader:
        for one, two in zip(reader, FRAMES, strict=True):
            assert 0 < np.square(one.y.astype(float) - two.y).mean() < 1023**2 / 10**4.6
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.profile, context.codec_tag) == ("hevc", "Main 10", "hvc1")


def test_header_of_y4m() -> None:
    line = format_header(replace(INFO, chroma_location=1))
    assert line == b"YUV4MPEG2 W64 H48 F25:1 Ip A0:0 C420p10 XCOLORRANGE=LIMITED XCLV=9:9:16:1\n"


def test_y4m_is_what_ffmpeg_reads(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.y4m", FRAMES[:1], INFO)
    with av.open(str(tmp_path / "a.y4m")) as container:
        picture = next(container.decode(video=0))
    assert picture.format.name == "yuv420p10le"
    assert np.array_equal(picture.to_ndarray()[:48], FRAMES[0].y)


def test_samples_that_are_too_large(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.y4m", FRAMES[:2], INFO)
    data = bytearray((tmp_path / "a.y4m").read_bytes())
    data[-1] = 4
    (tmp_path / "a.y4m").write_bytes(data)
    with open_reader(tmp_path / "a.y4m") as reader:
        assert next(reader) == FRAMES[0]
        with pytest.raises(InputError, match=r"a.y4m: frame 1: plane v has the sample 1\d{3}; sam"):
            next(reader)
    raw = moving_frames(1, 48, 64)[0].y.tobytes() * 3
    (tmp_path / "a.yuv").write_bytes(raw)
    with open_reader(tmp_path / "a.yuv", size=(64, 48), rate=Fraction(25), depth=10) as reader:
        with pytest.raises(InputError, match="a.yuv: plane y has .*; the bit depth is another"):
            next(reader)


def test_other_bits_are_asked_for(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.y4m", FRAMES, INFO)
    with open_reader(tmp_path / "a.y4m", depth=8, seek=1, frames=2) as reader:
        assert (reader.info.depth, reader.info.light, reader.info.frames) == (8, Light(), 2)
        assert list(reader) == [frame.at_depth(8) for frame in FRAMES[1:3]]
    plain = [frame.at_depth(8) for frame in FRAMES]
    write_clip(tmp_path / "b.y4m", plain, replace(INFO, depth=8, light=Light()))
    with open_reader(tmp_path / "b.y4m", depth=10) as reader:
        assert reader.info.depth == 10 and reader.warnings == ()
        assert list(reader) == [frame.at_depth(10) for frame in plain]
    with pytest.raises(ConfigError, match="depth=9 is not allowed; it must be 8 or 10"):
        open_reader(tmp_path / "b.y4m", depth=9)


@pytest.mark.parametrize("name", ["yuv420p12le", "yuv422p10le", "yuv444p10le", "yuv410p"])
def test_what_is_not_taken_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.nut"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, name
        picture: Any = av.VideoFrame(32, 16, "yuv420p")
        for plane in picture.planes:
            np.frombuffer(plane, np.uint8)[:] = 90
        container.mux(stream.encode(picture.reformat(format=name)))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=f"pixel format {name} is not 4:2:0 of 8 or 10 bits"):
        open_reader(path)
    with open_reader(path, convert=True) as reader:
        assert reader.info.depth == 8 and np.abs(next(reader).y.astype(int) - 90).max() <= 1


def test_a_writer_takes_one_depth() -> None:
    with pytest.raises(OutputError, match="frame 0 has 8 bits a sample; all must have 10"):
        with open_writer("/dev/null", INFO) as writer:
            writer.write(FRAMES[0].at_depth(8))


def test_planes_of_the_other_byte_order() -> None:
    frame = Frame(*(plane.copy() for plane in FRAMES[0].planes))
    out = io.BytesIO()
    for plane in frame.packed():
        out.write(plane.data)
    assert out.getvalue()[:2] == int(frame.y[0, 0]).to_bytes(2, "little")
