"""Published curves, BD-rates against them, and what is written of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from colorvid.evaluation.compare.patches import Patch
from colorvid.evaluation.compare.tables import Row
from colorvid.quality.metrics import METRICS
from tools.kodak_report import (
    PUBLISHED,
    Results,
    published_bd,
    published_curves,
    rgb_curves,
    write_report,
)


def rows(scale: float = 1.0) -> list[Row]:
    """Four points of two codecs on two images; rates are multiplied by ``scale``."""
    figures: dict[str, Any] = dict.fromkeys(METRICS, 1.0)
    return [
        {
            **{"codec": codec, "clip": clip, "quality": quality, "size_bytes": 1000 * quality},
            **figures,
            **{name: 30.0 + 2 * quality for name in METRICS if name.endswith("_db")},
            **{"rate_bpp": scale * factor * 0.2 * quality, "psnr_rgb_db": 28.0 + 2 * quality},
            **{"ms_ssim_rgb": 1 - 0.1**quality, "de00_mean": 5.0 - quality},
            **{"encode_fps": 3.0, "decode_fps": 4.0, "machine": "here", "settings": f"q={quality}"},
        }
        for codec, factor in (("colorvid", 1.0), ("jpeg", 2.0))
        for clip in ("kodim01", "kodim02")
        for quality in (1, 2, 3, 4)
    ]


def results(published: dict[str, list[Row]]) -> Results:
    return Results(
        rows=rows(),
        missing=["kodim03"],
        limits=[
            {"clip": clip, "psnr_rgb_db": value, "ms_ssim_rgb": 0.9995}
            for clip, value in (("kodim01", 44.0), ("kodim02", 46.0))
        ],
        published=published,
        clip=None,
        patch=Patch(0, 0, 8, 8),
        shown=[],
        origin={"commit": "c0ffee", "model_id": "ab12"},
    )


def test_published_curves_rise_and_say_where_they_are_from() -> None:
    text = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert text["source"].startswith("https://") and len(text["commit"]) == 40
    assert set(text["definitions"]) == {"rate_bpp", "psnr_rgb_db", "ms_ssim_rgb"}
    curves = published_curves()
    assert {name.split()[0] for name in curves} == {
        *("bmshj2018-hyperprior", "cheng2020-anchor", "jpeg", "vtm")
    }
    for name, points in curves.items():
        assert name.endswith(" (published)") and len(points) >= 6
        for key, least, most in (
            ("rate_bpp", 0.04, 4),
            ("psnr_rgb_db", 23, 47),
            ("ms_ssim_rgb", 0.8, 1),
        ):
            values = [point[key] for point in points]
            assert values == sorted(values) and least < values[0] and values[-1] < most


def test_bd_rate_against_a_published_curve_has_the_sign_of_the_others() -> None:
    own = results({}).means("colorvid")
    half = [{**row, "rate_bpp": row["rate_bpp"] / 2} for row in own]
    far = [{**row, "psnr_rgb_db": row["psnr_rgb_db"] + 5} for row in own]
    table = {(r["anchor"], r["metric"]): r for r in published_bd(own, {"half": half, "far": far})}
    for metric in ("psnr_rgb_db", "ms_ssim_rgb_db"):
        assert table["half", metric]["bd_rate_percent"] == pytest.approx(100)
        assert table["half", metric]["overlap_share"] == pytest.approx(1)
    refused = table["far", "psnr_rgb_db"]
    assert refused["bd_rate_percent"] is None and "50% is needed" in refused["refused_because"]


def test_ms_ssim_in_db_is_that_of_the_mean() -> None:
    curves = rgb_curves(results({}).means("colorvid"))
    assert [round(q, 6) for _, q in curves["ms_ssim_rgb_db"]] == [10, 20, 30, 40]
    none = rgb_curves([{"rate_bpp": 1.0, "psnr_rgb_db": 30.0, "ms_ssim_rgb": None}])
    assert none == {"psnr_rgb_db": [(1.0, 30.0)], "ms_ssim_rgb_db": []}


def test_published_curves_are_drawn_dashed_and_marked(tmp_path: Path) -> None:
    text = write_report(results(published_curves()), tmp_path)
    svg = (tmp_path / "figure2-rgb.svg").read_text(encoding="utf-8")
    assert svg.count("(published) -->") == 4 and "<!-- 4:2:0 alone -->" in svg
    assert "not measured here" in text and "| vtm (published) |" in text
    assert "no loss besides they are 45.00 dB and 0.9995" in text
    planes = (tmp_path / "figure2-yuv.svg").read_text(encoding="utf-8")
    assert "published" not in planes and "<!-- colorvid -->" in planes
    table = (tmp_path / "bdrate.tsv").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("colorvid\tvtm (published)\t") for line in table) == 2


def test_without_all_images_nothing_published_stands_beside(tmp_path: Path) -> None:
    text = write_report(results({}), tmp_path)
    assert "they are left out, as not all were measured" in text
    assert "published)" not in text + (tmp_path / "figure2-rgb.svg").read_text(encoding="utf-8")
    assert "# Kodak: 2 images" in text and "Missing: kodim03." in text
    assert "Model `ab12`, commit `c0ffee`. Measured on: here." in text
    assert "| jpeg | -50.0 % (1.00) | -50.0 % (1.00) |" in text
    assert not (tmp_path / "figure3.png").exists() and "A patch" not in text
    settings = (tmp_path / "settings.tsv").read_text(encoding="utf-8").splitlines()
    assert len(settings) == 1 + 8 and settings[1] == "colorvid\t1\there\tq=1\tc0ffee\tab12"


def test_rates_beyond_the_figure_are_in_the_tables(tmp_path: Path) -> None:
    found = results({})
    for row in found.rows:
        if row["codec"] == "jpeg":
            row["rate_bpp"] += 5
    text = write_report(found, tmp_path)
    assert "| jpeg | 4 | 6.6 |" in text
    assert "jpeg" not in (tmp_path / "figure2-yuv.svg").read_text(encoding="utf-8")
