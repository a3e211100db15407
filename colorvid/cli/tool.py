"""Programs of a checkout, ``tools/``: found as modules, their errors are one line.

A tool begins with::

    if __name__ == "__main__":
        from colorvid.cli.tool import run_tool

        run_tool(__file__)

and has a function ``main``, which `errors_in_one_line` wraps. So it runs as ``python tools/x.py``
and is imported as ``tools.x``.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from colorvid.cli.terminal import say
from colorvid.errors import Aborted, ColorvidError

FOLDER = "tools"
"""Of a checkout, with the tools."""
Main = Callable[[Sequence[str] | None], int]
"""Takes the arguments without the name of the program, None = those of the process; gives the exit
code."""


def run_tool(file: str) -> NoReturn:
    """Import the tool in ``file`` by its name below the checkout, run its ``main`` and leave.

    The folder of the checkout goes on the path first, so that tools find each other.
    """
    path = Path(file).resolve()
    root = next(folder for folder in path.parents if folder.name == FOLDER).parent
    sys.path.insert(0, str(root))
    module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
    sys.exit(module.main())


def errors_in_one_line(main: Main) -> Callable[..., int]:
    """Wrap ``main`` of a tool: a `ColorvidError` or Ctrl-C is one line on stderr and an exit code.

    The argument of the wrapped function may be left out.
    """

    @functools.wraps(main)
    def wrapped(arguments: Sequence[str] | None = None) -> int:
        try:
            return main(arguments)
        except ColorvidError as caught:
            error = caught
        except KeyboardInterrupt:
            error = Aborted("aborted; what is finished is kept")
        name = main.__module__.rpartition(".")[2]
        say(f"{name} [error]: {error}")
        return error.exit_code

    return wrapped


def tool_parser(text: str | None) -> argparse.ArgumentParser:
    """A parser whose help is ``text``, the docstring of the tool, as it stands."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
