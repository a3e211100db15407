"""A comparison of two codecs on two clips, and its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.clips import Clip, load, write_y4m
from colorvid.evaluation.compare.codecs import Codec
from colorvid.evaluation.compare.points import Measuring
from colorvid.evaluation.compare.report import Comparison
from colorvid.evaluation.compare.running import run_all
from colorvid.evaluation.page.comparison import comparison_page
from colorvid.evaluation.page.data import Page
from tests.evaluation.sources import moving_clip

FRAMES = 5


@dataclass(frozen=True)
class Compared:
    """x264 under the name of colorvid, and JPEG."""

    codecs: list[Codec]
    clips: list[Clip]
    comparison: Comparison
    page: Page


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("clips")
    sources: list[Path] = []
    for name, height in (("one", 72), ("two", 60)):
        sources.append(folder / f"{name}.y4m")
        write_y4m(sources[-1], moving_clip(FRAMES, height))
    codecs = [
        Codec("colorvid", (12, 20, 28, 36), AnchorRun("x264", 32, preset="ultrafast")),
        Codec("jpeg", (90, 70, 50, 20), AnchorRun("jpeg", 1)),
    ]
    points = run_all(codecs, sources, FRAMES, Measuring())
    comparison = Comparison.of(points, "default")
    clips = [load(source, FRAMES) for source in sources]
    return Compared(codecs, clips, comparison, comparison_page(comparison, codecs, clips))
