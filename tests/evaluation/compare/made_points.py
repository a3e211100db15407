"""Points made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from colorvid.evaluation.compare.codecs import Settings
from colorvid.evaluation.compare.points import Point, Work
from colorvid.evaluation.score.frames import ScoredFrame
from colorvid.frame import Size
from colorvid.quality.scores import FrameScores


def scores(luma: float = 30.0, **changes: float | None) -> FrameScores:
    """Scores of a frame: chroma at 35 dB, a middling rest."""
    plain = FrameScores(luma, 35.0, 35.0, (6 * luma + 70) / 8, 0.9, 10.0, 4.0, 8.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def frames(*of_each: FrameScores) -> tuple[ScoredFrame, ...]:
    """Frames with these scores, without sizes."""
    return tuple(ScoredFrame(number, None, one) for number, one in enumerate(of_each))


def point(codec: str, clip: str, quality: int, rate_bpp: float, **changes: Any) -> Point:
    """A point of a small clip, measured alone."""
    plain = Point(
        codec=codec,
        clip=clip,
        quality=quality,
        frames=1,
        size=Size(64, 48),
        size_bytes=round(rate_bpp * 64 * 48 / 8),
        rate_bpp=rate_bpp,
        rate_kbps=rate_bpp * 100,
        scores=scores(),
        encode=Work(10.0),
        decode=Work(20.0),
        machine="here",
        run="today",
        settings=Settings.of({"q": str(quality)}),
    )
    return replace(plain, **changes)
