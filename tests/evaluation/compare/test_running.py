"""Points measured one after the other, kept, and run in several processes."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import colorvid
from colorvid.batch.pool import Pool
from colorvid.errors import ColorvidError, OutputError
from colorvid.evaluation.compare import running
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.clips import write_y4m
from colorvid.evaluation.compare.codecs import Codec
from colorvid.evaluation.compare.points import Measuring, Point
from colorvid.evaluation.compare.running import run_all, run_point
from tests.evaluation.compare.test_points import COARSE, Cheating, still
from tests.evaluation.sources import CoarseRun, moving_clip

MEASURED = {"encode_fps", "decode_fps", "run", "jobs"}


def test_cached_points_are_not_run_again(tmp_path: Path) -> None:
    log, cache = tmp_path / "log", tmp_path / "cache"
    codec, clip = Codec("coarse", (1,), CoarseRun(log)), moving_clip(2)
    first = run_point(codec, clip, 1, Measuring(cache=cache, run="first"))
    again = run_point(codec, clip, 1, Measuring(cache=cache, run="second"))
    assert again == replace(first, cached=True) and again.run == "first"
    assert log.read_text().split() == ["1"]
    run_point(codec, clip, 2, Measuring(cache=cache))  # other settings
    changed = moving_clip(2)
    changed.frames[0].y[0, 0] ^= 1
    run_point(codec, changed, 1, Measuring(cache=cache))  # other samples
    run_point(codec, clip, 1, Measuring(cache=cache, extra=("ciede_vmaf",)))  # other metrics
    run_point(codec, clip, 1, Measuring())  # no cache
    assert log.read_text().split() == ["1", "2", "1", "1", "1"]
    for path in cache.iterdir():
        path.write_text(path.read_text()[:100])  # cut: as if it were not there
    assert run_point(codec, clip, 1, Measuring(cache=cache)).cached is False
    assert all(path.suffix == ".json" for path in cache.iterdir())


def test_coded_files_are_kept_on_request(tmp_path: Path) -> None:
    log, keep = tmp_path / "log", tmp_path / "coded"
    codec, clip = Codec("coarse", (1,), CoarseRun(log)), moving_clip(2)
    first = run_point(codec, clip, 1, Measuring(cache=tmp_path / "cache"))
    how = Measuring(cache=tmp_path / "cache", keep=keep)
    again = run_point(codec, clip, 1, how)  # kept points have no file
    [kept] = keep.iterdir()
    assert kept.name == f"{clip.name}-coarse-1{codec.run.suffix}"
    assert kept.stat().st_size == again.size_bytes == first.size_bytes
    assert not again.cached and run_point(codec, clip, 1, how).cached
    assert log.read_text().split() == ["1", "1"]
    with pytest.raises(OutputError, match="coarse-1.* exists; pass overwrite=True"):
        run_point(codec, clip, 1, Measuring(keep=keep))
    assert log.read_text().split() == ["1", "1"], "before the work"
    run_point(codec, clip, 1, Measuring(keep=keep, overwrite=True))
    with pytest.raises(OutputError, match="log"):
        run_point(codec, clip, 1, Measuring(keep=log))


def test_everything_that_measures_counts_for_the_cache() -> None:
    package = Path(colorvid.__file__).parent
    assert all((package / name).is_file() for name in running._MEASURING)


def test_several_processes_give_the_same_points(tmp_path: Path) -> None:
    sources = [tmp_path / f"{name}.y4m" for name in ("one", "two")]
    for path, count in zip(sources, (2, 3), strict=True):
        write_y4m(path, moving_clip(count))
    codecs = [COARSE, Codec("fast", (20, 30), AnchorRun("x264", 32, preset="ultrafast"))]
    seen: list[tuple[int, int, str]] = []
    points = run_all(codecs, sources, 2, Measuring(), progress=lambda *now: seen.append(now))
    assert [(point.clip, point.codec, point.quality) for point in points] == [
        (clip, codec.name, quality)
        for clip in ("one", "two")
        for codec in codecs
        for quality in codec.qualities
    ]
    assert seen[:2] == [(0, 10, ""), (1, 10, "one, coarse 0")] and seen[-1] == (
        10,
        10,
        "two, fast 30",
    )
    with closing(Pool(2)) as pool:
        again = run_all(codecs, sources, 2, Measuring(jobs=2), submit=pool.submit)
    assert {point.jobs for point in again} == {2}

    def lasting(points: list[Point]) -> str:
        rows = [point.as_json() for point in points]
        kept = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
        return json.dumps(kept)

    assert lasting(again) == lasting(points)


def test_points_with_and_without_rgb_are_kept_apart(tmp_path: Path) -> None:
    log, cache = tmp_path / "log", tmp_path / "cache"
    codec = Codec("coarse", (0,), CoarseRun(log))
    for rgb in (True, False, True):
        point = run_point(codec, still(tmp_path), 0, Measuring(cache=cache, rgb=rgb))
        assert (point.rgb is not None) == rgb
    assert log.read_text() == "0\n0\n"


@pytest.mark.parametrize("alone", [True, False])
def test_an_error_ends_the_run(alone: bool, tmp_path: Path) -> None:
    source = tmp_path / "a.y4m"
    write_y4m(source, moving_clip(1))
    codec = Codec("cheat", (1, 2), Cheating())
    how = Measuring(cache=tmp_path / "cache", jobs=1 if alone else 2)
    with closing(Pool(2)) as pool, pytest.raises(ColorvidError, match="cheat: frames have"):
        run_all([codec], [source], 1, how, submit=None if alone else pool.submit)
    assert not (tmp_path / "cache").exists()
