from pathlib import Path

import pytest

from colorvid.errors import ColorvidError
from colorvid.evaluation.bench.start import decode_alone
from colorvid.frame import Size
from tests.conftest import CodedClip


def test_start_of_a_process(coded: CodedClip) -> None:
    start = decode_alone(coded.stream, Size(64, 48), None)
    assert 0.02 < start.first_frame_s < 60
    assert start.first_frame_cpu_s is None or 0 < start.first_frame_cpu_s < 60
    assert start.peak_mb is None or 20 < start.peak_mb < 3000


def test_a_failure_says_why(tmp_path: Path) -> None:
    path = tmp_path / "missing.clv"
    text = r"colorvid decode ended with code 2: colorvid \[error\]: .*missing\.clv: No such file"
    with pytest.raises(ColorvidError, match=text):
        decode_alone(path, Size(64, 48), None)
