from dataclasses import replace
from fractions import Fraction

import pytest

from colorvid.bitstream import FrameType, Packet
from colorvid.files.reports import DecodeReport, EncodeReport, Progress, Share, Shares
from colorvid.quality.scores import FrameScores


def test_rates() -> None:
    encoded = EncodeReport(50, 1000, Fraction(25), 2.0, None)
    assert (encoded.fps, encoded.kbps) == (25.0, 4.0)
    progress = Progress(50, None, 1000, Fraction(25), 2.0)
    assert (progress.fps, progress.kbps) == (25.0, 4.0)
    assert Progress(0, None, 60, Fraction(25), 2.0).kbps == 0
    decoded = DecodeReport(40, 10, 10, 1, ("damage",), 0, 1000, Fraction(25), 2.0)
    assert (decoded.fps, decoded.kbps, decoded.ok, decoded.exit_code) == (25.0, 4.0, False, 5)
    assert replace(decoded, mismatches=1).exit_code == 6
    assert replace(decoded, damages=0, damage=()).exit_code == 0
    assert replace(decoded, frames=0, concealed=0).kbps == 0


def test_expected_size() -> None:
    assert Progress(8, 100, 1000, Fraction(25), 2.0, written=5).expected_bytes == 20_000
    assert Progress(8, None, 1000, Fraction(25), 2.0, written=5).expected_bytes is None
    assert Progress(8, 100, 60, Fraction(25), 2.0, written=0).expected_bytes is None


def packet(number: int, kind: FrameType, level: int, quality: int) -> Packet:
    past, future = (0, 0) if kind == FrameType.KEY else (1, int(level > 0))
    return Packet(
        frame_type=kind, quality=quality, frame_number=number, level=level, past=past,
        future=future, frame_crc=0, latents=bytes(10 + number),
    )  # fmt: skip


def scores(psnr_db: float) -> FrameScores:
    return FrameScores(psnr_db, psnr_db, psnr_db, psnr_db)


def test_shares_by_level_and_the_worst_group() -> None:
    shares, empty = Shares(), packet(0, FrameType.KEY, 0, 0).size_bytes - 10
    for number, kind, level, quality, psnr in (
        (0, FrameType.KEY, 0, 44, 40.0),
        (1, FrameType.P, 0, 40, 39.0),
        (2, FrameType.B, 1, 36, 38.0),
        (3, FrameType.B_UNKEPT, 2, 32, 37.0),
        (4, FrameType.KEY, 0, 42, 36.0),
        (5, FrameType.P, 0, 38, 35.0),
        (6, FrameType.KEY, 0, 43, 39.0),
    ):
        shares.add(packet(number, kind, level, quality), scores(psnr))
    names = [share.name for share in shares.levels()]
    assert names == ["key", "P", "B1", "B2"]
    assert shares.levels()[0] == Share("key", 3, 3 * empty + 40, 43.0, pytest.approx(115 / 3))
    assert shares.worst() == Share("frames 4 to 5", 2, 2 * empty + 29, 40.0, 35.5)


def test_without_scores_the_worst_group_has_the_coarsest_key_frame() -> None:
    shares = Shares()
    for number, quality in enumerate((44, 43, 44)):
        shares.add(packet(number, FrameType.KEY, 0, quality), None)
    worst = shares.worst()
    assert worst is not None and (worst.name, worst.psnr_db) == ("frames 1 to 1", None)
    alike = Shares()
    alike.add(packet(0, FrameType.KEY, 0, 44), None)
    alike.add(packet(1, FrameType.KEY, 0, 44), None)
    assert alike.worst() is None and Shares().worst() is None and Shares().levels() == ()
