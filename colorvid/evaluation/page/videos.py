"""The page of ``colorvid eval``: figures of every frame, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colorvid.evaluation.page.data import (
    ClipPart,
    Page,
    Table,
    caption,
    series_of,
    step_for,
)
from colorvid.evaluation.page.pictures import MOST_PICTURE_BYTES, Coded, KeptPairs, show_frames
from colorvid.evaluation.score.frames import ScoredFrame
from colorvid.evaluation.score.summary import FIGURE_COLUMNS, Summary, facts, figure_rows
from colorvid.system.text import printable

_CODEC = "decoded"


def video_page(
    summary: Summary, rows: Sequence[ScoredFrame], types: Sequence[str] | None, kept: KeptPairs
) -> Page:
    """The page of two videos.

    Args:
        summary: of all frames.
        rows: the frames.
        types: how each is coded; ``None`` = not known.
        kept: frames to show.
    """
    name, size = printable(summary.decoded), (summary.width_px, summary.height_px)
    known = tuple(types or ())
    lines = facts(summary)
    series = series_of(_CODEC, lines["rate"], rows, known, step_for(len(rows)))
    numbers = sorted(kept.pairs)
    pictures = show_frames(
        numbers,
        [kept.pairs[number][0] for number in numbers],
        [
            Coded(
                _CODEC,
                [kept.pairs[number][1] for number in numbers],
                [caption(rows[n], known[n] if known else None) for n in numbers],
            )
        ],
        summary.colors.spec,
        MOST_PICTURE_BYTES,
    )
    return Page(
        title=f"{Path(name).name} against its original",
        lead=tuple(f"{key.capitalize()}: {text}." for key, text in lines.items()),
        codecs=(_CODEC,),
        tables=(Table("Figures", FIGURE_COLUMNS, tuple(figure_rows(summary))),),
        clips=(ClipPart(name, *size, (series,), pictures),),
        notes=(
            "Pictures are those of the decoded video, without loss; maps of dE00 are not. Of large "
            "pictures, the middle is shown.",
        ),
    )
