"""Metrics on request: libvmaf's colour score, NIQE and ST-RRED."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from colorvid.errors import ColorvidError, InputError
from colorvid.evaluation.score import skvideo_measures
from colorvid.evaluation.score.ciede_vmaf import ciede_vmaf
from colorvid.evaluation.score.extra import strred
from colorvid.evaluation.score.frames import score_frames
from colorvid.evaluation.score.skvideo_measures import niqe, strred_pair
from colorvid.frame import Frame, chroma_size
from colorvid.io import open_reader
from colorvid.io.opening import sample_clip
from colorvid.quality.color import ColorSpec, Matrix
from tests.clips import moving_frames

SPEC = ColorSpec(Matrix.BT601)


def vmaf_lab(y: int, u: int, v: int) -> tuple[float, float, float]:
    """CIELAB as libvmaf sees one sample, written out in float64."""
    luma, cb, cr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    rgb = luma + 1.28033 * cr, luma - 0.21482 * cb - 0.38059 * cr, luma + 2.12798 * cb
    r, g, b = (((c + 0.055) / 1.055) ** 2.4 if c > 10 / 255 else c / 12.92 for c in rgb)
    xyz = (
        (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047,
        0.2126729 * r + 0.7151522 * g + 0.0721750 * b,
        (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883,
    )
    x, y_, z = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in xyz)
    return 116 * y_ - 16, 500 * (x - y_), 200 * (y_ - z)


def weighted_delta_e(one: tuple[float, float, float], two: tuple[float, float, float]) -> float:
    """CIEDE2000 with kL 0.65, kC 1 and kH 4, step by step with angles in degrees."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    factor = 1 + 0.5 * (1 - math.sqrt(mean7 / (mean7 + 25**7)))
    a1, a2 = a1 * factor, a2 * factor
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    mean_h = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    mean_c, offset = (c1 + c2) / 2, ((l1 + l2) / 2 - 50) ** 2
    t = (
        1
        - 0.17 * math.cos(math.radians(mean_h - 30))
        + 0.24 * math.cos(math.radians(2 * mean_h))
        + 0.32 * math.cos(math.radians(3 * mean_h + 6))
        - 0.20 * math.cos(math.radians(4 * mean_h - 63))
    )
    light = (l2 - l1) / (0.65 * (1 + 0.015 * offset / math.sqrt(20 + offset)))
    chroma = (c2 - c1) / (1 + 0.045 * mean_c)
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    hue /= 4 * (1 + 0.015 * mean_c * t)
    angle = 60 * math.exp(-(((mean_h - 275) / 25) ** 2))
    rotation = -2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7)) * math.sin(math.radians(angle))
    return math.sqrt(light**2 + chroma**2 + hue**2 + rotation * chroma * hue)


def expected_score(one: Frame, two: Frame) -> float:
    total = 0.0
    for row in range(one.height):
        for column in range(one.width):
            place = row // 2, column // 2
            first, second = (
                vmaf_lab(int(f.y[row, column]), int(f.u[place]), int(f.v[place]))
                for f in (one, two)
            )
            total += weighted_delta_e(first, second)
    return 45 - 20 * math.log10(total / one.y.size)


def noise(height: int, width: int, seed: int, low: int, high: int) -> Frame:
    rng = np.random.default_rng(seed)
    chroma = chroma_size(height, width)
    shapes = ((height, width), chroma, chroma)
    return Frame(*(rng.integers(low, high, shape, dtype=np.uint8) for shape in shapes))


@pytest.mark.parametrize("span", [(0, 256), (100, 160)])
def test_ciede_vmaf_is_the_score_written_out(span: tuple[int, int]) -> None:
    one, two = noise(17, 23, 1, *span), noise(17, 23, 2, *span)
    assert ciede_vmaf(one, two) == pytest.approx(expected_score(one, two), abs=2e-4)


def test_ciede_vmaf_of_a_copy_is_cut_and_sizes_must_match() -> None:
    frame = noise(9, 7, 3, 0, 256)
    assert ciede_vmaf(frame, frame) == 100
    with pytest.raises(InputError, match="7x9 and 9x7 cannot be compared"):
        ciede_vmaf(frame, noise(7, 9, 3, 0, 256))


def sample_frames(name: str, count: int) -> Iterator[Frame]:
    with open_reader(sample_clip(name)) as reader:
        yield from islice(reader, count)


def test_strred_meets_the_figures_that_scikit_video_states() -> None:
    rows = list(
        score_frames(
            sample_frames("carphone_pristine", 12),
            sample_frames("carphone_distorted", 12),
            SPEC,
            extra=["strred"],
        )
    )
    parts = [(row.extra["strred_spatial"], row.extra["strred_temporal"]) for row in rows]
    assert parts[::2] == [(None, None)] * 6, "figures belong to pairs"
    stated = [
        (7.9732, 21.0134),
        (7.1905, 28.2115),
        (7.7626, 30.0806),
        (7.8387, 29.7012),
        (6.2906, 31.8126),
        (7.4271, 23.2730),
    ]
    assert np.array(parts[1::2]) == pytest.approx(np.array(stated), abs=2e-3)
    assert strred([row.extra for row in rows]) == pytest.approx(202.758, abs=0.01)
    assert strred([rows[0].extra]) is None
    assert strred([{"psnr_y_db": 1.0}]) is None


def test_niqe_meets_the_figures_that_scikit_video_states() -> None:
    frames = list(sample_frames("bigbuckbunny", 2))
    assert [niqe(f.y, ColorSpec()) for f in frames] == pytest.approx([11.19766, 11.05517], abs=1e-4)


def test_niqe_of_both_sides_stands_in_the_rows() -> None:
    one, two = moving_frames(1, 200, 200), moving_frames(1, 200, 200, seed=1)
    (row,) = score_frames(one, two, SPEC, extra=["niqe"])
    assert (
        row.extra["niqe_reference"]
        == niqe(one[0].y, SPEC)
        != row.extra["niqe"]
        == niqe(two[0].y, SPEC)
    )


def test_pictures_that_are_too_small_are_named() -> None:
    plane = np.zeros((193, 200), np.uint8)
    with pytest.raises(InputError, match="200x193 is too small for niqe; .* 194 samples"):
        niqe(plane, SPEC)
    low = plane[:31]
    with pytest.raises(InputError, match="200x31 is too small for strred; .* 32 samples"):
        strred_pair((low, low), (low, low), SPEC)


def test_a_missing_scikit_video_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    skvideo_measures._measure.cache_clear()
    monkeypatch.setattr(skvideo_measures, "find_spec", lambda name: None)
    with pytest.raises(ColorvidError, match="strred and niqe do not work here .*scikit-video"):
        niqe(np.zeros((200, 200), np.uint8), SPEC)


def test_numpy_scipy_and_skvideo_of_the_user_stay_as_they_are() -> None:
    program = (
        "import numpy as np, sys\n"
        "from colorvid.quality.color import ColorSpec\n"
        "from colorvid.evaluation.score.skvideo_measures import niqe, strred_pair\n"
        "p = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)\n"
        "niqe(p, ColorSpec()); strred_pair((p, p), (p, p), ColorSpec())\n"
        "assert not any(hasattr(np, name) for name in ('int', 'float'))\n"
        "assert 'skvideo' not in sys.modules\n"
        "assert not hasattr(sys.modules.get('scipy.misc'), 'imresize')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
