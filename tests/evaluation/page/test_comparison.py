"""The page of a comparison: the figures of its tables and CSV files, and the right pictures."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from colorvid.errors import ConfigError
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.choices import ANCHORS
from colorvid.evaluation.compare.codecs import Codec
from colorvid.evaluation.compare.points import code_frames
from colorvid.evaluation.page import comparison as module
from colorvid.evaluation.page.comparison import (
    MOST_POINTS,
    at_equal_rate,
    check_points,
    comparison_page,
)
from colorvid.quality.color import frame_to_rgb
from tests.evaluation.compare.made_points import point
from tests.evaluation.page.conftest import FRAMES, Compared
from tests.evaluation.page.reading import picture, shown
from tests.evaluation.sources import moving_clip


def rates(codec: str, *values: float) -> list[object]:
    return [point(codec, "a", 10 + n, rate) for n, rate in enumerate(values)]


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ((1, 2, 4, 8, 16), (1, 2.1, 7.9, 16), (8, 7.9)),  # the nearest, inside the curve
        ((1, 2, 4, 8, 16), (1.0, 5.0), (4, 5.0)),  # by the ratio, not the difference
        ((1, 2), (1.1, 2.5), (1, 1.1)),
        ((3,), (100.0, 9.0), (3, 9.0)),
    ],
)
def test_points_are_at_about_one_rate(
    own: tuple[float, ...], other: tuple[float, ...], expected: tuple[float, float]
) -> None:
    chosen = at_equal_rate(rates("colorvid", *own) + rates("x264", *other))  # type: ignore[arg-type]
    assert [p.codec for p in chosen] == ["colorvid", "x264"]
    assert tuple(p.rate_bpp for p in chosen) == expected


def test_alone_the_middle_is_shown() -> None:
    (chosen,) = at_equal_rate(rates("colorvid", 16, 8, 4, 2, 1))  # type: ignore[arg-type]
    assert chosen.rate_bpp == 4


def test_figures_are_those_of_the_tables(compared: Compared, tmp_path: Path) -> None:
    compared.comparison.write(tmp_path)
    values, text = shown(compared.page), compared.comparison.as_markdown()
    for table in (*values["tables"], values["points"]):
        for row in (table["columns"], *table["rows"]):
            assert f"| {' | '.join(row)} |" in text
    assert len(values["tables"]) == 1 and len(values["points"]["rows"]) == 8
    with (tmp_path / "points.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    mean, *of_clips = values["curves"]
    assert mean["name"] == "mean over 2 sources" and [c["name"] for c in of_clips] == ["one", "two"]
    found = {
        (curves["name"], curve["codec"], str(p["quality"])): p
        for curves in of_clips
        for curve in curves["curves"]
        for p in curve["points"]
    }
    assert len(found) == len(rows) == 16
    for row in rows:
        one = found[row["clip"], row["codec"], row["quality"]]
        assert one["rate_bpp"] == pytest.approx(float(row["rate_bpp"]), abs=1e-6)
        assert "psnr_yuv611_db" in one["figures"] and "ms_ssim_y" not in one["figures"]
        for column, value in one["figures"].items():
            assert value == pytest.approx(float(row[column]), abs=1e-6)


def test_frames_are_those_of_the_csv_files(compared: Compared, tmp_path: Path) -> None:
    compared.comparison.write(tmp_path)
    for clip in shown(compared.page)["clips"]:
        chosen = at_equal_rate([p for p in compared.comparison.points if p.clip == clip["name"]])
        for one, series in zip(chosen, clip["series"], strict=True):
            assert series["codec"] == one.codec
            assert series["label"].startswith(f"quality {one.quality}, {one.rate_kbps:.4g} kbit/s")
            path = tmp_path / "frames" / f"{one.clip}-{one.codec}-{one.quality}.csv"
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            assert len(rows) == len(series["rows"]) == len(series["types"]) == FRAMES
            for row, values in zip(rows, series["rows"], strict=True):
                figures = dict(zip(series["columns"], values, strict=True))
                assert figures.pop("bits") == 8 * int(row["bytes"])
                assert {column: float(row[column]) for column in figures} == figures


def test_pictures_are_what_the_files_decode_to(compared: Compared) -> None:
    clips = shown(compared.page)["clips"]
    for clip, source in zip(clips, compared.clips, strict=True):
        pictures = clip["pictures"]
        assert pictures["frames"] == list(range(FRAMES))
        chosen = at_equal_rate([p for p in compared.comparison.points if p.clip == clip["name"]])
        for one, codec, part in zip(chosen, compared.codecs, pictures["decoded"], strict=True):
            _, frames = code_frames(codec.run, source, one.quality)
            for n in (0, FRAMES - 1):
                expected = frame_to_rgb(frames[n], source.spec)
                assert np.array_equal(picture(part["pictures"][n]), expected)
                size = one.per_frame[n].size_bytes
                assert size is not None and f", {8 * size:,} bits, " in part["captions"][n]
        assert np.array_equal(
            picture(pictures["originals"][1]), frame_to_rgb(source.frames[1], source.spec)
        )
    types = clips[0]["series"][0]["types"]
    assert types[0] == "key" and set(types[1:]) <= {"P", "B"}
    assert clips[0]["pictures"]["decoded"][0]["captions"][0].startswith("key frame, ")


def test_only_the_first_clips_have_pictures(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CLIPS", 1)
    seen: list[tuple[int, int, str]] = []
    page = comparison_page(
        compared.comparison,
        compared.codecs,
        compared.clips,
        lambda *progress: seen.append(progress),
    )
    assert seen == [(0, 1, "pictures of one")]
    assert [clip.pictures is None for clip in page.clips] == [False, True]
    assert page.clips[1].series[0].rows == compared.page.clips[1].series[0].rows
    assert "Pictures are of the first 1 of 2 clips." in page.notes


@pytest.mark.parametrize("name", ["x265-zl", "svtav1", "jpeg", "x264"])
def test_types_of_frames_are_found_in_every_kind_of_file(name: str) -> None:
    run = AnchorRun(name, 4, preset=None if name in ("jpeg", "svtav1") else "ultrafast")
    codec, clip = Codec(name, ANCHORS[name].qualities, run), moving_clip(6)
    frames, types = module._code_again(codec, clip, 50, range(2, 4))
    assert len(frames) == 2 and len(types) == 6
    assert types[0] == types[4] == "key"
    assert all(math.isfinite(frame.y.mean()) for frame in frames)


def test_what_is_too_large_is_refused_before_the_work(compared: Compared) -> None:
    check_points(compared.codecs, [Path("a")] * (MOST_POINTS // 8))
    with pytest.raises(ConfigError, match="a report has room for 2000 points, and these are 2008"):
        check_points(compared.codecs, [Path("a")] * (MOST_POINTS // 8 + 1))
