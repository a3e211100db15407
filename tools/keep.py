"""Keep what the next piece of a long run needs: ``python tools/keep.py RUN -o FOLDER``.

Averaged weights in float16, a tenth of the checkpoint. With ``pieces = true`` in ``[schedule]``,
``tools/train.py ... --run NEXT --start FOLDER`` goes on from there at the step that was reached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # started as a program: find the package beside the tools
    sys.path.insert(0, str(ROOT))

from colorvid.errors import ColorvidError  # noqa: E402
from colorvid.training.loop.checkpoint import keep_weights  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run with a checkpoint")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    try:
        size = keep_weights(options.run, options.out)
    except ColorvidError as error:
        print(f"keep [error]: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.out}: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
