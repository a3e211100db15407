"""Training that goes on from a model file: its integers and tables become parameters again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.config import CodecConfig, InterConfig, IntraConfig
from colorvid.entropy.tables import TOTAL, Tables
from colorvid.models.modelfile import branch_of, load_model, restored_network
from colorvid.training.tasks.rate import BranchRate

_FIT_STEPS = 200


def fit_bottleneck(rate: BranchRate, tables: Tables) -> float:
    """Fit the factorised model of ``rate`` to tables of hyper-latents, one for each channel.

    Returns:
        Mean bits of a symbol that the fit costs over those of the tables.
    """
    bottleneck = rate.bottleneck
    reach = int(tables.reach.max())
    wanted = np.zeros((len(tables.sizes), 2 * reach + 1))
    for row, cdf, own in zip(wanted, tables.cdf, tables.reach, strict=True):
        row[reach - own : reach + own + 1] = np.diff(cdf[: 2 * own + 2]) / TOTAL
    target = torch.from_numpy(wanted / wanted.sum(axis=1, keepdims=True)).float()
    places = torch.arange(-float(reach), reach + 1).expand(len(target), 1, -1)
    optimiser = torch.optim.Adam(
        [p for n, p in bottleneck.named_parameters() if n != "quantiles"], 0.05
    )
    least = -torch.special.xlogy(target, target).sum()
    for _ in range(_FIT_STEPS):
        likelihood = bottleneck._likelihood(places)[0][:, 0].clamp(min=1e-9)
        excess = -(target * likelihood.log()).sum() - least
        optimiser.zero_grad()
        excess.backward()
        optimiser.step()
    return float(excess.detach()) / (len(target) * math.log(2))


def restored_weights(
    path: Path, config: IntraConfig | InterConfig | CodecConfig
) -> dict[str, Tensor]:
    """Weights to start from, named as in the networks of a task of ``config``.

    Args:
        path: a model file.
        config: says which part of the model is trained, or both.

    Raises:
        ModelMismatch: the file is not a model.
    """
    if isinstance(config, CodecConfig):
        return nn.ModuleDict({p: restored_part(path, p) for p in ("intra", "inter")}).state_dict()
    return restored_part(path, "intra" if isinstance(config, IntraConfig) else "inter").state_dict()


def restored_part(path: Path, part: str) -> nn.ModuleDict:
    """``intra`` or ``inter`` of a model file as its task trains it: the model and the rate models.

    Raises:
        ModelMismatch: the file is not a model.
    """
    books = load_model(str(path)).books  # says in one line what is wrong with a file
    network = restored_network(str(path))
    networks = nn.ModuleDict({"model": network.get_submodule(part)})
    for name in ("luma", "chroma"):
        branch = f"{part}.{name}"
        sizes = branch_of(network, branch).config
        rate = BranchRate(sizes.hyper, means=sizes.predict_mean)
        fit_bottleneck(rate, books[branch].hyper)
        networks[name] = rate
    return networks
