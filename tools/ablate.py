"""What a part of the intra codec is worth: ``python tools/ablate.py WITH WITHOUT --data IMAGES``.

Codes stills with two model files and prints what chroma takes with each, and the BD-rates of the
second against the first. ``--out FILE.tsv`` keeps the table.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # started as a program: find the tools as a package
    sys.path.insert(0, str(ROOT))

from colorvid import encode_file  # noqa: E402
from colorvid.errors import ColorvidError  # noqa: E402
from colorvid.evaluation.choices import INTRA_QUALITIES  # noqa: E402
from colorvid.evaluation.clips import IMAGE_SUFFIXES, find_sources, load, write_y4m  # noqa: E402
from colorvid.evaluation.codecs import Codec, ColorvidRun, model_identity  # noqa: E402
from colorvid.evaluation.origin import commit  # noqa: E402
from colorvid.evaluation.runs import Measuring, run_all  # noqa: E402
from colorvid.evaluation.tables import AVERAGE, bd_rates, markdown, write_tsv  # noqa: E402

Row = dict[str, Any]
METRICS = ("psnr_yuv611_db", "psnr_y_db", "de00_mean")


def chroma_bits(model: str, sources: Sequence[Path], quality: int) -> tuple[float, float]:
    """Bits per pixel of chroma's latents, and of everything, mean over stills."""
    shares: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        source, coded, log = (Path(folder) / name for name in ("a.y4m", "a.clv", "a.csv"))
        for path in sources:
            still = load(path, None)
            write_y4m(source, still)
            encode_file(source, coded, quality=quality, model=model, overwrite=True, csv=log)
            with log.open(newline="") as file:
                row = next(csv.DictReader(file))
            pixels = still.frames[0].width * still.frames[0].height
            shares.append((8 * int(row["bytes_chroma"]) / pixels, 8 * int(row["bytes"]) / pixels))
    chroma, total = (sum(column) / len(shares) for column in zip(*shares, strict=True))
    return chroma, total


def ablate(
    models: tuple[str, str], sources: Sequence[Path], qualities: tuple[int, ...]
) -> list[Row]:
    """One row for each quality, and one with the BD-rates of the second model."""
    names = ("with", "without")
    rows: list[Row] = []
    for quality in qualities:
        row: Row = {"quality": quality}
        for name, model in zip(names, models, strict=True):
            row[f"chroma_bpp_{name}"], row[f"bpp_{name}"] = chroma_bits(model, sources, quality)
        rows.append(row | dict.fromkeys(METRICS))
    codecs = [
        Codec(name, qualities, ColorvidRun(gop=1, model=model))
        for name, model in zip(names, models, strict=True)
    ]
    points = run_all(codecs, sources, None, Measuring())
    rates = {m: bd_rates(points, "without", "with", m)[AVERAGE].percent for m in METRICS}
    return [*rows, dict.fromkeys(rows[0]) | {"quality": "BD-rate of without, %"} | rates]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs=2, help="model file with the part, and without")
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--out", type=Path, help="TSV file to write")
    options = parser.parse_args(arguments)
    try:
        sources = [p for p in find_sources([options.data]) if p.suffix.lower() in IMAGE_SUFFIXES]
        rows = ablate((options.models[0], options.models[1]), sources, INTRA_QUALITIES)
        print(markdown(rows))
        if options.out is not None:
            identities = (model_identity(m) for m in options.models)
            origin = dict(zip(("model_with", "model_without"), identities, strict=True))
            write_tsv(options.out, [row | {"commit": commit()} | origin for row in rows])
    except ColorvidError as error:
        print(f"ablate [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
