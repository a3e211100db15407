"""Opening of videos to compare, their coded sizes, and what their samples mean."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

import colorvid
from colorvid.errors import DamagedStream, InputError
from colorvid.evaluation.score.video import Source, choose_colors, open_video
from colorvid.frame import Size
from colorvid.io import VideoInfo
from colorvid.quality.color import ColorSpec, Matrix
from tests.conftest import CodedClip


def info(**changes: int) -> VideoInfo:
    values = {"width": 64, "height": 48} | changes
    return VideoInfo(rate=Fraction(25), **values)  # type: ignore[arg-type]


def test_a_stream_is_decoded_on_the_fly_with_the_sizes_of_its_packets(coded: CodedClip) -> None:
    with open_video(Source(str(coded.stream), threads=1), sizes=True) as video:
        assert [f.crc32() for f in video.frames] == [f.crc32() for f in coded.decoded]
        assert video.rate == Fraction(30000, 1001)
        assert video.whole and video.file_bytes == coded.stream.stat().st_size
        packets = {f.header.display_number: f for f in colorvid.probe(coded.stream).frames}
        assert list(packets) != sorted(packets), "this stream has no B frames"
        in_order = [packets[number] for number in range(8)]
        assert video.frame_bytes == [frame.packet_bytes for frame in in_order]
        assert video.frame_types == ["key", "b", "P", "key", "b", "P", "key", "P"]
        assert video.info.frames == 8


def test_a_part_of_a_stream_is_not_its_whole_file(coded: CodedClip) -> None:
    with open_video(Source(str(coded.stream), frames=5, threads=1), sizes=True) as video:
        assert len(list(video.frames)) == len(video.frame_bytes or []) == 5
        assert not video.whole


def test_damage_is_an_error_where_it_is_reached(coded: CodedClip, tmp_path: Path) -> None:
    data = bytearray(coded.stream.read_bytes())
    data[colorvid.probe(coded.stream).frames[4].offset + 20] ^= 1
    path = tmp_path / "bad.clv"
    path.write_bytes(data)
    with open_video(Source(str(path), threads=1)) as video:
        with pytest.raises(DamagedStream, match="bad.clv: .*CRC"):
            list(video.frames)
    with open_video(Source(str(path), frames=3, threads=1)) as video:
        assert len(list(video.frames)) == 3


def test_a_raw_video_needs_no_rate(coded: CodedClip, tmp_path: Path) -> None:
    raw = tmp_path / "a.yuv"
    colorvid.decode_file(coded.stream, raw, threads=1)
    with open_video(Source(str(raw), size=Size(64, 48)), sizes=True) as video:
        assert video.rate is None and video.frame_bytes is None and video.file_bytes is None
        assert next(video.frames).crc32() == coded.decoded[0].crc32()
    with open_video(Source(str(raw), size=Size(64, 48), rate=Fraction(24))) as video:
        assert video.rate == 24
    with pytest.raises(InputError, match="pass size="):
        with open_video(Source(str(raw))):
            pass


def test_a_lossless_container_gives_its_packets_and_not_its_overhead(
    coded: CodedClip, tmp_path: Path
) -> None:
    path = tmp_path / "a.mkv"
    colorvid.decode_file(coded.stream, path, threads=1)
    with open_video(Source(str(path)), sizes=True) as video:
        assert len(list(islice(video.frames, 9))) == len(video.frame_bytes or []) == 8
        assert sum(video.frame_bytes or []) < (video.file_bytes or 0) == path.stat().st_size
        assert video.whole


def test_colours_are_assumed_where_nothing_is_stated() -> None:
    small, large = choose_colors(info(), info()), choose_colors(info(height=720), info())
    assert small.spec == ColorSpec(Matrix.BT601) and large.spec == ColorSpec(Matrix.BT709)
    assert set(small.origin.values()) == {"assumed"} and not small.conflicts
    assert str(small) == "matrix bt601 (assumed), range limited (assumed), siting left (assumed)"


def test_the_original_goes_before_the_decoded_video_and_options_before_both() -> None:
    first = info(matrix=1, chroma_location=2)
    second = info(matrix=9, color_range=2, chroma_location=2)
    colors = choose_colors(first, second)
    assert colors.spec == ColorSpec(Matrix.BT709, True, "center")
    assert colors.origin == {
        "matrix": "stated by the original",
        "range": "stated by the decoded video",
        "siting": "stated by the original",
    }
    assert len(colors.conflicts) == 1 and "matrix 1, the decoded video 9" in colors.conflicts[0]
    asked = choose_colors(first, second, matrix="bt2020", color_range="limited", siting="topleft")
    assert asked.spec == ColorSpec(Matrix.BT2020_NCL, False, "topleft")
    assert set(asked.origin.values()) == {"as asked for"} and not asked.conflicts


def test_what_is_not_supported_is_named_or_assumed_otherwise() -> None:
    message = "matrix coefficients 8 .*; pass matrix=NAME with one of bt709"
    with pytest.raises(InputError, match=message):
        choose_colors(info(matrix=8), info())
    assert choose_colors(info(matrix=5), info()).values["matrix"] == "bt601"
    top = choose_colors(info(chroma_location=4), info())
    assert top.spec.siting == "left" and top.origin["siting"] == "assumed"
