"""What stands beside a comparison: RGB, published curves, patches."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.clips import Clip, load
from colorvid.evaluation.compare.codecs import Codec
from colorvid.evaluation.compare.panels import Beside, Limit, Wanted, rgb_limits, rgb_panels
from colorvid.evaluation.compare.patches import Patch
from colorvid.evaluation.compare.points import Measuring, Point
from colorvid.evaluation.compare.report import Comparison, check_folder
from colorvid.evaluation.compare.rgb import RgbScores, limit
from colorvid.evaluation.compare.running import run_all
from tests.evaluation.compare.made_points import point
from tests.evaluation.compare.test_published import curve
from tests.evaluation.sources import CoarseRun, colourful, moving_clip

PATCH = Patch(8, 4, 32, 16)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("still") / "still.png"
    Image.fromarray(colourful(40, 56)).save(path)
    return path


@pytest.fixture(scope="module")
def points(source: Path) -> list[Point]:
    codecs = [Codec(name, (3, 2, 1, 0), CoarseRun()) for name in ("colorvid", "x264")]
    return run_all(codecs, [source], None, Measuring(rgb=True))


def rgb_point(codec: str, quality: int, similar: float | None = 0.9) -> Point:
    return point(codec, "a", quality, 0.1 * quality, rgb=RgbScores(20.0 + quality, similar))


def test_the_panels_of_rgb_hold_published_curves_of_these_clips() -> None:
    every = [rgb_point(codec, quality) for codec in ("colorvid", "jpeg") for quality in (1, 2)]
    mean = [(0.1, 30.0), (0.2, 40.0)]
    here = curve(name="jpeg", figure="psnr_rgb_db", clips=("a",), mean=mean)
    far = curve(name="vtm", figure="psnr_rgb_db", clips=("a", "b"), mean=mean)
    found = rgb_panels(every, ["colorvid", "jpeg"], [here, far])
    assert list(found["psnr_rgb_db"]) == ["colorvid", "jpeg", "jpeg (published)"]
    assert list(found["ms_ssim_rgb_db"]) == ["colorvid", "jpeg"]
    assert found["psnr_rgb_db"]["jpeg"] == [(pytest.approx(0.1), 21.0), (pytest.approx(0.2), 22.0)]
    small = [rgb_point("colorvid", quality, None) for quality in (1, 2)]
    assert list(rgb_panels(small, ["colorvid"], [here])) == ["psnr_rgb_db"]


def test_limits_are_means_and_ms_ssim_is_in_db() -> None:
    lines = rgb_limits([Limit("a", RgbScores(40.0, 0.99)), Limit("b", RgbScores(50.0, 0.99))])
    assert lines["psnr_rgb_db"] == ("4:2:0 alone", 45.0)
    assert lines["ms_ssim_rgb_db"] == ("4:2:0 alone", pytest.approx(20))
    assert list(rgb_limits([Limit("a", RgbScores(40.0, None))])) == ["psnr_rgb_db"]
    with pytest.raises(InputError, match="moving is no still"):
        Limit.of(moving_clip(1))


def test_everything_beside_is_written_and_replaced(
    source: Path, points: list[Point], tmp_path: Path
) -> None:
    mean = [(rate, 30.0 + 5 * i) for i, rate in enumerate((0.5, 1.0, 2.0, 4.0))]
    theirs = curve(name="vtm", figure="psnr_rgb_db", clips=("still",), mean=mean)
    clip = load(source, None)
    wanted = Wanted(published=(theirs,), rgb=True, patches={"still": PATCH}, bpp=20.0)
    wanted.check([clip])
    codecs = [Codec("x264-intra", (30,), AnchorRun("x264-intra", 1, preset="ultrafast"))]
    beside = wanted.beside(codecs, [clip])
    assert beside.limits == (Limit("still", limit(clip.original, clip.spec)),)  # type: ignore[arg-type]
    (shown,) = beside.patches
    assert shown.shown[0].quality == 0, "the highest rate fits"
    comparison = Comparison.of(points, "default", beside)
    comparison.write(tmp_path)
    text = (tmp_path / "tables.md").read_text()
    for part in (
        "### RGB",
        f"with no loss besides they are {beside.limits[0].scores.psnr_rgb_db:.2f} dB and -.",
        "| codec | quality | rate_bpp | psnr_rgb_db | ms_ssim_rgb |",
        "### Published curves, indicative only",
        "| vtm | psnr_rgb_db |",
        "### A patch of still\n\n32x16 samples at 8, 4.",
    ):
        assert part in text
    assert (tmp_path / "limit.tsv").read_text().startswith("clip\tpsnr_rgb_db\tms_ssim_rgb\tcom")
    assert "psnr_rgb_db" in (tmp_path / "points.tsv").read_text().splitlines()[0]
    assert (tmp_path / "published.tsv").read_text().splitlines()[1].startswith("vtm\tpsnr_rgb_db")
    panel = (tmp_path / "rd-rgb.svg").read_text()
    assert "<!-- vtm (published) -->" in panel and "<!-- 4:2:0 alone -->" in panel
    assert "<!-- vtm, published -->" in (tmp_path / "published.svg").read_text()
    assert (tmp_path / "patch-still.png").stat().st_size > 1000
    check_folder(tmp_path, overwrite=True)
    Comparison.of(points, "default").write(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"limit.tsv", "published.tsv", "published.svg", "patch-still.png"}
    assert "rd-rgb.svg" not in left and Beside().as_markdown(points, 1) == []


def test_wishes_that_cannot_be_met_are_refused_before_anything_is_coded(source: Path) -> None:
    still, video = load(source, None), moving_clip(1)
    with pytest.raises(InputError, match="moving is no still; rgb=True is for stills only"):
        Wanted(rgb=True).check([still, video])
    Wanted(patches={"moving": Patch(0, 0, 8, 8)}).check([video])
    with pytest.raises(ConfigError, match="a patch of nothing is wanted; sources are still"):
        Wanted(patches={"nothing": PATCH}).check([still])
    with pytest.raises(ConfigError, match="does not lie inside the picture of 56x40"):
        Wanted(patches={"still": Patch(0, 0, 57, 8)}).check([still])
    assert isinstance(still, Clip)
    Wanted(rgb=True, patches={"still": PATCH}).check([still])
