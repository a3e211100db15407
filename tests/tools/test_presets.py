"""``tools/presets.py`` as a user runs it, with codecs that take no time."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from colorvid.evaluation.compare.clips import write_y4m
from colorvid.evaluation.compare.codecs import Codec
from tests.evaluation.sources import CoarseRun, moving_clip
from tools import presets, results


def test_every_preset_of_colorvid_and_three_of_each_other_are_measured() -> None:
    names = [codec.name for codec in presets.codecs()]
    assert names[:4] == [f"colorvid {name}" for name in ("fast", "medium", "slow", "best")]
    assert len(names) == 4 + 9 and len(set(names)) == len(names)
    settings = {codec.name: codec.run.settings(30) for codec in presets.codecs()}
    assert {settings[f"colorvid {name}"]["preset"] for name in ("fast", "slow")} == {"fast", "slow"}
    assert settings["x265 slower"]["preset"] == "slower"
    assert all(one["threads"] == "1" for one in settings.values())


def test_points_table_and_plot_are_written_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_y4m(tmp_path / "one.y4m", moving_clip(2))
    names = ("colorvid fast", "colorvid medium", "x264 medium")
    chosen = [Codec(name, (3, 2, 1, 0), CoarseRun()) for name in names]
    monkeypatch.setattr(presets, "codecs", lambda: chosen)
    out = tmp_path / "presets"
    arguments = ["--data", str(tmp_path), "--out", str(out), "--frames", "2"]
    assert presets.main(arguments) == 0
    with (out / "presets.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["codec"] for row in rows] == list(names)
    assert all(float(row["encode_mpixel_s"]) > 0 for row in rows)
    assert all(abs(float(row["bd_psnr_yuv611_db"])) < 1e-6 for row in rows)  # one codec, thrice
    assert (out / "points.tsv").read_text().count("\n") == 1 + 3 * 4
    assert (out / "speed.svg").read_text().startswith("<?xml")
    section = results._presets(rows)
    assert "| colorvid medium | 1.00 | +0.0 % | - | +0.0 % |" in section


def test_a_missing_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert presets.main(["--data", str(tmp_path / "none")]) != 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "none" in error
