"""``python -m colorvid``: the command line."""

import sys

from colorvid.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
