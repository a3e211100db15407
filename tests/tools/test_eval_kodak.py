"""``tools/eval_kodak.py`` as a user runs it, on generated images."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from PIL import Image

from colorvid.evaluation.compare.kodak import IMAGES
from tests.evaluation.sources import colourful
from tools.eval_kodak import find_images, main

QUICK = ("--qualities", "8,24,40,56", "--anchors", "jpeg")
REAL = os.environ.get("COLORVID_KODAK", "")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images, one of each kind; the second is too small for MS-SSIM."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(colourful(168, 176)).save(folder / "kodim01.png")
    Image.fromarray(colourful(64, 80, 1)).save(folder / "kodim03.webp", lossless=True)
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_images_that_are_there_are_evaluated_and_kept(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, cache = tmp_path / "new" / "out", tmp_path / "cache"
    arguments = ["--data", str(images), "--out", str(out), "--cache", str(cache), *QUICK]
    arguments += ["--limit", "3", "--image", "kodim01", "--patch", "16,8,64,48", "--bpp", "1.0"]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert "missing, left out: kodim02\n" in first.err
    assert first.out == (out / "tables.md").read_text(encoding="utf-8")
    assert "# Kodak: 2 images" in first.out and "Missing: kodim02." in first.out
    points = table(out / "points.tsv")
    assert len(points) == 2 * (4 + 8)
    assert {(p["clip"], p["ms_ssim_rgb"] == "") for p in points} == {
        *(("kodim01", False), ("kodim03", True))
    }
    limits = {row["clip"]: float(row["psnr_rgb_db"]) for row in table(out / "limit.tsv")}
    # A decoder that smooths may mend a little of what the conversion to 4:2:0 did to noise.
    assert all(float(p["psnr_rgb_db"]) < limits[p["clip"]] + 0.1 for p in points)
    patches = [line for line in first.out.splitlines() if line.startswith("| ")][-2:]
    for line, codec in zip(patches, ("colorvid", "jpeg"), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == codec and float(cells[2]) <= 1.0
    for name in ("figure2-yuv.svg", "figure2-rgb.svg", "figure3.png", "bdrate.tsv"):
        assert (out / name).stat().st_size > 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for path in cache.iterdir():
        path.touch()
    assert main(arguments) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--images", "kodim07,kodim08"], 2, "holds none of kodim07, kodim08 as .png or .webp"),
        (["--anchors", "x265-zl"], 1, "anchor 'x265-zl' codes no stills; use x264-intra"),
        (
            ["--image", "kodim03", "--patch", "0,0,80,65", "--anchors", ""],
            1,
            "patch 0,0,80,65 (x,y,width,height) does not lie inside the picture of 80x64",
        ),
        (["--model", "none"], 3, "model 'none' is neither a file nor one of default"),
    ],
)
def test_a_mistake_is_one_line(
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    message: str,
) -> None:
    assert main(["--data", str(images), "--out", str(tmp_path / "out"), *more]) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("eval_kodak [error]: ") and message in last


def test_the_patch_is_left_out_if_its_image_is_missing(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(images), "--out", str(tmp_path), "--images", "kodim03", *QUICK]
    assert main([*arguments, "--image", "kodim05", "--qualities", "8"]) == 0
    captured = capsys.readouterr()
    assert "figure 3 is left out: kodim05 is missing; choose another --image" in captured.err
    assert not (tmp_path / "figure3.png").exists()
    assert "Refused: jpeg, PSNR Y: no clip has a BD-rate." in captured.out


def test_png_comes_before_webp(images: Path) -> None:
    Image.fromarray(colourful(8, 8)).save(images / "kodim03.png")
    found = find_images(images, IMAGES[:3])
    assert found == {
        "kodim01": images / "kodim01.png",
        "kodim02": None,
        "kodim03": images / "kodim03.png",
    }


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="COLORVID_KODAK does not name the folder of the Kodak images")
def test_the_real_images_give_all_three_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", REAL, "--out", str(tmp_path), "--qualities", "8,24,40,56"]
    assert main([*arguments, "--anchors", "jpeg"]) == 0
    text = capsys.readouterr().out
    assert "# Kodak: 24 images" in text and "| vtm (published) |" in text
    rates = {
        (row["anchor"], row["metric"]): row["bd_rate_percent"]
        for row in table(tmp_path / "bdrate.tsv")
        if row["clip"] in ("average", "mean curve")
    }
    assert float(rates["jpeg", "psnr_yuv611_db"]) < -20, "far better than JPEG"
    assert float(rates["jpeg (published)", "psnr_rgb_db"]) < -20
    assert (tmp_path / "figure3.png").stat().st_size > 10_000
