from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from colorvid.color import frame_to_rgb
from colorvid.evaluation.clips import STILL_SPEC
from tests import tiny
from tests.clips import moving_frames
from tools.ablate import main
from tools.results import read_tsv


def test_two_models_are_compared(tmp_path: Path) -> None:
    images, model, table = (tmp_path / n for n in ("images", "a.safetensors", "ablation.tsv"))
    images.mkdir()
    Image.fromarray(frame_to_rgb(moving_frames(1, 48, 64)[0], STILL_SPEC)).save(images / "a.png")
    tiny.save(model)
    assert main([str(model), str(model), "--data", str(images), "--out", str(table)]) == 0
    *rows, last = read_tsv(table)
    assert [row["quality"] for row in rows] == ["63", "52", "42", "32", "22"]
    for row in rows:
        assert row["chroma_bpp_with"] == row["chroma_bpp_without"]
        assert 0 < float(row["chroma_bpp_with"]) < float(row["bpp_with"])
    assert last["model_with"] == last["model_without"] and last["commit"]
    assert last["quality"].startswith("BD-rate")


def test_a_missing_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["default", "default", "--data", str(tmp_path / "none")]) == 2
    assert "none: No such file or directory" in capsys.readouterr().err
