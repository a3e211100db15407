"""What is compared, and the files about it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from colorvid.errors import ColorvidError, ConfigError, ModelMismatch, OutputError
from colorvid.evaluation.compare import report as compare
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.clips import write_y4m
from colorvid.evaluation.compare.codecs import Codec, model_identity
from colorvid.evaluation.compare.report import (
    Choice,
    Comparison,
    check_folder,
    check_packages,
    default_cache,
)
from colorvid.evaluation.compare.runs import COLUMNS, Measuring, Row, run_all
from colorvid.evaluation.compare.tables import BD_METRICS, DRIFT
from tests.evaluation.sources import CoarseRun, moving_clip

CLIPS, STILLS = [Path("a.y4m"), Path("b.png")], [Path("a.png"), Path("b.jpg")]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
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


def test_choices_follow_the_sources() -> None:
    clips, stills = Choice().codecs(CLIPS), Choice().codecs(STILLS)
    assert [codec.name for codec in clips] == ["colorvid", "x264-zl", "x265-zl"]
    assert [codec.name for codec in stills] == ["colorvid", "x264-intra", "x265-intra"]
    assert clips[0].run.settings(9)["gop"] == clips[1].run.settings(9)["g"] == "32"
    assert stills[0].run.settings(9)["gop"] == "1"
    assert [c.name for c in Choice(gop=1).codecs(CLIPS)] == [c.name for c in stills]


def test_choices_of_a_user_hold() -> None:
    choice = Choice(gop=8, anchors=("jpeg", "svtav1"), qualities=(4, 9), threads=3)
    own, jpeg, svt = choice.codecs(STILLS)
    assert own.qualities == (9, 4)
    assert (jpeg.name, svt.qualities) == ("jpeg", (23, 31, 39, 47, 55, 63))
    assert (svt.run.settings(23)["g"], svt.run.settings(23)["threads"]) == ("8", "3")
    assert [codec.name for codec in Choice(anchors=("none",)).codecs(CLIPS)] == ["colorvid"]


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match="anchors are x264, none; none stands alone"):
        Choice(anchors=("x264", "none")).codecs(CLIPS)
    with pytest.raises(ConfigError, match=r"quality 64 is not allowed; it must be 0..63"):
        Choice(qualities=(1, 64)).codecs(CLIPS)
    with pytest.raises(ModelMismatch, match="model 'nothing'"):
        Choice(model="nothing").codecs(CLIPS)


def test_every_file_is_written(rows: list[Row], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    comparison = Comparison.of(rows, "default")
    comparison.write(out)
    with (out / "points.tsv").open(newline="") as file:
        points = list(csv.DictReader(file, delimiter="\t"))
    assert len(points) == 2 * 2 * 4
    expected = {*COLUMNS, "encode_ratio", "decode_ratio", DRIFT, "commit", "version", "model_id"}
    assert set(points[0]) == expected
    assert {point["model_id"] for point in points} == {model_identity("default")}
    assert len((out / "bdrate.tsv").read_text().splitlines()) == 1 + len(BD_METRICS) * (2 + 2)
    assert (out / "tables.md").read_text() == comparison.as_markdown()
    stored = json.loads((out / "compare.json").read_text())
    assert stored["points"] == json.loads(json.dumps(comparison.points))
    assert len(stored["mean_curves"]) == 8 and len(stored["bd_rates"]) == 16
    frames = sorted(path.name for path in (out / "frames").iterdir())
    assert len(frames) == 16 and frames[0] == "one-colorvid-0.csv"
    with (out / "frames" / frames[0]).open(newline="") as file:
        per_frame = list(csv.DictReader(file))
    point = next(p for p in points if (p["clip"], p["quality"]) == ("one", "0"))
    assert sum(int(row["bytes"]) for row in per_frame) == int(point["size_bytes"])
    plots = sorted(path.name for path in out.glob("*.svg"))
    assert plots == ["rd-de00-mean.svg", "rd-psnr-y-db.svg", "rd-psnr-yuv611-db.svg"]  # no MS-SSIM
    assert {p.name for p in tmp_path.rglob(".*")} == set()


def test_the_tables_say_how_it_was_measured(rows: list[Row]) -> None:
    text = Comparison.of(rows, "default").as_markdown()
    assert text.startswith("## Mean over 2 sources\n\n| codec | quality | clips | rate_bpp |")
    assert "Points from the cache: 0 of 16." in text
    assert "frames per second over those of x264-zl" in text
    assert re.search(r"- x264-zl: `encoder=libx264 .* crf=4/10/26/34 ", text)
    assert "### BD-rate of colorvid against x264-zl" in text


def test_drift_is_that_of_the_group_of_pictures(rows: list[Row]) -> None:
    per_frame = [{"psnr_y_db": 60.0 - n / 2} for n in range(40)]
    points = [r | {"per_frame": per_frame, "settings": f"gop=32 {r['settings']}"} for r in rows]
    found = Comparison.of(points, "default")
    assert {point[DRIFT] for point in found.points} == {-23 / 2}
    assert f"{DRIFT}: mean PSNR of Y of the last 8 frames" in found.as_markdown()


def test_without_anchors_there_are_no_bd_rates(rows: list[Row], tmp_path: Path) -> None:
    alone = Comparison.of([row for row in rows if row["codec"] == "colorvid"], "default")
    assert "BD-rate" not in alone.as_markdown()
    alone.write(tmp_path)
    assert not (tmp_path / "bdrate.tsv").exists() and (tmp_path / "points.tsv").exists()


def test_results_are_replaced_as_a_whole(rows: list[Row], tmp_path: Path) -> None:
    Comparison.of(rows, "default").write(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds results; pass -y to replace them"):
        check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path, overwrite=True)
    Comparison.of([row for row in rows if row["clip"] == "one"], "default").write(tmp_path)
    assert len(list((tmp_path / "frames").iterdir())) == 8
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        check_folder(tmp_path / "notes.txt", overwrite=True)


def test_the_cache_stands_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_cache() == Path("/cache/colorvid-cache")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "colorvid-cache"


def test_a_missing_package_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    monkeypatch.setattr(compare, "find_spec", lambda name: None if name == "PIL" else name)
    with pytest.raises(ColorvidError, match=r"needs PIL; install it with: pip install 'colorvid"):
        check_packages()
