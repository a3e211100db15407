"""Figures in the RGB domain, against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from colorvid.errors import InputError
from colorvid.evaluation.compare.rgb import (
    RGB_METRICS,
    RgbScores,
    limit,
    mean_rgb,
    score_frame_rgb,
    score_rgb,
)
from colorvid.quality.color import ColorSpec, rgb_to_frame
from colorvid.quality.metrics import QUALITY_CAP_DB
from tests.evaluation.sources import colourful


def test_psnr_is_over_all_samples_of_three_channels() -> None:
    original = np.full((4, 4, 3), 100, np.uint8)
    decoded = original.copy()
    decoded[..., 1] += 6  # mean square 36 / 3
    scores = score_rgb(original, decoded)
    assert scores.psnr_rgb_db == pytest.approx(10 * math.log10(255**2 / 12))
    assert scores.ms_ssim_rgb is None, "too small"
    assert [scores.figure(name) for name in RGB_METRICS] == [scores.psnr_rgb_db, None]


def test_ms_ssim_is_the_mean_of_the_channels() -> None:
    original = colourful(180, 200)
    decoded = original.copy()
    noise = np.random.default_rng(1).integers(0, 40, original.shape[:2])
    decoded[..., 0] = np.clip(decoded[..., 0].astype(int) + noise, 0, 255)
    one = score_rgb(original, decoded).ms_ssim_rgb
    decoded[..., 1:] = decoded[..., :1]
    grey = np.repeat(original[..., :1], 3, axis=-1)
    alone = score_rgb(grey, np.repeat(decoded[..., :1], 3, axis=-1)).ms_ssim_rgb
    assert one is not None and alone is not None and alone < 0.999
    assert one == pytest.approx((alone + 2) / 3)


def test_an_exact_copy_is_cut() -> None:
    assert score_rgb(colourful(180, 200), colourful(180, 200)).psnr_rgb_db == QUALITY_CAP_DB


def test_the_limit_is_what_420_costs() -> None:
    spec = ColorSpec()
    grey = np.repeat(colourful(180, 200)[..., :1], 3, axis=-1)
    coloured = colourful(180, 200)
    stripes = coloured.copy()
    stripes[:, ::2, 0], stripes[:, 1::2, 0] = 255, 0  # colour that 4:2:0 cannot hold
    values = [limit(p, spec).psnr_rgb_db for p in (grey, coloured, stripes)]
    assert values[0] > values[1] > values[2]
    frame = rgb_to_frame(stripes, spec)
    assert score_frame_rgb(stripes, frame, spec) == limit(stripes, spec)


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="shapes"):
        score_rgb(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8))


def test_a_mean_lacks_what_any_picture_lacks() -> None:
    one, two = RgbScores(30.0, 0.9), RgbScores(40.0, 0.8)
    assert mean_rgb([one, two]) == RgbScores(35.0, pytest.approx(0.85))
    assert mean_rgb([one, RgbScores(40.0, None)]) == RgbScores(35.0, None)
