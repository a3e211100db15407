import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.evaluation.clips import write_y4m
from colorvid.evaluation.runs import AnchorRun, Codec
from colorvid.models.modelfile import load_model
from tests.evaluation.sources import moving_clip
from tests.evaluation.test_runs import coarse
from tools.evaluate import ROOT, codecs, evaluate, main, parse


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("one", "two"):
        write_y4m(folder / f"{name}.y4m", moving_clip(3))
    return folder


def test_evaluate_writes_points_and_tables(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = parse(["inter", "--data", str(clips), "--frames", "3", "--out", str(out)])
    fast = AnchorRun("x264-zl", 32, preset="ultrafast")
    chosen = [
        Codec("coarse", (0, 1, 2, 3), coarse),
        Codec("x264-fast", (10, 18, 26, 34), fast, fast.settings),
    ]
    text = evaluate(options, chosen)
    assert text == (out / "tables.md").read_text()
    assert "## Mean over 2 sources" in text
    assert "### BD-rate of coarse against x264-fast" in text
    points = (out / "points.tsv").read_text().splitlines()
    header = points[0].split("\t")
    assert {"rate_bpp", "rate_kbps", "psnr_y_db", "de00_p95", "commit", "model_id"} <= set(header)
    assert len(points) == 1 + 2 * 2 * 4
    identity = load_model("default").identity.hex()
    assert all(line.split("\t")[header.index("model_id")] == identity for line in points[1:])
    assert len((out / "bdrate.tsv").read_text().splitlines()) == 1 + 4 * (2 + 2)


def test_anchors_alone_on_stills_from_the_command_line(tmp_path: Path) -> None:
    gradient = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    Image.fromarray(np.stack((gradient, 255 - gradient, gradient // 2), -1)).save(
        tmp_path / "still.png"
    )
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), "intra", "--anchors-only"]
    command += ["--data", str(tmp_path), "--anchors", "x264-intra"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("| x264-intra |") == 6
    assert run.stderr == "still: x264-intra\n"


def test_wrong_use_is_one_line_with_an_exit_code(
    clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["intra", "--data", str(clips)]) == 2
    assert main(["inter", "--data", str(clips), "--anchors", "x266"]) == 1
    assert main(["inter", "--data", str(clips), "--anchors", "", "--anchors-only"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"evaluate: {clips} holds no .png, .webp file",
        "evaluate: anchor 'x266' is unknown",
        "evaluate: nothing to run",
    ]


def test_colorvid_comes_first_with_its_qualities() -> None:
    options = parse(["inter", "--data", ".", "--qualities", "4,9", "--anchors", "x264,svtav1"])
    chosen = codecs(options)
    assert [codec.name for codec in chosen] == ["colorvid", "x264", "svtav1"]
    assert chosen[0].qualities == (4, 9)
    assert chosen[2].qualities == (23, 31, 39, 47, 55, 63)
