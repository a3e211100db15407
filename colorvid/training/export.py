"""From a finished run to the integers of a released model."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from colorvid.errors import InputError
from colorvid.models.video import VideoModel


def averaged_weights(run: Path) -> dict[str, Tensor]:
    """Averaged weights of a training run by name.

    Raises:
        InputError: the run has no checkpoint.
    """
    path = run / "checkpoint.pt"
    if not path.exists():
        raise InputError(f"{path}: no checkpoint there; train first")
    state: dict[str, Tensor] = torch.load(path, weights_only=True)["average"]
    return state


def load_run(model: VideoModel, part: str, run: Path) -> None:
    """Put the averaged weights of ``run`` into ``part`` of the model: ``intra`` or ``inter``."""
    weights = averaged_weights(run)
    prefix = "model."
    own = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
    getattr(model, part).load_state_dict(own)
