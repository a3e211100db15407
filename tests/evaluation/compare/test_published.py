"""Published curves, and BD-rates against them by their own definitions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from colorvid.errors import InputError
from colorvid.evaluation.compare.data_sets import DATA_SETS
from colorvid.evaluation.compare.data_sets import UVG as UVG_SET
from colorvid.evaluation.compare.points import Point
from colorvid.evaluation.compare.published import (
    DEFINITIONS,
    PublishedCurve,
    compare,
    load_bd_rates,
    load_curves,
    measured_curve,
    panels,
    published_bd_markdown,
    rates_markdown,
)
from colorvid.evaluation.compare.rgb import RgbScores
from colorvid.evaluation.score.frames import ScoredFrame
from colorvid.quality.metrics import bd_rate
from tests.evaluation.compare import made_points

PUBLISHED = Path(__file__).parents[3] / "tools" / "published"
UVG, KODAK = PUBLISHED / "uvg.json", PUBLISHED / "kodak.json"
RATES = (0.01, 0.02, 0.04, 0.08)


def frames(*y: float, u: float = 40.0, v: float = 42.0) -> tuple[ScoredFrame, ...]:
    every = (made_points.scores(value, psnr_u_db=u, psnr_v_db=v) for value in y)
    return made_points.frames(*every)


def point(clip: str, quality: int, rate: float, per_frame: tuple[ScoredFrame, ...]) -> Point:
    return made_points.point("colorvid", clip, quality, rate, per_frame=per_frame)


def points(names: tuple[str, ...] = ("a", "b"), factor: float = 1.0) -> list[Point]:
    """Four qualities; rates times ``factor``; constant frames, so that every mean is alike."""
    return [
        point(name, quality, rate * factor, frames(*[30.0 + 3 * quality] * 2, u=40 + quality))
        for name in names
        for quality, rate in enumerate(RATES)
    ]


def curve(**changes: Any) -> PublishedCurve:
    values: dict[str, Any] = dict(
        name="theirs", source="here", codec="x", figure="yuv611_mean_of_frames", definition="six",
        frames="all", gop="one", note="", clips=("a", "b"), mean=[], by_clip={},
    )  # fmt: skip
    return PublishedCurve(**{**values, **changes})


def test_definitions_by_hand() -> None:
    scores = [point("a", 1, 0.1, frames(30.0, 40.0))]
    assert DEFINITIONS["yuv611_mean_of_frames"](scores) == pytest.approx((6 * 35 + 82) / 8)
    assert DEFINITIONS["yuv411_mean_of_frames"](scores) == pytest.approx((4 * 35 + 82) / 6)
    luma = -10 * math.log10((10**-3 + 10**-4) / 2)  # 32.6 dB, not 35
    assert DEFINITIONS["yuv411_of_mean_error"](scores) == pytest.approx((4 * luma + 82) / 6)


def test_mean_of_sequences_by_quality() -> None:
    values = [
        point("a", 7, 0.2, frames(30.0)),
        point("b", 7, 0.4, frames(36.0)),
        point("a", 9, 0.5, frames(40.0)),
    ]
    assert measured_curve(values, "yuv411_mean_of_frames") == [
        pytest.approx((0.3, (4 * 33 + 82) / 6)),
        pytest.approx((0.5, (4 * 40 + 82) / 6)),
    ]


def test_bd_rate_against_a_curve_of_the_same_definition() -> None:
    own = points()
    for name in (name for name in DEFINITIONS if name.startswith("yuv")):
        mean = measured_curve(own, name)
        (rate,) = compare(points(factor=2.0), [curve(figure=name, mean=mean)])
        assert rate.result.percent == pytest.approx(100, abs=0.01)
        assert rate.result.overlap == pytest.approx(1)
        assert rate.as_row()["refused_because"] == "" and rate.as_row()["psnr"] == name


def test_by_sequence_the_published_mean_is_over_the_same_sequences() -> None:
    by_name = {"a": [(r, 30.0 + i) for i, r in enumerate(RATES)], "b": [(1.0, 50.0)] * 4}
    mine = [point("a", i, r, frames(30.0 + i, u=30.0 + i, v=30.0 + i)) for i, r in enumerate(RATES)]
    theirs = curve(by_clip=by_name)
    assert compare(mine, [theirs])[0].result.percent == pytest.approx(0, abs=1e-6)
    assert theirs.points(["a", "b"])[0] == pytest.approx((0.505, 40.0))


@pytest.mark.parametrize(
    "theirs, reason",
    [
        (curve(figure="rgb", definition="of RGB"), "its PSNR is not measured here: of RGB"),
        (curve(mean=[(1.0, 2.0)]), "only as the mean over all sequences; some are not here"),
        (curve(by_clip={"b": [(1.0, 2.0)]}), "nothing is published for a"),
        (
            curve(clips=("a",), mean=[(1.0, 2.0)], figure="psnr_rgb_db"),
            "stills have it with rgb=True",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(
    theirs: PublishedCurve, reason: str
) -> None:
    (rate,) = compare(points(("a",)), [theirs])
    assert rate.result.percent is None
    assert reason in rate.result.reason
    assert reason in rates_markdown([rate], 1, 1)


def test_too_little_overlap_is_refused_by_the_bd_rate() -> None:
    far = curve(mean=[(r, 80.0 + i) for i, r in enumerate(RATES)])
    assert "overlap by 0%" in compare(points(), [far])[0].result.reason


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_data_set_has_published_curves_of_its_sequences(name: str) -> None:
    path = PUBLISHED / f"{name}.json"
    curves = {one.name: one for one in load_curves(path)}
    vtm = curves["VTM 17.0 low-delay B (DCVC)"]
    assert set(vtm.by_clip) == set(DATA_SETS[name].rates) == set(vtm.clips)
    assert all(len(points) == 10 for points in vtm.by_clip.values())
    rates = load_bd_rates(path)
    assert {rate.anchor for rate in rates} == {vtm.name}
    assert {"DCVC-FM fp16", "DCVC-RT fp16"} <= {rate.name for rate in rates}


def test_published_bd_rates_of_uvg() -> None:
    rates = load_bd_rates(UVG)
    assert {rate.name: rate.percent for rate in rates}["DCVC-RT fp16"] == -24.0
    text = published_bd_markdown(rates)
    assert text.startswith("BD-rates against VTM 17.0 low-delay B (DCVC), as published:\n\n|")
    assert "| DCVC-FM fp16 | -16.8 % |" in text and "read by eye from a picture" in text
    assert load_bd_rates(KODAK) == []


@pytest.mark.parametrize("text", ["[]", "{", '{"bd_rates": [{"name": "x"}]}'])
def test_files_without_bd_rates_that_can_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a.json: not a file of published curves"):
        load_bd_rates(path)


def test_the_curve_of_a_definition_that_is_not_measured_is_refused() -> None:
    """Cool-chic's video curve: the decibels of a weighted error."""
    curves = [c for c in load_curves(PUBLISHED / "hevc-c.json") if c.name.startswith("Cool-chic")]
    [rate] = compare(points(("BQMall",)), curves)
    assert rate.result.percent is None
    assert rate.result.reason.startswith("its PSNR is not measured here: -10 log10 of (4 MSE")


def test_the_shipped_curves_of_uvg() -> None:
    curves = {one.name: one for one in load_curves(UVG)}
    x265 = curves["x265 medium zerolatency (CompressAI)"]
    assert x265.points(tuple(UVG_SET.rates))[0] == pytest.approx((0.4476571, 44.82218))
    assert x265.figure == "yuv411_of_mean_error"
    vtm = curves["VTM 17.0 low-delay B (DCVC)"]
    assert set(vtm.by_clip) == set(tuple(UVG_SET.rates))
    # The mean as published there, to the digits that its sequences are given with.
    assert vtm.points(tuple(UVG_SET.rates))[0] == pytest.approx((0.065904, 43.024913), abs=1e-6)
    for one in curves.values():
        assert one.source and one.frames and one.gop and one.definition
        known = [one.mean] if one.mean else list(one.by_clip.values())
        for rate_quality in known:
            ordered = sorted(rate_quality)
            assert all(a[1] < b[1] for a, b in zip(ordered, ordered[1:], strict=False))
    refused = [name for name, one in curves.items() if one.figure not in DEFINITIONS]
    assert refused == ["ssf2020 (its authors)"]


def test_the_known_gap_between_two_published_curves() -> None:
    curves = {one.name: one.mean for one in load_curves(UVG)}
    x265 = curves["x265 medium zerolatency (CompressAI)"]
    result = bd_rate(x265, curves["VTM 15.0 low delay (CompressAI)"])
    assert result.percent == pytest.approx(-60.31, abs=0.02)  # by another implementation


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curves.json"
    with pytest.raises(InputError, match="No such file"):
        load_curves(path)
    for text in ("{", json.dumps({"curves": [{}], "definitions": {}, "clips": []})):
        path.write_text(text)
        with pytest.raises(InputError, match="not a file of published curves"):
            load_curves(path)


def test_the_shipped_curves_of_kodak_rise_and_say_where_they_are_from() -> None:
    text = json.loads(KODAK.read_text(encoding="utf-8"))
    assert text["source"].startswith("https://") and len(text["commit"]) == 40
    curves = load_curves(KODAK)
    names = {"bmshj2018-hyperprior", "cheng2020-anchor", "jpeg", "vtm"}
    assert {(one.name, one.figure) for one in curves} == {
        ("Cool-chic 5.0", "psnr_rgb_db"),
        *((name, figure) for name in names for figure in ("psnr_rgb_db", "ms_ssim_rgb_db")),
    }
    for one in curves:
        assert one.source and one.codec and one.definition and len(one.clips) == 24
        rates, values = zip(*one.mean, strict=True)
        assert len(rates) >= 5 and 0.04 < rates[0] and rates[-1] < 4
        assert list(rates) == sorted(rates) and list(values) == sorted(values)
        least, most = (23, 47) if one.figure == "psnr_rgb_db" else (7, 29)
        assert least < values[0] and values[-1] < most


def test_figures_in_rgb_are_those_of_stills_that_have_them() -> None:
    one, two = (
        made_points.point("colorvid", clip, 1, 0.5, rgb=RgbScores(psnr, similar))
        for clip, psnr, similar in (("a", 30.0, 0.98), ("b", 40.0, 1.0))
    )
    assert measured_curve([one, two], "psnr_rgb_db") == [(0.5, 35.0)]
    assert measured_curve([one, two], "ms_ssim_rgb_db") == [(0.5, pytest.approx(20))]
    without = made_points.point("colorvid", "b", 1, 0.5)
    assert measured_curve([one, without], "psnr_rgb_db") == []
    small = made_points.point("colorvid", "b", 1, 0.5, rgb=RgbScores(40.0, None))
    assert measured_curve([one, small], "ms_ssim_rgb_db") == []


def test_files_are_known_by_the_beginning_of_their_names() -> None:
    theirs = curve(clips=("Beauty", "Bee"), mean=[(1.0, 2.0)])
    assert theirs.points(["beauty_1920x1080_120fps", "BEE"]) == [(1.0, 2.0)]
    with pytest.raises(InputError, match="some are not here"):
        theirs.points(["beauty", "beehive"])


def test_panels_hold_what_can_be_compared() -> None:
    mean = measured_curve(points(), "yuv611_mean_of_frames")
    found = panels(
        points(),
        "colorvid",
        [curve(mean=mean), curve(name="other", figure="rgb"), curve(name="few", by_clip={})],
    )
    assert list(found) == ["yuv611_mean_of_frames"]
    assert list(found["yuv611_mean_of_frames"]) == ["colorvid", "theirs, published"]
