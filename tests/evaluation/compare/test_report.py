"""What is compared, and the files about it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from colorvid.errors import OutputError
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.clips import write_y4m
from colorvid.evaluation.compare.codecs import Codec, Settings, model_identity
from colorvid.evaluation.compare.points import COLUMNS, DRIFT, Measuring, Point
from colorvid.evaluation.compare.report import (
    Comparison,
    check_folder,
)
from colorvid.evaluation.compare.running import run_all
from colorvid.evaluation.compare.tables import BD_METRICS
from tests.evaluation.compare import made_points
from tests.evaluation.sources import CoarseRun, moving_clip


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    """Points of a fake colorvid and of x264 on two clips."""
    sources = []
    for name in ("one", "two"):
        sources.append(tmp_path_factory.mktemp("clips") / f"{name}.y4m")
        write_y4m(sources[-1], moving_clip(3))
    fast = AnchorRun("x264-zl", 32, preset="ultrafast")
    codecs = [
        Codec("colorvid", (3, 2, 1, 0), CoarseRun()),
        Codec("x264-zl", (4, 10, 26, 34), fast),
    ]
    return run_all(codecs, sources, 3, Measuring())


def test_every_file_is_written(points: list[Point], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    comparison = Comparison.of(points, "default")
    comparison.write(out)
    with (out / "points.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 2 * 2 * 4
    expected = {*COLUMNS, "commit", "version", "model_id"}
    assert set(rows[0]) == expected
    assert {point["model_id"] for point in rows} == {model_identity("default")}
    assert len((out / "bdrate.tsv").read_text().splitlines()) == 1 + len(BD_METRICS) * (2 + 2)
    assert (out / "tables.md").read_text() == comparison.as_markdown()
    stored = json.loads((out / "compare.json").read_text())
    assert stored["points"] == json.loads(
        json.dumps([point.as_json() for point in comparison.points])
    )
    assert len(stored["mean_curves"]) == 8 and len(stored["bd_rates"]) == 16
    frames = sorted(path.name for path in (out / "frames").iterdir())
    assert len(frames) == 16 and frames[0] == "one-colorvid-0.csv"
    with (out / "frames" / frames[0]).open(newline="") as file:
        per_frame = list(csv.DictReader(file))
    point = next(p for p in rows if (p["clip"], p["quality"]) == ("one", "0"))
    assert sum(int(row["bytes"]) for row in per_frame) == int(point["size_bytes"])
    plots = sorted(path.name for path in out.glob("*.svg"))
    means = ["rd-de00-mean.svg", "rd-psnr-y-db.svg", "rd-psnr-yuv611-db.svg"]  # no MS-SSIM
    assert plots == ["clip-one.svg", "clip-two.svg", *means]
    assert (out / "clip-one.svg").read_text().count('<g id="axes_') == 3
    assert {p.name for p in tmp_path.rglob(".*")} == set()


def test_the_tables_say_how_it_was_measured(points: list[Point]) -> None:
    text = Comparison.of(points, "default").as_markdown()
    start = "\n## Mean over 2 sources\n\n| codec | quality |"
    assert f"{start} clips | rate_bpp | rate_kbps |" in text
    assert text.index("BD-rate") < text.index(start), "what it comes to stands first"
    assert "Threads of each codec: 1. Points from the cache" in text
    assert "Points from the cache: 0 of 16." in text
    assert "frames per second over those of x264-zl" in text
    assert re.search(r"- x264-zl: `encoder=libx264 .* crf=4/10/26/34 ", text)
    assert "### BD-rate of colorvid against x264-zl" in text


def test_the_table_on_a_terminal_is_narrow(points: list[Point]) -> None:
    text = Comparison.of(points, "default").as_text()
    table = [line for line in text.splitlines() if line.startswith(("| codec", "| colorvid |"))]
    assert table[0].startswith("| codec | quality | rate_kbps | psnr_yuv611_db |")
    assert max(map(len, table)) <= 80
    assert text.startswith("### BD-rate of colorvid against ")


def test_drift_is_that_of_the_group_of_pictures(points: list[Point]) -> None:
    per_frame = made_points.frames(*(made_points.scores(60.0 - n / 2) for n in range(40)))
    settings = Settings.of({"gop": "32"})
    longer = [replace(point, per_frame=per_frame, settings=settings) for point in points]
    found = Comparison.of(longer, "default")
    assert {point.drift_db for point in found.points} == {-23 / 2}
    assert f"{DRIFT}: mean PSNR of Y of the last 8 frames" in found.as_markdown()


def test_without_anchors_there_are_no_bd_rates(points: list[Point], tmp_path: Path) -> None:
    alone = Comparison.of([point for point in points if point.codec == "colorvid"], "default")
    assert "BD-rate" not in alone.as_markdown()
    alone.write(tmp_path)
    assert not (tmp_path / "bdrate.tsv").exists() and (tmp_path / "points.tsv").exists()


def test_results_are_replaced_as_a_whole(points: list[Point], tmp_path: Path) -> None:
    Comparison.of(points, "default").write(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds results; pass overwrite=True to replace them"):
        check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path, overwrite=True)
    Comparison.of([point for point in points if point.clip == "one"], "default").write(tmp_path)
    assert len(list((tmp_path / "frames").iterdir())) == 8
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        check_folder(tmp_path / "notes.txt", overwrite=True)
