import csv
import io
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.errors import OutputError
from colorvid.io import VideoInfo
from colorvid.quality.log import (
    COLUMNS,
    FrameLog,
    FrameRow,
    open_log,
    split_bytes,
)
from colorvid.quality.scores import FrameScores

INFO = VideoInfo(64, 48, Fraction(25))
SCORES = FrameScores(40.0, 41.0, 42.0, 40.375, de00_mean=1.5, de00_p95=3.0)


def packet(motion: bytes = b"mv", latents: bytes = b"x" * 10) -> Packet:
    return Packet(
        frame_type=FrameType.B_UNKEPT, quality=26, frame_number=4, shift=-1, level=2, past=1,
        future=1, frame_crc=0, motion=motion, latents=latents,
    )  # fmt: skip


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
    assert (row.frame, row.type, row.quality, row.seconds) == (3, "b", 26, 0.5)
    assert (row.bytes_luma, row.bytes_chroma, row.bytes_side, row.bytes_motion) == (5, 3, 2, 2)
    assert row.bytes == coded.size_bytes == len(coded.to_bytes()) == 12 + row.bytes_header


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
        "bytes_side", "bytes_header", "psnr_y_db", "psnr_u_db", "psnr_v_db", "psnr_yuv611_db",
        "de00_mean", "de00_p95", "seconds",
    )  # fmt: skip
    assert (first["bytes_luma"], first["psnr_yuv611_db"]) == ("10", "40.375000")
    assert (first["de00_mean"], first["de00_p95"]) == ("1.500000", "3.000000")
    assert (second["psnr_y_db"], second["de00_mean"], second["seconds"]) == ("", "", "0.250000")


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
