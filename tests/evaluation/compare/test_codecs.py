"""colorvid as a codec under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import colorvid
from colorvid.errors import ModelMismatch
from colorvid.evaluation.compare import codecs
from colorvid.evaluation.compare.clips import read_video, write_y4m
from colorvid.evaluation.compare.codecs import ColorvidRun, Settings, codec_digest, model_identity
from colorvid.quality.metrics import psnr
from tests import tiny
from tests.evaluation.sources import moving_clip


def test_colorvid_is_run_through_its_file_interface(tmp_path: Path) -> None:
    clip, run = moving_clip(3), ColorvidRun(gop=2)
    source, coded, result = tmp_path / "a.y4m", tmp_path / "a.clv", tmp_path / "b.y4m"
    write_y4m(source, clip)
    encoded = run.encode(source, coded, 20)
    assert run.decode(coded, result, clip.info) > 0 and encoded.seconds > 0
    stream = colorvid.probe(coded)
    assert [frame.is_key for frame in stream.frames] == [True, False, True]
    assert sum(encoded.frame_bytes) == coded.stat().st_size
    assert encoded.frame_bytes[1] == stream.frames[1].packet_bytes
    decoded = read_video(result, 3).frames
    assert psnr(clip.frames[2].y, decoded[2].y) > 20


def test_settings_name_model_and_source(tmp_path: Path) -> None:
    identity = tiny.save(tmp_path / "tiny.safetensors")
    tiny.save(tmp_path / "other.safetensors", seed=1)
    run = ColorvidRun(8, model=str(tmp_path / "tiny.safetensors"))
    settings = run.settings(40)
    assert settings["model_id"] == identity.hex()
    assert settings["source"] == codec_digest()
    assert (settings["quality"], settings["gop"], settings["inter_quality"]) == ("40", "8", "auto")
    other = ColorvidRun(8, model=str(tmp_path / "other.safetensors")).settings(40)
    assert other["model_file"] != settings["model_file"]


def test_the_device_does_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    plain = codecs.encode_file, codecs.decode_file
    for name, function in zip(("encode_file", "decode_file"), plain, strict=True):

        def noted(*paths: Path, device: str, run: Any = function, **options: Any) -> Any:
            devices.append(device)
            return run(*paths, **options)

        monkeypatch.setattr(codecs, name, noted)
    clip, run = moving_clip(1), ColorvidRun(gop=1, device="abacus")
    write_y4m(tmp_path / "a.y4m", clip)
    run.encode(tmp_path / "a.y4m", tmp_path / "a.clv", 20)
    run.decode(tmp_path / "a.clv", tmp_path / "b.y4m", clip.info)
    assert devices == ["abacus"] * 2 and run.settings(20)["device"] == "abacus"


def test_a_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelMismatch, match="nowhere"):
        model_identity("nowhere")


def test_settings_print_in_one_line_and_come_back() -> None:
    settings = Settings.of({"encoder": "libx264", "x264-params": "keyint=8:threads=1", "g": "8"})
    assert str(settings) == "encoder=libx264 x264-params=keyint=8:threads=1 g=8"
    assert Settings.parse(str(settings)) == settings
    assert (settings.get("g"), settings.get("gop")) == ("8", None)
