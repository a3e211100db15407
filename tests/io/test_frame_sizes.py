"""Coded sizes of frames in display order."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from colorvid.errors import InputError
from colorvid.io.pyav_reader import FrameSizes, _sum_up, frame_sizes
from colorvid.io.sources import open_source
from tests.clips import moving_frames

OPTIONS = {"crf": "30", "x264-params": "keyint=8:scenecut=0:bframes=3:threads=1"}


def encode(path: Path, count: int, sound: bool = False) -> Path:
    """An H.264 file with B frames, so that packets are not in display order."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        other = container.add_stream("aac", rate=8000) if sound else None
        for frame in moving_frames(count, 48, 64):
            packed = np.concatenate([plane.ravel() for plane in frame.planes])
            picture = av.VideoFrame.from_ndarray(packed.reshape(72, 64), "yuv420p")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if other is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate = 8000
            container.mux(other.encode(silence))
            container.mux(other.encode(None))
    return path


def sizes_of(path: Path, frames: int | None = None) -> FrameSizes | None:
    with open_source(path) as source:
        found = frame_sizes(source, frames)
        assert source.tell() == 0, "it can be read once more"
        return found


def by_timestamp(path: Path) -> list[int]:
    """Sizes of the packets of the video, in the order of their presentation times."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        sizes = {p.pts: p.size for p in packets}
        assert [p.pts for p in packets] != sorted(sizes), "this clip has no B frames"
    return [sizes[time] for time in sorted(sizes)]


def test_sizes_are_those_of_the_packets_in_display_order(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 10)
    found = sizes_of(path)
    assert found is not None and found.complete and found.alone
    assert found.sizes == by_timestamp(path)
    assert found.types[0] == found.types[8] == "key" and set(found.types[1:8]) == {"P", "B"}


def test_raw_streams_without_timestamps_keep_display_order(tmp_path: Path) -> None:
    contained, raw = encode(tmp_path / "a.mp4", 10), encode(tmp_path / "a.264", 10)
    found = sizes_of(raw)
    assert found is not None
    assert found.sizes[1:8] == by_timestamp(contained)[1:8], "no parameter sets in these"
    assert sum(found.sizes) == raw.stat().st_size


@pytest.mark.parametrize("count", [1, 3, 9, 10])
def test_the_first_frames_have_the_same_sizes_as_in_the_whole(tmp_path: Path, count: int) -> None:
    path = encode(tmp_path / "a.mp4", 10)
    found = sizes_of(path, count)
    assert found is not None
    assert found.sizes == by_timestamp(path)[:count]
    assert found.complete == (count == 10)


def test_sound_is_noticed(tmp_path: Path) -> None:
    found = sizes_of(encode(tmp_path / "a.mp4", 3, sound=True))
    assert found is not None and not found.alone and len(found.sizes) == 3


def test_packets_that_show_nothing_count_for_the_next_frame() -> None:
    assert _sum_up([10, 5, 3, 7], [0, 3, 2]) == [10, 7, 8]
    assert _sum_up([10, 5, 3], [0]) == [18], "what follows the last frame counts for it"
    assert _sum_up([10, 5], [0, 1, 1]) == [10, 5, 0], "a frame that is shown twice"
    assert _sum_up([10], []) == []


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("nothing")
    with pytest.raises(InputError, match="text.mp4"):
        sizes_of(path)
