"""Points: measured, kept, and run in several processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.clips import Clip, load
from colorvid.evaluation.compare.codecs import Codec, Encoded
from colorvid.evaluation.compare.machine import peak_memory_mb
from colorvid.evaluation.compare.points import (
    COLUMNS,
    Measuring,
    Point,
    code_frames,
    measure_point,
)
from colorvid.evaluation.compare.rgb import limit, score_frame_rgb
from colorvid.evaluation.score.frames import columns
from colorvid.frame import Size
from tests.evaluation.sources import CoarseRun, colourful, moving_clip

COARSE = Codec("coarse", (0, 1, 2), CoarseRun())


def test_a_point_has_every_column_and_every_frame() -> None:
    how = Measuring(extra=("ciede_vmaf",), run="today")
    point = measure_point(COARSE, moving_clip(4), 2, how)
    row, frames = point.as_row(), point.per_frame
    assert set(row) == {*COLUMNS, "ciede_vmaf"} and point.size == Size(96, 72)
    assert [tuple(frame.as_dict()) for frame in frames] == [columns(("ciede_vmaf",))] * 4
    assert sum(frame.size_bytes or 0 for frame in frames) == row["size_bytes"]
    mean = sum(frame.scores.psnr_u_db for frame in frames) / 4
    assert row["psnr_u_db"] == point.figure("psnr_u_db") == pytest.approx(mean)
    assert row["rate_bpp"] == pytest.approx(8 * row["size_bytes"] / (4 * 72 * 96))
    assert row["rate_kbps"] == pytest.approx(8 * row["size_bytes"] * 25 / 4 / 1000)
    assert (row["encode_fps"], row["decode_fps"]) == (8, 16)
    assert row["settings"] == "encoder=coarse quality=2"
    assert (row["run"], row["cached"], row["ms_ssim_y"]) == ("today", False, None)
    assert row["encode_peak_mb"] is None and row["encode_startup_s"] is None


def test_extra_metrics_are_means_over_the_frames_that_have_them() -> None:
    point = measure_point(COARSE, moving_clip(4), 0, Measuring(extra=("strred",)))
    values = [frame.extra["strred_spatial"] for frame in point.per_frame]
    assert [value is None for value in values] == [True, False, True, False]
    assert None not in values[1::2]
    assert point.figure("strred_spatial") == pytest.approx(sum(v or 0 for v in values) / 2)


@pytest.mark.skipif(peak_memory_mb() is None, reason="the system does not tell")
def test_memory_is_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    codec, clip = Codec("coarse", (0, 1), CoarseRun(log)), moving_clip(2)
    one = [measure_point(codec, clip, quality, Measuring(memory="one")) for quality in (0, 1)]
    assert (one[0].encode.peak_mb or 0) > 5 and (one[0].decode.peak_mb or 0) > 5
    assert one[0].encode.startup_s is None and one[1].encode.peak_mb is None
    assert log.read_text().split() == ["0", "0", "1"]
    every = measure_point(codec, clip, 1, Measuring(memory="all"))
    assert (every.decode.peak_mb or 0) > 5 and every.decode.startup_s is not None
    assert every.scores.psnr_y_db == one[1].scores.psnr_y_db


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
    point = measure_point(COARSE, clip, 2, Measuring(rgb=True))
    assert clip.original is not None and point.rgb is not None
    assert point.rgb.ms_ssim_rgb is None, "too small"
    _, frames = code_frames(COARSE.run, clip, 2)
    expected = score_frame_rgb(clip.original, frames[0], clip.spec)
    assert point.rgb == expected and point.figure("psnr_rgb_db") == expected.psnr_rgb_db
    assert expected.psnr_rgb_db < limit(clip.original, clip.spec).psnr_rgb_db
    assert Point.of(json.loads(json.dumps(point.as_json()))) == point
    plain = measure_point(COARSE, clip, 2, Measuring())
    assert plain.rgb is None and "psnr_rgb_db" not in plain.as_row()
    assert plain.figure("psnr_rgb_db") is None
    with pytest.raises(KeyError):
        plain.figure("psnr_x_db")


def test_videos_have_no_original_in_rgb() -> None:
    with pytest.raises(InputError, match="moving is no still; only stills have an original"):
        measure_point(COARSE, moving_clip(1), 0, Measuring(rgb=True))


def test_frames_of_a_coded_file(tmp_path: Path) -> None:
    clip = moving_clip(3)
    size, frames = code_frames(COARSE.run, clip, 0)
    assert size == measure_point(COARSE, clip, 0, Measuring()).size_bytes
    assert [int(f.y.max()) & 15 for f in frames] == [0] * 3
    assert np.array_equal(frames[2].y, clip.frames[2].y & 240)


def test_every_byte_must_be_counted() -> None:
    with pytest.raises(InputError, match=r"cheat: frames have \d+ bytes, their file \d+"):
        measure_point(Codec("cheat", (1,), Cheating()), moving_clip(1), 1, Measuring())


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="memory is 'some'; allowed are all, one, none"):
        Measuring(memory="some")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="jobs is 0"):
        Measuring(jobs=0)
    with pytest.raises(ConfigError, match="metric 'vmaf9' is unknown"):
        Measuring(extra=("vmaf9",))
