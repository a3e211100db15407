"""Programs for work on colorvid itself; not installed with the package."""
