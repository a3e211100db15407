"""One HTML file that needs nothing else: template, style, scripts and data put together.

`uPlot <https://github.com/leeoniya/uPlot>`_ 1.6.32 draws the charts. It is the package ``uplot`` of
npm as it is (``dist/uPlot.iife.min.js``, ``dist/uPlot.min.css``); its licence (MIT) goes into every
file that is written.
"""

from __future__ import annotations

import html
import re
from importlib.resources import files
from pathlib import Path

from colorvid.evaluation.page.data import Page
from colorvid.io.files import write_output

MOST_BYTES = 25_000_000
"""Largest file: its figures, curves and pictures are bounded each."""
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def document(page: Page) -> str:
    """The HTML of a page."""
    parts = {
        "title": html.escape(page.title),
        "data": page.as_json(),
        "style": _asset("report.css"),
        "script": _asset("report.js"),
        "chart_style": _asset("uPlot.css"),
        "chart_script": _asset("uPlot.js"),
        "chart_licence": _asset("uPlot.LICENSE"),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("report.html"))


def write_page(path: Path, page: Page, *, overwrite: bool) -> None:
    """Write a page; the file appears under its name when it is complete.

    Raises:
        OutputError: it exists and must not be replaced, or cannot be written.
    """
    data = document(page).encode("utf-8", "backslashreplace")
    assert len(data) <= MOST_BYTES
    write_output(path, data, overwrite=overwrite)


def _asset(name: str) -> str:
    return (files("colorvid.evaluation.page") / "assets" / name).read_text(encoding="utf-8")
