from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from colorvid.config import (
    InterConfig,
    IntraConfig,
    from_table,
    lambda_of_quality,
    read_toml,
)
from colorvid.errors import ConfigError
from colorvid.training.data.sources import DataConfig
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.tasks.loss import LossConfig
from colorvid.training.tasks.unrolled import UnrollConfig

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))
PAIR = r"it must be of type tuple\[int, int\]"
MODELS: dict[str, type[Any]] = {
    "intra": IntraConfig,
    "inter": InterConfig,
    "unrolled": InterConfig,
    "joint": InterConfig,
}


def test_there_are_configs() -> None:
    assert {p.name for p in CONFIGS} >= {"intra.toml", "inter.toml"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_shipped_configs_hold_what_training_takes(path: Path) -> None:
    table = read_toml(path)
    assert set(table) - {"unroll"} == {"kind", "data", "model", "loss", "schedule"}
    schedule = from_table(ScheduleConfig, table["schedule"], path.name)
    assert 0 < schedule.learning_rate(schedule.steps - 1) <= schedule.rate
    assert schedule.crop_at(0)[1] % 16 == schedule.crop_at(schedule.steps)[1] % 16 == 0
    assert len(from_table(LossConfig, table["loss"], path.name).planes) == 3
    intra = from_table(IntraConfig, table["model"].pop("intra", {}), path.name)
    model = from_table(MODELS[table["kind"]], table["model"], path.name)
    assert model.luma().latents == 2 * model.chroma().latents
    if table["kind"] in ("unrolled", "joint"):
        assert from_table(UnrollConfig, table["unroll"], path.name).frames >= 3
        assert (intra.chroma_offset, model.chroma_offset) == (3, 12), "as the model is exported"
    models = table["data"].pop("models", {})
    assert set(models) <= {"intra", "inter"}
    data = from_table(DataConfig, table["data"], path.name)
    assert all(f == "." or f.startswith("train/") for f in data.folders)


def test_lists_of_any_length_become_tuples() -> None:
    for only in ([], ["model."], ["model.luma", "luma."]):
        assert from_table(ScheduleConfig, {"only": only}, "x").only == tuple(only)
    with pytest.raises(ConfigError, match=r"x: only is \['a', 3\]; it must be of type tuple"):
        from_table(ScheduleConfig, {"only": ["a", 3]}, "x")


def test_lists_become_tuples() -> None:
    config = from_table(IntraConfig, {"luma_widths": [8, 16]}, "here")
    assert config == IntraConfig(luma_widths=(8, 16))


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        from_table(LossConfig, {"mse": 1.0, "msee": 2.0}, "run.toml")
    assert str(error.value) == (
        "run.toml: unknown key 'msee'; allowed are delta_e, logarithmic, ms_ssim, mse, planes, "
        "rate_weight"
    )


@pytest.mark.parametrize(
    ("cls", "table", "message"),
    [
        (ScheduleConfig, {"steps": "many"}, "steps is 'many'; it must be of type int"),
        (ScheduleConfig, {"steps": 1.5}, "steps is 1.5; it must be of type int"),
        (ScheduleConfig, {"steps": True}, "steps is True; it must be of type int"),
        (ScheduleConfig, {"bfloat16": 1}, "bfloat16 is 1; it must be of type bool"),
        (ScheduleConfig, {"rate": [1]}, "rate is \\[1\\]; it must be of type float"),
        (
            IntraConfig,
            {"luma_widths": 8},
            "luma_widths is 8; it must be of type tuple\\[int, int\\]",
        ),
        (
            IntraConfig,
            {"luma_widths": [8]},
            "luma_widths is \\[8\\]; it must be of type tuple\\[int, int\\]",
        ),
    ],
)
def test_values_of_the_wrong_kind_are_refused(
    cls: type[Any], table: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^x: {message}$"):
        from_table(cls, table, "x")


def test_networks_may_be_left_out() -> None:
    assert from_table(InterConfig, {"luma_analysis": None}, "x").luma().analysis_widths is None
    assert from_table(InterConfig, {"luma_analysis": [8, 9]}, "x").luma_analysis == (8, 9)
    with pytest.raises(ConfigError, match=r"luma_analysis is \[8, 'a'\]; it must be of type tuple"):
        from_table(InterConfig, {"luma_analysis": [8, "a"]}, "x")


@pytest.mark.parametrize("name", ["analysis_kernel", "synthesis_kernel", "prior_kernel"])
@pytest.mark.parametrize("side", [4, 0, -1])
def test_filters_have_odd_sides(name: str, side: int) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is {side}; it must be odd and at least 1$"):
        from_table(IntraConfig, {name: side}, "x")


def test_the_analysis_may_be_wider_than_the_synthesis() -> None:
    config = from_table(IntraConfig, {"luma_analysis": [8, 16], "synthesis_fine": 3}, "x")
    assert config.luma().analysis_widths == (8, 16)
    assert config.luma().synthesis_widths == (96, 192)
    assert config.chroma().analysis_widths == config.chroma().synthesis_widths == (48, 96)
    assert config.luma().synthesis_fine == config.chroma().synthesis_fine == 3


def test_an_int_is_a_float_too() -> None:
    assert from_table(ScheduleConfig, {"rate": 1}, "x").rate == 1


def test_files_that_are_not_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: No such file"):
        read_toml(tmp_path / "none.toml")
    path = tmp_path / "bad.toml"
    path.write_text("steps = = 3")
    with pytest.raises(ConfigError, match=r"bad.toml: not a TOML file: "):
        read_toml(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bad.toml: not a TOML file: "):
        read_toml(path)


def test_lambda_is_geometric() -> None:
    assert lambda_of_quality(0) == 40
    assert lambda_of_quality(63) == pytest.approx(16000)
    assert lambda_of_quality(31.5) == pytest.approx((40 * 16000) ** 0.5)


def test_condition_channels_follow_the_switches() -> None:
    assert IntraConfig(chroma_from_luma=False).chroma().prior_condition == 0
    assert InterConfig(context=False).luma().prior_condition == 0
    assert InterConfig(context=False).chroma().prior_condition == 64
    assert InterConfig().chroma().prior_condition == 64 + 32 + 32 + 4 + 64
