"""What is no video, named pipes, and names of every kind."""

from __future__ import annotations

import os
import struct
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from colorvid.cli.main import main
from colorvid.frame import Size
from colorvid.io import VideoInfo, open_reader
from colorvid.io.pyav_stream import CONTAINERS
from tests.clips import moving_frames
from tests.conftest import read_clip, write_clip
from tests.io.test_odd_input import SIZE, make, refused, warned

# What is no video.


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_text_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello world\n" * 50)
    assert refused(path, convert=True) == "is text, not a video; give a video"


@pytest.mark.parametrize("suffix", ["", ".y4m", ".yuv", ".mkv"])
@pytest.mark.parametrize("device", ["null", "zero"])
def test_devices_are_refused(tmp_path: Path, device: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.symlink_to(f"/dev/{device}")
    assert refused(path) == "is a device or a socket; give a file or a pipe"


@pytest.mark.parametrize(
    "data",
    [
        b"P6\n8 4\n255\n" + b"x" * 96,
        b"P5\n8 4\n255\n" + b"x" * 32,
        b"P3\n8 4\n255\n" + b"10 20 30\n" * 32,
    ],
)
def test_pictures_that_look_like_text(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    assert warned(tmp_path / "a", convert=True) == (1, [])


def test_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    info = VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    plain = write_clip(tmp_path / "a.y4m", moving_frames(3, *SIZE), info).read_bytes()
    other = make(tmp_path / "b.mkv").read_bytes()
    for name in ("a.mkv", "a", "a.yuv", "a.clv", "a.txt", "a.png", "a.m3u8", "a.y4m"):
        for data, frames in ((plain, 3), (other, 12)):
            if (name, frames) != ("a.yuv", 12):  # raw video has no sign of its own
                (tmp_path / name).write_bytes(data)
                assert warned(tmp_path / name) == (frames, []), name


# Files that name other files.


PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n",
    "b.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{folder}/other.ts\n#EXT-X-ENDLIST\n",
    "list.txt": "ffconcat version 1.0\nfile other.ts\n",
    "list.mp4": "ffconcat version 1.0\nfile other.ts\n",
    "list": "ffconcat version 1.0\nfile other.ts\n",
    "a.mpd": '<?xml version="1.0"?>\n<MPD type="static" mediaPresentationDuration="PT2S"><Period>'
    "<AdaptationSet><Representation><BaseURL>other.ts</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "a.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48">'
    '<image href="other.png" width="64" height="48"/></svg>\n',
    "a.vpy": "import other\n",
    "a.idx": "# VobSub index file, v7 (do not modify this line!)\nsize: 64x48\n",
    "a.ffmeta": ";FFMETADATA1\ntitle=x\n",
    "a.asx": '<ASX version="3.0"><Entry><Ref href="other.ts"/></Entry></ASX>\n',
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("end", ["", "é\0"])
def test_nothing_that_a_file_names_is_opened(here: Path, name: str, end: str) -> None:
    make(here / "other.ts")
    text = PLAYLISTS[name].format(folder=here) if name == "b.m3u8" else PLAYLISTS[name]
    (here / name).write_bytes((text + end).encode())
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(f"{args[0]}") if event == "open" else None)
    reason = refused(here / name, convert=True)
    expected = "cannot be opened as video: " if end else "is text, not a video; give a video"
    assert reason.startswith(expected)
    assert not [path for path in opened if path.endswith("other.ts")]


def picture(path: Path, width: int, height: int, color: int) -> Path:
    image = Image.new("RGB", (width, height), (color, 0, 0))
    image.save(path)
    return path


@pytest.mark.parametrize("name", ["img%02d.png", "img*.png", "img?1.png", "img[0-9]1.png"])
def test_a_name_is_no_pattern(here: Path, name: str) -> None:
    for number in (1, 2, 3):
        picture(here / f"img{number:02d}.png", 64, 48, 0)
    picture(here / name, 32, 32, 255)
    with open_reader(name, convert=True) as reader:
        (frame,) = reader
    assert (frame.width, frame.height) == (32, 32)
    assert frame.v[0, 0] > 200, "red"
    (here / name).unlink()
    assert refused(name, convert=True) == "No such file or directory"


def test_containers_are_those_of_the_list() -> None:
    """Whatever FFmpeg learns to read one day, only these are read."""
    assert len(set(CONTAINERS)) == len(CONTAINERS)
    dangerous = {"hls", "concat", "dash", "sdp", "rtsp", "image2", "image2pipe", "lavfi", "imf"}
    dangerous |= {"vobsub", "svg_pipe", "avisynth", "vapoursynth", "tty", "ffmetadata", "x11grab"}
    dangerous |= {"webm_dash_manifest", "smoothstreaming", "rtp", "sap", "video4linux2", "fbdev"}
    assert not dangerous & set(CONTAINERS)


# One unknown thing.


def test_pictures_with_exif(tmp_path: Path) -> None:
    for suffix in ("jpg", "webp", "png", "tif"):
        exif = Image.Exif()
        exif[0x010E] = "a picture"
        path = tmp_path / f"a.{suffix}"
        Image.new("RGB", (96, 64), (9, 99, 199)).save(path, exif=exif)
        assert warned(path, convert=True) == (1, [])
        with open_reader(path, convert=True) as reader:
            assert reader.info.size == Size(96, 64)


@pytest.mark.parametrize(
    ("orientation", "how"),
    [(2, "mirrored"), (3, "turned by 180"), (4, "mirrored"), (6, "turned by 90"), (8, "turned by")],
)
def test_pictures_that_exif_turns_are_refused(tmp_path: Path, orientation: int, how: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (96, 64)).save(tmp_path / "a.jpg", exif=exif)
    assert refused(tmp_path / "a.jpg", convert=True).startswith(f"is to be shown {how}")


def test_metadata_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", options={}) as container:
        container.metadata["title"] = "PLACE"
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert data.count(b"PLACE") == 1
    path.write_bytes(data.replace(b"PLACE", b"caf\xe9\xff"))
    assert warned(path) == (1, [])


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", codec="ffv1")
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_NONE"))
    assert refused(path) == "its video is coded in a way that is not known here"


# What is cut off for display.


def with_clean_aperture(path: Path, width: int, height: int, offset: int = 0) -> Path:
    """Give an mp4 file of one track a ``clap`` box (ISO/IEC 14496-12, 12.1.4)."""
    data = path.read_bytes()
    clap = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, 2 * offset, 2, 0, 1)
    place = data.index(b"avcC") - 4
    data = data[:place] + clap + data[place:]
    for name in (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = data.rindex(name, 0, place) - 4
        size = struct.unpack_from(">I", data, at)[0] + len(clap)
        data = data[:at] + struct.pack(">I", size) + data[at + 4 :]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("width", "height"), [(56, 40), (64, 44), (48, 48)])
def test_what_the_container_cuts_off_is_cut_off(tmp_path: Path, width: int, height: int) -> None:
    path = make(tmp_path / "a.mp4", range(3))
    with open_reader(path) as reader:
        whole = list(reader)
    cut = with_clean_aperture(path, width, height)
    with open_reader(cut) as reader:
        info, frames = reader.info, list(reader)
    assert info.size == Size(width, height)
    left, top = (SIZE[1] - width) // 2, (SIZE[0] - height) // 2
    for frame, other in zip(frames, whole, strict=True):
        rows, columns = slice(top, top + height), slice(left, left + width)
        assert np.array_equal(frame.y, other.y[rows, columns])
        half = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
        assert np.array_equal(frame.u, other.u[half])
        assert np.array_equal(frame.v, other.v[half])


def test_a_cut_through_a_chroma_sample_is_refused(tmp_path: Path) -> None:
    path = with_clean_aperture(make(tmp_path / "a.mp4", range(3)), 62, 48)
    assert refused(path).startswith("is to be shown without its first 1 columns and 0 rows")


# Pipes with names.


def piped(path: Path, data: bytes) -> threading.Thread:
    """A named pipe, and the thread that writes into it."""
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(data,))
    thread.start()
    return thread


@pytest.mark.parametrize("suffix", [".y4m", ".yuv", ".mkv", ""])
def test_named_pipes(tmp_path: Path, suffix: str) -> None:
    info = VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    name = f"source{suffix or '.y4m'}"
    data = write_clip(tmp_path / name, moving_frames(3, *SIZE), info).read_bytes()
    writer = piped(tmp_path / f"a{suffix}", data)
    raw: dict[str, Any] = {"size": (SIZE[1], SIZE[0]), "rate": Fraction(25)}
    count, warnings = warned(tmp_path / f"a{suffix}", **(raw if suffix == ".yuv" else {}))
    writer.join()
    assert (count, warnings) == (3, [])


@pytest.mark.parametrize(("size", "message"), [(0, "holds no frame"), (9, "the last frame is cut")])
def test_raw_pipe_that_is_short(tmp_path: Path, size: int, message: str) -> None:
    writer = piped(tmp_path / "a.yuv", bytes(size))
    assert refused(tmp_path / "a.yuv", size=(2, 2), rate=Fraction(25)).startswith(message)
    writer.join()


# Names.

NAMES = ("with space", "qu'o\"te", "two\nlines", "ünï—код", "-dash", "\x1b[31mred", "%d", "file:x")


@pytest.mark.parametrize("name", NAMES)
def test_names(here: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    info = VideoInfo(SIZE[1], SIZE[0], Fraction(25))
    for suffix in (".y4m", ".mkv"):
        path = write_clip(here / f"{name}{suffix}", moving_frames(1, *SIZE), info)
        stream = f"./{name}.clv"
        assert main(["encode", f"./{path.name}", "-o", stream, "-y", "--quiet"]) == 0
    assert main(["decode", stream, "-o", f"./{name}.avi", "--quiet"]) == 0
    assert len(read_clip(here / f"{name}.avi")) == 1
    capfd.readouterr()
    assert main(["encode", f"./{name}.none", "-o", "x.clv"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.isprintable() and line.endswith(": No such file or directory")


def test_a_leading_dash_is_an_option(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "-x.y4m", "-o", "a.clv"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "unrecognized arguments: -x.y4m; " in line
