"""Rates that are kept to in one pass: a mean for pipes, a peak for small buffers."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import colorvid
from colorvid.errors import ConfigError
from colorvid.files.reports import EncodeReport
from colorvid.frame import Frame
from colorvid.io.opening import open_reader, sample_clip
from tests.clips import moving_frames
from tests.conftest import INFO, write_clip

GROUPS, GOP = 16, 3
RATE = float(INFO.rate)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups of one kind, and at the end some that take more."""
    frames: list[Frame] = []
    for group in range(GROUPS):
        frames += moving_frames(GOP, 48, 64, seed=3 if group < 12 else 4 + group)
    return write_clip(tmp_path_factory.mktemp("once") / "source.y4m", frames)


def encode(source: Path, target: Path, **keywords: Any) -> EncodeReport:
    fixed = {"gop": GOP, "scenecut": False, "threads": 1}
    return colorvid.encode_file(source, target, **(fixed | keywords))


def fullest(stream: Path, maxrate: float) -> float:
    """Bits that wait at most if ``maxrate`` bits leave each second."""
    full = most = 0.0
    for frame in colorvid.probe(stream).frames:
        most = max(most, full + 8 * frame.packet_bytes)
        full = max(0.0, full + 8 * frame.packet_bytes - maxrate / RATE)
    return most


def test_a_peak_is_kept_whatever_the_quality(source: Path, tmp_path: Path) -> None:
    free = encode(source, tmp_path / "a.clv", quality=50)
    peak = round(free.kbps * 700)
    buffer = peak // 2
    assert fullest(tmp_path / "a.clv", peak) > buffer
    report = encode(source, tmp_path / "b.clv", quality=50, maxrate=peak, bufsize=buffer)
    assert fullest(tmp_path / "b.clv", peak) <= buffer
    assert report.warnings == () and report.passes == 1
    assert 0.5 * free.kbps < report.kbps < 0.9 * free.kbps
    assert colorvid.verify_file(tmp_path / "b.clv").ok


def test_a_peak_that_is_never_met_changes_nothing(source: Path, tmp_path: Path) -> None:
    encode(source, tmp_path / "a.clv", quality=40)
    encode(source, tmp_path / "b.clv", quality=40, maxrate=10**8)
    assert (tmp_path / "a.clv").read_bytes() == (tmp_path / "b.clv").read_bytes()


def test_a_peak_that_cannot_be_kept_is_said(source: Path, tmp_path: Path) -> None:
    report = encode(source, tmp_path / "a.clv", maxrate=5000, bufsize=5000)
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("maxrate=5000 would need a buffer ")


def test_a_mean_is_met_in_one_pass(source: Path, tmp_path: Path) -> None:
    frames = 12 * GOP
    free = encode(source, tmp_path / "a.clv", quality=40, frames=frames)
    wanted = round(free.kbps * 1000)
    report = encode(source, tmp_path / "b.clv", bitrate=wanted, one_pass=True, frames=frames)
    assert report.kbps == pytest.approx(free.kbps, rel=0.03)
    assert report.passes == 1
    both = encode(source, tmp_path / "c.clv", bitrate=wanted, maxrate=2 * wanted, frames=frames)
    assert both.kbps == pytest.approx(free.kbps, rel=0.1)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven groups of a real clip, of which the fifth takes four times the bits of the first."""
    with open_reader(sample_clip("bikes")) as reader:
        frames = [central(frame, 112, 160) for frame in islice(reader, 110)]
    info = replace(INFO, width=160, height=112)
    return write_clip(tmp_path_factory.mktemp("scenes") / "source.y4m", frames, info)


def central(frame: Frame, height: int, width: int) -> Frame:
    """The middle of a frame."""
    top, left = (frame.size.height - height) // 4, (frame.size.width - width) // 4
    y = frame.y[2 * top : 2 * top + height, 2 * left : 2 * left + width]
    area = slice(top, top + height // 2), slice(left, left + width // 2)
    return Frame(*(np.ascontiguousarray(plane) for plane in (y, frame.u[area], frame.v[area])))


@pytest.mark.parametrize("wanted", [30_000, 60_000])
def test_a_mean_is_met_where_scenes_differ(scenes: Path, tmp_path: Path, wanted: int) -> None:
    report = encode(piped(scenes, tmp_path), tmp_path / "a.clv", bitrate=wanted, gop=10)
    assert 1000 * report.kbps == pytest.approx(wanted, rel=0.03)
    assert len(report.warnings) == 1, "that the input is read only once"


@pytest.mark.parametrize(
    "keywords",
    [{"bitrate": 60_000, "one_pass": True}, {"quality": 50, "maxrate": 60_000, "bufsize": 50_000}],
)
def test_the_number_of_threads_changes_nothing(
    source: Path, tmp_path: Path, keywords: dict[str, Any]
) -> None:
    streams = []
    for threads in (1, 2, 5):
        encode(source, tmp_path / f"{threads}.clv", threads=threads, **keywords)
        streams.append((tmp_path / f"{threads}.clv").read_bytes())
    assert streams[0] == streams[1] == streams[2]


def piped(source: Path, folder: Path) -> Path:
    """A named pipe that a thread writes the source to."""
    pipe = folder / "pipe.y4m"
    os.mkfifo(pipe)

    def write() -> None:
        try:
            pipe.write_bytes(source.read_bytes())
        except BrokenPipeError:
            pass

    threading.Thread(target=write, daemon=True).start()
    return pipe


def test_a_pipe_is_read_once_and_that_is_said(source: Path, tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"bitrate": 60_000, "frames": 12}
    report = encode(piped(source, tmp_path), tmp_path / "a.clv", **wanted)
    assert "bitrate=60000 is met in one pass, as the input is read only once" in report.warnings
    encode(source, tmp_path / "b.clv", one_pass=True, **wanted)
    assert (tmp_path / "a.clv").read_bytes() == (tmp_path / "b.clv").read_bytes()


def test_a_pipe_meets_no_other_target(source: Path, tmp_path: Path, outputs: Path) -> None:
    pipe = piped(source, tmp_path)
    with pytest.raises(ConfigError, match="target_psnr=38 takes several passes, and the input can"):
        encode(pipe, outputs / "a.clv", target_psnr=38)
    assert list(outputs.iterdir()) == []


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"bufsize": 9}, "bufsize=9 belongs to a maxrate; give one"),
        ({"maxrate": 0}, "maxrate=0 is not allowed; give a number of bits"),
        ({"maxrate": 9, "bufsize": 0.5}, r"bufsize=0\.5 is not allowed"),
        ({"maxrate": 9, "target_psnr": 38}, "maxrate=9 does not go with target_psnr=38, which"),
        ({"one_pass": True, "target_size": 9}, "one_pass=True does not go with target_size=9"),
        ({"one_pass": True}, "one_pass=True is for a bitrate; give one"),
    ],
)
def test_limits_without_sense_are_refused(
    source: Path, outputs: Path, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        encode(source, outputs / "a.clv", **keywords)
    assert list(outputs.iterdir()) == []
