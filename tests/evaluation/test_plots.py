"""Plots: files of the kind that was asked for, the same from the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorvid.errors import OutputError
from colorvid.evaluation.plots import figure, rate_distortion

CURVES = {
    "psnr_y_db": {"colorvid": [(0.2, 34.0), (0.1, 31.0)], "x265": [(0.1, 31.5), (0.2, 34.2)]},
    "de00_mean": {"colorvid": [(0.1, 3.0), (0.2, 2.0)]},
}


def test_an_svg_names_axes_and_codecs(tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    rate_distortion(path, CURVES, title="two clips")
    text = path.read_text(encoding="utf-8")
    for comment in ("PSNR of Y [dB]", "bits per pixel", "colorvid", "x265", "two clips"):
        assert f"<!-- {comment} -->" in text


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figures_give_the_same_file(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    rate_distortion(first, CURVES)
    rate_distortion(second, CURVES)
    assert first.read_bytes() == second.read_bytes()


def test_one_legend_names_dashed_curves_and_limits_of_all_panels(tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    limits = {"de00_mean": ("lossless", 1.0)}
    rate_distortion(path, CURVES, dashed=["x265"], limits=limits)
    text = path.read_text(encoding="utf-8")
    assert text.count("<!-- colorvid -->") == 1, "one legend for both panels"
    assert text.count("<!-- x265 -->") == 1 and text.count("<!-- lossless -->") == 1
    plain = tmp_path / "plain.svg"
    rate_distortion(plain, CURVES)
    dashes = text.count("stroke-dasharray") - plain.read_text(encoding="utf-8").count(
        "stroke-dasharray"
    )
    assert dashes == 4, "a curve and a limit, each with its sample in the legend"


def test_a_panel_for_each_metric(tmp_path: Path) -> None:
    with figure(tmp_path / "grid.png", 2, 3) as axes:
        assert axes.shape == (2, 3)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing/a.png: No such file"):
        rate_distortion(tmp_path / "missing" / "a.png", CURVES)
