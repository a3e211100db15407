"""Where the C++ of the native core lies."""

from pathlib import Path

SOURCES = Path(__file__).parents[2] / "colorvid" / "native" / "src"
