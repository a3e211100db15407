"""Pixel formats, errors and limits of the reader that sits on PyAV."""

from __future__ import annotations

import builtins
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.errors import InputError, OutputError
from colorvid.io import open_reader
from colorvid.io.pyav_stream import av_errors

HEIGHT, WIDTH = 24, 32
RAMP = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (HEIGHT, 1))

AV_ERRORS = [
    value
    for name, value in sorted(vars(av.error).items())
    if isinstance(value, type) and issubclass(value, av.error.FFmpegError) and name != "cls"
]


@pytest.mark.parametrize("error", AV_ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("kind", [InputError, OutputError])
def test_every_av_error_is_translated(error: type[Exception], kind: type[InputError]) -> None:
    with pytest.raises(kind) as caught, av_errors("a.mkv", kind):
        raise error(1, "some\nreason")
    assert type(caught.value) is kind
    assert str(caught.value) == "a.mkv: some reason"


def test_the_list_of_av_errors_is_complete() -> None:
    assert len(AV_ERRORS) > 40
    assert set(av.error.classes.values()) <= {*AV_ERRORS, av.error.FFmpegError}


@pytest.mark.parametrize("error", [builtins.ValueError, builtins.OSError, builtins.RuntimeError])
def test_plain_errors_of_pyav_are_translated(error: type[Exception]) -> None:
    with pytest.raises(InputError, match="^a.mkv: no reason$"), av_errors("a.mkv", InputError):
        raise error("no reason")


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), av_errors("a.mkv", InputError):
        raise KeyError("bug")
    with pytest.raises(OutputError, match="^as it is$"), av_errors("a.mkv", InputError):
        raise OutputError("as it is")


def encode(path: Path, frames: list[av.VideoFrame], codec: str, color_range: int = 0) -> Path:
    """Write frames with any encoder of FFmpeg, at 25 frames per second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        stream.codec_context.color_range = color_range
        for index, frame in enumerate(frames):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def planar(pixel_format: str, u: int, v: int, shift: int = 0) -> av.VideoFrame:
    """Return a frame with the ramp as luma and flat chroma, ``shift`` bits deeper than 8."""
    frame = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
    dtype = np.uint16 if shift else np.uint8
    for plane, value in zip(frame.planes, (RAMP, u, v)):  # noqa: B905 - grey has one plane
        rows: NDArray[Any] = np.frombuffer(plane, dtype).reshape(plane.height, -1)
        rows[:, : plane.width] = np.asarray(value, dtype) << shift
    return frame


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize(
    ("pixel_format", "shift"),
    [("yuv422p", 0), ("yuv444p", 0), ("yuv420p12le", 4), ("gray", 0)],
)
def test_conversion_keeps_levels_and_range(
    tmp_path: Path, pixel_format: str, shift: int, color_range: int
) -> None:
    chroma = (128, 128) if pixel_format == "gray" else (100, 140)
    source = planar(pixel_format, *chroma, shift)
    path = encode(
        tmp_path / "a.mkv", [source, planar(pixel_format, *chroma, shift)], "ffv1", color_range
    )
    with pytest.raises(InputError, match=f"pixel format {pixel_format} is not .*convert=True"):
        open_reader(path)
    with open_reader(path, convert=True) as reader:
        assert (reader.info.color_range, reader.info.matrix) == (color_range, 2)
        frames = list(reader)
    assert len(frames) == 2
    # A deeper full-range sample is a little less than 16 times its 8-bit value.
    tolerance = 1 if shift and color_range == 2 else 0
    assert np.abs(frames[1].y.astype(int) - RAMP).max() <= tolerance
    assert np.abs(frames[1].u.astype(int) - chroma[0]).max() <= tolerance
    assert np.abs(frames[1].v.astype(int) - chroma[1]).max() <= tolerance


@pytest.mark.parametrize(
    ("height", "matrix", "yuv"), [(718, 6, (81, 90, 240)), (720, 1, (63, 102, 240))]
)
def test_rgb_takes_the_matrix_of_its_size(
    tmp_path: Path, height: int, matrix: int, yuv: tuple[int, int, int]
) -> None:
    red = np.zeros((height, 16, 3), np.uint8)
    red[..., 0] = 255
    source = av.VideoFrame.from_ndarray(red).reformat(format="bgr0")
    path = encode(tmp_path / "a.mkv", [source], "ffv1")
    with open_reader(path, convert=True) as reader:
        assert (reader.info.matrix, reader.info.color_range) == (matrix, 1)
        frame = next(reader)
    for plane, level in zip(frame.planes, yuv, strict=True):
        assert np.abs(plane.astype(int) - level).max() <= 1


def test_yuvj420p_is_full_range(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [planar("yuvj420p", 100, 140)], "mjpeg", 2)
    with open_reader(path) as reader:
        assert reader.info.color_range == 2
        levels = next(reader).y.astype(int)
    assert np.abs(levels - RAMP).max() <= 6


def flat(width: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, 16, "yuv420p")
    for plane in frame.planes:
        np.frombuffer(plane, np.uint8)[:] = 60
    return frame


@pytest.mark.parametrize("convert", [False, True])
def test_a_change_of_size_is_refused(tmp_path: Path, convert: bool) -> None:
    parts = [
        encode(tmp_path / f"{width}.m2v", [flat(width), flat(width)], "mpeg2video")
        for width in (32, 48)
    ]
    path = tmp_path / "both.m2v"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with (
        pytest.raises(InputError, match="is 48x16 yuv420p, the first one 32x16 yuv420p"),
        open_reader(path, convert=convert) as reader,
    ):
        list(reader)


def test_interlaced_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1"})
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        container.mux(stream.encode(flat(32)))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="frame 0 is interlaced"):
        open_reader(path)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="has no video stream"):
        open_reader(path)


def test_other_samplings_in_y4m_files(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    planes = RAMP.tobytes() + bytes([100]) * (24 * 16) + bytes([140]) * (24 * 16)
    header = b"YUV4MPEG2 W32 H24 F30000:1001 Ip A4:3 C422 XCOLORRANGE=FULL\n"
    path.write_bytes(header + (b"FRAME\n" + planes) * 3)
    with open_reader(path, convert=True, seek=1) as reader:
        info = reader.info
        assert (info.rate, info.sample_aspect) == (Fraction(30000, 1001), Fraction(4, 3))
        assert (info.color_range, info.chroma_location) == (2, 0)
        frames = list(reader)
    assert len(frames) == 2
    assert np.array_equal(frames[0].y, RAMP)
    assert set(frames[0].u.ravel()) == {100} and set(frames[0].v.ravel()) == {140}
