"""What the server of `tests.children` loads before it forks: all that a command line needs."""

import tqdm

import colorvid.cli.coding
import colorvid.codec.groups
import colorvid.io.pyav_reader
import colorvid.io.pyav_writer

__all__ = ["colorvid", "tqdm"]
