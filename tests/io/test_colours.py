"""What conversion makes of pictures, and what it says of the result."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.io import open_reader
from colorvid.io.pyav_pictures import meaning, to_frame

HEIGHT, WIDTH = 16, 220
LEVELS = np.tile(np.arange(16, 236, dtype=np.float64), (HEIGHT, 1))
"""Every level of limited-range luma."""


class Codec:
    """What `meaning` asks of a decoder."""

    color_range, color_primaries, color_trc = 0, 2, 2


def grey(pixel_format: str, levels: NDArray[np.float64], color_range: int = 0) -> Any:
    """A grey frame of 8-bit ``levels``, in any depth."""
    frame: Any = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
    frame.color_range = color_range
    plane = frame.planes[0]
    order = ">" if pixel_format.endswith("be") else "<"
    channels = 2 if pixel_format.startswith("ya") else 1
    digits = "".join(c for c in pixel_format if c.isdigit())
    depth = int(digits or 8)
    letter, size = "f" if "f" in pixel_format else "u", 1 if depth == 8 else 2 if depth < 32 else 4
    if letter == "f":
        samples = levels / 255
    elif color_range == 2:
        samples = np.rint(levels / 255 * (2**depth - 1))
    else:
        samples = levels * 2 ** (depth - 8)
    rows: NDArray[Any] = np.frombuffer(plane, f"{order}{letter}{size}").reshape(HEIGHT, -1)
    rows[:] = 0
    rows[:, : WIDTH * channels : channels] = samples
    return frame


GREYS = sorted(
    name
    for name in av.video.format.names
    if name.startswith(("gray", "ya")) and not name.startswith("yaf")
)


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("pixel_format", GREYS)
def test_grey_of_every_depth_keeps_its_levels(pixel_format: str, color_range: int) -> None:
    source = grey(pixel_format, LEVELS, color_range)
    frame = to_frame(source)
    assert np.array_equal(frame.y, LEVELS)
    assert set(np.unique(frame.u)) == set(np.unique(frame.v)) == {128}
    stated = meaning(source, Codec(), 0)
    assert stated.color_range == (2 if "f" in pixel_format else color_range)
    assert (stated.matrix, stated.chroma_location) == (2, 0)


def test_there_are_greys() -> None:
    assert {"gray", "gray9le", "gray10be", "gray16le", "grayf32le", "ya8", "ya16le"} <= {*GREYS}


@pytest.mark.parametrize(("pixel_format", "white"), [("monob", 1), ("monow", 0)])
def test_black_and_white_is_full_range(pixel_format: str, white: int) -> None:
    source: Any = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
    bits = np.arange(WIDTH) % 3 == 0
    rows = np.frombuffer(source.planes[0], np.uint8).reshape(HEIGHT, -1)
    packed = np.packbits(bits if white else ~bits)
    rows[:, : packed.size] = packed
    assert np.array_equal(to_frame(source).y[3], 255 * bits)
    assert meaning(source, Codec(), 0).color_range == 2


@pytest.mark.parametrize("matrix", range(18))
@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv422p10le", "yuv420p12le", "nv12"])
def test_every_matrix_is_carried_through(pixel_format: str, matrix: int) -> None:
    """Between luma and chroma of one kind the matrix does not matter."""
    plain: Any = av.VideoFrame(32, 16, "yuv420p")
    for plane, level in zip(plain.planes, (120, 90, 170), strict=True):
        np.frombuffer(plane, np.uint8)[:] = level
    source = plain.reformat(format=pixel_format)
    source.colorspace = matrix
    source.color_primaries, source.color_trc = 12, 18
    frame = to_frame(source)
    for samples, level in zip(frame.planes, (120, 90, 170), strict=True):
        assert np.abs(samples.astype(int) - level).max() <= 1
    assert meaning(source, Codec(), 0).matrix == matrix


def ramp(pixel_format: str, axis: int, start: int, step: int) -> Any:
    """A picture whose U grows by ``step`` with each sample of luma along an axis."""
    frame: Any = av.VideoFrame(64, 64, pixel_format)
    for index, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
        rows[:] = 128
        if index == 1:
            across, down = 64 // plane.width, 64 // plane.height
            grid = np.indices((plane.height, plane.width))[axis] * (down, across)[axis]
            rows[:, : plane.width] = start + step * grid
    return frame


@pytest.mark.parametrize(
    ("pixel_format", "stated", "result"),
    [
        ("yuv444p", 0, 2),
        ("yuv444p", 1, 2),
        ("yuv422p", 0, 0),
        ("yuv422p", 1, 1),
        ("yuv422p", 3, 1),
        ("yuv422p", 2, 2),
        ("yuv420p10le", 3, 3),
        ("p010le", 4, 4),
        ("nv12", 1, 1),
        ("yuv411p", 1, 0),
        ("rgb24", 0, 2),
        ("gbrp", 1, 2),
        ("gray10le", 1, 0),
    ],
)
def test_where_chroma_lies_after_conversion(pixel_format: str, stated: int, result: int) -> None:
    source: Any = av.VideoFrame(32, 16, pixel_format)
    assert meaning(source, Codec(), stated).chroma_location == result


@pytest.mark.parametrize(
    ("pixel_format", "across", "down"), [("yuv444p", 0.5, 0.5), ("yuv422p", 0.0, 0.5)]
)
def test_chroma_lies_where_it_is_said_to(pixel_format: str, across: float, down: float) -> None:
    for axis, place in ((1, across), (0, down)):
        u = to_frame(ramp(pixel_format, axis, 32, 3)).u.astype(float)
        line = (u[16] if axis == 1 else u[:, 16])[4:28]
        found = ((line - 32) / 3 - 2 * np.arange(4, 28)).mean()
        assert abs(found - place) < 0.25, (axis, found)


def test_xyz_becomes_bt709() -> None:
    source: Any = av.VideoFrame(32, 16, "xyz12le")
    stated = meaning(source, Codec(), 0)
    assert (stated.color_range, stated.matrix, stated.primaries, stated.transfer) == (1, 6, 1, 4)


def video(path: Path, codec: str, frames: list[Any], tag: Callable[[Any], None]) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        tag(stream.codec_context)
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("color_range", [0, 1])
def test_a_deep_grey_file(tmp_path: Path, color_range: int) -> None:
    def tag(context: Any) -> None:
        context.color_range = color_range

    source = grey("gray10le", LEVELS, color_range)
    path = video(tmp_path / "a.mkv", "ffv1", [source], tag)
    with open_reader(path, convert=True) as reader:
        assert reader.info.color_range == color_range
        (frame,) = reader
    assert np.array_equal(frame.y, LEVELS)


def test_a_file_with_a_matrix_that_swscale_does_not_know(tmp_path: Path) -> None:
    def tag(context: Any) -> None:
        context.colorspace = 12

    path = video(tmp_path / "a.mkv", "ffv1", [ramp("yuv444p", 1, 32, 3)], tag)
    with open_reader(path, convert=True) as reader:
        assert (reader.info.matrix, reader.info.chroma_location) == (12, 2)
        assert len(list(reader)) == 1


@pytest.mark.parametrize("sampling", ["444", "422", "mono", "420p12"])
def test_colours_of_y4m_outlive_its_conversion(tmp_path: Path, sampling: str) -> None:
    path = tmp_path / "a.bin"
    size = {"444": 6 * 4 * 3, "422": 6 * 4 * 2, "mono": 6 * 4, "420p12": 6 * 4 * 3}[sampling]
    header = f"YUV4MPEG2 W6 H4 F25:1 A4:3 C{sampling} XCOLORRANGE=FULL XCLV=9:9:16 X"
    path.write_bytes(header.encode() + b"\xe9" * 500 + b"\nFRAME\n" + bytes(size))
    with open_reader(path, convert=True) as reader:
        info = reader.info
        assert len(list(reader)) == 1
    assert (info.matrix, info.primaries, info.transfer, info.color_range) == (9, 9, 16, 2)
    assert (info.sample_aspect, info.rate) == (Fraction(4, 3), 25)
