"""Trained weights, of a run or of a model file: to start from, to code data with, to export.

Training can go on from a model file: its integers and tables become parameters again.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.config import CodecConfig, InterConfig, IntraConfig, from_table
from colorvid.entropy.tables import TOTAL, Tables
from colorvid.errors import ConfigError
from colorvid.models.loading import load_model
from colorvid.models.networks import branch_of, restored_network
from colorvid.models.video import VideoModel
from colorvid.training.loop.checkpoint import load_weights
from colorvid.training.loop.widening import widened
from colorvid.training.tasks.rate import BranchRate

Config = TypeVar("Config", IntraConfig, InterConfig)

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


def begin_from(
    start: Path,
    networks: nn.Module,
    config: IntraConfig | InterConfig | CodecConfig,
    only: tuple[str, ...] = (),
) -> None:
    """Give networks the weights of a run, averaged, or of a model file.

    Taken are those that ``start`` has, that the networks do not fix, and that are not to be trained
    from scratch. Networks that are larger than those of ``start`` compute the same at first, see
    `widened`.

    Args:
        start: folder of a run, or a model file.
        networks: of a task.
        config: what they were made from.
        only: starts of the names of what is trained from scratch, see `ScheduleConfig`.

    Raises:
        ConfigError: a network of ``start`` is larger, or differs in another way.
        InputError: the run has no checkpoint.
        ModelMismatch: the file is not a model.
    """
    if start.is_file():
        state = restored_weights(start, config)
    else:
        state = load_weights(start)["average"]
    fixed = {n for n, p in networks.named_parameters() if not p.requires_grad}
    fresh = {n for n in state if n.startswith(only)} if only else set()
    own = widened({n: v for n, v in state.items() if n not in fixed | fresh}, networks)
    for name, value in networks.state_dict().items():
        if name in own and own[name].shape != value.shape:
            raise ConfigError(
                f"{start}: {name} has shape {tuple(own[name].shape)}; the configuration makes "
                f"it {tuple(value.shape)}; change the sizes in [model]"
            )
    networks.load_state_dict(own, strict=False)


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


def averaged_weights(run: Path, part: str) -> dict[str, Tensor]:
    """Averaged weights of a training run by name; of a joint run those of ``part``.

    Args:
        run: its folder, or a model file, see `restored_part`.
        part: ``intra`` or ``inter``.

    Raises:
        InputError: the run has no checkpoint.
        ModelMismatch: the file is no model.
    """
    if run.is_file():
        return restored_part(run, part).state_dict()
    state = load_weights(run)
    weights: dict[str, Tensor] = state["average"]
    return _part(weights, part) if part in state["config"] else weights


def run_config(kind: type[Config], run: Path) -> Config:
    """The configuration that ``run`` trained a model of, `IntraConfig` or `InterConfig`.

    ``run`` may be a model file too.

    Raises:
        InputError: the run has no checkpoint.
        ConfigError: the run is of the other kind.
        ModelMismatch: the file is no model.
    """
    if run.is_file():
        network = load_model(str(run)).network
        made = network.intra.config if kind is IntraConfig else network.inter.config
        assert isinstance(made, kind)
        return made
    table = load_weights(run)["config"]
    table = table.get("intra" if kind is IntraConfig else "inter", table)
    config: Config = from_table(kind, table, str(run))
    return config


def _part(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Tensors below ``name``, without that prefix."""
    prefix = f"{name}."
    return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}


def load_run(model: VideoModel, part: str, run: Path) -> dict[str, BranchRate]:
    """Put the averaged weights of ``run`` into ``part`` of the model: ``intra`` or ``inter``.

    Returns:
        The rate models of its branches, by branch name as in `BRANCHES`.
    """
    weights = averaged_weights(run, part)
    getattr(model, part).load_state_dict(_part(weights, "model"))
    rates = fresh_rates(model, part)
    for name, rate in rates.items():
        branch = name.removeprefix(f"{part}.")
        rate.bottleneck.load_state_dict(_part(weights, f"{branch}.bottleneck"))
        branch_of(model, name).set_symbol_bits(rate.symbol_bits())
    return rates


def fresh_rates(model: VideoModel, part: str) -> dict[str, BranchRate]:
    """Rate models of the branches of ``part`` as before training, by branch name."""
    names = [f"{part}.{branch}" for branch in ("luma", "chroma")]
    sizes = {name: branch_of(model, name).config for name in names}
    return {n: BranchRate(c.hyper, means=c.predict_mean) for n, c in sizes.items()}
