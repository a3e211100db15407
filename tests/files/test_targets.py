"""Encoding to a bit rate, a size or a quality: what was asked for is what the file has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import colorvid
from colorvid.errors import ConfigError, InputError, TargetMissed
from colorvid.files import passes
from colorvid.files.reports import EncodeReport, Progress
from colorvid.frame import Frame
from colorvid.io import FrameReader, open_reader
from tests.clips import moving_frames
from tests.conftest import INFO, write_clip

GROUPS, GOP = 10, 3
KBPS = 8 * 30000 / 1001 / 1000
"""Kbit/s of a byte for each frame."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten groups of three frames, every other one of another texture."""
    frames: list[Frame] = []
    for group in range(GROUPS):
        frames += moving_frames(GOP, 48, 64, seed=group % 2)
    return write_clip(tmp_path_factory.mktemp("targets") / "source.y4m", frames)


def encode(source: Path, target: Path, **keywords: Any) -> EncodeReport:
    return colorvid.encode_file(
        source, target, gop=GOP, scenecut=False, threads=keywords.pop("threads", 1), **keywords
    )


def qualities(stream: Path) -> list[int]:
    """Of the key frames."""
    return [frame.header.quality for frame in colorvid.probe(stream).frames if frame.is_key]


def ends(source: Path, folder: Path) -> tuple[EncodeReport, EncodeReport]:
    """What the lowest and the highest quality come to."""
    low = encode(source, folder / "low.clv", quality=0, scores=True)
    return low, encode(source, folder / "high.clv", quality=63, scores=True)


def test_rate_and_size_are_met(source: Path, tmp_path: Path) -> None:
    low, high = ends(source, tmp_path)
    middle = (low.size_bytes * high.size_bytes) ** 0.5
    stream = tmp_path / "a.clv"
    wanted = round(1000 * KBPS * middle / low.frames)
    report = encode(source, stream, bitrate=wanted)
    assert report.kbps == pytest.approx(wanted / 1000, rel=0.03)
    assert report.size_bytes == stream.stat().st_size
    assert report.passes > 1 and report.warnings == () and report.scores is None
    found = qualities(stream)
    assert len(found) == GROUPS and max(found) - min(found) <= 1
    assert colorvid.verify_file(stream).ok
    limit = round(middle * 1.3)
    report = encode(source, tmp_path / "b.clv", target_size=limit)
    assert limit * 0.97 <= report.size_bytes <= limit


def test_qualities_are_met(source: Path, tmp_path: Path) -> None:
    low, high = (report.scores for report in ends(source, tmp_path))
    assert low is not None and high is not None
    wanted = (low.psnr_yuv611_db + 2 * high.psnr_yuv611_db) / 3
    report = encode(source, tmp_path / "a.clv", target_psnr=wanted)
    scores = colorvid_scores(source, tmp_path / "a.clv")
    assert scores == pytest.approx(wanted, abs=0.1)
    assert report.scores is not None and report.scores.psnr_yuv611_db == pytest.approx(scores)
    assert low.de00_mean is not None and high.de00_mean is not None
    difference = (low.de00_mean + high.de00_mean) / 2
    report = encode(source, tmp_path / "b.clv", target_de=difference)
    assert report.scores is not None
    assert report.scores.de00_mean == pytest.approx(difference, abs=0.05)


def colorvid_scores(source: Path, stream: Path) -> float:
    """Mean PSNR of YUV of the decoded file."""
    from colorvid.quality.scores import mean_scores, score_frame

    decoded = stream.with_suffix(".y4m")
    colorvid.decode_file(stream, decoded)
    with open_reader(source) as first, open_reader(decoded) as second:
        pairs = zip(first, second, strict=True)
        return mean_scores([score_frame(a, b, None) for a, b in pairs]).psnr_yuv611_db


def test_ms_ssim_is_met(tmp_path: Path) -> None:
    frames = moving_frames(4, 176, 176)
    source = write_clip(tmp_path / "a.y4m", frames, replace(INFO, width=176, height=176))
    keywords: dict[str, Any] = {"gop": 1, "threads": 1}
    report = colorvid.encode_file(source, tmp_path / "a.clv", target_ms_ssim=0.97, **keywords)
    assert report.scores is not None and report.scores.ms_ssim_y == pytest.approx(0.97, abs=7e-4)


def test_the_number_of_threads_changes_nothing(source: Path, tmp_path: Path) -> None:
    streams = []
    for threads in (1, 2, 5):
        path = tmp_path / f"{threads}.clv"
        encode(source, path, bitrate=60_000, threads=threads)
        streams.append(path.read_bytes())
    assert streams[0] == streams[1] == streams[2]


def test_the_log_has_the_frames_that_were_kept(source: Path, tmp_path: Path) -> None:
    stream, log = tmp_path / "a.clv", tmp_path / "a.csv"
    report = encode(source, stream, bitrate=60_000, csv=log)
    rows = [line.split(",") for line in log.read_text().splitlines()[1:]]
    assert [int(row[0]) for row in rows] == list(range(GROUPS * GOP))
    assert [int(row[2]) for row in rows[::GOP]] == qualities(stream)
    assert report.scores is not None


def test_progress_counts_each_pass_anew(source: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    report = encode(source, tmp_path / "a.clv", bitrate=60_000, progress=seen.append)
    for turn in range(1, report.passes + 1):
        own = [progress for progress in seen if progress.turn == turn]
        assert own[-1].frames == own[-1].total == len(own)
    assert [p.turn for p in seen] == sorted(p.turn for p in seen)
    assert seen[GROUPS * GOP - 1].turn == 1


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"bitrate": 100}, r"bitrate=100 is out of reach; the nearest is [\d.]+ kbit/s, with "
         "quality 0, the lowest"),
        ({"target_size": 10**7}, r"the nearest is [\d.]+ kB, with quality 63, the highest"),
        ({"target_psnr": 99.0}, r"the nearest is \d\d\.\d\d dB, with quality 63, the highest"),
        ({"target_de": 0.01}, r"the nearest is \d\.\d{4}, with quality 63, the highest"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_an_error_and_leaves_nothing(
    source: Path, outputs: Path, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(TargetMissed, match=message):
        encode(source, outputs / "a.clv", **keywords)
    assert TargetMissed.exit_code == 9
    assert list(outputs.iterdir()) == []


def test_a_single_group_comes_as_near_as_it_can(source: Path, tmp_path: Path) -> None:
    keywords: dict[str, Any] = {"frames": 1, "quality": 40}
    exact = encode(source, tmp_path / "a.clv", **keywords)
    finer = encode(source, tmp_path / "b.clv", frames=1, quality=41)
    between = round((exact.size_bytes + finer.size_bytes) / 2)
    limited = encode(source, tmp_path / "c.clv", frames=1, target_size=between)
    assert limited.size_bytes <= between


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"bitrate": 9, "target_de": 1.0}, "bitrate=9 and target_de=1.0 are given; a video can"),
        ({"bitrate": 9, "inter_quality": 3}, "inter_quality=3 does not go with bitrate=9; leave"),
        ({"target_ms_ssim": 0.9}, "target_ms_ssim=0.9 needs sides of 161 .*; the input is 64x48"),
        ({"bitrate": "800k"}, "bitrate='800k' is not allowed; give a number of bits a second"),
    ],
)
def test_wrong_targets_are_refused(
    source: Path, outputs: Path, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        encode(source, outputs / "a.clv", **keywords)
    assert list(outputs.iterdir()) == []


def test_a_difference_of_colour_needs_known_colours(tmp_path: Path, outputs: Path) -> None:
    source = write_clip(tmp_path / "a.y4m", moving_frames(2, 16, 16), replace(INFO, matrix=8,
                        width=16, height=16))  # fmt: skip
    with pytest.raises(ConfigError, match=r"target_de=1\.5 needs colours by .* has matrix 8"):
        encode(source, outputs / "a.clv", target_de=1.5)
    assert list(outputs.iterdir()) == []


def test_an_input_that_changes_meanwhile_is_noticed(
    source: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = passes.Passes.run

    def shorten(self: passes.Passes, reader: FrameReader) -> passes.Outcome:
        work = replace(self._work, open=lambda: open_reader(source, frames=2))
        return run(passes.Passes(work, self._target, self._spool), reader)

    monkeypatch.setattr(passes.Passes, "run", shorten)
    with pytest.raises(InputError, match="ends at frame 2, where it had more before"):
        encode(source, outputs / "a.clv", bitrate=60_000)
    assert list(outputs.iterdir()) == []
