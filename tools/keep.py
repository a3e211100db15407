"""Keep what the next piece of a long run needs: ``python tools/keep.py RUN -o FOLDER``.

Averaged weights in float16, a tenth of the checkpoint. With ``pieces = true`` in ``[schedule]``,
``colorvid train ... --run NEXT --start FOLDER`` goes on from there at the step that was reached.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

from collections.abc import Sequence
from pathlib import Path

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.training.loop.checkpoint import keep_weights


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = tool_parser(__doc__)
    parser.add_argument("run", type=Path, help="run with a checkpoint")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    size = keep_weights(options.run, options.out)
    print(f"{options.out}: {size / 1e6:.1f} MB")
    return 0
