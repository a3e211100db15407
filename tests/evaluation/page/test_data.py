"""Figures of frames as a page has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from colorvid.evaluation.page.data import (
    BITS,
    MOST_ROWS,
    ClipPart,
    Page,
    caption,
    series_of,
    step_for,
)
from colorvid.evaluation.plots import LABELS
from colorvid.evaluation.score.frames import ScoredFrame
from tests.evaluation.compare.made_points import frames, scores
from tests.evaluation.page.reading import shown

FRAMES = tuple(
    replace(frame, size_bytes=100 + frame.frame, extra={"niqe": 4 + frame.frame / 3})
    for frame in frames(*(scores(30.0 + n, ms_ssim_y=None, ms_ssim_y_db=None) for n in range(5)))
)


def test_a_series_has_the_known_figures_of_every_frame() -> None:
    series = series_of("x264", "quality 3", FRAMES, ("key", "P", "B", "B", "P"), 1)
    assert series.columns[0] == BITS and "ms_ssim_y" not in series.columns
    assert [row[0] for row in series.rows] == [800, 808, 816, 824, 832]
    luma = series.columns.index("psnr_y_db")
    assert [row[luma] for row in series.rows] == [30, 31, 32, 33, 34]
    assert [row[series.columns.index("niqe")] for row in series.rows][1] == 4.333333
    assert series.types == ("key", "P", "B", "B", "P")


def test_a_long_series_has_every_second_frame() -> None:
    series = series_of("x264", "", FRAMES, ("key", "P", "B", "b", "P"), 2)
    assert [row[0] for row in series.rows] == [800, 816, 832]
    assert series.types == ("key", "B", "P") and series.step == 2


def test_bits_are_left_out_where_a_size_is_not_known() -> None:
    some = (*FRAMES[:4], replace(FRAMES[4], size_bytes=None))
    assert BITS not in series_of("x264", "", some, (), 1).columns


@pytest.mark.parametrize(
    ("count", "step"), [(1, 1), (MOST_ROWS, 1), (MOST_ROWS + 1, 2), (172_800, 5)]
)
def test_a_page_has_room_for_so_many_frames(count: int, step: int) -> None:
    assert step_for(count) == step
    assert count / step <= MOST_ROWS


def test_captions_say_what_is_known() -> None:
    frame = ScoredFrame(7, 1234, scores(30.0))
    assert caption(frame, "B") == "B frame, 9,872 bits, 31.25 dB, dE00 4.00"
    bare = replace(frame, size_bytes=None, scores=scores(30.0, de00_mean=None))
    assert caption(bare, None) == "31.25 dB"


def test_every_figure_has_a_name() -> None:
    part = ClipPart("a", 64, 48, (series_of("x264", "", FRAMES, (), 1),), None)
    metrics = shown(Page("title", (), ("x264",), (), clips=(part,)))["metrics"]
    assert metrics["psnr_y_db"] == LABELS["psnr_y_db"]
    assert metrics[BITS] == "bits of the frame"
    assert metrics["niqe"] == "NIQE (lower is better)"
