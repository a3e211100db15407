"""Export a model: ``python tools/export.py --intra RUN [--inter RUN] -o MODEL.safetensors``.

Weights become integers, the bound of every sum is proved, tables are made.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorvid.errors import ColorvidError
from colorvid.models.modelfile import prove_model, save_model
from colorvid.training.data.sources import find_sources
from colorvid.training.export import assemble, make_tables


def export(arguments: argparse.Namespace) -> None:
    """Export as the command line says."""
    offsets = arguments.chroma_offset and tuple(arguments.chroma_offset)
    model, rates = assemble(arguments.intra, arguments.inter, offsets)
    proved = prove_model(model)
    tightest = max(proved, key=lambda b: b.largest / b.allowed)
    clips = find_sources(arguments.clips)[::7] if arguments.clips else []
    tables = make_tables(model, rates, clips)
    identity = save_model(arguments.output, model, tables)
    print(f"{arguments.output}: model {identity.hex()}, {arguments.output.stat().st_size} bytes")
    print(
        f"{len(proved)} layers proved; tightest {tightest.layer}, "
        f"{tightest.largest} of {tightest.allowed}"
    )


def main() -> int:
    """Parse arguments and export; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--intra", type=Path, required=True, help="run of the intra codec, or a model file"
    )
    parser.add_argument(
        "--inter", type=Path, help="run of the inter codec, or a model file (default: untrained)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="model file to write")
    parser.add_argument(
        "--clips", type=Path, help="folder of clips, and of pictures, to count symbols on"
    )
    parser.add_argument(
        "--chroma-offset", type=int, nargs=2, metavar=("INTRA", "INTER"),
        help="quality indices that chroma is coded above luma (default: those of the runs)",
    )  # fmt: skip
    try:
        export(parser.parse_args())
    except ColorvidError as error:
        print(f"export [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
