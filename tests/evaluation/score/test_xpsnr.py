"""XPSNR of FFmpeg's filter, and PSNR of RGB."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av.filter
import numpy as np
import pytest

from colorvid.errors import ColorvidError
from colorvid.evaluation.score.extra import EXTRA_CHOICES, Scene
from colorvid.evaluation.score.frames import columns
from colorvid.evaluation.score.pair_filter import PairFilter
from colorvid.evaluation.score.xpsnr import XPSNR_MIN_SIDE_PX, XpsnrScorer
from colorvid.frame import Frame, chroma_size
from colorvid.quality.color import ColorSpec, Matrix
from colorvid.quality.metrics import psnr
from tests.clips import moving_frames


def noise(height: int, width: int, seed: int) -> Frame:
    rng = np.random.default_rng(seed)
    chroma = chroma_size(height, width)
    shapes = ((height, width), chroma, chroma)
    return Frame(*(rng.integers(100, 156, shape, dtype=np.uint8) for shape in shapes))


def grey(height: int, width: int) -> Frame:
    chroma = chroma_size(height, width)
    return Frame(*(np.full(s, 128, np.uint8) for s in ((height, width), chroma, chroma)))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (288, 352)])
def test_errors_in_a_flat_original(height: int, width: int) -> None:
    """All blocks have the least activity there is, so one weight is that of all."""
    decoded = noise(height, width, 1)
    found = XpsnrScorer(None)(grey(height, width), decoded)
    usual = math.sqrt(2048 / math.sqrt(height * width / (3840 * 2160)))
    assert found is not None
    for value, plane in zip(found, decoded.planes, strict=True):
        error = np.mean((plane.astype(float) - 128) ** 2)
        expected = 10 * math.log10(255**2 / error * 256 / usual)
        assert value == pytest.approx(expected, abs=0.01)


def test_the_original_sets_the_weights_and_what_was_before_counts() -> None:
    flat, busy = grey(96, 128), noise(96, 128, 2)
    one, two = XpsnrScorer(None)(flat, busy), XpsnrScorer(None)(busy, flat)
    assert one is not None and two is not None and one[0] < two[0] - 1
    scorer = XpsnrScorer(None)
    originals, copies = moving_frames(2, 96, 128), moving_frames(2, 96, 128, seed=4)
    before, after = (scorer(a, b) for a, b in zip(originals, copies, strict=True))
    assert after != XpsnrScorer(None)(originals[1], copies[1]) and before is not None


def test_more_than_32_frames_a_second_are_judged_otherwise() -> None:
    originals, copies = moving_frames(3, 96, 128), moving_frames(3, 96, 128, seed=4)

    def last(rate: int) -> tuple[float, float, float] | None:
        scorer = XpsnrScorer(Fraction(rate))
        return [scorer(a, b) for a, b in zip(originals, copies, strict=True)][-1]

    assert last(24) == last(30) != last(60)


def test_copies_are_cut_and_small_pictures_have_none() -> None:
    side = XPSNR_MIN_SIDE_PX
    assert XpsnrScorer(None)(noise(side, side + 1, 1), noise(side, side + 1, 1)) == (100,) * 3
    small = noise(side - 1, side, 1)
    score = EXTRA_CHOICES["xpsnr"].scorer(Scene(ColorSpec(Matrix.BT601)))
    assert score(small, small) == dict.fromkeys(EXTRA_CHOICES["xpsnr"].columns)


def test_yuv_is_the_weighted_mean() -> None:
    original, decoded = noise(64, 64, 1), noise(64, 64, 2)
    planes = XpsnrScorer(None)(original, decoded)
    score = EXTRA_CHOICES["xpsnr"].scorer(Scene(ColorSpec(Matrix.BT601)))
    assert planes is not None
    y, u, v = planes
    assert list(score(original, decoded).values()) == [y, u, v, pytest.approx((6 * y + u + v) / 8)]


def test_without_the_filter_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.filter, "filters_available", {"psnr"})
    with pytest.raises(
        ColorvidError, match="xpsnr needs FFmpeg's filter xpsnr, which .* lacks; pip install --up"
    ):
        columns(["xpsnr"])


@pytest.mark.parametrize("depth", [8, 10])
def test_a_filter_has_written_all_when_it_is_closed(depth: int, tmp_path: Path) -> None:
    """Shown with psnr, which every FFmpeg has; libvmaf writes at its end, too."""
    log = tmp_path / "a b:c'd.log"
    compare = PairFilter("psnr", Fraction(30000, 1001), {"stats_file": str(log)})
    originals, copies = (moving_frames(3, 96, 128, seed, depth) for seed in (0, 4))
    for one, two in zip(originals, copies, strict=True):
        compare(one, two)
    compare.close()
    lines = log.read_text().splitlines()
    expected = [psnr(one.y, two.y) for one, two in zip(originals, copies, strict=True)]
    found = [float(line.split("psnr_y:")[1].split()[0]) for line in lines]
    assert found == [pytest.approx(value, abs=0.01) for value in expected]


def test_psnr_of_rgb_by_hand() -> None:
    """Grey of full range: R, G and B are luma."""
    score = EXTRA_CHOICES["rgb"].scorer(Scene(ColorSpec(Matrix.BT709, full_range=True)))
    one, two = grey(4, 6), grey(4, 6)
    two.y[0, 0] += 10
    expected = 10 * math.log10(255**2 / (100 / 24))
    assert score(one, two) == {"psnr_rgb420_db": pytest.approx(expected)}
    assert score(one, one) == {"psnr_rgb420_db": 100}
