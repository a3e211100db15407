"""What is refused, and what is left behind."""

from __future__ import annotations

import os
import socket
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.io import OUTPUT_SUFFIXES, VideoInfo, open_reader, open_writer
from colorvid.io.opening import PastEnd, sample_clip
from colorvid.io.y4m import Y4mWriter
from tests.clips import moving_frames

INFO = VideoInfo(16, 16, Fraction(25))
FRAMES = moving_frames(5, 16, 16)


def write_clip(path: Path) -> Path:
    with open_writer(path, INFO) as writer:
        for frame in FRAMES:
            writer.write(frame)
    return path


def read_all(path: Path | str, **options: Any) -> int:
    with open_reader(path, **options) as reader:
        return sum(1 for _ in reader)


def refused(kind: type[Exception], path: Path | str, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        read_all(path, **options)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_raw_video_needs_size_and_rate(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "seq.yuv")
    assert refused(InputError, path) == (f"{path}: size unknown for raw video; pass size=1920x1080")
    assert refused(InputError, path, size=(16, 16)) == (
        f"{path}: frame rate unknown for raw video; pass rate=30"
    )
    message = refused(InputError, path, size=(16, 18), rate=Fraction(25))
    assert "1920 bytes are not a multiple of the 432 bytes of a 16x18 frame" in message
    assert "width is 0" in refused(InputError, path, size=(0, 16), rate=Fraction(25))
    path.write_bytes(b"")
    assert "holds no frame" in refused(InputError, path, size=(16, 16), rate=Fraction(25))


def test_size_is_for_raw_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.y4m")
    assert "size=16x16 is for raw video (.yuv) only" in refused(ConfigError, path, size=(16, 16))


@pytest.mark.parametrize("name", ["none.y4m", "none.yuv", "none.mkv", "none"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {}
    if name.endswith(".yuv"):
        options = {"size": (16, 16), "rate": Fraction(25)}
    path = tmp_path / name
    assert refused(InputError, path, **options) == f"{path}: No such file or directory"


def test_a_url_is_a_missing_file() -> None:
    assert "No such file" in refused(InputError, "http://127.0.0.1:9/a.mkv")


@pytest.mark.parametrize("name", ["folder", "folder.y4m", "folder.yuv", "folder.mkv"])
def test_directories(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert "is a directory" in refused(InputError, tmp_path / name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; give a video"),
        (b"x", "is text, not a video; give a video"),
        (b"hello world\n" * 100, "is text, not a video; give a video"),
        (bytes(5000), "cannot be opened as video: "),
        (bytes(range(256)) * 20, "cannot be opened as video: "),
    ],
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ""])
def test_files_that_are_no_video(tmp_path: Path, data: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    assert refused(InputError, path).startswith(f"{path}: {message}")


def test_damaged_videos(tmp_path: Path) -> None:
    data = bytearray(sample_clip("bikes").read_bytes())
    path = tmp_path / "a.mp4"
    path.write_bytes(data[: len(data) // 2])
    assert "cannot be opened as video" in refused(InputError, path)
    third = len(data) // 3
    data[third : third + 40000] = bytes(byte ^ 0x5A for byte in data[third : third + 40000])
    path.write_bytes(data)
    assert f"{path}: frame " in refused(InputError, path)


@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
def test_section_limits(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}")
    assert "seek=5 skips all frames there are; skip fewer" in refused(PastEnd, path, seek=5)
    assert "seek=5 skips all frames" in refused(PastEnd, path, seek="5")
    message = refused(ConfigError, path, seek=2**31)
    assert message == f"seek={2**31} is not allowed; it must be 0..2147483647"
    for place in (-1, "-1", "soon", "1m"):
        message = refused(ConfigError, path, seek=place)
        assert message.startswith(f"seek={place} is not allowed; give a frame by its number, or a")
    for frames in (0, 2**31):
        message = refused(ConfigError, path, frames=frames)
        assert message == f"frames={frames} is not allowed; it must be 1..2147483647"


@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
def test_rate_limits(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}")
    for rate in (Fraction(0), Fraction(-5, 2)):
        message = refused(ConfigError, path, rate=rate)
        assert message == f"rate={rate} is not allowed; it must be more than 0, as 30000/1001 is"
    assert "both terms must be from 0" in refused(InputError, path, rate=Fraction(2**40))


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_existing_output_is_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError) as caught:
        open_writer(path, INFO)
    assert str(caught.value) == f"{path} exists; pass overwrite=True to overwrite"
    with open_writer(path, INFO, overwrite=True) as writer:
        writer.write(FRAMES[0])
        assert path.read_bytes() == b"precious"
    assert len(path.read_bytes()) > 8
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
@pytest.mark.parametrize("written", [0, 1])
def test_a_failure_leaves_nothing(tmp_path: Path, suffix: str, written: int) -> None:
    with pytest.raises(KeyboardInterrupt), open_writer(tmp_path / f"a{suffix}", INFO) as writer:
        for frame in FRAMES[:written]:
            writer.write(frame)
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_wrong_use_of_writers(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(OutputError, match="no frame was written"):
        open_writer(path, INFO).close()
    with (
        pytest.raises(OutputError, match="frame 0 is 18x16; all frames must be 16x16"),
        open_writer(path, INFO) as writer,
    ):
        writer.write(moving_frames(1, 16, 18)[0])
    assert os.listdir(tmp_path) == []
    writer = open_writer(path, INFO)
    writer.write(FRAMES[0])
    writer.close()
    writer.close()
    writer.abort()
    with pytest.raises(OutputError, match="is closed"):
        writer.write(FRAMES[0])
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_that_appears_while_writing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    with pytest.raises(OutputError, match="exists"), open_writer(path, INFO) as writer:
        writer.write(FRAMES[0])
        path.write_bytes(b"precious")
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.y4m"]


@pytest.mark.parametrize("name", ["a.webm", "a", "a.yuv4", "a.clv"])
def test_unknown_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="allowed are .y4m, .yuv, .mkv, .mp4, .mov, .avi"):
        open_writer(tmp_path / name, INFO)


@pytest.mark.parametrize("suffix", [".y4m", ".mkv"])
def test_outputs_that_cannot_be_made(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OutputError, match="No such file or directory"):
        open_writer(tmp_path / "none" / f"a{suffix}", INFO)
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        open_writer(tmp_path / f"folder{suffix}", INFO, overwrite=True)
    address = socket.socket(socket.AF_UNIX)
    address.bind(str(tmp_path / f"socket{suffix}"))
    address.close()
    with pytest.raises(OutputError, match="is not a plain file"):
        open_writer(tmp_path / f"socket{suffix}", INFO, overwrite=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_h264_refuses_odd_sizes(tmp_path: Path, suffix: str) -> None:
    info = VideoInfo(17, 16, Fraction(25))
    with pytest.raises(OutputError, match="17x16 is odd.*write .mkv, .y4m or .yuv"):
        open_writer(tmp_path / f"a{suffix}", info)
    assert os.listdir(tmp_path) == []


def test_a_full_disk() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        writer = Y4mWriter(full, "out.y4m", INFO)
        with pytest.raises(OutputError, match="out.y4m: No space left on device"):
            writer.write(FRAMES[0])


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ((b"FRAME\n", b"FRAME\n"), 2),
        ((b"FRAME W99999999999\n",), None),  # as long as two plain frames
        ((b"FRAME\n", b"FRAME W99999999999\n"), None),
        ((b"FRAME I\n",), None),
    ],
)
def test_frames_are_counted_where_their_lines_are_plain(
    lines: tuple[bytes, ...], total: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W3 H1 F25:1 C420\n" + b"".join(line + bytes(7) for line in lines))
    with open_reader(path) as reader:
        assert reader.info.frames == total
        assert len(list(reader)) == len(lines)


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target = write_clip(tmp_path / "target.y4m")
    link = tmp_path / "link.y4m"
    link.symlink_to(target)
    with open_writer(link, INFO, overwrite=True) as writer:
        writer.write(FRAMES[0])
    assert link.is_symlink()
    assert read_all(target) == 1


def test_sample_clips() -> None:
    with open_reader(sample_clip("bikes"), frames=3) as reader:
        info = reader.info
        assert (info.width, info.height, info.rate) == (640, 272, 25)
        assert info.frames == 3
        assert len(list(reader)) == 3
    with open_reader(sample_clip("carphone_pristine")) as reader:
        assert reader.info.rate == Fraction(30000, 1001)
        assert reader.info.sample_aspect == Fraction(128, 117)
        assert sum(1 for _ in reader) == reader.info.frames == 120
    with pytest.raises(InputError, match="no clip 'nothing'; it has bigbuckbunny, bikes"):
        sample_clip("nothing")
