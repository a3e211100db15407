"""Checkpoints in parts of limited size, replaced in one step.

A checkpoint is the folder ``checkpoint`` of a run. The bytes that `torch.save` makes are cut into
files named after the SHA-256 of what they hold, and ``manifest.json`` lists them in order. The
manifest is replaced last: until then the old checkpoint is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorvid.errors import InputError, OutputError
from colorvid.io.files import os_errors

FOLDER = "checkpoint"
PART_BYTES = 14 * 2**20
"""Largest size of a part; hosts of repositories commonly refuse files of more than 15 MiB."""
_MANIFEST = "manifest.json"


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values, nested) as the checkpoint of ``run``.

    Raises:
        OutputError: a file cannot be written; the old checkpoint is still there.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getbuffer()
    folder = run / FOLDER
    with os_errors(str(folder), OutputError):
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for start in range(0, len(data), PART_BYTES):
            part = data[start : start + PART_BYTES]
            names.append(f"{hashlib.sha256(part).hexdigest()}.part")
            _replace(folder / names[-1], part)
        manifest = {"step": state["step"], "parts": names}
        _replace(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())
        for path in folder.iterdir():
            if path.name not in {_MANIFEST, *names}:
                path.unlink()


def keep_weights(run: Path, target: Path) -> int:
    """Write what the next piece of a run needs as the checkpoint of ``target``; gives its bytes.

    That is its averaged weights in float16, its step and the sizes of its networks: a tenth of the
    checkpoint. Integers of the export, which training never reads, are left out. What float16
    cannot hold, as constants of 1e-9, stays as it is.

    Raises:
        InputError: the run has no checkpoint.
        OutputError: a file cannot be written.
    """
    state = load_checkpoint(run)
    weights = {k: _shortened(v) for k, v in state["average"].items() if v.is_floating_point()}
    save_checkpoint(target, {"step": state["step"], "config": state["config"], "average": weights})
    return sum(path.stat().st_size for path in (target / FOLDER).iterdir())


def _shortened(x: Tensor) -> Tensor:
    """A tensor of floats in float16, unless that is wrong by a thousandth of its largest value."""
    if x.numel() == 0:
        return x
    short = x.half()
    error, largest = (short.to(x.dtype) - x).abs().max(), x.abs().max()
    return short if bool(error <= 1e-3 * largest) else x


def _replace(path: Path, data: bytes | memoryview) -> None:
    """Write a file in full, on the disk too, before it takes its name."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def has_checkpoint(run: Path) -> bool:
    """Whether ``run`` has a checkpoint."""
    return (run / FOLDER / _MANIFEST).exists()


def saved_step(run: Path) -> int | None:
    """Number of steps in the checkpoint of ``run``; None if it has none."""
    if not has_checkpoint(run):
        return None
    return int(json.loads((run / FOLDER / _MANIFEST).read_text())["step"])


def load_checkpoint(run: Path) -> dict[str, Any]:
    """The state that was saved last in ``run``, its tensors in the memory of the CPU.

    Raises:
        InputError: there is no checkpoint, or a part is missing or damaged.
    """
    folder, buffer = run / FOLDER, io.BytesIO()
    with os_errors(str(folder), InputError):
        for name in json.loads(_manifest_of(run))["parts"]:
            part = (folder / name).read_bytes()
            if f"{hashlib.sha256(part).hexdigest()}.part" != name:
                raise InputError(f"{folder / name}: damaged; copy the checkpoint anew")
            buffer.write(part)
    buffer.seek(0)
    state: dict[str, Any] = torch.load(buffer, map_location="cpu", weights_only=True)
    return state


def load_weights(run: Path) -> dict[str, Any]:
    """``config`` and ``average`` of the checkpoint of ``run``, which nobody may change.

    Those of the last two runs are kept, as exports and recipes ask for them several times.

    Raises:
        InputError: see `load_checkpoint`.
    """
    return _kept_weights(run, _manifest_of(run))


@lru_cache(maxsize=2)
def _kept_weights(run: Path, manifest: str) -> dict[str, Any]:
    """The same; another checkpoint in the folder has another ``manifest``."""
    state = load_checkpoint(run)
    return {"config": state["config"], "average": state["average"]}


def _manifest_of(run: Path) -> str:
    """What lists the parts of a checkpoint by their hashes.

    Raises:
        InputError: there is no checkpoint.
    """
    folder = run / FOLDER
    if not has_checkpoint(run):
        raise InputError(f"{folder}: no checkpoint there; train first")
    with os_errors(str(folder), InputError):
        return (folder / _MANIFEST).read_text(encoding="utf-8")
