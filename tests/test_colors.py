"""Names of colours and their codes."""

from __future__ import annotations

from fractions import Fraction

import pytest

from colorvid.bitstream import StreamHeader
from colorvid.colors import Color
from colorvid.errors import ConfigError
from colorvid.io import VideoInfo

CODES = {"matrix": 1, "primaries": 9, "transfer": 16, "color_range": 2, "chroma_location": 3}
NAMES = Color("bt709", "bt2020", "smpte2084", "full", "topleft")


def test_names_and_codes() -> None:
    assert NAMES.codes == CODES
    info = VideoInfo(4, 4, Fraction(25)).with_color(NAMES)
    assert (info.matrix, info.color_range, info.color) == (1, 2, NAMES)
    assert Color.of(info) == NAMES
    header = StreamHeader(
        width=4, height=4, rate_num=25, rate_den=1, gop_length=1, model_id=bytes(16),
        matrix=1, primaries=9, transfer=16, color_range=2, chroma_location=3,
    )  # fmt: skip
    assert header.color == NAMES and header.fps == 25
    assert repr(header) == f"StreamHeader(4x4, 25 fps, {NAMES}, model 00000000)"


def test_aliases_and_numbers() -> None:
    assert Color("bt601", "bt601", "srgb") == Color("smpte170m", "smpte170m", "iec61966-2-1")
    assert Color(matrix="bt2020").codes["matrix"] == 9
    assert Color(matrix="77").codes["matrix"] == 77 and Color(matrix="9").matrix == "bt2020nc"


def test_what_is_stated_is_shown() -> None:
    assert repr(Color()) == "Color()"
    assert repr(Color(matrix="bt709", range="full")) == "Color(matrix='bt709', range='full')"


@pytest.mark.parametrize("code", range(256))
def test_every_code_comes_back(code: int) -> None:
    info = VideoInfo(4, 4, Fraction(25), matrix=code, primaries=code, transfer=code)
    assert info.with_color(info.color) == info


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("matrix", "BT.709"),
        ("primaries", "256"),
        ("transfer", ""),
        ("range", "3"),
        ("siting", "7"),
        ("matrix", 1),
        ("range", None),
    ],
)
def test_unknown_names_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field}={value!r} is not allowed; use one of unspe"):
        Color(**{field: value})  # type: ignore[arg-type]
