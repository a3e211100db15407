"""``colorvid compare`` as a user meets it."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.evaluation.compare.clips import write_y4m
from tests import tiny
from tests.cli.test_main import command, one_error_line, run
from tests.evaluation.page.reading import data_of
from tests.evaluation.sources import colourful, moving_clip

ROOT = Path(__file__).parents[2]
QUICK = ("--memory", "none", "--frames", 2, "--no-progress")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, height in (("one", 48), ("two", 40)):
        write_y4m(folder / f"{name}.y4m", moving_clip(2, height, 64))
    return folder


def read(path: Path, delimiter: str = "\t") -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_a_folder_of_clips(
    clips: Path, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    options = ("--anchors", "x264-zl,svtav1", "--qualities", "10,25,40,55", "--gop", 2)
    command = ("compare", clips, *options, *QUICK, "--model", model, "--cache", cache)
    assert run(*command, "--out", out) == 0
    text, messages = capfd.readouterr()
    assert messages == ""
    wide = (out / "tables.md").read_text()
    assert text.startswith("### BD-rate of ") and wide.startswith("### BD-rate of ")
    assert "\n| codec | quality | rate_kbps | psnr_yuv611_db |" in text
    assert "\n| codec | quality | clips | rate_bpp | rate_kbps |" in wide
    assert "Points from the cache: 0 of 32." in text
    assert "### BD-rate of colorvid against x264-zl" in text
    assert "### BD-rate of colorvid against svtav1" in text
    points = read(out / "points.tsv")
    assert len(points) == len(list(cache.iterdir())) == 2 * (4 + 6 + 6)
    own = [point for point in points if point["codec"] == "colorvid"]
    assert [point["quality"] for point in own] == ["55", "40", "25", "10"] * 2
    assert all(float(point["encode_ratio"]) > 0 for point in points)
    assert {point["cached"] for point in points} == {"False"}
    report = ("--report", tmp_path / "report.html", "--no-progress")
    assert run(*command, "--anchors", "x264-zl", *report) == 0  # again, from the cache
    text = capfd.readouterr().out
    assert "Points from the cache: 20 of 20." in text
    page = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page["codecs"] == ["colorvid", "x264-zl"]
    (rates,) = page["tables"]
    assert all(f"| {' | '.join(row)} |" in text for row in rates["rows"])
    assert [clip["pictures"]["frames"] for clip in page["clips"]] == [[0, 1], [0, 1]]
    assert [series["types"][0] for series in page["clips"][0]["series"]] == ["key", "key"]


def test_stills_are_coded_as_key_frames(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gradient = np.add.outer(np.arange(64), np.arange(80))
    noise = np.random.default_rng(0).integers(0, 50, (64, 80))
    picture = np.stack((gradient, 200 - gradient, gradient // 2), -1) + noise[..., None]
    for name in ("still.png", "photo.jpg"):
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name)
    stills = (tmp_path / "still.png", tmp_path / "photo.jpg")
    options = ("--anchors", "jpeg", "--no-cache", "--memory", "none", "--model", model)
    assert run("compare", *stills, *options, "--out", tmp_path / "out", "--qualities", 30) == 0
    text = capfd.readouterr().out
    assert "\n## Mean over 2 sources\n" in text and " gop=1 " in text
    assert "Refused: test curve has 1 points; 4 or more are needed." in text
    points = read(tmp_path / "out" / "points.tsv")
    assert [point["quality"] for point in points[:3]] == ["30", "95", "90"]


def test_what_stands_beside_on_request(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    still = tmp_path / "kodim05.png"
    Image.fromarray(colourful(64, 80)).save(still)
    out, published = tmp_path / "out", ROOT / "tools" / "published" / "kodak.json"
    options = ("--anchors", "jpeg", "--qualities", 30, "--no-cache", "--memory", "none")
    wanted = ("--rgb", "--patches", "kodim05:8,8,32,16", "--bpp", 2, "--published", published)
    assert run("compare", still, *options, "--model", model, *wanted, "--out", out) == 0
    text = capfd.readouterr().out
    for part in (
        "### RGB",
        "vtm is refused: published only as the mean over all sequences; some are not here.",
        "### A patch of kodim05",
    ):
        assert part in text
    points = read(out / "points.tsv")
    (limit,) = read(out / "limit.tsv")
    assert all(float(p["psnr_rgb_db"]) < float(limit["psnr_rgb_db"]) + 0.1 for p in points)
    made = {path.name for path in out.iterdir()}
    assert made >= {"rd-rgb.svg", "published.tsv", "patch-kodim05.png"}
    assert "published.svg" not in made, "nothing can be compared with"


def test_memory_and_speed_are_those_of_processes_of_their_own(
    clips: Path, model: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ("--anchors", "none", "--qualities", 40, "--frames", 1, "--model", model)
    assert run("compare", clips / "one.y4m", *options, "--no-cache", "--out", tmp_path / "o") == 0
    (point,) = json.loads((tmp_path / "o" / "compare.json").read_text())["points"]
    assert point["encode_startup_s"] > 0 and point["decode_fps"] > 0
    assert point["encode_ratio"] == 1  # alone, colorvid is its own reference
    assert point["encode_peak_mb"] is None or point["encode_peak_mb"] > 50
    assert "BD-rate" not in capfd.readouterr().out


WRONG = [
    (("nowhere.y4m",), 2, "nowhere.y4m: No such file or directory"),
    (("EMPTY",), 2, "holds no .avi, .mkv"),
    (("CLIP", "--anchors", "x266"), 1, "argument --anchors: 'x266' is unknown; use x264-intra"),
    (("CLIP", "--anchors", "none,x264"), 1, "none stands alone"),
    (("CLIP", "--device", "abacus"), 1, "device 'abacus' cannot be used"),
    (("CLIP", "--keep", "x", "--cluster", "local"), 1, "leave out --cluster or --keep"),
    (("CLIP", "--qualities", "10,64"), 1, "quality 64 is not allowed; it must be 0..63"),
    (("CLIP", "--frames", "9"), 2, "has 2 frames; 9 are needed, or --frames 2"),
    (("CLIP", "--model", "nothing"), 3, "model 'nothing' is neither a file nor one of"),
    (("CLIP", "--out", "CLIP"), 2, "is a file; give the name of a folder"),
    (("CLIP", "CLIP2"), 2, "are both called one; rename one of them"),
    (("CLIP", "--cache", "x", "--no-cache"), 1, "not allowed with argument"),
    (("BROKEN",), 2, "broken.png: is no image that can be read"),
    (("CLIP", "--frames", "2", "--rgb"), 2, "one is no still; --rgb is for stills only"),
    (("CLIP", "--published", "nowhere.json"), 2, "nowhere.json: No such file or directory"),
    (("CLIP", "--patches", "one:1,2,3"), 1, "'one:1,2,3' must be NAME:X,Y,WIDTH,HEIGHT, as in"),
    (("CLIP", "--patches", "1,2,3,4"), 1, "'1,2,3,4' must be NAME:X,Y,WIDTH,HEIGHT, as in"),
    (("CLIP", "--patches", "one:1,2,3,4"), 1, "--patches makes pictures; give --out DIR"),
    (
        ("CLIP", "--frames", "2", "--patches", "two:1,2,3,4", "--out", "x"),
        1,
        "a patch of two is wanted; sources are",
    ),
    (("CLIP", "--frames", "2", "--report", "CLIP"), 1, "(--report) is the source "),
    (("CLIP", "--frames", "2", "--report", "CLIP2"), 2, "one.png exists; pass -y to overwrite"),
    (("CLIP", "--report", "none/x.html"), 2, "none/x.html: No such file or directory"),
    (("CLIP", "--bpp", "0"), 1, "'0' must be a number above 0, as in 0.4"),
    (("CLIP", "--bpp", "much"), 1, "'much' must be a number above 0, as in 0.4"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_use_is_one_line(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    clips: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_text("no picture")
    (tmp_path / "one.png").write_text("of the same name")
    places = {
        "CLIP": clips / "one.y4m",
        "CLIP2": tmp_path / "one.png",
        "EMPTY": tmp_path / "empty",
        "BROKEN": tmp_path / "broken.png",
    }
    assert run("compare", *(places.get(word, word) for word in arguments)) == code
    out, err = capfd.readouterr()
    assert out == "" and message in one_error_line(err)


def test_existing_results_need_permission(
    clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tables.md").write_text("old")
    assert run("compare", clips, "--out", tmp_path) == 2
    assert "holds results; pass -y to replace them" in one_error_line(capfd.readouterr().err)
    assert (tmp_path / "tables.md").read_text() == "old"


@pytest.mark.slow
def test_a_cluster_gives_the_results_of_one_process(
    clips: Path, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    options = ("compare", clips, "--anchors", "x264-zl", "--qualities", "20,50", *QUICK,
               "--model", model, "--no-cache")  # fmt: skip
    assert run(*options, "--out", tmp_path / "one") == 0
    assert "speeds" not in capfd.readouterr().err
    assert run(*options, "--out", tmp_path / "two", "--cluster", "local", "--jobs", 2) == 0
    assert "speeds cannot be compared" in capfd.readouterr().err
    one, two = (read(tmp_path / name / "points.tsv") for name in ("one", "two"))
    lasting = [c for c in one[0] if not re.search("fps|ratio|startup|peak|run|jobs", c)]
    assert len(one) == 16 and "psnr_yuv611_db" in lasting
    assert [[r[c] for c in lasting] for r in one] == [[r[c] for c in lasting] for r in two]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_comparison_goes_on(
    jobs: int, clips: Path, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, cache, temporary = tmp_path / "out", tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    anchors = "x264-zl,x264,svtav1"
    options = ["compare", clips, "--anchors", anchors, "--qualities", 20, *QUICK]
    options += ["--model", model, "--cache", cache, "--out", out]
    program = subprocess.Popen(
        ["env", f"TMPDIR={temporary}", *command(*options, "--jobs", jobs)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    while program.poll() is None and not list(cache.glob("*.json")):
        time.sleep(0.01)
    program.send_signal(signal.SIGTERM)
    printed, messages = program.communicate(timeout=60)
    assert program.returncode == 4 and printed == ""
    assert messages.splitlines()[-1].startswith("colorvid [error]: aborted by SIGTERM")
    assert "Traceback" not in messages
    assert ("speeds cannot be compared" in messages) == (jobs > 1)
    assert not out.exists() and not list(temporary.iterdir())
    kept = [json.loads(path.read_text()) for path in cache.glob("*")]  # all of them whole
    total = 2 * (1 + 3 * 6)
    assert 0 < len(kept) < total
    assert run(*options) == 0
    assert f"Points from the cache: {len(kept)} of {total}." in capfd.readouterr().out
