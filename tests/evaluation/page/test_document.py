"""The file of a page: whole by itself, whatever the names are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from colorvid.errors import OutputError
from colorvid.evaluation.compare.rgb import RGB_METRICS
from colorvid.evaluation.page import document as module
from colorvid.evaluation.page.comparison import MOST_POINTS
from colorvid.evaluation.page.data import (
    BITS,
    MOST_ROWS,
    ClipPart,
    Curve,
    CurvePoint,
    Curves,
    DecodedPictures,
    Page,
    Pictures,
    Series,
    Table,
)
from colorvid.evaluation.page.document import MOST_BYTES, document, write_page
from colorvid.evaluation.page.pictures import MOST_PICTURE_BYTES
from colorvid.evaluation.score.extra import EXTRA_METRICS
from colorvid.quality.metrics import METRICS
from tests.evaluation.page.reading import data_of, elements

ASSETS = Path(module.__file__).parent / "assets"
NAMES = ('</script><script>alert("1")</script>', "<!--<script>", "größe 日本 'x' \"y\" & {{style}}")


def page(name: str) -> Page:
    return Page(name, (name,), (name,), (Table(name, (name,), ((name,),), (name,)),))


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_wherever_they_stand(name: str) -> None:
    text = document(page(name))
    found = elements(text)
    assert found.tags.count("script") == 3 and "alert" not in found.texts.get("script", "")
    assert found.texts["title"] == found.texts["h1"] == name
    assert data_of(text)["tables"][0]["rows"] == [[name]]


def test_a_page_loads_nothing() -> None:
    text = document(page("plain"))
    found = elements(text)
    assert found.addresses == [] and "link" not in found.tags and "@import" not in text
    assert "default-src 'none'" in text
    assert "{{" not in text


def test_the_library_comes_as_it_is_with_its_licence() -> None:
    """As the package ``uplot`` 1.6.32 of npm has it."""
    digest = hashlib.sha256((ASSETS / "uPlot.js").read_bytes()).hexdigest()
    assert digest.startswith("19c8d4c6ad88929a")
    text = document(page("plain"))
    assert (ASSETS / "uPlot.js").read_text(encoding="utf-8") in text
    assert "The MIT License (MIT)\n\nCopyright (c) 2022 Leon Sorokin" in text


def test_a_page_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    write_page(path, page("one"), overwrite=False)
    assert path.read_text(encoding="utf-8") == document(page("one"))
    with pytest.raises(OutputError, match="a.html exists; pass overwrite=True to overwrite"):
        write_page(path, page("two"), overwrite=False)
    write_page(path, page("two"), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
    assert data_of(path.read_text(encoding="utf-8"))["title"] == "two"


def test_the_largest_page_is_not_too_large() -> None:
    """All pictures, frames and points that a page may have, under long names."""
    name, figure = "n" * 255, 12.345678
    columns = (BITS, *METRICS, *EXTRA_METRICS)
    row = (123_456, *(figure for _ in columns[1:]))
    uri = "x" * (MOST_PICTURE_BYTES // 2)
    pictures = Pictures((0, 0, 9, 9), (0,), (uri,), (DecodedPictures("x264", (uri,), (), ()),))
    codecs = 5
    series = tuple(
        Series("x264", name, 1, columns, (row,) * (MOST_ROWS // codecs), ("key",) * MOST_ROWS)
        for _ in range(codecs)
    )
    clips = MOST_POINTS // (4 * codecs)
    point = CurvePoint(50, figure, {column: figure for column in (*METRICS, *RGB_METRICS)})
    curves = tuple(Curves(name, (Curve("x264", (point,) * 4),) * codecs) for _ in range(clips))
    rows = ((name, *["-12.3 % (0.98)"] * 4),) * clips
    largest = Page(
        title="title",
        lead=(name * clips,),
        codecs=("x264",),
        tables=(Table("BD-rates", ("clip", *["psnr_y_db"] * 4), rows),) * (codecs - 1),
        curves=curves,
        clips=(ClipPart(name, 1920, 1080, series, pictures),),
    )
    assert MOST_BYTES // 2 < len(document(largest)) <= MOST_BYTES
