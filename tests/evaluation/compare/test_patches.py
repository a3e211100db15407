"""One patch from several codecs at one rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import ConfigError
from colorvid.evaluation.compare.clips import Clip, load
from colorvid.evaluation.compare.patches import (
    Patch,
    draw_patches,
    nearest_quality,
    original_of,
    show_patch,
)
from colorvid.evaluation.compare.points import code_frames
from colorvid.quality.color import frame_delta_e, frame_to_rgb
from colorvid.quality.metrics import bits_per_pixel
from colorvid.quality.scores import score_frame
from tests.evaluation.sources import CoarseRun, colourful, moving_clip

PATCH = Patch(8, 4, 32, 16)


@pytest.fixture
def still(tmp_path: Path) -> Clip:
    path = tmp_path / "still.png"
    Image.fromarray(colourful(40, 56)).save(path)
    return load(path, None)


@pytest.mark.parametrize(
    ("target", "expected"), [(0.05, 9), (0.1, 9), (0.29, 8), (0.3, 7), (0.99, 1), (7.0, 0)]
)
def test_the_setting_below_the_rate_is_found_by_bisection(target: float, expected: int) -> None:
    asked: list[int] = []

    def rate(quality: int) -> float:
        asked.append(quality)
        return (10 - quality) / 10

    assert nearest_quality(rate, range(9, -1, -1), target) == expected
    assert len(asked) <= 4


def test_a_patch_is_cut_from_its_place() -> None:
    rgb = colourful(40, 56)
    assert Patch.parse("8,4,32,16") == PATCH
    assert np.array_equal(PATCH.cut(rgb), rgb[4:20, 8:40])
    assert Patch(0, 0, 56, 40).cut(rgb).shape == (40, 56, 3)


@pytest.mark.parametrize("text", ["8,4,32", "8,4,32,16,1", "a,4,32,16", ""])
def test_what_is_no_patch_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Patch.parse(text)


@pytest.mark.parametrize(
    "patch", [Patch(-1, 0, 8, 8), Patch(0, 33, 8, 8), Patch(49, 0, 8, 8), Patch(0, 0, 0, 8)]
)
def test_patches_outside_are_refused(patch: Patch) -> None:
    with pytest.raises(ConfigError, match=r"does not lie inside the picture of 56x40; choose"):
        patch.cut(colourful(40, 56))


def test_the_patch_is_that_of_the_decoded_file(still: Clip) -> None:
    run = CoarseRun()
    sizes = [code_frames(run, still, quality)[0] for quality in range(5)]
    assert sizes == sorted(sizes)
    target = bits_per_pixel(sizes[2], 1, 40, 56) + 1e-9
    shown = show_patch("coarse", run, range(5), still, PATCH, target)
    _, frames = code_frames(run, still, 2)
    assert (shown.codec, shown.quality) == ("coarse", 2)
    assert shown.rate_bpp == pytest.approx(target)
    assert np.array_equal(shown.patch, frame_to_rgb(frames[0], still.spec)[4:20, 8:40])
    scores = score_frame(still.frames[0], frames[0], still.spec)
    assert shown.psnr_yuv611_db == scores.psnr_yuv611_db
    assert shown.de00_mean == scores.de00_mean


def test_the_coarsest_is_taken_if_all_cost_more(still: Clip) -> None:
    assert show_patch("coarse", CoarseRun(), range(5), still, PATCH, 0.001).quality == 0


def test_the_figure_has_the_figures_under_each_patch(still: Clip, tmp_path: Path) -> None:
    shown = show_patch("coarse", CoarseRun(), range(5), still, PATCH, 4.0)
    path = tmp_path / "patch.svg"
    draw_patches(path, still, PATCH, [shown])
    text = path.read_text(encoding="utf-8")
    captions = (f"{shown.rate_bpp:.3f} bpp", f"{shown.psnr_yuv611_db:.2f} dB", "still, 32x16")
    for comment in ("original", "coarse", *captions):
        assert f"<!-- {comment}" in text
    assert text.count("<image ") == 3  # original, decoded, map of the difference


def test_of_a_clip_the_middle_frame_is_shown(tmp_path: Path) -> None:
    run, clip = CoarseRun(), moving_clip(5)
    size, frames = code_frames(run, clip, 3)
    height, width = clip.info.height, clip.info.width
    patch = Patch(2, 4, 16, 8)
    target = bits_per_pixel(size, 5, height, width) + 1e-9
    shown = show_patch("coarse", run, range(5), clip, patch, target)
    assert shown.rate_bpp == pytest.approx(target)
    assert np.array_equal(shown.patch, frame_to_rgb(frames[2], clip.spec)[4:12, 2:18])
    difference = frame_delta_e(clip.frames[2], frames[2], clip.spec)
    assert np.array_equal(shown.difference, difference[4:12, 2:18])
    assert np.array_equal(original_of(clip), frame_to_rgb(clip.frames[2], clip.spec))
    draw_patches(tmp_path / "patch.svg", clip, patch, [shown])
    assert (tmp_path / "patch.svg").read_text(encoding="utf-8").count("<image ") == 3
