"""Reads pages as a browser does."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorvid.evaluation.page.data import Page
from colorvid.evaluation.page.document import document


class _Elements(HTMLParser):
    """Start tags, and the texts of elements by their first attribute or name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.open.append(values.get("id") or tag)
        self.tags.append(tag)
        self.addresses += [values[name] or "" for name in ("src", "href") if name in values]

    def handle_endtag(self, tag: str) -> None:
        if self.open:
            self.open.pop()

    def handle_data(self, text: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + text


def elements(text: str) -> _Elements:
    """What an HTML parser finds."""
    parser = _Elements()
    parser.feed(text)
    return parser


def data_of(text: str) -> dict[str, Any]:
    """The data of a page."""
    values: dict[str, Any] = json.loads(elements(text).texts["data"])
    return values


def shown(page: Page) -> dict[str, Any]:
    """The data of a page, once through its file."""
    return data_of(document(page))


def picture(uri: str) -> NDArray[np.uint8]:
    """The samples of a data URI, ``(H, W, 3)``."""
    kind, _, data = uri.partition(";base64,")
    assert kind == "data:image/webp"
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"))
