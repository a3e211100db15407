"""Put evaluated figures into the documents: ``python tools/publish.py``.

Reads what ``colorvid compare --out`` wrote below ``docs/results`` (``intra`` and ``inter``) and
replaces what stands between ``<!-- results:begin -->`` and ``<!-- results:end -->`` in
``docs/results.md`` (all tables) and ``README.md`` (averages).
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # started as a program: find the tools as a package
    sys.path.insert(0, str(ROOT))

from colorvid.evaluation.tables import markdown  # noqa: E402

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
SETS = {
    "intra": "stills, one file each",
    "inter": "clips of 32 frames, one key frame",
}
METRICS = {
    "psnr_yuv611_db": "PSNR YUV",
    "psnr_y_db": "PSNR Y",
    "ms_ssim_y_db": "MS-SSIM Y",
    "de00_mean": "dE00",
}


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Rows of a TSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def averages(folder: Path) -> list[dict[str, Any]]:
    """Average BD-rates against each anchor, a row each; a dash for a refused one."""
    rows = [r for r in read_tsv(folder / "bdrate.tsv") if r["clip"] == "average"]
    table = []
    for anchor in dict.fromkeys(r["anchor"] for r in rows):
        line = {"against": anchor}
        for metric, title in METRICS.items():
            value = next(r for r in rows if (r["anchor"], r["metric"]) == (anchor, metric))
            percent = value["bd_rate_percent"]
            line[title] = f"{float(percent):+.1f} %" if percent else "-"
        table.append(line)
    return table


def summary(results: Path) -> str:
    """Average BD-rates of both sets, for the README."""
    parts = []
    for name, title in SETS.items():
        parts.append(f"BD-rate, {title}:\n\n{markdown(averages(results / name))}")
    return "\n\n".join(parts)


def report(results: Path) -> str:
    """All tables of both sets, for the results page."""
    parts = []
    for name, title in SETS.items():
        first = read_tsv(results / name / "points.tsv")[0]
        head = f"## {name.capitalize()}: {title}\n\nModel `{first['model_id']}`, commit "
        head += f"`{first['commit']}`; every point: [points.tsv](results/{name}/points.tsv).\n\n"
        tables = (results / name / "tables.md").read_text(encoding="utf-8").strip()
        parts.append(head + tables.replace("\n### ", "\n#### ").replace("## Mean", "### Mean", 1))
    return "\n\n".join(parts)


def replace_block(path: Path, text: str) -> None:
    """Put ``text`` between the markers of a document."""
    document = path.read_text(encoding="utf-8")
    before, rest = document.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main(root: Path = ROOT) -> None:
    """Rewrite both documents."""
    results = root / "docs" / "results"
    replace_block(root / "docs" / "results.md", report(results))
    replace_block(root / "README.md", summary(results))


if __name__ == "__main__":
    main()
