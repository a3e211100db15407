"""What is written of the Kodak images, with and without published curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from colorvid.evaluation.compare.kodak import IMAGES, Results, published_bd, write_report
from colorvid.evaluation.compare.panels import Limit
from colorvid.evaluation.compare.points import Point, Work
from colorvid.evaluation.compare.published import PublishedCurve, load_curves, measured_curve
from colorvid.evaluation.compare.rgb import RgbScores
from colorvid.evaluation.compare.tables import of_codec
from colorvid.quality.scores import FrameScores
from tests.evaluation.compare.made_points import point
from tests.evaluation.compare.test_published import KODAK, curve


def points() -> list[Point]:
    """Four points of two codecs on two images; the second takes twice the bits."""
    return [
        point(
            codec,
            clip,
            quality,
            factor * 0.2 * quality,
            scores=FrameScores(
                *[30.0 + 2 * quality] * 4, 1.0, 30.0 + 2 * quality, 5.0 - quality, 1.0
            ),
            rgb=RgbScores(28.0 + 2 * quality, 1 - 0.1**quality),
            encode=Work(3.0),
            decode=Work(4.0),
        )
        for codec, factor in (("colorvid", 1.0), ("jpeg", 2.0))
        for clip in ("kodim01", "kodim02")
        for quality, db in ((1, 32.0), (2, 34.0), (3, 36.0), (4, 38.0))
    ]


def results(published: list[PublishedCurve]) -> Results:
    found = points()
    if published:  # all images: copies, so that the means stay
        found = [replace(p, clip=name) for p in found if p.clip == "kodim01" for name in IMAGES]
    return Results(
        points=found,
        missing=["kodim03"],
        limits=[
            Limit(clip, RgbScores(value, 0.9995))
            for clip, value in (("kodim01", 44.0), ("kodim02", 46.0))
        ],
        published=published,
        patch=None,
        origin={"commit": "c0ffee", "model_id": "ab12"},
    )


def test_bd_rate_against_a_published_curve_has_the_sign_of_the_others() -> None:
    own = of_codec(points(), "colorvid")
    curves = []
    for figure in ("psnr_rgb_db", "ms_ssim_rgb_db"):
        mine = measured_curve(own, figure)
        for name, rate, quality in (("half", 0.5, 0.0), ("far", 1.0, 5.0)):
            mean = [(rate * r, q + quality) for r, q in mine]
            clips = ("kodim01", "kodim02")
            curves.append(curve(name=name, figure=figure, mean=mean, clips=clips))
    table = {(f.anchor, f.metric): f.result for f in published_bd(own, curves)}
    for metric in ("psnr_rgb_db", "ms_ssim_rgb_db"):
        assert table["half (published)", metric].percent == pytest.approx(100)
        assert table["half (published)", metric].overlap == pytest.approx(1)
    refused = table["far (published)", "psnr_rgb_db"]
    assert refused.percent is None and "50% is needed" in refused.reason


def test_ms_ssim_in_db_is_that_of_the_mean() -> None:
    own = measured_curve(of_codec(points(), "colorvid"), "ms_ssim_rgb_db")
    assert [round(q, 6) for _, q in own] == [10, 20, 30, 40]


def test_published_curves_are_drawn_dashed_and_marked(tmp_path: Path) -> None:
    text = write_report(results(load_curves(KODAK)), tmp_path)
    svg = (tmp_path / "figure2-rgb.svg").read_text(encoding="utf-8")
    assert svg.count("(published) -->") == 5 and "<!-- 4:2:0 alone -->" in svg
    assert "not measured here" in text and "| vtm (published) |" in text
    [line] = [row for row in text.splitlines() if row.startswith("| Cool-chic 5.0 (published)")]
    assert line.endswith(" | - |"), "only its PSNR was published"
    assert "no loss besides they are 45.00 dB and 0.9995" in text
    planes = (tmp_path / "figure2-yuv.svg").read_text(encoding="utf-8")
    assert "published" not in planes and "<!-- colorvid -->" in planes
    table = (tmp_path / "bdrate.tsv").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("colorvid\tvtm (published)\t") for line in table) == 2


def test_without_all_images_nothing_published_stands_beside(tmp_path: Path) -> None:
    text = write_report(results([]), tmp_path)
    assert "they are left out, as not all were measured" in text
    assert "published)" not in text + (tmp_path / "figure2-rgb.svg").read_text(encoding="utf-8")
    assert "# Kodak: 2 images" in text and "Missing: kodim03." in text
    assert "Model `ab12`, commit `c0ffee`. Measured on: here." in text
    assert "| jpeg | -50.0 % (1.00) | -50.0 % (1.00) |" in text
    assert not (tmp_path / "figure3.png").exists() and "A patch" not in text
    settings = (tmp_path / "settings.tsv").read_text(encoding="utf-8").splitlines()
    assert len(settings) == 1 + 8 and settings[1] == "colorvid\t1\there\tq=1\tc0ffee\tab12"


def test_rates_beyond_the_figure_are_in_the_tables(tmp_path: Path) -> None:
    found = results([])
    far = [replace(p, rate_bpp=p.rate_bpp + 5) if p.codec == "jpeg" else p for p in found.points]
    text = write_report(replace(found, points=far), tmp_path)
    assert "| jpeg | 4 | 6.6 |" in text
    assert "jpeg" not in (tmp_path / "figure2-yuv.svg").read_text(encoding="utf-8")
