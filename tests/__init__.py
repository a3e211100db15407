"""Tests of colorvid; folders follow those of the package."""

import os
import sys

# Before torch loads, here and in child processes: the networks of most tests are tiny, and two
# threads of torch that wait for each other crawl where other programs keep the cores busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Child processes, of which there are hundreds, need not compile the package then.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
