import json

import pytest

from colorvid.evaluation.bench.coding import Round, Spent
from colorvid.evaluation.bench.report import (
    NATIVE,
    PYTORCH,
    X264,
    Coding,
    Machine,
    SizeReport,
    Table,
    as_json,
)
from colorvid.evaluation.bench.stages import Stage
from colorvid.evaluation.bench.start import Start
from colorvid.frame import Size

MACHINE = Machine(
    "Some CPU", 2, 8, "Linux", (("colorvid", "0.1.0"), ("torch", None)), "native core", "ab" * 16,
    ("one thing",),
)  # fmt: skip


def coding(codec: str, workers: int, frames: int, wall_s: float, cpu_s: float) -> Coding:
    slow = Round(Spent(9.0, 9.0), Spent(9.0, 9.0))
    return Coding.best(
        codec, workers, frames // 2, frames,
        [slow, Round(Spent(wall_s, cpu_s), Spent(wall_s / 2, cpu_s / 2))],
    )  # fmt: skip


REPORT = SizeReport(
    size=Size(352, 288),
    clip="clip.mp4",
    quality=44,
    codings=(
        coding(NATIVE, 1, 64, 2.0, 2.0), coding(NATIVE, 2, 64, 1.0, 2.5),
        coding(X264, 2, 64, 0.1, 0.2),
    ),
    short=(
        coding(NATIVE, 1, 16, 0.5, 0.5), coding(NATIVE, 2, 16, 0.25, 0.5),
        coding(PYTORCH, 1, 16, 4.0, 4.0), coding(PYTORCH, 2, 16, 3.0, 5.0),
    ),
    roof_gmacs=200.0,
    encoding=(Stage("motion", 30.0, 0.75, None, None), Stage("prior", 10.0, 0.25, 100.0, 0.5)),
    decoding=(Stage("prior", 10.0, 1.0, 100.0, 0.5),),
    starts=((NATIVE, Start(0.31, 0.25, 98.4)), (PYTORCH, Start(2.5, None, None))),
)  # fmt: skip


def test_the_best_of_several_rounds_counts() -> None:
    first = REPORT.codings[0]
    assert (first.encode.fps, first.decode.fps) == (32.0, 64.0)
    mixed = Coding.best(NATIVE, 1, 8, 16, [
        Round(Spent(1.0, 4.0), Spent(1.0, 1.0)), Round(Spent(2.0, 2.0), Spent(1.0, 1.0)),
    ])  # fmt: skip
    assert (mixed.encode.fps, mixed.encode.frames_per_cpu_s) == (16.0, 8.0)


def test_ratios_compare_the_same_frames() -> None:
    found = [(r.over.name, r.under.name, r.figures()[0], r.figures()[1]) for r in REPORT.ratios()]
    assert found == [
        ("native core, 2 workers", "native core, 1 worker", 2.0, 0.8),
        ("native core, 2 workers", "x264 medium, CRF 23, 2 threads", 0.1, pytest.approx(0.08)),
        ("native core, 1 worker", "PyTorch, 1 worker", 8.0, 8.0),
        ("native core, 2 workers", "PyTorch, 2 workers", 12.0, 10.0),
    ]


def test_tables() -> None:
    texts = [table.as_text() for table in REPORT.tables()]
    assert texts[0].startswith("352x288, clip.mp4, quality 44: 64 frames, a key frame every 32\n")
    assert "\n  native core, 2 workers / native core, 1 worker  " in texts[0]
    assert "\n  native core / x264 medium, CRF 23, 2 threads  " in texts[0]
    assert "\n  native core / PyTorch, 1 worker  " in texts[1]
    assert "16 frames, a key frame every 8, the same in PyTorch\n" in texts[1]
    assert texts[2].splitlines() == [
        "352x288, encoding by stage, one worker, roof of int16 200 GMAC/s",
        "stage     ms a frame  share  GMAC/s  of the roof",
        "motion         30.00    75%",
        "prior          10.00    25%   100.0          50%",
        "networks       10.00    25%   100.0          50%",
        "all            40.00   100%",
    ]
    assert texts[4].splitlines()[2:] == [
        "native core           0.31 s           0.25 s        98 MB",
        "PyTorch               2.50 s        not known    not known",
    ]


def test_a_table_of_markdown() -> None:
    table = Table("Title", ("", "fps"), (("a", "1.0"),))
    assert table.as_markdown() == "Title:\n\n|  | fps |\n| --- | ---: |\n| a | 1.0 |"


def test_the_machine_is_described() -> None:
    assert MACHINE.as_text().splitlines() == [
        "machine   Some CPU, 2 of 8 cores, Linux",
        "versions  colorvid 0.1.0, torch not installed",
        "codec     native core",
        f"model     {'ab' * 16}",
        "note      one thing",
    ]


def test_json_has_everything() -> None:
    content = json.loads(as_json(MACHINE, [REPORT]))
    assert content["machine"]["versions"] == {"colorvid": "0.1.0", "torch": None}
    size = content["sizes"][0]
    assert size["roof_gmacs"] == 200.0
    assert size["size"] == "352x288"
    assert size["codings"][1]["encode"] == {
        "frames": 64, "wall_s": 1.0, "cpu_s": 2.5, "fps": 64.0, "frames_per_cpu_s": 25.6,
    }  # fmt: skip
    assert [coding["codec"] for coding in size["short"]] == [NATIVE, NATIVE, PYTORCH, PYTORCH]
    assert size["ratios"][0]["encode"] == 2.0
    assert [stage["name"] for stage in size["stages"]["encode"]] == ["motion", "prior", "networks"]
    assert size["start"]["native"] == {
        "first_frame_s": 0.31, "first_frame_cpu_s": 0.25, "peak_mb": 98.4,
    }  # fmt: skip
    assert size["start"]["pytorch"]["peak_mb"] is None
