"""Two videos against each other: rows, summary, plot."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.errors import InputError
from colorvid.evaluation.score.summary import (
    as_json,
    as_text,
    plot_frames,
    score_videos,
    summarise,
)
from colorvid.evaluation.score.video import Video, choose_colors
from colorvid.files.reports import Progress
from colorvid.io import VideoInfo
from tests.clips import moving_frames

INFO = VideoInfo(40, 32, Fraction(25), matrix=6)
COLORS = choose_colors(INFO, INFO)


def video(name: str, count: int = 3, seed: int = 0) -> Video:
    return Video(name, INFO, INFO.rate, iter(moving_frames(count, 32, 40, seed)))


def test_every_frame_is_told_to_the_progress() -> None:
    seen: list[Progress] = []
    coded = replace(video("b", seed=1), frame_bytes=[30, 20, 10])
    rows = score_videos(video("a"), coded, COLORS, progress=seen.append)
    assert [row.size_bytes for row in rows] == [30, 20, 10]
    assert [(p.frames, p.size_bytes, p.rate) for p in seen] == [
        (1, 30, 25),
        (2, 50, 25),
        (3, 60, 25),
    ]


def test_what_cannot_be_compared_is_refused() -> None:
    other = replace(video("b"), info=replace(INFO, height=30))
    with pytest.raises(InputError, match="a is 40x32, b 40x30; both must have one size"):
        score_videos(video("a"), other, COLORS)
    with pytest.raises(InputError, match="a and b hold no frame"):
        score_videos(video("a", 0), video("b", 0), COLORS)


def test_the_summary_has_means_worst_frames_and_the_rate() -> None:
    coded = replace(video("b", seed=1), frame_bytes=[30, 20, 10], file_bytes=100, whole=True)
    rows = score_videos(video("a"), coded, COLORS)
    rows = [
        replace(row, scores=replace(row.scores, psnr_y_db=value, de00_mean=value))
        for row, value in zip(rows, (30.0, 20.0, 40.0), strict=True)
    ]
    summary = summarise(video("a"), coded, COLORS, rows)
    luma, color = summary.figures["psnr_y_db"], summary.figures["de00_mean"]
    assert luma is not None and (luma.mean, luma.worst, luma.frame) == (30, 20, 1)
    assert color is not None and (color.mean, color.worst, color.frame) == (30, 40, 2)
    assert (summary.size_bytes, summary.size_of) == (100, "file")
    assert summary.rate_bpp == pytest.approx(800 / (3 * 40 * 32))
    assert summary.rate_kbps == pytest.approx(800 * 25 / 3 / 1000)
    part = summarise(video("a"), replace(coded, whole=False), COLORS, rows)
    assert (part.size_bytes, part.size_of) == (60, "packets")
    assert "(60 bytes: the packets of these frames; the file has 100)" in as_text(part)


def test_without_rate_and_frame_rate() -> None:
    raw = replace(video("b", seed=1), rate=None)
    rows = score_videos(replace(video("a"), rate=None), raw, COLORS)
    summary = summarise(replace(video("a"), rate=None), raw, COLORS, rows)
    assert summary.rate_bpp is summary.rate_kbps is None
    text = as_text(summary)
    assert "frame rate not known" in text and "rate      not known" in text
    values = json.loads(as_json(summary, rows))
    assert values["fps"] is values["size_of"] is values["rate_bpp"] is None
    assert values["colors"]["matrix"] == {"value": "bt601", "origin": "stated by the original"}
    assert values["metrics"]["psnr_y_db"]["better"] == "higher"


@pytest.mark.parametrize(("sizes", "panels"), [([30, 20, 10], 3), (None, 2)])
def test_the_plot_has_a_panel_for_the_bits_if_they_are_known(
    sizes: list[int] | None, panels: int, tmp_path: Path
) -> None:
    rows = score_videos(video("a"), replace(video("b", seed=1), frame_bytes=sizes), COLORS)
    path = tmp_path / "plot.svg"
    plot_frames(path, rows, title="b")
    text = path.read_text(encoding="utf-8")
    assert text.count('<g id="axes_') == panels
    assert ("<!-- bits -->" in text) == (sizes is not None)
    assert "<!-- CIEDE2000 -->" in text and "<!-- frame -->" in text
