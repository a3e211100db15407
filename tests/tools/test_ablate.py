from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from colorvid.config import InterConfig, IntraConfig, from_table, lambda_of_quality
from colorvid.errors import ConfigError
from colorvid.evaluation.compare.clips import STILL_SPEC, write_y4m
from colorvid.models.modelfile import read_model_file
from colorvid.quality.color import frame_to_rgb
from colorvid.training.data.sources import DataConfig
from colorvid.training.loop.checkpoint import load_checkpoint
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.tasks.loss import LossConfig
from tests import tiny
from tests.clips import grainy_frames, moving_frames
from tests.codec.test_lookahead import scene
from tests.evaluation.compare import made_points
from tests.evaluation.sources import moving_clip
from tests.training.runs import intra_trainer, schedule
from tools.ablate import BASE, PATTERN, Ablations, Material, PatternRun, cost, main
from tools.results import read_tsv

FILES = sorted((Path(__file__).parents[2] / "configs" / "ablation").glob("*.toml"))
ABLATIONS = """
title = "Tiny"
kind = "intra"
[data]
folders = ["pictures"]
[model]
luma_widths = [8, 12]
chroma_widths = [8, 8]
luma_prior = 16
chroma_prior = 16
luma_hyper = 4
chroma_hyper = 2
[loss]
[schedule]
steps = 2
batch = 2
crop = 32
late_crop = 32
warmup = 1
[test]
folder = "pictures"
qualities = [60, 20]
[rows.attention]
title = "no attention"
model = { attention = false }
[rows.dct]
title = "no DCT"
model = { dct = false }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with pictures and a file of ablations."""
    (tmp_path / "pictures").mkdir()
    picture = frame_to_rgb(moving_frames(1, 48, 64)[0], STILL_SPEC)
    Image.fromarray(picture).save(tmp_path / "pictures" / "a.png")
    (tmp_path / "tiny.toml").write_text(ABLATIONS)
    return tmp_path


def run(root: Path, *more: str) -> int:
    where = ("--data", str(root), "--runs", str(root / "runs"), "--out", str(root / "t.tsv"))
    return main([str(root / "tiny.toml"), *where, *more])


def test_rows_are_trained_and_measured_against_the_base(root: Path) -> None:
    assert run(root, "--row", "attention") == 0
    (row,) = read_tsv(root / "t.tsv")
    assert (row["file"], row["title"], row["row"]) == ("tiny", "Tiny", "attention")
    assert (row["change"], row["steps"], row["points"]) == ("no attention", "2", "2")
    assert math.isfinite(float(row["cost_percent"])) and float(row["cost_percent"]) != 0
    assert row["model_base"] != row["model_changed"] and row["commit"]
    runs = root / "runs" / "ablation" / "tiny"
    assert load_checkpoint(runs / "attention")["config"]["attention"] is False
    made = [(runs / name / "pictures.bin").stat().st_ino for name in (BASE, "attention")]
    assert made[0] == made[1], "the data are shared"
    assert run(root) == 0, "what is there already is kept"
    again, other = read_tsv(root / "t.tsv")
    assert again == row and other["row"] == "dct"


def test_priors_of_a_finished_codec_keep_its_sizes(tmp_path: Path) -> None:
    intra_trainer(tmp_path / "finished", schedule(1)).run()
    row = {"title": "x", "model": {"chroma_from_luma": False}}
    empty = {part: {} for part in ("data", "model", "loss", "schedule")}
    table = {"kind": "intra", "start": "finished", "rows": {"blind": row}} | empty
    model = Ablations("priors", table, tmp_path, tmp_path).changed("blind")["model"]
    expected = dataclasses.replace(tiny.INTRA, chroma_from_luma=False)
    assert from_table(IntraConfig, model, "x") == expected


def test_a_row_that_is_not_there_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "--row", "none") == 1
    assert "row 'none' is unknown" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "other"', "kind 'other' is unknown; allowed are intra, inter, pattern"),
        ("[rows.a]", "kind None is unknown"),
        ('kind = "pattern"', "no file of ablations; it lacks model, rows, test, title"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"a.toml: {message}"):
        Ablations.read(tmp_path / "a.toml", tmp_path, tmp_path)


def test_cost_is_the_logarithm_of_rate_and_error() -> None:
    scores = made_points.scores(30.0, psnr_u_db=40.0, psnr_v_db=40.0)
    point = made_points.point("base", "a", 20, 0.5, scores=scores)
    error = (6 * 1e-3 + 2 * 1e-4) / 8
    assert cost([point]) == pytest.approx(math.log(0.5 + lambda_of_quality(20) * error))
    rate = 0.5 * 0.98 - 0.02 * lambda_of_quality(20) * error
    cheaper = replace(point, rate_bpp=rate)
    assert cost([cheaper]) - cost([point]) == pytest.approx(math.log(0.98))


def test_a_pattern_codes_inter_frames_equally_far_below(tmp_path: Path) -> None:
    tiny.save(tmp_path / "tiny.safetensors")
    write_y4m(tmp_path / "a.y4m", moving_clip(3))
    coder = PatternRun(3, str(tmp_path / "tiny.safetensors"), inter_offset=14)
    assert coder.settings(50)["inter_quality"] == "36"
    assert coder.settings(5)["inter_quality"] == "0"
    encoded = coder.encode(tmp_path / "a.y4m", tmp_path / "a.clv", 50)
    assert len(encoded.frame_bytes) == 3
    assert coder.decode(tmp_path / "a.clv", tmp_path / "b.y4m", moving_clip(3).info) > 0


def test_a_pattern_of_the_longest_mini_gops_is_one(tmp_path: Path) -> None:
    tiny.save(tmp_path / "tiny.safetensors")
    scenes = [scene(1, seed)[0] for seed in range(5)]
    write_y4m(tmp_path / "a.y4m", replace(moving_clip(1), frames=scenes))
    types = []
    for longest in (False, True):
        coder = PatternRun(5, str(tmp_path / "tiny.safetensors"), longest=longest)
        coder.encode(tmp_path / "a.y4m", tmp_path / f"{longest}.clv", 30)
        types.append(coder.frame_types(tmp_path / f"{longest}.clv"))
        assert coder.settings(30)["longest"] == str(longest).lower()
    assert types == [["key", "P", "P", "P", "P"], ["key", "b", "B", "b", "P"]]


def test_a_pattern_by_the_structure_alone_does_not_look_at_pictures(tmp_path: Path) -> None:
    tiny.save(tmp_path / "tiny.safetensors")
    write_y4m(tmp_path / "a.y4m", replace(moving_clip(1), frames=scene(5, 1, speed=0)))
    sizes = []
    for weighs in (False, True):
        coder = PatternRun(5, str(tmp_path / "tiny.safetensors"), weighs=weighs)
        encoded = coder.encode(tmp_path / "a.y4m", tmp_path / f"{weighs}.clv", 30)
        sizes.append(encoded.frame_bytes[0])
        assert coder.settings(30)["weighs"] == str(weighs).lower()
    assert sizes[0] < sizes[1], "what stands still is inherited from most"


def test_a_pattern_may_leave_key_frames_as_they_are(tmp_path: Path) -> None:
    tiny.save(tmp_path / "tiny.safetensors")
    write_y4m(tmp_path / "a.y4m", replace(moving_clip(1), frames=grainy_frames(5, 48, 64)))
    made = []
    for temporal in (False, True):
        coder = PatternRun(5, str(tmp_path / "tiny.safetensors"), temporal=temporal)
        coder.encode(tmp_path / "a.y4m", tmp_path / f"{temporal}.clv", 30)
        made.append((tmp_path / f"{temporal}.clv").read_bytes())
        assert coder.settings(30)["temporal"] == str(temporal).lower()
    assert made[0] != made[1]


def test_rows_of_patterns_change_the_encoder_or_the_filters(tmp_path: Path) -> None:
    tiny.save(tmp_path / "tiny.safetensors")
    table = {
        "kind": PATTERN,
        "model": str(tmp_path / "tiny.safetensors"),
        "test": {"folder": "a", "qualities": [9], "frames": 8},
        "rows": {
            "low": {"title": "no B frames", "bframes": 0},
            "filter": {"title": "no loop filter", "filters": False},
            "wrong": {"title": "?", "b_frames": 0},
        },
    }
    ablations = Ablations("pattern", table, tmp_path, tmp_path)
    settings = {row: ablations.codec(row).run.settings(9) for row in (BASE, "low", "filter")}
    assert settings["low"] == settings[BASE] | {"bframes": "0"}
    assert settings["filter"]["model_id"] != settings[BASE]["model_id"]
    tensors = read_model_file(str(tmp_path / "ablation/pattern/filter.safetensors")).tensors
    weights = [t for name, t in tensors.items() if name.endswith("filter.luma.weights")]
    assert len(weights) == 1 and not weights[0].any()
    with pytest.raises(ConfigError, match="b_frames"):
        ablations.codec("wrong")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_shipped_ablations_hold_what_training_takes(path: Path, tmp_path: Path) -> None:
    table = Ablations.read(path, path, path).table
    own = {k: v for k, v in table.items() if k != "start"}
    ablations = Ablations(path.stem, own, tmp_path, tmp_path)
    assert ablations.material.qualities and table["title"]
    for name, row in table["rows"].items():
        assert row["title"]
        if table["kind"] == PATTERN:
            assert len(row) == 2 and ablations.codec(name).run != ablations.codec(BASE).run
            continue
        assert set(row) - {"title"} and set(row) <= {"title", "data", "model", "loss", "schedule"}
        changed = ablations.changed(name)
        assert changed != ablations.changed(BASE)
        kind = {"intra": IntraConfig, "inter": InterConfig}[table["kind"]]
        data = {k: v for k, v in changed["data"].items() if k != "models"}
        for part, to in (("model", kind), ("loss", LossConfig), ("schedule", ScheduleConfig)):
            from_table(to, changed[part], path.name)
        assert all(f.startswith("train/") for f in from_table(DataConfig, data, "x").folders)


def test_unknown_keys_of_the_material_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown key 'size'"):
        from_table(Material, {"folder": "a", "qualities": [3], "size": 2}, "x")
