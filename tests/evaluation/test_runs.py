import dataclasses
from pathlib import Path

import numpy as np
import pytest

from colorvid.evaluation.anchors import Coded
from colorvid.evaluation.clips import Clip, write_y4m
from colorvid.evaluation.runs import (
    COLUMNS,
    AnchorRun,
    Codec,
    ColorvidRun,
    run_all,
    run_point,
    score,
)
from colorvid.frame import Frame
from colorvid.metrics import psnr
from tests.evaluation.sources import moving_clip


def coarse(clip: Clip, quality: int) -> Coded:
    """A fake codec: drops low bits; the better the quality, the fewer."""
    mask = np.uint8(256 - (1 << (4 - quality)))
    frames = [Frame(*(plane & mask for plane in frame.planes)) for frame in clip.frames]
    return Coded(1000 * (quality + 1), frames, 0.5, 0.25, {"quality": str(quality)})


def test_a_scored_point_has_every_column() -> None:
    clip = moving_clip(4)
    row = score("coarse", clip, 2, coarse(clip, 2))
    assert set(row) == set(COLUMNS)
    assert row["rate_bpp"] == pytest.approx(8 * 3000 / (4 * 72 * 96))
    assert row["rate_kbps"] == pytest.approx(8 * 3000 * 25 / 4 / 1000)
    assert (row["encode_fps"], row["decode_fps"]) == (8, 16)
    assert row["settings"] == "quality=2"
    assert row["ms_ssim_y"] is None


def test_cached_points_are_not_run_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def run(clip: Clip, quality: int) -> Coded:
        calls.append(quality)
        return coarse(clip, quality)

    codec = Codec("coarse", (1,), run, lambda quality: {"quality": str(quality)})
    clip = moving_clip(2)
    first = run_point(codec, clip, 1, tmp_path)
    assert run_point(codec, clip, 1, tmp_path) == first
    assert calls == [1]
    run_point(codec, clip, 2, tmp_path)  # other settings
    changed = moving_clip(2)
    changed.frames[0].y[0, 0] ^= 1
    run_point(codec, changed, 1, tmp_path)  # other samples
    run_point(dataclasses.replace(codec, settings=None), clip, 1, tmp_path)  # never cached
    assert calls == [1, 2, 1, 1]


def test_run_all_gives_the_same_rows_with_two_processes(tmp_path: Path) -> None:
    sources = [tmp_path / f"{name}.y4m" for name in ("one", "two")]
    for path, count in zip(sources, (2, 3), strict=True):
        write_y4m(path, moving_clip(count))
    fast = AnchorRun("x264", 32, preset="ultrafast")
    codecs = [
        Codec("coarse", (0, 2), coarse),
        Codec("fast", (20, 30), fast, fast.settings),
    ]
    lines: list[str] = []
    rows = run_all(codecs, sources, 2, progress=lines.append)
    assert [(row["clip"], row["codec"], row["quality"]) for row in rows] == [
        (clip, codec, quality)
        for clip in ("one", "two")
        for codec, qualities in (("coarse", (0, 2)), ("fast", (20, 30)))
        for quality in qualities
    ]
    assert lines == ["one: coarse", "one: fast", "two: coarse", "two: fast"]
    speeds = ("encode_fps", "decode_fps")
    again = run_all(codecs, sources, 2, jobs=2)
    for row in rows + again:
        for column in speeds:
            del row[column]
    assert again == rows


def test_colorvid_is_run_through_its_file_interface() -> None:
    clip = moving_clip(2)
    coded = ColorvidRun(gop=8)(clip, 20)
    raw = 2 * 72 * 96 * 3 // 2
    assert 100 < coded.size_bytes < raw // 4
    assert len(coded.frames) == 2
    assert psnr(clip.frames[1].y, coded.frames[1].y) > 20
    assert (coded.settings["quality"], coded.settings["gop"]) == ("20", "8")
