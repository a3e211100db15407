"""The documentation as a web site: ``make site``.

The pages are those of the repository, README first; they are read where they lie, so that links
work on both. `api.rst` holds what docstrings say of the public names.
"""

from __future__ import annotations

from sphinx.application import Sphinx

from colorvid import __version__

CONTENTS = {
    "Use": "python images inputs measuring results training batch",
    "How it works": "design exactness native extending",
    "The format": "bitstream coding",
    "Notes": "notes/2026-11-design notes/2026-11-training",
}
"""Pages of ``docs/`` by the headings of the menu."""
OTHERS = (
    "docs/site/api",
    "CONTRIBUTING",
    "SECURITY",
    "CHANGELOG",
    "colorvid/weights/default",
    "colorvid/weights/color",
)
"""Pages elsewhere, at the end of the menu."""

project = "colorvid"
author = "The colorvid developers"
version = release = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *("docs/**.md", "docs/site/api.rst", "colorvid/weights/*.md"),
]
myst_heading_anchors = 4
# Tables of results begin with small headings, and are reached from their page alone.
suppress_warnings = ["myst.header", "toc.not_included"]
default_role = "py:obj"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"colorvid {version}"
templates_path = ["templates"]
html_additional_pages = {"index": "redirect.html"}


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Give the first page the menu, which a reader of the repository has no need of."""
    if page == root_doc:
        menus = {
            title: [f"docs/{name}" for name in names.split()] for title, names in CONTENTS.items()
        }
        for title, pages in (menus | {"More": OTHERS}).items():
            lines = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{lines}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
