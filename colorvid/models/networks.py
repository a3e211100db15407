"""The networks of a model file in PyTorch: the reference, for training and for GPUs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from colorvid.entropy.rans import CodeBook
from colorvid.entropy.tables import COSTED, MAX_SYMBOL, Tables
from colorvid.errors import ColorvidError, ConfigError, ModelMismatch
from colorvid.exact.arithmetic import FEATURE
from colorvid.exact.layers import (
    DOUBLE_LIMIT,
    Bound,
    ExactLayer,
    largest_product,
    prove_bounds,
    refuse,
)
from colorvid.exact.wide import WIDE_SUM_LIMIT
from colorvid.io.files import write_output
from colorvid.models.branch import Branch
from colorvid.models.modelfile import (
    BRANCHES,
    ENCODER_PARTS,
    FORMAT,
    ModelFile,
    identity_of,
    is_encoder,
    read_model_file,
    table_arrays,
)
from colorvid.models.video import VideoModel
from colorvid.nn.prior import MEAN
from colorvid.nn.transforms import BASIS_BITS, SYMBOL_STEPS

Books = dict[str, CodeBook]
"""Tables of each of `BRANCHES`."""


def model_tensors(
    network: VideoModel, tables: dict[str, tuple[Tables, Tables]]
) -> dict[str, Tensor]:
    """All that a model file holds: integers, tables, and the encoder's floats as float16."""
    tensors: dict[str, Tensor] = {}
    parameters = {name for name, _ in network.named_parameters()}
    for name, value in network.state_dict().items():
        if name in parameters:
            if is_encoder(name):
                tensors[name] = value.to(torch.float16).contiguous()
        elif not is_encoder(name) and not name.endswith(".centre"):
            tensors[name] = value.contiguous()
    for branch, pair in tables.items():
        arrays = table_arrays(branch, pair)
        tensors |= {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    return tensors


def save_model(
    path: Path,
    network: VideoModel,
    tables: dict[str, tuple[Tables, Tables]],
    *,
    overwrite: bool = False,
) -> bytes:
    """Write a model file, which appears under its name when it is complete.

    Args:
        path: of the file.
        network: finalised.
        tables: of each of `BRANCHES`: of the hyper-latents, and of the latents.
        overwrite: whether an existing file is replaced.

    Returns:
        Its identity, 16 bytes.

    Raises:
        ConfigError: a sum is not proved exact, see `prove_model` and `prove_encoder`.
        OutputError: the file exists or cannot be written.
    """
    prove_model(network)
    prove_encoder(network)
    config = json.dumps(
        {"intra": asdict(network.intra.config), "inter": asdict(network.inter.config)},
        sort_keys=True,
    )
    tensors = {n: t.cpu() for n, t in model_tensors(network, tables).items()}
    data = save(tensors, metadata={"format": FORMAT, "config": config})
    write_output(path, data, overwrite=overwrite)
    return identity_of(config, {name: tensor.numpy() for name, tensor in tensors.items()})


def load_networks(
    file: ModelFile, device: str = "cpu", carrier: torch.dtype = torch.float32
) -> tuple[VideoModel, Books]:
    """Networks in exact arithmetic, and their tables.

    Args:
        file: the model.
        device: torch device to run on.
        carrier: float32, or float64 to check that both give the same bytes.

    Raises:
        ModelMismatch: not a model that this version can run.
    """
    try:
        network = _network(file).to(device)
        prove_model(network)
        prove_encoder(network)
    except ModelMismatch:
        raise
    except (ColorvidError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelMismatch(
            f"{file.path}: not a model that this version can run: {reason}"
        ) from error
    tables = file.tables()
    network.use_exact(carrier)
    set_costs(network, tables)
    return network, {branch: CodeBook(*pair) for branch, pair in tables.items()}


def set_costs(network: VideoModel, tables: Mapping[str, tuple[Tables, Tables]]) -> None:
    """Tell branches, of `BRANCHES`, what their latents cost."""
    for name, (_, latents) in tables.items():
        bits = torch.from_numpy(latents.costs(COSTED))
        branch_of(network, name).set_symbol_bits(bits)


def restored_network(name: str) -> VideoModel:
    """The networks of a model, see `find_model`, with float parameters made of its integers.

    `finalise` makes nearly the same integers of them again. For models that `load_model` takes.

    Raises:
        ModelMismatch: no such model.
    """
    network = _filled(read_model_file(name))
    for layer_name, layer in network.named_modules():
        if isinstance(layer, ExactLayer) and not is_encoder(layer_name):
            layer.restore()
    return network


def _network(file: ModelFile) -> VideoModel:
    """The networks with their integers; what only training needs of the decoder is dropped."""
    network = _filled(file)
    for name, layer in network.named_modules():
        if isinstance(layer, ExactLayer) and not is_encoder(name):
            for key in list(layer._parameters):
                layer._parameters[key] = None
            for key in {"centre", "seen", "times"} & set(layer._buffers):
                layer._buffers[key] = None
    return network


def _filled(file: ModelFile) -> VideoModel:
    """The networks with what a model file holds; float parameters of the decoder mean nothing."""
    intra, inter = file.configs()
    # Whatever type and device the caller's program has made the default:
    with torch.device("cpu"):
        network = VideoModel(intra, inter).float().eval().requires_grad_(False)
    state = {
        name: torch.from_numpy(array.copy())
        for name, array in file.tensors.items()
        if not name.startswith("tables.")
    }
    missing, unexpected = network.load_state_dict(state, strict=False)
    parameters = {name for name, _ in network.named_parameters()}
    absent = [n for n in missing if is_encoder(n) == (n in parameters)]
    if absent or unexpected:
        raise ModelMismatch(
            f"{file.path}: model file: missing are {absent[:3]}, not expected {unexpected[:3]}"
        )
    return network


def branch_of(network: VideoModel, name: str) -> Branch:
    """The branch called ``name``, one of `BRANCHES`."""
    model, branch = name.split(".")
    found = getattr(getattr(network, model), branch)
    assert isinstance(found, Branch)
    return found


def prove_model(model: VideoModel) -> list[Bound]:
    """Prove every sum of the decoder exact, convolutions and block transforms.

    Raises:
        ConfigError: a bound does not hold.
    """
    proved = prove_bounds(model, skip=ENCODER_PARTS)
    for name in BRANCHES:
        branch = branch_of(model, name)
        largest = MAX_SYMBOL * SYMBOL_STEPS + MEAN.limit
        largest *= int(branch.gains.table.to(torch.int64).abs().max())
        matrix = branch.transform.basis_int.T
        bound = Bound(f"{name}.transform", largest_product(matrix, largest), DOUBLE_LIMIT)
        refuse(bound)
        proved.append(bound)
    return proved


def prove_encoder(model: VideoModel) -> None:
    """Prove that the encoder can make integers of its weights, and numbers of any picture.

    Raises:
        ConfigError: a weight is not finite, a step is 0, or a sum of the block transform exceeds
            its bound.
    """
    for name, value in model.named_parameters():
        if is_encoder(name) and not bool(value.isfinite().all()):
            raise ConfigError(f"{name}: a weight is not finite; export the model again")
    for name in BRANCHES:
        branch = branch_of(model, name)
        if not bool(branch.gains.table.all()):
            raise ConfigError(f"{name}.gains.table: a step is 0; export the model again")
        basis = branch.transform.basis_int
        largest = largest_product(basis, FEATURE.limit)
        largest += FEATURE.limit << BASIS_BITS  # what the analysis network adds
        refuse(Bound(f"{name}.transform of the encoder", largest, WIDE_SUM_LIMIT - 1))
