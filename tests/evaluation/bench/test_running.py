from pathlib import Path

import pytest

from colorvid.codec.settings import EncoderSettings
from colorvid.errors import Aborted, ConfigError
from colorvid.evaluation.bench import running
from colorvid.evaluation.bench.report import NATIVE, PYTORCH
from colorvid.evaluation.bench.running import Plan, machine, measure, ready_model
from colorvid.frame import Size
from colorvid.native.core import VARIABLE, Level, core
from tests.conftest import CodedClip

SMALL = EncoderSettings(quality=40, gop=2)


def plan(clip: Path, against: tuple[str, ...] = ()) -> Plan:
    return Plan(clip=clip, frames=4, settings=SMALL, against=against, repeats=1)


def test_frames_for_pytorch_are_two_groups(tmp_path: Path) -> None:
    for frames, gop, expected in ((64, 32, (16, 8)), (5, 32, (5, 3)), (64, 4, (16, 4))):
        folder = tmp_path / f"{frames}-{gop}"
        folder.mkdir()
        settings = EncoderSettings(quality=30, gop=gop)
        long, short = Plan(settings=settings).jobs(tmp_path / "in.y4m", frames, folder)
        assert (long.frames, long.settings) == (frames, settings)
        assert (short.frames, short.settings.gop) == expected
        assert short.settings.quality == 30


def test_pytorch_needs_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    wanted = Plan(against=(PYTORCH,))
    assert not wanted.pytorch
    notes = machine(wanted, ready_model()).notes
    assert "no comparison with PyTorch: it is not installed" in notes
    assert not any("PyTorch" in note for note in machine(Plan(against=()), ready_model()).notes)


def test_versions_that_are_missing_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_LIBRARIES", ("no-such-package",))
    found = dict(machine(Plan(against=()), ready_model()).versions)
    assert found["no-such-package"] is None and found["x264"]


def test_a_signal_ends_the_run(coded: CodedClip) -> None:
    def stop(done: int, total: int, what: str) -> None:
        raise Aborted(f"{done} of {total}: {what}")

    with pytest.raises(Aborted, match="1 of 4: 64x48, workers: 1"):
        measure(plan(coded.source), ready_model(), Size(64, 48), stop)


def test_the_native_core_beside_pytorch(coded: CodedClip) -> None:
    report = measure(plan(coded.source, (PYTORCH,)), ready_model(), Size(32, 32))
    ratios = [(ratio.over.name, ratio.under.name) for ratio in report.over_pytorch()]
    assert ratios == [
        ("native core, 1 worker", "PyTorch, 1 worker"),
        ("native core, 2 workers", "PyTorch, 2 workers"),
    ]
    used = core()
    assert used is not None
    assert (report.roof_gmacs or 0) > 1 or used.level is Level.PLAIN
    starts = dict(report.starts)
    assert starts[NATIVE].first_frame_s < starts[PYTORCH].first_frame_s
    assert (starts[NATIVE].peak_mb or 0) <= (starts[PYTORCH].peak_mb or 0)


def test_without_the_core_there_is_nothing_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    with pytest.raises(ConfigError, match="encoding needs the native core, and COLORVID_NATIVE=0"):
        ready_model()
