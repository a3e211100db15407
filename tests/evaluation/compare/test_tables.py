from dataclasses import replace
from pathlib import Path

import pytest

from colorvid.evaluation.compare.points import DRIFT, Point, Work
from colorvid.evaluation.compare.tables import (
    AVERAGE,
    BD_METRICS,
    MEAN_CURVE,
    bd_markdown,
    bd_rates,
    bd_table,
    curve,
    curve_metrics,
    markdown,
    mean_curves,
    with_drift,
    with_ratios,
    write_tsv,
)
from colorvid.quality.scores import FrameScores
from tests.evaluation.compare.made_points import frames as made_frames
from tests.evaluation.compare.made_points import point, scores

RATES = (0.1, 0.2, 0.4, 0.8)


def curve_of(codec: str, clip: str, factor: float, similarity: bool = True) -> list[Point]:
    return [
        point(
            codec,
            clip,
            q,
            rate * factor,
            scores=FrameScores(
                psnr_y_db=30.0 + 3 * q,
                psnr_u_db=35.0 + 3 * q,
                psnr_v_db=35.0 + 3 * q,
                psnr_yuv611_db=31.0 + 3 * q,
                ms_ssim_y=0.9 if similarity else None,
                ms_ssim_y_db=10.0 + q if similarity else None,
                de00_mean=4.0 - q,
                de00_p95=8.0 - q,
            ),
            encode=Work(10.0 * factor),
        )
        for q, rate in enumerate(RATES)
    ]


POINTS = [
    *curve_of("test", "a", 0.5),
    *curve_of("anchor", "a", 1.0),
    *curve_of("test", "small", 2.0, similarity=False),
    *curve_of("anchor", "small", 1.0, similarity=False),
]


def test_average_is_the_mean_of_the_clips_and_not_the_mean_curve() -> None:
    result = bd_rates(POINTS, "test", "anchor", "psnr_y_db")
    assert result["a"].percent == pytest.approx(-50)
    assert result["small"].percent == pytest.approx(100)
    assert result[AVERAGE].percent == pytest.approx(25)
    assert result[MEAN_CURVE].percent == pytest.approx(25)  # mean rates: 1.25 against 1
    uneven = bd_rates(
        [*POINTS, *curve_of("test", "b", 0.2), *curve_of("anchor", "b", 0.1)],
        "test",
        "anchor",
        "psnr_y_db",
    )
    assert uneven[AVERAGE].percent == pytest.approx((-50 + 100 + 100) / 3)
    assert uneven[MEAN_CURVE].percent == pytest.approx(100 * (2.7 / 2.1 - 1))


def test_metrics_on_request_have_bd_rates_too() -> None:
    asked = [
        replace(
            p, extra={"xpsnr_y_db": p.scores.psnr_y_db + 1, "niqe": 5.0, "xpsnr_yuv611_db": None}
        )
        for p in POINTS
    ]
    assert curve_metrics(POINTS) == BD_METRICS
    assert curve_metrics(asked) == (*BD_METRICS, "xpsnr_y_db"), "niqe has no curve"
    table = {(f.metric, f.clip): f.result for f in bd_table(asked, "test", ["anchor"])}
    assert table["xpsnr_y_db", "a"] == table["psnr_y_db", "a"]
    assert len(table) == 4 * (len(BD_METRICS) + 1)


def test_clips_without_a_figure_are_refused_and_left_out_of_both_averages() -> None:
    result = bd_rates(POINTS, "test", "anchor", "ms_ssim_y_db")
    assert result["small"].percent is None
    assert result[AVERAGE].percent == pytest.approx(-50)
    assert result[MEAN_CURVE].percent == pytest.approx(-50)


def test_colour_difference_counts_downwards() -> None:
    assert curve(curve_of("test", "a", 1.0), "de00_mean")[-1] == (0.8, -1.0)
    assert bd_rates(POINTS, "test", "anchor", "de00_mean")["a"].percent == pytest.approx(-50)


def test_mean_curves_average_over_clips() -> None:
    means = mean_curves(POINTS)
    assert [(m.codec, m.quality, m.clips) for m in means[:2]] == [
        ("test", 0, 2),
        ("test", 1, 2),
    ]
    assert means[0].rate_bpp == pytest.approx(0.125)
    assert means[0].figure("ms_ssim_y") == 0.9
    assert means[0].as_row()["ms_ssim_y"] == 0.9 and "niqe" not in means[0].figures


def test_speeds_are_ratios_within_one_run() -> None:
    points = with_ratios(POINTS, "anchor")
    ratios = {(one.codec, one.clip): one.encode.ratio for one in points}
    assert ratios[("test", "a")] == pytest.approx(0.5)
    assert ratios[("anchor", "a")] == pytest.approx(1)
    assert ratios[("test", "small")] == pytest.approx(2)
    assert mean_curves(points)[0].figure("encode_ratio") == pytest.approx(1)  # geometric
    earlier = [replace(p, run="yesterday") if p.codec == "test" else p for p in POINTS]
    crowded = [replace(p, jobs=2) for p in POINTS]
    for others in (with_ratios(earlier, "anchor")[:4], with_ratios(crowded, "anchor")):
        assert all(p.encode.ratio is p.decode.ratio is None for p in others)
    assert mean_curves(with_ratios(earlier, "anchor"))[0].figure("encode_ratio") is None


def test_a_slow_point_of_the_reference_counts_by_its_time() -> None:
    reference = [replace(p, encode=Work(fps)) for p, fps in zip(POINTS[:2], (10, 30), strict=True)]
    ratios = [p.encode.ratio for p in with_ratios(reference, "test")]
    assert ratios == pytest.approx([10 / 15, 30 / 15])  # the same frames at 10 and 30 fps


def test_peaks_are_the_highest_of_all_clips() -> None:
    peaks: list[float | None] = [100.0, 300.0, None]
    points = [replace(POINTS[0], encode=Work(1.0, peak_mb=peak)) for peak in peaks]
    assert mean_curves(points)[0].figure("encode_peak_mb") == 300
    assert "decode_peak_mb" not in mean_curves(points)[0].figures


def test_tables_show_refusals_with_their_reason() -> None:
    table = bd_table(POINTS, "test", ["anchor"])
    text = bd_markdown(table)
    assert "### BD-rate of test against anchor" in text
    assert "| a | -50.0 % (1.00) | -50.0 % (1.00) | -50.0 % (1.00) | -50.0 % (1.00) |" in text
    assert "| small | +100.0 % (1.00) | +100.0 % (1.00) | - | +100.0 % (1.00) |" in text
    assert "Refused: small is too small for ms_ssim_y_db." in text
    assert markdown([{"x": None, "y": 0.123456}]) == "| x | y |\n| --- | --- |\n| - | 0.1235 |"


def test_tsv_leaves_missing_figures_empty(tmp_path: Path) -> None:
    write_tsv(tmp_path / "t.tsv", [{"clip": "a", "ms_ssim_y": None}, {"clip": "b", "ms_ssim_y": 1}])
    assert (tmp_path / "t.tsv").read_text() == "clip\tms_ssim_y\na\t\nb\t1\n"


@pytest.mark.parametrize(
    ("frames", "gop", "drift"), [(17, 32, -8.0), (40, 17, -8.0), (16, 32, None)]
)
def test_drift_compares_the_ends_of_the_first_group(
    frames: int, gop: int, drift: float | None
) -> None:
    """The key frame does not count."""
    values = [99.0] + [40.0 - n for n in range(frames - 1)]
    one = point("a", "b", 1, 0.1, per_frame=made_frames(*(scores(value) for value in values)))
    (found,) = with_drift([one], gop)
    assert found.drift_db == found.figure(DRIFT) == drift
