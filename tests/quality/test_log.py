import csv
import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.errors import OutputError
from colorvid.frame import Frame
from colorvid.io import VideoInfo
from colorvid.quality.color import ColorSpec, Matrix
from colorvid.quality.log import (
    COLUMNS,
    FrameLog,
    FrameRow,
    MeanScores,
    Scores,
    color_spec,
    open_log,
    score,
    split_bytes,
)

INFO = VideoInfo(64, 48, Fraction(25))
SCORES = Scores(40.0, 41.0, 42.0, 40.375, 1.5)


def packet(motion: bytes = b"mv", latents: bytes = b"x" * 10) -> Packet:
    return Packet(
        frame_type=FrameType.INTER, quality=26, frame_number=3, frame_crc=0, motion=motion,
        latents=latents,
    )  # fmt: skip


def grey(value: int) -> Frame:
    return Frame(*(np.full(s, value, np.uint8) for s in ((4, 4), (2, 2), (2, 2))))


@pytest.mark.parametrize(
    ("size", "shares", "parts"),
    [
        (10, [1.0, 1.0, 2.0], [3, 2, 5]),
        (3, [100.0, 100.0, 100.0], [1, 1, 1]),
        (1, [1.0, 5.0, 3.0], [0, 1, 0]),
        (0, [1.0, 2.0, 3.0], [0, 0, 0]),
        (4, [0.0, 0.0, 0.0], [0, 0, 4]),
    ],
)
def test_split_bytes_adds_up(size: int, shares: list[float], parts: list[int]) -> None:
    assert split_bytes(size, shares) == parts


def test_row_of_a_packet_adds_up_to_its_bytes() -> None:
    coded = packet()
    row = FrameRow.of(coded, {"luma": 40.0, "chroma": 20.0, "side": 20.0}, None, 0.5)
    assert (row.frame, row.type, row.quality, row.seconds) == (3, "inter", 26, 0.5)
    assert (row.bytes_luma, row.bytes_chroma, row.bytes_side, row.bytes_motion) == (5, 3, 2, 2)
    assert row.bytes == len(coded.to_bytes()) == 12 + row.bytes_header


def test_log_has_the_columns_and_leaves_unknown_scores_empty() -> None:
    bits = {"luma": 1.0, "chroma": 0.0, "side": 0.0}
    file = io.StringIO()
    log = FrameLog(file, "log.csv")
    log.write(FrameRow.of(packet(), bits, SCORES, 0.25))
    log.write(FrameRow.of(packet(b"", b""), bits, None, 0.25))
    file.seek(0)
    first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS == (
        "frame", "type", "quality", "bytes", "bytes_luma", "bytes_chroma", "bytes_motion",
        "bytes_side", "bytes_header", "psnr_y", "psnr_u", "psnr_v", "psnr_yuv", "de00", "seconds",
    )  # fmt: skip
    assert (first["bytes_luma"], first["psnr_yuv"], first["de00"]) == ("10", "40.3750", "1.5000")
    assert (second["psnr_y"], second["de00"], second["seconds"]) == ("", "", "0.2500")


def test_log_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with pytest.raises(RuntimeError), open_log(path, overwrite=False):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with open_log(path, overwrite=False):
        assert not path.exists()
    assert path.read_text().startswith("frame,type,")
    with (
        pytest.raises(OutputError, match="exists; pass overwrite=True"),
        open_log(path, overwrite=False),
    ):
        pass


def test_score_of_copies_and_of_a_known_error() -> None:
    spec = ColorSpec(Matrix.BT601)
    assert score(grey(100), grey(100), spec) == Scores(100, 100, 100, 100, 0)
    other = score(grey(100), grey(110), spec)
    assert other.psnr_y == pytest.approx(28.1308, abs=1e-4)
    assert other.psnr_yuv == pytest.approx(28.1308, abs=1e-4)
    assert other.de00 is not None and other.de00 > 1
    assert score(grey(100), grey(110), None).de00 is None


def test_means() -> None:
    means = MeanScores()
    assert means.means() is None
    means.add(None)
    means.add(SCORES)
    means.add(Scores(42.0, 43.0, 44.0, 42.375, 2.5))
    assert means.means() == Scores(41.0, 42.0, 43.0, 41.375, 2.0)
    means.add(Scores(41.0, 42.0, 43.0, 41.375, None))
    assert means.means() == Scores(41.0, 42.0, 43.0, 41.375, None)


def test_colour_follows_the_stream_and_has_defaults() -> None:
    assert color_spec(INFO) == ColorSpec(Matrix.BT601, full_range=False, siting="left")
    assert color_spec(replace(INFO, height=720)) == ColorSpec(Matrix.BT709)
    stated = replace(INFO, matrix=9, color_range=2, chroma_location=3)
    assert color_spec(stated) == ColorSpec(Matrix.BT2020_NCL, full_range=True, siting="topleft")
    assert color_spec(replace(INFO, chroma_location=6)) == ColorSpec(Matrix.BT601)
    assert color_spec(replace(INFO, matrix=8)) is None, "YCgCo has no CIEDE2000 here"
