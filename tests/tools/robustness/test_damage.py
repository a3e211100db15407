import csv
from pathlib import Path

import pytest

from colorvid.evaluation.generated import generated_frames
from colorvid.models.loading import model_on
from tools.robustness import damage
from tools.robustness.damage import Layout, Sweep, coded_stream, main


def test_sweep_of_a_short_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "damage.tsv"
    arguments = ["--frames", "6", "--gop", "3", "--flips", "400", "--step", "3", "--out", str(out)]
    assert main(arguments) == 0
    first, *table = capsys.readouterr().out.splitlines()
    assert first.startswith("6 frames in ") and len(table) == 2 + 5
    with out.open(newline="") as file:
        rows = {row["damage"]: row for row in csv.DictReader(file, delimiter="\t")}
    flipped = rows["byte flipped"]
    assert int(flipped["refused by the header"]) + int(flipped["noticed in the stream"]) == 400
    assert int(rows["cut"]["copies"]) > 100
    for row in rows.values():
        assert (row["not noticed"], row["wrong frames"], row["missed frames"]) == ("0", "0", "0")
    assert float(rows["packet sent twice"]["recovered, mean"]) == 6
    assert float(rows["packet left out"]["recovered, mean"]) == (3 + 4 + 5 + 3 + 4 + 5) / 6


def test_a_frame_that_is_missed_or_wrong_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_on("cpu", "default")
    sweep = Sweep(model, coded_stream(model, list(generated_frames(3, 64, 48)), 3, 20))
    layout = Layout(sweep.data)
    assert [layout.without(n) for n in range(3)] == [0, 1, 2]
    sweep.add("cut", [(sweep.data[:-1], 3), (sweep.data[: layout.ends[1]], 2), (sweep.data, 3)])
    row = sweep.rows[0]
    assert (row["missed frames"], row["not noticed"], row["wrong frames"]) == (1, 1, 0)
    monkeypatch.setattr(sweep, "_clean", [0, *sweep._clean[1:]])
    sweep.add("cut", [(sweep.data, 3)])
    assert sweep.rows[1]["wrong frames"] == 1
    assert damage.WIDTH == 64
