import json
import math
from pathlib import Path
from typing import Any

import pytest

from colorvid.errors import InputError
from colorvid.evaluation.compare.published import (
    DEFINITIONS,
    Curve,
    compare,
    load_curves,
    measured_points,
)
from colorvid.evaluation.compare.uvg import SEQUENCES
from colorvid.quality.metrics import bd_rate

UVG = Path(__file__).parents[3] / "tools" / "published" / "uvg.json"
RATES = (0.01, 0.02, 0.04, 0.08)


def frames(*y: float, u: float = 40.0, v: float = 42.0) -> list[dict[str, float]]:
    return [{"psnr_y_db": value, "psnr_u_db": u, "psnr_v_db": v} for value in y]


def point(clip: str, quality: int, rate: float, scores: list[dict[str, float]]) -> dict[str, Any]:
    return {"clip": clip, "quality": quality, "rate_bpp": rate, "per_frame": scores}


def points(names: tuple[str, ...] = ("a", "b"), factor: float = 1.0) -> list[dict[str, Any]]:
    """Four qualities; rates times ``factor``; constant frames, so that every mean is alike."""
    return [
        point(name, quality, rate * factor, frames(*[30.0 + 3 * quality] * 2, u=40 + quality))
        for name in names
        for quality, rate in enumerate(RATES)
    ]


def curve(**changes: Any) -> Curve:
    values: dict[str, Any] = dict(
        name="theirs", source="here", codec="x", psnr="yuv611_mean_of_frames", definition="six",
        frames="all", gop="one", note="", mean=[], sequences={},
    )  # fmt: skip
    return Curve(**{**values, **changes})


def test_definitions_by_hand() -> None:
    scores = frames(30.0, 40.0)
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
    assert measured_points(values, "yuv411_mean_of_frames") == [
        pytest.approx((0.3, (4 * 33 + 82) / 6)),
        pytest.approx((0.5, (4 * 40 + 82) / 6)),
    ]


def test_bd_rate_against_a_curve_of_the_same_definition() -> None:
    own = points()
    for name in DEFINITIONS:
        mean = measured_points(own, name)
        rows = compare(points(factor=2.0), [curve(psnr=name, mean=mean)], ("a", "b"))
        assert rows[0]["bd_rate_percent"] == pytest.approx(100, abs=0.01)
        assert rows[0]["overlap_share"] == pytest.approx(1)
        assert rows[0]["refused_because"] == ""


def test_by_sequence_the_published_mean_is_over_the_same_sequences() -> None:
    by_name = {"a": [(r, 30.0 + i) for i, r in enumerate(RATES)], "b": [(1.0, 50.0)] * 4}
    mine = [point("a", i, r, frames(30.0 + i, u=30.0 + i, v=30.0 + i)) for i, r in enumerate(RATES)]
    theirs = curve(sequences=by_name)
    assert compare(mine, [theirs], ("a", "b"))[0]["bd_rate_percent"] == pytest.approx(0, abs=1e-6)
    assert theirs.points(["a", "b"], True)[0] == pytest.approx((0.505, 40.0))


@pytest.mark.parametrize(
    "theirs, reason",
    [
        (curve(psnr="rgb", definition="of RGB"), "its PSNR is not measured here: of RGB"),
        (curve(mean=[(1.0, 2.0)]), "only as the mean over all sequences; some are not here"),
        (curve(sequences={"b": [(1.0, 2.0)]}), "nothing is published for a"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(theirs: Curve, reason: str) -> None:
    row = compare(points(("a",)), [theirs], ("a", "b"))[0]
    assert row["bd_rate_percent"] is None
    assert reason in row["refused_because"]


def test_too_little_overlap_is_refused_by_the_bd_rate() -> None:
    far = curve(mean=[(r, 80.0 + i) for i, r in enumerate(RATES)])
    assert "overlap by 0%" in compare(points(), [far], ("a", "b"))[0]["refused_because"]


def test_the_shipped_curves_of_uvg() -> None:
    curves = {one.name: one for one in load_curves(UVG)}
    x265 = curves["x265 medium zerolatency (CompressAI)"]
    assert x265.points(SEQUENCES, True)[0] == pytest.approx((0.4476571, 44.82218))
    assert x265.psnr == "yuv411_of_mean_error"
    vtm = curves["VTM 17.0 low-delay B (DCVC)"]
    assert set(vtm.sequences) == set(SEQUENCES)
    # The mean as published there, to the digits that its sequences are given with.
    assert vtm.points(SEQUENCES, True)[0] == pytest.approx((0.065904, 43.024913), abs=1e-6)
    for one in curves.values():
        assert one.source and one.frames and one.gop and one.definition
        known = [one.mean] if one.mean else list(one.sequences.values())
        for rate_quality in known:
            ordered = sorted(rate_quality)
            assert all(a[1] < b[1] for a, b in zip(ordered, ordered[1:], strict=False))
    refused = [name for name, one in curves.items() if one.psnr not in DEFINITIONS]
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
    for text in ("{", json.dumps({"curves": [{}], "definitions": {}})):
        path.write_text(text)
        with pytest.raises(InputError, match="not a file of published curves"):
            load_curves(path)
