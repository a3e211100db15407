import pytest

from colorvid.cli.main import main
from colorvid.evaluation.generated import generated_frames
from tests.conftest import CodedClip

STAGES = ("I/O", "motion", "networks", "entropy")


def test_every_stage_of_a_clip_is_measured(
    coded: CodedClip, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--frames", "5", "--gop", "4", "--quality", "40")
    assert main(["bench", "--clip", str(coded.source), *options]) == 0
    text = capfd.readouterr().out
    assert "torch " in text and "source.y4m, 5 frames, quality 40\n" in text
    assert "1 worker  " in text and "2 workers " in text
    for line in text.splitlines()[-2:]:
        assert all(f"{stage} " in line for stage in STAGES)


def test_without_a_clip_one_is_generated(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "48x32", "--frames", "2"]) == 0
    assert "generated.y4m, 2 frames, quality 44\n" in capfd.readouterr().out
    assert main(["bench", "--frames", "0"]) == 1
    assert "'0' must be a whole number, 1 or more" in capfd.readouterr().err


def test_generated_clip_moves_and_fills_the_range() -> None:
    first, second = generated_frames(2, 65, 33)
    assert (first.width, first.height) == (65, 33)
    assert first.y.std() > 10 and first.u.std() > 2
    assert abs(first.y.astype(int) - second.y).mean() > 2
