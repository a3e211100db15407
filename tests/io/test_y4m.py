from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from colorvid.errors import InputError
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.y4m import HEADER_LIMIT, Y4mHeader, Y4mReader, Y4mWriter, format_header
from tests.clips import moving_frames

TINY = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg\nFRAME\nabcdefghijkl"


def parse(fields: str) -> VideoInfo:
    return Y4mHeader(b"YUV4MPEG2 " + fields.encode("latin-1") + b"\n", "a.y4m").info()


def read_bytes(tmp_path: Path, data: bytes) -> list[bytes]:
    path = tmp_path / "a.y4m"
    path.write_bytes(data)
    with open_reader(path) as reader:
        return [b"".join(plane.tobytes() for plane in frame.planes) for frame in reader]


def test_a_file_written_by_hand(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, TINY) == [b"abcdefghijkl"]


def test_frame_parameters_are_skipped(tmp_path: Path) -> None:
    data = TINY.replace(b"FRAME\n", b"FRAME Ipp Xnote\n")
    assert read_bytes(tmp_path, data) == [b"abcdefghijkl"]


def test_bytes_that_are_written() -> None:
    info = VideoInfo(3, 1, Fraction(30000, 1001), Fraction(4, 3), 2, 9, 1, 16, 1)
    out = io.BytesIO()
    frame = moving_frames(1, 1, 3)[0]
    with Y4mWriter(out, "out", info) as writer:
        writer.write(frame)
    header = b"YUV4MPEG2 W3 H1 F30000:1001 Ip A4:3 C420mpeg2 XCOLORRANGE=FULL XCLV=9:1:16\n"
    planes = b"".join(plane.tobytes() for plane in frame.planes)
    assert out.getvalue() == header + b"FRAME\n" + planes


def test_plain_header_has_no_comments() -> None:
    line = format_header(VideoInfo(8, 6, Fraction(25), chroma_location=2))
    assert line == b"YUV4MPEG2 W8 H6 F25:1 Ip A0:0 C420jpeg\n"


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ("W4 H2 F25:1", 2),
        ("W4 H2 F25:1 C420", 0),
        ("W4 H2 F25:1 C420jpeg", 2),
        ("W4 H2 F25:1 C420mpeg2", 1),
        ("W4 H2 F25:1 C420paldv XYSCSS=420PALDV", 3),
        ("W4 H2 F25:1 XYSCSS=420MPEG2", 1),
        ("W4 H2 F25:1 C420 XCLV_CHROMALOC=5", 5),
    ],
)
def test_chroma_location(fields: str, location: int) -> None:
    assert parse(fields).chroma_location == location


def test_unknown_values_stay_unknown() -> None:
    info = parse("W4 H2 F24000:1001 I? A0:0 Xanything XOTHER=3")
    assert info == VideoInfo(4, 2, Fraction(24000, 1001), chroma_location=2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("H2 F25:1", "y4m header has no W field"),
        ("W4 F25:1", "y4m header has no H field"),
        ("W4 H2", "frame rate unknown; pass rate=30000/1001"),
        ("W4 H2 F0:0", "frame rate unknown; pass rate=30000/1001"),
        ("W4 H2 F25", "y4m field F is '25'; it must be a ratio"),
        ("W4 H2 F-25:1", "y4m field F is '-25:1'"),
        ("W4 H2 F9999999999:1", "frame rate is 9999999999"),
        ("W-4 H2 F25:1", "y4m field W is '-4'; it must be a whole number"),
        ("W99999999999999999999 H2 F25:1", "it must be a whole number"),
        ("W0 H2 F25:1", "width is 0; it must be an integer from 1 to 8192"),
        ("W4 H9000 F25:1", "height is 9000; it must be an integer from 1 to 8192"),
        ("W4 W5 H2 F25:1", "y4m field W is given twice, with two values"),
        ("W4 H2 F25:1 It", "interlaced video (It)"),
        ("W4 H2 F25:1 Ib", "interlaced video (Ib)"),
        ("W4 H2 F25:1 Im", "interlaced video (Im)"),
    ],
)
def test_bad_headers(fields: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(fields)
    assert message in str(caught.value)
    assert str(caught.value).startswith("a.y4m: ")


@pytest.mark.parametrize(
    "fields",
    [
        "W4",
        "Q3",
        "A1/1",
        "I",
        "XCOLORRANGE=UNKNOWN",
        "XCOLORRANGE=",
        "XCLV_MATRIX=999",
        "XCLV_MATRIX=x",
        "XCLV=1",
        "XCLV=x:300:-1:7",
        "X\u00e9",
    ],
)
def test_what_the_format_does_not_know_is_passed_over(fields: str) -> None:
    assert parse(f"W4 H2 F25:1 {fields}") == parse("W4 H2 F25:1")


def coloured(**fields: Any) -> VideoInfo:
    return replace(VideoInfo(8, 6, Fraction(25)), **fields)


@pytest.mark.parametrize(
    "info",
    [
        coloured(matrix=1, primaries=1, transfer=1, color_range=1, chroma_location=1),
        coloured(matrix=6),
        coloured(transfer=16),
        coloured(primaries=9, chroma_location=4),
        coloured(chroma_location=6),
        coloured(matrix=255, primaries=255, transfer=255, chroma_location=5, color_range=2),
        VideoInfo(8192, 8192, Fraction(60000, 1001), Fraction(4320, 4739), 1, 9, 9, 16, 3),
    ],
)
def test_colours_come_back_through_a_short_header(info: VideoInfo) -> None:
    line = format_header(info)
    assert len(line) <= HEADER_LIMIT
    assert Y4mHeader(line, "a").info() == info


def test_what_has_no_room_in_a_header_is_left_out() -> None:
    large = Fraction(2**31 - 1, 2**31 - 2)
    info = VideoInfo(8192, 8192, large, large, 1, 255, 255, 255, 6)
    line = format_header(info)
    assert len(line) == HEADER_LIMIT
    expected = VideoInfo(8192, 8192, large, large, 1)
    assert Y4mHeader(line, "a").info() == expected


def test_older_comments_are_read() -> None:
    info = parse("W4 H2 F25:1 C420 XCLV_MATRIX=1 XCLV_PRIMARIES=9 XCLV_TRANSFER=16")
    assert (info.matrix, info.primaries, info.transfer) == (1, 9, 16)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_feed_after_the_last_frame_is_no_frame(tmp_path: Path, end: bytes) -> None:
    assert read_bytes(tmp_path, TINY + end) == [b"abcdefghijkl"]
    grey = b"YUV4MPEG2 W4 H2 F25:1 Cmono\nFRAME\nabcdefgh" + end
    (tmp_path / "grey.y4m").write_bytes(grey)
    with open_reader(tmp_path / "grey.y4m", convert=True) as reader:
        assert [frame.y.tobytes() for frame in reader] == [b"abcdefgh"]


@pytest.mark.parametrize("sampling", ["422", "444", "420p12", "mono", "411", "444alpha"])
def test_other_samplings_are_refused(tmp_path: Path, sampling: str) -> None:
    with pytest.raises(
        InputError, match=f"sampling C{sampling} is not 4:2:0 of 8 or.*convert=True"
    ):
        read_bytes(tmp_path, TINY.replace(b"420jpeg", sampling.encode()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; give a video"),
        (b"RIFF1234", "is text, not a video"),
        (b"YUV4MPEG2X W4 H2 F25:1\n", "holds no frame that can be decoded"),
        (b"YUV4MPEG2 W4 H2", "y4m header is cut or longer than 1024 bytes"),
        (b"YUV4MPEG2 " + b"X" * 2000 + b"\n", "y4m header is cut or longer than 1024 bytes"),
        (b"YUV4MPEG2 W4 H2 F25:1\n", "holds no frame"),
        (TINY[:-1], "frame 0 is cut: 11 of 12 bytes"),
        (TINY + b"FRAME\nabc", "frame 1 is cut: 3 of 12 bytes"),
        (TINY + b"\nFRAME\n" + b"a" * 12, "frame 1 does not begin with a FRAME line"),
        (TINY + b"FRAM", "frame 1 does not begin with a FRAME line"),
        (TINY + b"FRAMES\n" + b"a" * 12, "frame 1 does not begin with a FRAME line"),
        (TINY + b"FRAME " + b"X" * 2000, "frame 1 does not begin with a FRAME line"),
    ],
)
def test_damaged_streams(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_bytes(tmp_path, data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_rate_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(TINY.replace(b" F25:1", b""))
    with open_reader(path, rate=Fraction(24)) as reader:
        assert reader.info.rate == 24


def test_a_pipe_that_delivers_single_bytes() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1))

    stream = Trickle(TINY)
    info = Y4mHeader(stream.readline(), "pipe").info()
    with Y4mReader(stream, "pipe", info) as reader:
        assert [frame.v.tobytes() for frame in reader] == [b"kl"]
    assert stream.closed


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    frames = moving_frames(3, 4, 6)
    path = tmp_path / "a.y4m"
    with open_writer(path, VideoInfo(6, 4, Fraction(25))) as writer:
        for frame in frames:
            writer.write(frame)
    with open_reader(path) as reader:
        assert next(reader).crc32() == frames[0].crc32()
        assert [frame.crc32() for frame in reader] == [frame.crc32() for frame in frames[1:]]
        assert list(reader) == []


@pytest.mark.parametrize("suffix", [".y4m", ".yuv"])
def test_skipped_frames_are_not_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    frames = moving_frames(5, 6, 8)
    with open_writer(path, VideoInfo(8, 6, Fraction(25))) as writer:
        for frame in frames:
            writer.write(frame)
    how = {"size": (8, 6), "rate": Fraction(25)} if suffix == ".yuv" else {}
    data = bytearray(path.read_bytes())
    step = 8 * 6 * 3 // 2 + (6 if suffix == ".y4m" else 0)
    with open_reader(path, seek=3, **how) as reader:  # type: ignore[arg-type]
        data[-5 * step + 10 : -3 * step - 10] = bytes(2 * step - 20)
        path.write_bytes(data)  # after it was opened, in the frames that are skipped
        assert [f.crc32() for f in reader] == [f.crc32() for f in frames[3:]]


def test_frames_of_several_lengths_are_skipped_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    frames = moving_frames(3, 6, 8)
    data = b"YUV4MPEG2 W8 H6 F25:1\n"
    for number, frame in enumerate(frames):
        data += b"FRAME Xn=%d\n" % 10**number + b"".join(p.tobytes() for p in frame.planes)
    path.write_bytes(data)
    with open_reader(path, seek=2) as reader:
        assert [f.crc32() for f in reader] == [frames[2].crc32()]
