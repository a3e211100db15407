"""The page of a decoded video: the figures of its summary and its CSV file, and its pictures."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from colorvid.evaluation.page.pictures import KeptPairs
from colorvid.evaluation.page.videos import video_page
from colorvid.evaluation.score.summary import as_text, score_videos, summarise
from colorvid.evaluation.score.video import Video, choose_colors
from colorvid.io import VideoInfo
from colorvid.quality.color import frame_to_rgb
from tests.clips import moving_frames
from tests.evaluation.page.reading import picture, shown

INFO = VideoInfo(40, 32, Fraction(25), matrix=6)
COLORS = choose_colors(INFO, INFO)
FIRST, SECOND = moving_frames(4, 32, 40), moving_frames(4, 32, 40, seed=1)
TYPES = ["key", "B", "b", "P"]


@pytest.mark.parametrize("known", [True, False], ids=["coded", "not coded"])
def test_a_page_has_what_the_summary_and_the_rows_have(known: bool) -> None:
    sizes = [40, 30, 20, 10] if known else None
    reference = Video("folder/a <b>.y4m", INFO, INFO.rate, iter(FIRST))
    decoded = Video("folder/c.clv", INFO, INFO.rate, iter(SECOND), frame_bytes=sizes)
    kept = KeptPairs((1, 3))
    rows = score_videos(reference, decoded, COLORS, pictures=[kept])
    summary = summarise(reference, decoded, COLORS, rows)
    values = shown(video_page(summary, rows, TYPES if known else None, kept))
    text = as_text(summary)
    (table,), (clip,) = values["tables"], values["clips"]
    lines = [line.split() for line in text.splitlines()]
    assert all(" ".join(row).split() in lines for row in (table["columns"], *table["rows"]))
    assert len(values["lead"]) == 5 and values["title"] == "c.clv against its original"
    (series,) = clip["series"]
    assert series["types"] == (TYPES if known else [])
    assert ("bits" in series["columns"]) == known
    for row, figures in zip(rows, series["rows"], strict=True):
        found = dict(zip(series["columns"], figures, strict=True))
        assert found.pop("bits", None) == (8 * (row.size_bytes or 0) if known else None)
        expected = {c: v for c, v in row.scores.as_dict().items() if v is not None}
        assert found == pytest.approx(expected, abs=1e-6)
    pictures = clip["pictures"]
    (part,) = pictures["decoded"]
    assert pictures["frames"] == [1, 3]
    assert np.array_equal(picture(part["pictures"][1]), frame_to_rgb(SECOND[3], COLORS.spec))
    assert part["captions"][0].startswith("B frame, 240 bits, ") == known
