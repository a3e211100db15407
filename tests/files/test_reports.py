from dataclasses import replace
from fractions import Fraction

from colorvid.files.reports import DecodeReport, EncodeReport, Progress


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
