import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from colorvid.errors import InputError
from colorvid.frame import Frame, chroma_size
from colorvid.io import VideoInfo
from colorvid.quality.color import ColorSpec, Matrix
from colorvid.quality.metrics import METRICS, QUALITY_CAP_DB, psnr
from colorvid.quality.scores import (
    QUICK_METRICS,
    FrameScores,
    MeanScores,
    color_spec,
    mean_scores,
    score_frame,
)

SPEC = ColorSpec(Matrix.BT601)
INFO = VideoInfo(64, 48, Fraction(25))


def noise(height: int, width: int, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    chroma = chroma_size(height, width)
    shapes = ((height, width), chroma, chroma)
    return Frame(*(rng.integers(60, 180, shape, dtype=np.uint8) for shape in shapes))


def grey(value: int) -> Frame:
    return Frame(*(np.full(s, value, np.uint8) for s in ((4, 4), (2, 2), (2, 2))))


def test_psnr_is_that_of_exact_integers() -> None:
    one, two = noise(37, 23, 1), noise(37, 23, 2)
    scores = score_frame(one, two, SPEC)
    for name, a, b in zip("yuv", one.planes, two.planes, strict=True):
        total = sum((int(x) - int(y)) ** 2 for x, y in zip(a.flat, b.flat, strict=True))
        expected = 10 * math.log10(Fraction(255**2 * a.size, total))
        assert psnr(a, b) == pytest.approx(expected, rel=1e-12)
        assert scores.figure(f"psnr_{name}_db") == pytest.approx(expected, rel=1e-12)


def test_score_frame_fills_the_table_of_metrics() -> None:
    frame, other = noise(33, 47, 1), noise(33, 47, 2)
    scores = score_frame(frame, other, SPEC)
    assert list(scores.as_dict()) == list(METRICS)
    assert scores.ms_ssim_y is scores.ms_ssim_y_db is None, "too small"
    mean, p95 = scores.de00_mean, scores.de00_p95
    assert mean is not None and p95 is not None and 0 < mean < p95
    large = score_frame(noise(162, 162), noise(162, 162), SPEC)
    assert large.psnr_yuv611_db == large.ms_ssim_y_db == QUALITY_CAP_DB
    assert large.de00_mean == 0
    with pytest.raises(KeyError):
        scores.figure("figure")


def test_ms_ssim_can_be_left_out() -> None:
    frame, other = noise(162, 162, 1), noise(162, 162, 2)
    every = score_frame(frame, other, SPEC)
    quick = score_frame(frame, other, SPEC, ms_ssim_too=False)
    assert every.ms_ssim_y is not None
    assert quick == replace(every, ms_ssim_y=None, ms_ssim_y_db=None)
    assert {name for name, value in quick.as_dict().items() if value is not None} == {
        *QUICK_METRICS
    }


def test_score_of_copies_and_of_a_known_error() -> None:
    spec = ColorSpec(Matrix.BT601)
    copy = score_frame(grey(100), grey(100), spec)
    assert copy == FrameScores(100, 100, 100, 100, de00_mean=0, de00_p95=0)
    other = score_frame(grey(100), grey(110), spec)
    assert other.psnr_y_db == pytest.approx(28.1308, abs=1e-4)
    assert other.psnr_yuv611_db == pytest.approx(28.1308, abs=1e-4)
    assert other.de00_mean is not None and other.de00_mean > 1


def test_without_colours_there_is_no_colour_difference() -> None:
    scores = score_frame(grey(100), grey(110), None)
    assert scores.de00_mean is scores.de00_p95 is None and scores.psnr_y_db > 28


SCORES = FrameScores(40.0, 41.0, 42.0, 40.375, None, None, 1.5, 3.0)


def test_means() -> None:
    means = MeanScores()
    assert means.means() is None
    means.add(None)
    means.add(SCORES)
    means.add(FrameScores(42.0, 43.0, 44.0, 42.375, 0.9, 10.0, 2.5, 4.0))
    assert means.means() == FrameScores(41.0, 42.0, 43.0, 41.375, None, None, 2.0, 3.5)
    means.add(replace(SCORES, psnr_y_db=41.0, de00_mean=None))
    total = means.means()
    assert total is not None and total.psnr_y_db == 41.0
    assert total.de00_mean is None and total.de00_p95 == pytest.approx(10 / 3)


def test_a_mean_needs_frames() -> None:
    assert mean_scores(iter([SCORES, SCORES])) == SCORES
    with pytest.raises(InputError, match="no frames to score"):
        mean_scores([])


def test_colour_follows_the_stream_and_has_defaults() -> None:
    assert color_spec(INFO) == ColorSpec(Matrix.BT601, full_range=False, siting="left")
    assert color_spec(replace(INFO, height=720)) == ColorSpec(Matrix.BT709)
    stated = replace(INFO, matrix=9, color_range=2, chroma_location=3)
    assert color_spec(stated) == ColorSpec(Matrix.BT2020_NCL, full_range=True, siting="topleft")
    assert color_spec(replace(INFO, chroma_location=6)) == ColorSpec(Matrix.BT601)
    assert color_spec(replace(INFO, matrix=8)) is None, "YCgCo has no CIEDE2000 here"
