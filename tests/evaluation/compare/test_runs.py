"""Points: measured, kept, and run in several processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import colorvid
from colorvid.errors import ColorvidError, ConfigError, InputError
from colorvid.evaluation.compare import runs
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.clips import Clip, load, write_y4m
from colorvid.evaluation.compare.codecs import Codec, Encoded
from colorvid.evaluation.compare.machine import peak_memory_mb
from colorvid.evaluation.compare.rgb import limit, score_frame_rgb
from colorvid.evaluation.compare.runs import (
    COLUMNS,
    Measuring,
    code_frames,
    measure_point,
    run_all,
    run_point,
)
from colorvid.evaluation.score.frames import columns
from tests.evaluation.sources import CoarseRun, colourful, moving_clip

COARSE = Codec("coarse", (0, 1, 2), CoarseRun())
MEASURED = {"encode_fps", "decode_fps", "run", "jobs"}


def test_a_point_has_every_column_and_every_frame() -> None:
    how = Measuring(extra=("ciede_vmaf",), run="today")
    row = measure_point(COARSE, moving_clip(4), 2, how)
    frames = row.pop("per_frame")
    assert set(row) == {*COLUMNS, "ciede_vmaf"}
    assert [tuple(frame) for frame in frames] == [columns(("ciede_vmaf",))] * 4
    assert sum(frame["bytes"] for frame in frames) == row["size_bytes"]
    assert row["psnr_u_db"] == pytest.approx(sum(frame["psnr_u_db"] for frame in frames) / 4)
    assert row["rate_bpp"] == pytest.approx(8 * row["size_bytes"] / (4 * 72 * 96))
    assert row["rate_kbps"] == pytest.approx(8 * row["size_bytes"] * 25 / 4 / 1000)
    assert (row["encode_fps"], row["decode_fps"]) == (8, 16)
    assert row["settings"] == "encoder=coarse quality=2"
    assert (row["run"], row["cached"], row["ms_ssim_y"]) == ("today", False, None)
    assert row["encode_peak_mb"] is None and row["encode_startup_s"] is None


def test_extra_metrics_are_means_over_the_frames_that_have_them() -> None:
    row = measure_point(COARSE, moving_clip(4), 0, Measuring(extra=("strred",)))
    values = [frame["strred_spatial"] for frame in row["per_frame"]]
    assert [value is None for value in values] == [True, False, True, False]
    assert row["strred_spatial"] == pytest.approx((values[1] + values[3]) / 2)


@pytest.mark.skipif(peak_memory_mb() is None, reason="the system does not tell")
def test_memory_is_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    codec, clip = Codec("coarse", (0, 1), CoarseRun(log)), moving_clip(2)
    one = [measure_point(codec, clip, quality, Measuring(memory="one")) for quality in (0, 1)]
    assert one[0]["encode_peak_mb"] > 5 and one[0]["decode_peak_mb"] > 5
    assert one[0]["encode_startup_s"] is None and one[1]["encode_peak_mb"] is None
    assert log.read_text().split() == ["0", "0", "1"]
    every = measure_point(codec, clip, 1, Measuring(memory="all"))
    assert every["decode_peak_mb"] > 5 and every["decode_startup_s"] is not None
    assert every["psnr_y_db"] == one[1]["psnr_y_db"]


def test_cached_points_are_not_run_again(tmp_path: Path) -> None:
    log, cache = tmp_path / "log", tmp_path / "cache"
    codec, clip = Codec("coarse", (1,), CoarseRun(log)), moving_clip(2)
    first = run_point(codec, clip, 1, Measuring(cache=cache, run="first"))
    again = run_point(codec, clip, 1, Measuring(cache=cache, run="second"))
    assert again == first | {"cached": True} and again["run"] == "first"
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
    assert run_point(codec, clip, 1, Measuring(cache=cache))["cached"] is False
    assert all(path.suffix == ".json" for path in cache.iterdir())


def test_everything_that_measures_counts_for_the_cache() -> None:
    package = Path(colorvid.__file__).parent
    assert all((package / name).is_file() for name in runs._MEASURING)


def test_several_processes_give_the_same_points(tmp_path: Path) -> None:
    sources = [tmp_path / f"{name}.y4m" for name in ("one", "two")]
    for path, count in zip(sources, (2, 3), strict=True):
        write_y4m(path, moving_clip(count))
    codecs = [COARSE, Codec("fast", (20, 30), AnchorRun("x264", 32, preset="ultrafast"))]
    seen: list[tuple[int, int, str]] = []
    rows = run_all(codecs, sources, 2, Measuring(), progress=lambda *now: seen.append(now))
    assert [(row["clip"], row["codec"], row["quality"]) for row in rows] == [
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
    again = run_all(codecs, sources, 2, Measuring(jobs=2))
    assert {row["jobs"] for row in again} == {2}

    def lasting(points: list[dict[str, Any]]) -> str:
        kept = [{k: v for k, v in row.items() if k not in MEASURED} for row in points]
        return json.dumps(kept)

    assert lasting(again) == lasting(rows)


class Cheating(CoarseRun):
    """Does not count all its bytes."""

    def encode(self, source: Path, target: Path, quality: int) -> Encoded:
        encoded = CoarseRun.encode(self, source, target, quality)
        return Encoded(encoded.seconds, [size - 1 for size in encoded.frame_bytes])


def still(tmp_path: Path, seed: int = 0) -> Clip:
    path = tmp_path / f"still{seed}.png"
    Image.fromarray(colourful(40, 56, seed)).save(path)
    return load(path, None)


def test_stills_are_compared_with_their_originals_in_rgb(tmp_path: Path) -> None:
    clip = still(tmp_path)
    row = measure_point(COARSE, clip, 2, Measuring(rgb=True))
    assert clip.original is not None and row["ms_ssim_rgb"] is None
    _, frames = code_frames(COARSE.run, clip, 2)
    expected = score_frame_rgb(clip.original, frames[0], clip.spec)
    assert row["psnr_rgb_db"] == expected["psnr_rgb_db"]
    assert row["psnr_rgb_db"] < float(limit(clip.original, clip.spec)["psnr_rgb_db"] or 0)
    assert "psnr_rgb_db" not in measure_point(COARSE, clip, 2, Measuring())


def test_points_with_and_without_rgb_are_kept_apart(tmp_path: Path) -> None:
    log, cache = tmp_path / "log", tmp_path / "cache"
    codec = Codec("coarse", (0,), CoarseRun(log))
    for rgb in (True, False, True):
        row = run_point(codec, still(tmp_path), 0, Measuring(cache=cache, rgb=rgb))
        assert ("psnr_rgb_db" in row) == rgb
    assert log.read_text() == "0\n0\n"


def test_videos_have_no_original_in_rgb() -> None:
    with pytest.raises(InputError, match="moving is no still; only stills have an original"):
        measure_point(COARSE, moving_clip(1), 0, Measuring(rgb=True))


def test_frames_of_a_coded_file(tmp_path: Path) -> None:
    clip = moving_clip(3)
    size, frames = code_frames(COARSE.run, clip, 0)
    assert size == measure_point(COARSE, clip, 0, Measuring())["size_bytes"]
    assert [int(f.y.max()) & 15 for f in frames] == [0] * 3
    assert np.array_equal(frames[2].y, clip.frames[2].y & 240)


def test_every_byte_must_be_counted() -> None:
    with pytest.raises(InputError, match=r"cheat: frames have \d+ bytes, their file \d+"):
        measure_point(Codec("cheat", (1,), Cheating()), moving_clip(1), 1, Measuring())


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_ends_the_run(jobs: int, tmp_path: Path) -> None:
    source = tmp_path / "a.y4m"
    write_y4m(source, moving_clip(1))
    codec = Codec("cheat", (1, 2), Cheating())
    with pytest.raises(ColorvidError, match="cheat: frames have"):
        run_all([codec], [source], 1, Measuring(cache=tmp_path / "cache", jobs=jobs))
    assert not (tmp_path / "cache").exists()


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="memory is 'some'; allowed are all, one, none"):
        Measuring(memory="some")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="jobs is 0"):
        Measuring(jobs=0)
    with pytest.raises(ConfigError, match="metric 'vmaf9' is unknown"):
        Measuring(extra=("vmaf9",))
