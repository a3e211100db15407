from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from colorvid.errors import InputError
from colorvid.io import VideoInfo
from tests.clips import moving_frames

GOOD = VideoInfo(16, 16, Fraction(25))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width is 0; it must be an integer from 1 to 8192"),
        ({"height": 8193}, "height is 8193; it must be an integer from 1 to 8192"),
        ({"width": 16.0}, "width is 16.0; it must be an integer from 1 to 8192"),
        ({"height": True}, "height is True; it must be an integer from 1 to 8192"),
        ({"rate": Fraction(0)}, "frame rate is 0; it must be more than 0, as in 30000/1001"),
        ({"rate": Fraction(-1)}, "frame rate is -1; both terms must be from 0 to 2147483647"),
        ({"rate": Fraction(2**31)}, "both terms must be from 0 to 2147483647"),
        ({"rate": 25.0}, "frame rate is 25.0; it must be a Fraction"),
        ({"sample_aspect": Fraction(1, 2**31)}, "both terms must be from 0 to 2147483647"),
        ({"color_range": 3}, "color range is 3; it must be an integer from 0 to 2"),
        ({"matrix": 256}, "matrix is 256; it must be an integer from 0 to 255"),
        ({"primaries": -1}, "primaries is -1; it must be an integer from 0 to 255"),
        ({"transfer": 256}, "transfer is 256; it must be an integer from 0 to 255"),
        ({"chroma_location": 7}, "chroma location is 7; it must be an integer from 0 to 6"),
        ({"frames": -1}, "number of frames is -1"),
    ],
)
def test_values_out_of_range(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(GOOD, **change)
    assert message in str(caught.value)


def test_size_and_rate_have_no_default() -> None:
    with pytest.raises(TypeError):
        VideoInfo(16, 16)  # type: ignore[call-arg]


def test_import_loads_neither_torch_nor_pyav() -> None:
    code = "import sys, colorvid.io; print([m for m in ('torch', 'av') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


def test_pyav_parts_do_not_load_torch() -> None:
    modules = "colorvid.io.pyav_reader, colorvid.io.pyav_writer"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "False\n"), result.stderr


def test_clips_move_and_repeat() -> None:
    first = moving_frames(3, 20, 30)
    again = moving_frames(3, 20, 30)
    assert [frame.crc32() for frame in first] == [frame.crc32() for frame in again]
    assert (first[2].y[1:, 3:] == first[0].y[:-1, :-3]).all()
    assert moving_frames(1, 20, 30, seed=1)[0].crc32() != first[0].crc32()
    assert int(first[0].y.max()) - int(first[0].y.min()) > 100
