"""What the server of `tests.children` loads before it forks: all that a command line needs."""

import tqdm

import colorvid.commands
import colorvid.io.pyav_reader
import colorvid.io.pyav_writer
import colorvid.pipeline

__all__ = ["colorvid", "tqdm"]
