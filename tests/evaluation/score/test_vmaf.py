"""VMAF of FFmpeg's filter; the FFmpeg of PyAV's wheels lacks it, so that it is played here."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av.filter
import pytest

from colorvid.errors import ColorvidError
from colorvid.evaluation.score import vmaf
from colorvid.evaluation.score.frames import columns, score_frames
from colorvid.evaluation.score.vmaf import VMAF_MIN_SIDE_PX, VmafScorer
from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec, Matrix
from tests.clips import moving_frames

SPEC = ColorSpec(Matrix.BT601)
ORIGINALS, COPIES = moving_frames(3, 80, 96), moving_frames(3, 80, 96, seed=1)


class PlayedFilter:
    """Writes a log as libvmaf does, out of order: 90 for frame 0, 91 for frame 1, and so on."""

    taken: list[tuple[Frame, Frame]]
    log = True

    def __init__(self, name: str, rate: Fraction | None, options: dict[str, str]) -> None:
        assert name == "libvmaf" and options["log_fmt"] == "json"
        self.path = Path(options["log_path"])
        PlayedFilter.taken = []

    def __call__(self, first: Frame, second: Frame) -> None:
        self.taken.append((first, second))

    def close(self) -> None:
        lines = [
            {"frameNum": number, "metrics": {"integer_motion2": 3.2, "vmaf": 90.0 + number}}
            for number in reversed(range(len(self.taken)))
        ]
        if self.log and self.path.parent.exists():
            self.path.write_text(json.dumps({"version": "3.0.0", "frames": lines}))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> type[PlayedFilter]:
    monkeypatch.setattr(av.filter, "filters_available", {"libvmaf"})
    monkeypatch.setattr(vmaf, "PairFilter", PlayedFilter)
    return PlayedFilter


def test_each_frame_has_the_figure_of_its_number(played: type[PlayedFilter]) -> None:
    rows = list(score_frames(ORIGINALS, COPIES, SPEC, extra=["vmaf"], rate=Fraction(25)))
    assert [row.figure("vmaf") for row in rows] == [90, 91, 92]
    assert all(
        a is one and b is two
        for (b, a), one, two in zip(played.taken, ORIGINALS, COPIES, strict=True)
    ), "the decoded frame is the filter's first input"


def test_small_pictures_have_none(played: type[PlayedFilter]) -> None:
    small = moving_frames(2, VMAF_MIN_SIDE_PX - 1, 96)
    rows = list(score_frames(small, small, SPEC, extra=["vmaf"]))
    assert [row.figure("vmaf") for row in rows] == [None, None] and not played.taken


def test_a_filter_that_gives_nothing_is_one_line(
    played: type[PlayedFilter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(played, "log", False)
    with pytest.raises(ColorvidError, match="libvmaf gave no figures .*; leave vmaf out"):
        list(score_frames(ORIGINALS, COPIES, SPEC, extra=["vmaf"]))


def test_what_is_written_is_removed(played: type[PlayedFilter]) -> None:
    scorer = VmafScorer(None)
    scorer(ORIGINALS[0], COPIES[0])
    folder = Path(scorer._folder.name)
    assert folder.is_dir()
    scorer.close()
    assert not folder.exists()


def test_without_the_filter_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.filter, "filters_available", {"psnr", "xpsnr"})
    expected = "vmaf needs FFmpeg's filter libvmaf, .* PyAV .* lacks; build PyAV .*, or leave vmaf"
    with pytest.raises(ColorvidError, match=expected):
        columns(["vmaf"])


@pytest.mark.skipif(
    "libvmaf" not in av.filter.filters_available, reason="this FFmpeg has no libvmaf"
)
def test_the_real_filter_knows_a_copy_from_another_video() -> None:
    same, other = (
        [row.figure("vmaf") for row in score_frames(ORIGINALS, clip, SPEC, extra=["vmaf"])]
        for clip in (ORIGINALS, COPIES)
    )
    assert all(a > 90 > b + 20 for a, b in zip(same, other, strict=True) if a and b is not None)
