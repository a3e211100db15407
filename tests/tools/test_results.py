import shutil
from pathlib import Path

import pytest

from colorvid.config import TUNES
from colorvid.evaluation.compare.clips import write_y4m
from colorvid.evaluation.compare.codecs import Codec, model_identity
from colorvid.evaluation.compare.points import DRIFT, Measuring
from colorvid.evaluation.compare.report import Comparison
from colorvid.evaluation.compare.running import run_all
from colorvid.evaluation.compare.tables import MEAN_CURVE, write_tsv
from tests.evaluation.sources import CoarseRun, moving_clip
from tools import results as tool
from tools.results import (
    BEGIN,
    END,
    METRICS,
    ROOT,
    SETS,
    card,
    publish,
    read_tsv,
    report,
    summary,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one comparison."""
    folder = tmp_path_factory.mktemp("results")
    write_y4m(folder / "one.y4m", moving_clip(2))
    codecs = [Codec(name, (3, 2, 1, 0), CoarseRun()) for name in ("colorvid", "x264")]
    rows = run_all(codecs, [folder / "one.y4m"], 2, Measuring())
    Comparison.of(rows, "default").write(folder / "out")
    return folder / "out"


@pytest.fixture
def root(results: Path, tmp_path: Path) -> Path:
    """A repository with results of two folders and pages for them."""
    for name in SETS:
        shutil.copytree(results, tmp_path / "docs" / "results" / name)
    (tmp_path / "colorvid" / "weights").mkdir(parents=True)
    cards = [f"colorvid/weights/{model}.md" for model in TUNES]
    for path in ("README.md", "docs/results.md", *cards):
        (tmp_path / path).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    return tmp_path


def test_comparisons_get_into_the_documents_between_the_marks(root: Path) -> None:
    publish(root)
    publish(root)
    readme = (root / "README.md").read_text()
    assert readme.startswith(f"before\n{BEGIN}\n") and readme.endswith(f"\n{END}\nafter\n")
    assert "| x264 | +0.0 % | +0.0 % | - | +0.0 % |" in readme  # MS-SSIM needs larger pictures
    page = (root / "docs" / "results.md").read_text()
    assert "old" not in page and page.count("BD-rate between the mean curves:\n") == len(SETS)
    assert page.count(f"Measured: model `{model_identity('default')}`, commit `") == len(SETS)
    hidden = [chosen.title for chosen in SETS.values() if not chosen.headline]
    assert hidden and not any(title in readme for title in hidden)
    assert all(title in page for title in hidden)
    shown = (root / "colorvid" / "weights" / "default.md").read_text()
    assert shown.count("| x264 | +0.0 % | +0.0 % | - | +0.0 % |") == len(SETS) - 1
    assert f"Measured: model `{model_identity('default')}`, commit `" in shown
    assert "What each idea is worth" not in page
    row = {"file": "gop", "title": "Pattern", "row": "steps", "change": "none", "steps": 0}
    figures = {f"bd_{name}": 1.26 for name in METRICS} | {"cost_percent": -2.0, "bd_de00_mean": ""}
    origin = {"commit": "c0ffee", "model_base": "ab", "model_changed": "cd"}
    write_tsv(root / "docs" / "results" / "ablation.tsv", [row | figures | origin])
    publish(root)
    page = (root / "docs" / "results.md").read_text()
    assert "| steps | none | 0 | -2.0 % | +1.3 % | +1.3 % | +1.3 % | - |" in page
    row = {"picture": "average", "commit": "c0ffee", "model_id": "ab"}
    figures = {f"bd_{name}": 0.086 for name in METRICS}
    write_tsv(root / "docs" / "results" / "integers.tsv", [row | figures])
    publish(root)
    page = (root / "docs" / "results.md").read_text()
    assert "| average | +0.09 % | +0.09 % | +0.09 % | +0.09 % |" in page


def test_averages_are_rounded_and_refused_ones_are_dashes(root: Path) -> None:
    rows = [
        {"anchor": "x264", "metric": metric, "clip": clip, "bd_rate_percent": value}
        for clip, value in (("one", 1.0), ("average", -12.34))
        for metric in ("psnr_y_db", "psnr_yuv611_db", "de00_mean")
    ]
    rows.append({**rows[-1], "metric": "ms_ssim_y_db", "bd_rate_percent": None})
    write_tsv(root / "docs" / "results" / "clips" / "bdrate.tsv", rows)
    assert "| x264 | -12.3 % | -12.3 % | - | -12.3 % |" in summary(root / "docs" / "results")


def test_published_curves_are_shown_where_a_set_has_them(root: Path) -> None:
    results = root / "docs" / "results"
    path = results / "kodak" / "bdrate.tsv"
    of_set = {"anchor": "cheng (published)", "clip": MEAN_CURVE, "metric": "psnr_rgb_db"}
    write_tsv(path, [*read_tsv(path), of_set | {"bd_rate_percent": 32.44}])
    for page in (summary(results), card(results, "default")):
        assert page.count("learned codecs among them") == 1
        assert "| cheng (published) | +32.4 % | - |" in page
    assert "learned codecs" not in card(results, "color")


def test_what_is_published_is_what_the_documents_show() -> None:
    results = ROOT / "docs" / "results"
    assert summary(results) in (ROOT / "README.md").read_text(encoding="utf-8")
    assert report(results) in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for model in TUNES:
        shown = (ROOT / "colorvid" / "weights" / f"{model}.md").read_text(encoding="utf-8")
        assert card(results, model) in shown


def test_a_measurement_keeps_the_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev").mkdir()
    write_y4m(tmp_path / "dev" / "one.y4m", moving_clip(2))
    options = (
        "--anchors",
        "none",
        "--qualities",
        "20",
        "--frames",
        "2",
        "--memory",
        "none",
        "--quiet",
    )
    long = tool.Set("Longer", (), options=options, samples=True)
    monkeypatch.setattr(tool, "SETS", {"clips": tool.Set("Clips", (), options=options), "l": long})
    monkeypatch.setattr(tool, "_longer", lambda data: [data / "dev" / "one.y4m"])
    assert tool.measure(tmp_path, tmp_path / "cache", tmp_path / "results") == 0
    kept = {path.name for path in (tmp_path / "results" / "clips").iterdir()}
    assert kept >= {"points.tsv", "tables.md", "rd-psnr-y-db.svg"}
    assert not kept & {"frames", "compare.json"}
    assert (tmp_path / "results" / "l" / "points.tsv").is_file()
    assert tool.measure(tmp_path / "missing", None, tmp_path / "results") == 2


def test_drifts_are_shown_by_codec_and_clip(root: Path) -> None:
    path = root / "docs" / "results" / "clips" / "points.tsv"
    rows = read_tsv(path)
    drifts = {"colorvid": -0.254, "x264": 0.1}
    write_tsv(path, [row | {DRIFT: drifts[row["codec"]]} for row in rows])
    publish(root)
    page = (root / "docs" / "results.md").read_text()
    assert "| codec | one | mean |" in page and page.count("first eight behind the key frame") == 1
    assert "| colorvid | -0.25 | -0.25 |" in page and "| x264 | +0.10 | +0.10 |" in page
