from pathlib import Path

from colorvid.evaluation.tables import write_tsv
from tools.publish import BEGIN, END, main


def test_figures_get_into_the_documents_between_the_marks(tmp_path: Path) -> None:
    for name in ("intra", "inter"):
        folder = tmp_path / "docs" / "results" / name
        folder.mkdir(parents=True)
        (folder / "tables.md").write_text(f"## Mean over 2 sources\n\ntables of {name}\n")
        write_tsv(folder / "points.tsv", [{"codec": "colorvid", "commit": "c0", "model_id": "ab"}])
        rows = [
            {"anchor": "x264", "metric": metric, "clip": clip, "bd_rate_percent": value}
            for clip, value in (("one", 1.0), ("average", -12.34))
            for metric in ("psnr_y_db", "psnr_yuv611_db", "de00_mean")
        ]
        rows.append({**rows[-1], "metric": "ms_ssim_y_db", "bd_rate_percent": None})
        write_tsv(folder / "bdrate.tsv", rows)
    for path in ("README.md", "docs/results.md"):
        (tmp_path / path).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main(tmp_path)
    main(tmp_path)
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith(f"before\n{BEGIN}\n") and readme.endswith(f"\n{END}\nafter\n")
    assert "| x264 | -12.3 % | -12.3 % | - | -12.3 % |" in readme
    page = (tmp_path / "docs" / "results.md").read_text()
    assert "old" not in page and "tables of intra" in page and "tables of inter" in page
    assert page.count("Model `ab`, commit `c0`") == 2
