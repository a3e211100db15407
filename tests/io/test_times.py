"""Frame rates: as the file states them, to the last digit, or refused or warned of."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from colorvid.errors import InputError
from colorvid.io import open_reader
from tests.io.test_odd_input import refused, warned

FRAMES = 12
NTSC = [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60)]
USUAL = [Fraction(n) for n in (10, 15, 24, 25, 30, 50, 60)]
ODD = [Fraction(100, 3), Fraction(25, 2), Fraction(15, 2), Fraction(50, 3), Fraction(1, 2)]


def video(path: Path, rate: Fraction, codec: str, frames: int = FRAMES) -> Path:
    """A video of a rate."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = 48, 64
        formats = {"gif": "rgb8", "apng": "rgb24", "mjpeg": "yuvj420p"}
        stream.pix_fmt = formats.get(codec, "yuv420p")
        stream.codec_context.time_base = 1 / rate
        for index in range(frames):
            frame: Any = av.VideoFrame(64, 48, stream.pix_fmt)
            for plane in frame.planes:
                np.frombuffer(plane, np.uint8)[:] = 16 + 7 * index % 200
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def rate_of(path: Path) -> Fraction:
    with open_reader(path, convert=True) as reader:
        rate = reader.info.rate
        assert sum(1 for _ in reader) == FRAMES
        assert reader.warnings == ()
    return rate


EXACT: dict[tuple[str, str], Sequence[Fraction]] = {
    ("a.mkv", "ffv1"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.mp4", "libx264"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.avi", "ffv1"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.ts", "libx264"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.flv", "libx264"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.nut", "ffv1"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.apng", "apng"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.gif", "gif"): [*USUAL, *ODD],
    ("a.asf", "mpeg4"): [*USUAL, *ODD],
    ("a.mpg", "mpeg2video"): [*USUAL, *NTSC, *ODD[:-1]],
    ("a.h264", "libx264"): [*USUAL, *NTSC, *ODD, Fraction(120), Fraction(1000, 41)],
    ("a.hevc", "libx265"): [Fraction(25), *NTSC[:2], *ODD],
    ("a.m2v", "mpeg2video"): [*USUAL, *NTSC, *ODD[:-1]],
    ("a.ivf", "libvpx-vp9"): [Fraction(25), *NTSC, *ODD],
}


@pytest.mark.parametrize(("name", "codec"), EXACT)
def test_rates_come_out_to_the_last_digit(tmp_path: Path, name: str, codec: str) -> None:
    rates = EXACT[name, codec]
    found = [rate_of(video(tmp_path / name, rate, codec)) for rate in rates]
    assert found == list(rates)


def test_gif_of_30_milliseconds(tmp_path: Path) -> None:
    for frames in (2, 3, 40):
        path = video(tmp_path / "a.gif", Fraction(100, 3), "gif", frames)
        with open_reader(path, convert=True) as reader:
            assert reader.info.rate == Fraction(100, 3)


@pytest.mark.parametrize(("name", "codec"), [("a.mjpeg", "mjpeg"), ("a.obu", "libsvtav1")])
def test_raw_streams_that_state_no_rate_are_refused(tmp_path: Path, name: str, codec: str) -> None:
    path = video(tmp_path / name, Fraction(30), codec)
    assert refused(path) == "frame rate unknown; pass rate=30000/1001"
    assert warned(path, rate=Fraction(30)) == (FRAMES, [])


def test_pictures_one_after_another_have_a_rate_that_is_told(tmp_path: Path) -> None:
    picture: Any = av.VideoFrame(64, 48, "rgb24")
    codec: Any = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "rgb24"
    codec.time_base = Fraction(1, 25)
    data = b"".join(bytes(packet) for packet in codec.encode(picture))
    (tmp_path / "one.png").write_bytes(data)
    assert warned(tmp_path / "one.png", convert=True) == (1, [])
    (tmp_path / "many.png").write_bytes(data * 3)
    count, (line,) = warned(tmp_path / "many.png", convert=True)
    assert count == 3
    assert line == (
        "states no frame rate; 25 frames per second are taken; pass rate=30 for another rate"
    )
    assert warned(tmp_path / "many.png", convert=True, rate=Fraction(30)) == (3, [])


def box(data: bytes, name: bytes) -> int:
    """Where the contents of a box begin."""
    return data.index(name) + 4


def test_frames_that_an_edit_list_cuts_off_are_not_counted(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", Fraction(25), "libx264", 50)
    data = bytearray(path.read_bytes())
    start = box(data, b"elst") + 8  # version, flags, number of entries
    duration, time, _ = struct.unpack_from(">iii", data, start)
    ticks = struct.unpack_from(">i", data, box(data, b"mdhd") + 12)[0]
    struct.pack_into(">ii", data, start, duration * 37 // 50, time + 13 * ticks // 25)
    path.write_bytes(data)
    with open_reader(path) as reader:
        stated = reader.info.frames
        assert reader.info.rate == 25
        count = sum(1 for _ in reader)
        assert (stated, count) == (37, 37)
        assert reader.warnings == ()


def test_a_rate_that_no_file_can_state() -> None:
    with pytest.raises(InputError), open_reader("/dev/null"):
        pass
