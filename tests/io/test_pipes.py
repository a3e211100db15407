"""Pipes and memory, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.io import VideoInfo, open_reader, open_writer
from tests.clips import moving_frames

INFO = VideoInfo(17, 33, Fraction(30000, 1001), Fraction(4, 3), 1, 9, 9, 16, 3)
FRAMES = moving_frames(6, 33, 17)
COPY = """
from colorvid.io import open_reader, open_writer
with open_reader("-", seek=1, convert={convert}) as reader:
    with open_writer("-", reader.info) as writer:
        for frame in reader:
            writer.write(frame)
"""


def python(code: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)


def clip(path: Path) -> Path:
    with open_writer(path, INFO) as writer:
        for frame in FRAMES:
            writer.write(frame)
    return path


@pytest.mark.parametrize("convert", [False, True])
def test_from_stdin_to_stdout(tmp_path: Path, convert: bool) -> None:
    data = clip(tmp_path / "a.y4m").read_bytes()
    result = python(COPY.format(convert=convert), data)
    assert (result.returncode, result.stderr) == (0, b"")
    (tmp_path / "b.y4m").write_bytes(result.stdout)
    with open_reader(tmp_path / "a.y4m") as first, open_reader(tmp_path / "b.y4m") as second:
        assert second.info.frames == 5
        assert second.info.primaries == first.info.primaries == 9
        assert [frame.crc32() for frame in second] == [frame.crc32() for frame in FRAMES[1:]]


def test_other_samplings_from_stdin() -> None:
    planes = bytes([50]) * 8 + bytes([100]) * 8 + bytes([140]) * 8
    data = b"YUV4MPEG2 W4 H2 F25:1 Ip C444\n" + (b"FRAME\n" + planes) * 3
    result = python(COPY.format(convert=True), data)
    assert (result.returncode, result.stderr) == (0, b"")
    frame = b"FRAME\n" + bytes([50]) * 8 + bytes([100, 100, 140, 140])
    assert result.stdout.split(b"\n", 1)[1] == frame * 2
    refused = python(COPY.format(convert=False), data)
    assert b"InputError: stdin: sampling C444 is not 4:2:0 of 8 or 10 bits" in refused.stderr


def test_a_reader_that_goes_away() -> None:
    code = """
import sys
from fractions import Fraction
from tests.clips import moving_frames
from colorvid.errors import OutputError
from colorvid.io import VideoInfo, open_writer
frames = moving_frames(2, 64, 64)
try:
    with open_writer("-", VideoInfo(64, 64, Fraction(25))) as writer:
        for index in range(10000):
            writer.write(frames[index % 2])
except OutputError as error:
    sys.stderr.write(str(error))
    sys.stderr.flush()
    import os
    os._exit(error.exit_code)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(10) == b"YUV4MPEG2 "
    process.stdout.close()
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 2
    assert message == b"stdout: Broken pipe"


MEMORY = """
import resource, sys
from colorvid.io import open_reader, open_writer
source, target, frames = sys.argv[1:]
with open_reader(source, frames=int(frames)) as reader, open_writer(target, reader.info) as writer:
    for frame in reader:
        writer.write(frame)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("suffix", [".y4m", ".mkv", ".mp4"])
def test_memory_does_not_grow_with_the_video(tmp_path: Path, suffix: str) -> None:
    frames = moving_frames(10, 96, 128)
    source = tmp_path / f"source{suffix}"
    with open_writer(source, VideoInfo(128, 96, Fraction(25))) as writer:
        for index in range(500):
            writer.write(frames[index % 10])
    peaks = []
    for count in (50, 500):
        target = tmp_path / f"copy{count}{suffix}"
        command = [sys.executable, "-c", MEMORY, source, target, str(count)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        peaks.append(int(result.stdout))
    assert peaks[1] < 1.05 * peaks[0]
