"""Which model a stream needs, and getting it ready for work on a device."""

from __future__ import annotations

import torch

from colorvid.entropy.rans import SymbolWriter
from colorvid.errors import ConfigError, ModelMismatch
from colorvid.exact.guard import prove
from colorvid.models.modelfile import RELEASED, Model, find_model, load_model, model_identity
from colorvid.system.cores import one_torch_thread
from colorvid.system.interrupts import uninterrupted


def check_device(device: str) -> None:
    """Refuse what torch cannot run on.

    Raises:
        ConfigError: unknown, or not there.
    """
    try:
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it holds no values")
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ConfigError(f"device {device!r} cannot be used: {reason}; use cpu") from error


_kept: dict[tuple[str, str, int], Model] | None = None


def keep_models() -> None:
    """Let `model_on` keep the models of this process, which will code many files."""
    global _kept
    _kept = _kept or {}


def model_on(device: str, name: str) -> Model:
    """Load a model by name or path, ready for work on several threads; see also `keep_models`.

    It loads with one torch thread: its thousands of small operations gain little from more, and
    threads that wait for each other crawl where other programs keep the cores busy.

    Raises:
        ConfigError: no such device.
        ModelMismatch: no such model.
    """
    check_device(device)
    key = device, name, find_model(name).stat().st_mtime_ns
    if _kept is not None and key in _kept:
        return _kept[key]
    with one_torch_thread():
        model = load_model(name, device)
        prove(str(model.network.device), model.network.carrier)
    with uninterrupted():
        SymbolWriter()  # loads the range coder here, once, and not in several threads
    if _kept is not None:
        _kept[key] = model
    return model


def model_for(model_id: bytes, device: str, name: str | None) -> Model:
    """The model that a stream needs: ``name`` if it is that one, else a released one.

    Raises:
        ModelMismatch: it is not there; the message names it and those that are.
    """
    available = []
    for candidate in [name] if name is not None else list(RELEASED):
        identity = model_identity(candidate)
        if identity == model_id:
            return model_on(device, candidate)
        available.append(f"{candidate} ({identity.hex()})")
    raise ModelMismatch(
        f"the stream needs model {model_id.hex()}; available are {', '.join(available)}; "
        "pass model=FILE with the right one or update colorvid"
    )
