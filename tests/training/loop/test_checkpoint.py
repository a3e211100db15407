from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from colorvid.errors import InputError, OutputError
from colorvid.training.loop import checkpoint
from colorvid.training.loop.checkpoint import load_checkpoint, save_checkpoint


def state(step: int) -> dict[str, Any]:
    """A state of some 200,000 bytes."""
    values = torch.rand(50_000, generator=torch.Generator().manual_seed(step))
    return {"step": step, "average": {"a": values}, "numpy": {"state": 2**100, "name": "PCG64"}}


def assert_holds(run: Path, step: int) -> None:
    loaded, wanted = load_checkpoint(run), state(step)
    assert torch.equal(loaded["average"].pop("a"), wanted["average"].pop("a"))
    assert loaded == wanted


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PART_BYTES", 2**16)


def test_parts_are_small_and_the_last_checkpoint_counts(tmp_path: Path) -> None:
    for step in (5, 7, 7):
        save_checkpoint(tmp_path, state(step))
        assert_holds(tmp_path, step)
    manifest = json.loads((tmp_path / "checkpoint" / "manifest.json").read_text())
    assert manifest["step"] == 7 and len(manifest["parts"]) == 4
    files = {p.name: p.stat().st_size for p in (tmp_path / "checkpoint").iterdir()}
    assert set(files) == {"manifest.json", *manifest["parts"]}
    assert max(files.values()) == 2**16


@pytest.mark.parametrize("writes", range(5))
def test_an_interruption_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    save_checkpoint(tmp_path, state(1))
    replace, done = os.replace, []

    def failing(source: Path, target: Path) -> None:
        if len(done) == writes:
            raise OSError(28, "No space left on device")
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(OutputError, match="checkpoint: No space left on device"):
            save_checkpoint(tmp_path, state(2))
    assert len(done) == writes
    assert_holds(tmp_path, 1)
    save_checkpoint(tmp_path, state(3))
    assert_holds(tmp_path, 3)
    assert len(list((tmp_path / "checkpoint").iterdir())) == 5, "what was left is cleared away"


def test_damaged_and_missing_parts_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1))
    part = next((tmp_path / "checkpoint").glob("*.part"))
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)
    with pytest.raises(InputError, match=r"\.part: damaged; copy the checkpoint anew"):
        load_checkpoint(tmp_path)
    part.unlink()
    with pytest.raises(InputError, match="checkpoint: No such file or directory"):
        load_checkpoint(tmp_path)


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    assert not checkpoint.has_checkpoint(tmp_path)
    with pytest.raises(InputError, match="checkpoint: no checkpoint there; train first"):
        load_checkpoint(tmp_path)
