"""The command line: options, what each command does with them, messages and exit codes."""

import os

# The BLAS of numpy starts its threads when it is loaded, and hangs where it may not; --threads
# counts all that work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
