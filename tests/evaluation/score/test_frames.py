"""Scores frame by frame: rows, unequal videos, CSV files."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.evaluation.score.extra import (
    EXTRA_CHOICES,
    EXTRA_METRICS,
    Extra,
    Scene,
    Scorer,
    Scores,
)
from colorvid.evaluation.score.frames import ScoredFrame, columns, score_frames
from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec, Matrix
from colorvid.quality.log import write_log
from colorvid.quality.metrics import METRICS, QUALITY_CAP_DB, Metric
from colorvid.quality.scores import score_frame
from tests.clips import moving_frames

SPEC = ColorSpec(Matrix.BT601)
FIRST, SECOND = moving_frames(3, 24, 32), moving_frames(3, 24, 32, seed=1)


def test_a_row_for_each_frame_in_the_order_of_the_columns() -> None:
    rows = list(score_frames(FIRST, SECOND, SPEC, frame_bytes=[70, 8, 9]))
    assert [tuple(row.as_dict()) for row in rows] == [("frame", "bytes", *METRICS)] * 3
    assert [(row.frame, row.size_bytes) for row in rows] == [(0, 70), (1, 8), (2, 9)]
    assert rows[1].scores == score_frame(FIRST[1], SECOND[1], SPEC)


def test_frames_are_taken_one_by_one() -> None:
    taken = []

    def source() -> object:
        for index, frame in enumerate(FIRST):
            taken.append(index)
            yield frame

    rows = score_frames(source(), iter(SECOND), SPEC)  # type: ignore[arg-type]
    assert next(rows).size_bytes is None
    assert taken == [0]


def test_unequal_numbers_of_frames_are_named_on_either_side() -> None:
    with pytest.raises(InputError, match="reference has 3 frames, the decoded video 1; .*frames=1"):
        list(score_frames(FIRST, SECOND[:1], SPEC))
    with pytest.raises(InputError, match="reference has 0 frames, the decoded video 3"):
        list(score_frames([], SECOND, SPEC))


@pytest.mark.parametrize("sizes", [[1, 2], [1, 2, 3, 4]])
def test_coded_sizes_must_be_as_many_as_frames(sizes: list[int]) -> None:
    with pytest.raises(InputError, match=f"{len(sizes)} coded sizes for 3 frames"):
        list(score_frames(FIRST, SECOND, SPEC, frame_bytes=sizes))


def test_extra_metrics_come_behind_the_others_and_only_on_request() -> None:
    assert not set(EXTRA_METRICS) & set(METRICS)
    row = next(score_frames(FIRST, SECOND, SPEC, extra=["ciede_vmaf"]))
    assert (
        tuple(row.as_dict())
        == columns(["ciede_vmaf"])
        == ("frame", "bytes", *METRICS, "ciede_vmaf")
    )
    with pytest.raises(ConfigError, match="metric 'beauty' is unknown; use ciede_vmaf"):
        next(score_frames(FIRST, SECOND, SPEC, extra=["beauty"]))


def test_a_metric_touches_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `EXTRA_CHOICES` says of it is what scoring needs."""
    rates: list[Fraction | None] = []

    def scorer(scene: Scene) -> Scorer:
        rates.append(scene.rate)
        return lambda reference, decoded: {"apart": float(decoded.y[0, 0]) - reference.y[0, 0]}

    entry = Extra({"apart": Metric("1", "lower", "apart")}, scorer)
    monkeypatch.setitem(EXTRA_CHOICES, "apart", entry)
    rows = list(score_frames(FIRST, SECOND, SPEC, extra=["apart"], rate=Fraction(50)))
    expected = [float(b.y[0, 0]) - a.y[0, 0] for a, b in zip(FIRST, SECOND, strict=True)]
    assert [row.figure("apart") for row in rows] == expected and rates == [Fraction(50)]
    assert columns(["apart"])[-1] == "apart"


class AtTheEnd:
    """Knows its figures at the end."""

    def __init__(self, scene: Scene) -> None:
        self.count, self.closed = 0, 0

    def __call__(self, reference: Frame, decoded: Frame) -> Scores:
        self.count += 1
        return {"late": None}

    def finish(self) -> list[Scores]:
        return [{"late": float(number)} for number in range(self.count)]

    def close(self) -> None:
        self.closed += 1


def test_figures_that_are_known_at_the_end_are_in_all_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[AtTheEnd] = []

    def scorer(scene: Scene) -> Scorer:
        made.append(AtTheEnd(scene))
        return made[-1]

    monkeypatch.setitem(EXTRA_CHOICES, "late", Extra({"late": Metric("1", "lower", "")}, scorer))
    rows = []
    for row in score_frames(FIRST, SECOND, SPEC, extra=["ciede_vmaf", "late"]):
        assert row.figure("late") is None
        rows.append(row)
    assert [row.figure("late") for row in rows] == [0, 1, 2]
    with pytest.raises(InputError):
        list(score_frames(FIRST, SECOND[:1], SPEC, extra=["late"]))
    assert [one.closed for one in made] == [1, 1], "also where the frames cannot be scored"


@pytest.mark.parametrize("name", [name for name in EXTRA_CHOICES if name != "vmaf"])
def test_every_metric_gives_the_columns_that_it_states(name: str) -> None:
    score = EXTRA_CHOICES[name].scorer(Scene(SPEC))
    given = [list(score(*moving_frames(2, 194, 194))) for _ in range(2)]
    assert given == [list(EXTRA_CHOICES[name].columns)] * 2


def test_a_line_gives_the_frame_back() -> None:
    frames = score_frames(FIRST, SECOND, SPEC, frame_bytes=[70, 8, 9], extra=["ciede_vmaf"])
    for frame in frames:
        again = ScoredFrame.of(frame.as_dict())
        assert again == frame and again.figure("ciede_vmaf") == frame.extra["ciede_vmaf"]
        assert again.figure("psnr_y_db") == frame.scores.psnr_y_db
    with pytest.raises(KeyError):
        frame.figure("niqe")


def test_csv_holds_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    rows = list(score_frames(FIRST, SECOND, SPEC, frame_bytes=[70, 8, 9]))
    write_log(path, rows)
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == list(rows[0].as_dict())
    assert [row["bytes"] for row in read] == ["70", "8", "9"]
    assert [float(row["de00_mean"]) for row in read] == pytest.approx(
        [row.scores.de00_mean for row in rows], abs=1e-6
    )
    assert {row["ms_ssim_y"] for row in read} == {""}, "too small a picture"
    with pytest.raises(OutputError, match="frames.csv exists; pass overwrite=True"):
        write_log(path, rows, overwrite=False)
    with pytest.raises(InputError, match="no frames to write"):
        write_log(path, [])


def test_frames_of_two_depths_are_compared_at_the_finer_one() -> None:
    fine = moving_frames(1, 170, 180, depth=10)
    coarse = [fine[0].at_depth(8)]
    rows = list(score_frames(fine, coarse, SPEC, extra=["ciede_vmaf", "rgb"]))
    (wanted,) = score_frames(fine, [coarse[0].at_depth(10)], SPEC)
    assert rows[0].scores == wanted.scores and 55 < rows[0].scores.psnr_y_db < 62
    assert rows[0].figure("ciede_vmaf") == QUALITY_CAP_DB
