"""Odd and hostile videos: taken as they are, or refused or warned of in one clear line."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import colorvid
from colorvid.bitstream import Damage, Packet
from colorvid.cli.main import main
from colorvid.codec import groups
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import InputError
from colorvid.files.streams import header_of
from colorvid.io import VideoInfo, open_reader
from colorvid.models.loading import model_on
from colorvid.system.cores import one_torch_thread
from tests.clips import moving_frames
from tests.conftest import read_clip, write_clip

SIZE = (48, 64)
CHROMA = (24, 32)


def refused(path: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught, open_reader(path, **options) as reader:
        for _ in reader:
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def warned(path: Path, **options: Any) -> tuple[int, list[str]]:
    """Number of frames and the warnings without the name of the file."""
    with open_reader(path, **options) as reader:
        count = sum(1 for _ in reader)
        return count, [w.removeprefix(f"{path}: ") for w in reader.warnings]


def make(
    path: Path,
    times: Iterable[int] = range(12),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
) -> Path:
    """A video of 64x48 at 25 frames per second; ``times`` of the frames in 1/25 s."""
    with av.open(str(path), "w", options=mux or {}) as container:
        stream: Any = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = SIZE
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = Fraction(1, 25)
        for index, time in enumerate(times):
            frame = av.VideoFrame(SIZE[1], SIZE[0], pixel_format)
            for plane in frame.planes:
                np.frombuffer(plane, np.uint8)[:] = 16 + 7 * index
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


# Sizes.


def sizes() -> list[tuple[int, int]]:
    """Heights and widths around the blocks of the codec: 1x1 to 17x33."""
    return [(h, w) for h in (1, 2, 15, 16, 17, 33) for w in (1, 7, 16, 17)]


def check_sizes(wanted: list[tuple[int, int]]) -> None:
    """A key frame, a P frame and a B frame of every size decode to what the encoder saw."""
    model = model_on("cpu", "default")
    with one_torch_thread():
        for size in wanted:
            frames = moving_frames(3, *size)
            settings = EncoderSettings()
            info = VideoInfo(frames[0].width, frames[0].height, Fraction(25))
            header = header_of(info, settings, model.identity)
            with closing(
                groups.encode_frames(model, settings, frames, frames[0].size, threads=1)
            ) as coded:
                packets: list[Packet | Damage] = [c.packet for c in coded]
            with closing(groups.decode_records(model, packets, header, threads=1)) as decoded:
                results = [d.frame for d in decoded]
            assert len(results) == 3
            for frame in results:
                assert frame is not None and (frame.height, frame.width) == size


def test_small_sizes() -> None:
    check_sizes(sizes())


@pytest.mark.slow
def test_every_small_size() -> None:
    check_sizes([(h, w) for h in range(1, 34) for w in range(1, 18)])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (17, 33), (8191, 3)])
def test_size_comes_back(width: int, height: int, tmp_path: Path) -> None:
    info = VideoInfo(width, height, Fraction(25))
    source = write_clip(tmp_path / "a.y4m", moving_frames(1, height, width), info)
    stream, result = tmp_path / "a.clv", tmp_path / "b.y4m"
    assert colorvid.encode_file(source, stream, threads=1).frames == 1
    assert colorvid.verify_file(stream, threads=1).ok
    assert colorvid.decode_file(stream, result, threads=1).frames == 1
    (frame,) = read_clip(result)
    assert (frame.width, frame.height) == (width, height)


# y4m.


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ("W64 H48 F25:1 Ip C420", b"", "holds no frame"),
        ("W64 H48 F25:1 Ip C422", b"", "holds no frame that can be decoded"),
        ("W64 H48 F25:1 It C420", b"FRAME\n", "interlaced video (It); only progressive"),
        ("W64 H48 F25:1 Im C420", b"FRAME\n", "interlaced video (Im); only progressive"),
        ("W2 H2 F25:1 C420", b"FRAME Iti?\n" + bytes(6), "frame 0 is interlaced; only progressive"),
        ("W2 H2 F25:1 C420", b"FRAME\n" + bytes(6) + b"FRAME\n" + bytes(5), "frame 1 is cut: 5 of"),
        (
            "W2 H2 F25:1 C444",
            b"FRAME\n" + bytes(12) + b"FRAME\n" + bytes(9),
            "frame 1 is cut after",
        ),
        ("W2 H2 F25:1 Cmono", b"FRAME\n" + bytes(4) + b"FRA", "frame 1 is cut after 3 bytes"),
        ("W0 H2 F25:1 C420", b"FRAME\n", "width is 0; it must be an integer from 1 to 8192"),
        ("W2 H99999 F25:1 C420", b"FRAME\n", "height is 99999; it must be an integer from 1"),
        ("W2 H2 F0:0 C420", b"FRAME\n", "frame rate unknown; pass rate=30000/1001"),
        ("W2 H2 F25:1 C420", b"FRAME\n" + bytes(7), "frame 1 does not begin with a FRAME line"),
    ],
)
def test_y4m_that_is_refused(tmp_path: Path, header: str, data: bytes, message: str) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(f"YUV4MPEG2 {header}\n".encode() + data)
    assert refused(path, convert=True).startswith(message)


def test_y4m_frames_that_say_they_are_progressive(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W2 H2 F25:1 C420\nFRAME I1pp Xi\n" + bytes(6))
    assert warned(path) == (1, [])


# Times and ends.


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4", "a.mov", "a.avi", "a.ts", "a.h264"])
def test_even_times_are_nothing_to_tell(tmp_path: Path, name: str) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "ffv1"}.get(name, "libx264")
    assert warned(make(tmp_path / name, codec=codec)) == (12, [])


def test_sample_clips_are_nothing_to_tell() -> None:
    from colorvid.io.opening import sample_clip

    assert warned(sample_clip("carphone_pristine")) == (120, [])
    count, (line,) = warned(sample_clip("bigbuckbunny"))
    assert count == 132 and line.startswith("has sound, which a .clv stream does not hold; ")


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_variable_frame_rate_is_told(tmp_path: Path, name: str) -> None:
    times = [0, 1, 2, 5, 6, 10, 11, 12, 20, 21, 22, 30]
    path = make(tmp_path / name, times)
    count, (line,) = warned(path)
    assert count == 12
    assert "the frame rate varies: " in line and " of 12 frames are off the times of " in line
    assert "pass rate=" in line
    assert warned(path, rate=Fraction(10)) == (12, []), "the caller has said what the rate is"
    _, (line,) = warned(path, frames=6)
    assert " of 6 frames" in line


def test_missing_times_are_taken_as_even(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h264")
    with av.open(str(path)) as container:
        assert {frame.pts for frame in container.decode(video=0)} == {None}
    assert warned(path) == (12, [])


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.webm", "libvpx-vp9")])
def test_cut_matroska_is_told(tmp_path: Path, name: str, codec: str) -> None:
    path = make(tmp_path / name, codec=codec, options={"g": "4"})
    data = path.read_bytes()
    with av.open(str(path)) as container:
        places = [p.pos for p in container.demux(video=0) if p.pos is not None]
    for place, frames in ((places[11], 11), (places[9] + 5, 9), (places[3], 3)):
        path.write_bytes(data[:place])
        count, (line,) = warned(path)
        assert (count, line) == (
            frames,
            f"ends at {frames / 25:.3f} s, but its header says 0.480 s; {frames} frames were "
            "read: it is cut short",
        )
        assert warned(path, frames=frames) == (frames, []), "the rest was not asked for"


def test_cut_mp4_is_refused_or_told(tmp_path: Path) -> None:
    """Within a frame it is an error; between two frames only the duration tells."""
    path = make(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-400])
    assert refused(path).startswith("cannot be opened as video: ")
    whole = make(path, options={"bf": "0"}, mux={"movflags": "faststart"}).read_bytes()
    with av.open(str(path)) as container:
        ends = sorted(p.pos + p.size for p in container.demux(video=0) if p.size)
    path.write_bytes(whole[: ends[9] - 5])
    assert refused(path).startswith("frame ")
    path.write_bytes(whole[: ends[9]])
    count, (line,) = warned(path)
    assert count == 10 and "it is cut short" in line


def test_command_line_tells_warnings_and_quiet_does_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, target = make(tmp_path / "a.mkv", codec="ffv1"), str(tmp_path / "a.clv")
    path.write_bytes(path.read_bytes()[:-800])
    assert main(["encode", str(path), "-o", target]) == 0
    warning, summary = capfd.readouterr().err.splitlines()
    assert warning.startswith(f"colorvid [warning]: {path}: ends at ")
    assert summary.startswith(f"{target}: ")
    assert main(["encode", str(path), "-o", target, "-y", "--quiet"]) == 0
    assert capfd.readouterr().err == ""


# What only metadata tells.


def with_matrix(path: Path, matrix: tuple[int, ...]) -> Path:
    """Change the display matrix in the track header (tkhd, version 0) of an mp4 file."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", data, start)[::4] == (65536, 65536, 2**30)
    struct.pack_into(">9i", data, start, *matrix, 0, 0, 2**30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ((0, 65536, 0, -65536, 0, 0), "turned by 90 degrees"),
        ((0, -65536, 0, 65536, 0, 0), "turned by 270 degrees"),
        ((-65536, 0, 0, 0, -65536, 0), "turned by 180 degrees"),
        ((-65536, 0, 0, 0, 65536, 0), "mirrored"),
    ],
)
def test_turned_pictures_are_refused(tmp_path: Path, matrix: tuple[int, ...], message: str) -> None:
    path = with_matrix(make(tmp_path / "a.mp4"), matrix)
    text = refused(path, convert=True)
    assert text.startswith(f"is to be shown {message}, which a .clv stream cannot say; turn the")


def test_scaled_pictures_are_taken(tmp_path: Path) -> None:
    path = with_matrix(make(tmp_path / "a.mp4"), (131072, 0, 0, 0, 131072, 0))
    assert warned(path) == (12, [])


def test_alpha_beside_the_pictures_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.webm", range(2), "libvpx-vp9", "yuva420p")
    assert refused(path) == "has an alpha channel; pass convert=True to drop it"
    assert warned(path, convert=True) == (2, [])


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mkv", "ffv1", "yuva420p"),
        ("a.mkv", "ffv1", "yuv420p12le"),
        ("a.mkv", "ffv1", "yuv422p"),
        ("a.mkv", "ffv1", "yuv444p"),
        ("a.mkv", "ffv1", "gray"),
        ("a.mkv", "ffv1", "gray16le"),
        ("a.mkv", "ffv1", "bgra"),
        ("a.mov", "qtrle", "argb"),
        ("a.gif", "gif", "rgb8"),
        ("a.nut", "rawvideo", "yuyv422"),
    ],
)
def test_other_pixel_formats(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    path = make(tmp_path / name, range(2), codec, pixel_format)
    text = refused(path)
    assert text.startswith("pixel format ") and text.endswith("pass convert=True to convert it")
    with open_reader(path, convert=True) as reader:
        frames = list(reader)
    assert [f.y.shape for f in frames] == [SIZE, SIZE]
    assert [f.u.shape for f in frames] == [CHROMA, CHROMA]


def with_cover(path: Path, videos: int) -> Path:
    """A cover picture, and perhaps films behind it."""
    with av.open(str(path), "w") as container:
        cover: Any = container.add_stream("mjpeg", rate=25)
        cover.disposition = av.stream.Disposition.attached_pic
        films: list[Any] = [container.add_stream("libx264", rate=25) for _ in range(videos)]
        for stream in (cover, *films):
            stream.height, stream.width = SIZE
            stream.pix_fmt = "yuvj420p" if stream is cover else "yuv420p"
        for stream in (cover, *films):
            frame = av.VideoFrame(SIZE[1], SIZE[0], stream.pix_fmt)
            for plane in frame.planes:
                np.frombuffer(plane, np.uint8)[:] = 90
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = with_cover(tmp_path / "a.mp4", 0)
    assert refused(path) == "has no video stream but a cover picture; give a video"
    assert warned(with_cover(tmp_path / "b.mp4", 1)) == (1, [])


def test_more_than_one_video_is_told(tmp_path: Path) -> None:
    path = with_cover(tmp_path / "a.mp4", 2)
    assert warned(path) == (1, ["has 2 video streams; the first one is taken"])
