"""The model file: integers and tables of the decoder, float16 weights of the encoder.

A safetensors file. Its metadata hold the configuration; the model's identity is a hash over the
configuration and everything the decoder uses, so a better encoder keeps the identity.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from colorvid.bitstream.headers import MODEL_ID_BYTES
from colorvid.config import TUNES, InterConfig, IntraConfig, from_table
from colorvid.entropy.rans import MAX_SYMBOL, CodeBook
from colorvid.entropy.tables import Tables
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
from colorvid.models.branch import COSTED, Branch
from colorvid.models.video import ENCODER_PARTS, VideoModel
from colorvid.nn.prior import MEAN, SCALES
from colorvid.nn.transforms import BASIS_BITS, SYMBOL_STEPS

BRANCHES = ("intra.luma", "intra.chroma", "inter.luma", "inter.chroma")
RELEASED = {name: f"{name}.safetensors" for name in TUNES}
"""Models inside the package by name."""
ENCODER_FIELDS = (
    "rounding",
    "rate_weight",
    "luma_analysis",
    "chroma_analysis",
    "analysis_blocks",
    "analysis_kernel",
)
"""Fields of the configuration that the decoder does not need."""
LATER_FIELDS = {"synthesis_fine": 2, "synthesis_kernel": 3, "prior_kernel": 3}
"""Fields that older model files lack, and what those have: an identity leaves such a value out."""
_FORMAT = "colorvid-model-2"


@dataclass(frozen=True)
class Model:
    """A released model, ready to code.

    Attributes:
        network: networks in exact arithmetic.
        books: tables of each of `BRANCHES`.
        identity: 16 bytes that a stream names its model by.
    """

    network: VideoModel
    books: dict[str, CodeBook]
    identity: bytes

    def pair(self, kind: str) -> tuple[CodeBook, CodeBook]:
        """Code books of luma and chroma; ``kind`` is ``intra`` or ``inter``."""
        return self.books[f"{kind}.luma"], self.books[f"{kind}.chroma"]


def is_encoder(name: str) -> bool:
    """Whether the tensor ``name`` belongs to the encoder alone."""
    return any(part in ENCODER_PARTS for part in name.split("."))


def identity_of(config: str, tensors: dict[str, Tensor]) -> bytes:
    """Start of SHA-256 over the decoder's configuration and tensors, 16 bytes."""
    needed = {
        model: {
            k: v
            for k, v in table.items()
            if k not in ENCODER_FIELDS and (k not in LATER_FIELDS or LATER_FIELDS[k] != v)
        }
        for model, table in json.loads(config).items()
    }
    digest = hashlib.sha256(json.dumps(needed, sort_keys=True).encode())
    for name in sorted(n for n in tensors if not is_encoder(n)):
        tensor = tensors[name].contiguous()
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.digest()[:MODEL_ID_BYTES]


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
        for kind, table in zip(("hyper", "latents"), pair, strict=True):
            tensors[f"tables.{branch}.{kind}.cdf"] = torch.from_numpy(table.cdf.copy())
            tensors[f"tables.{branch}.{kind}.sizes"] = torch.from_numpy(table.sizes.copy())
    return tensors


def save_model(path: Path, network: VideoModel, tables: dict[str, tuple[Tables, Tables]]) -> bytes:
    """Write a model file; returns its identity. ``network`` must be finalised.

    Raises:
        ConfigError: a sum is not proved exact, see `prove_model` and `prove_encoder`.
    """
    prove_model(network)
    prove_encoder(network)
    config = json.dumps(
        {"intra": asdict(network.intra.config), "inter": asdict(network.inter.config)},
        sort_keys=True,
    )
    tensors = {n: t.cpu() for n, t in model_tensors(network, tables).items()}
    save_file(tensors, path, metadata={"format": _FORMAT, "config": config})
    return identity_of(config, tensors)


def find_model(name: str) -> Path:
    """Path of a released model by name, or of a model file.

    Raises:
        ModelMismatch: there is none.
    """
    if name in RELEASED:
        with resources.as_file(resources.files("colorvid") / "weights" / RELEASED[name]) as path:
            return path
    if Path(name).is_file():
        return Path(name)
    raise ModelMismatch(
        f"model {name!r} is neither a file nor one of {', '.join(RELEASED)}; check the name"
    )


def model_identity(name: str) -> bytes:
    """Identity of a model, see `find_model`, without making it ready to code.

    Raises:
        ModelMismatch: no such model, or the file is not one.
    """
    path = find_model(name)
    config, tensors = _read(path)
    try:
        return identity_of(config, tensors)
    except (AttributeError, ValueError) as error:
        raise ModelMismatch(f"{path}: its configuration cannot be read: {error}") from error


def load_model(
    name: str = "default", device: str = "cpu", carrier: torch.dtype = torch.float32
) -> Model:
    """Load a model and set it to exact arithmetic.

    Args:
        name: one of `colorvid.config.TUNES`, or the path of a model file.
        device: torch device to run on.
        carrier: float32, or float64 to check that both give the same bytes.

    Raises:
        ModelMismatch: no such model, or the file is not one.
    """
    path = find_model(name)
    config, tensors = _read(path)
    try:
        network = _network(json.loads(config), tensors).to(device)
        prove_model(network)
        prove_encoder(network)
        books = {b: CodeBook(*_tables(tensors, b, branch_of(network, b))) for b in BRANCHES}
    except ModelMismatch as error:
        raise ModelMismatch(f"{path}: {error}") from error
    except (ColorvidError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelMismatch(f"{path}: not a model that this version can run: {reason}") from error
    network.use_exact(carrier)
    for branch, book in books.items():
        part = branch_of(network, branch)
        part.set_symbol_bits(torch.from_numpy(book.latents.costs(COSTED)))
    return Model(network, books, identity_of(config, tensors))


def _read(path: Path) -> tuple[str, dict[str, Tensor]]:
    """Configuration, as JSON text, and tensors of a model file."""
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise ModelMismatch(f"{path}: not a colorvid model of format {_FORMAT}")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelMismatch(f"{path}: cannot be read as a model: {error}") from error
    return metadata.get("config", ""), tensors


def restored_network(name: str) -> VideoModel:
    """The networks of a model, see `find_model`, with float parameters made of its integers.

    `finalise` makes nearly the same integers of them again. For models that `load_model` takes.

    Raises:
        ModelMismatch: no such model.
    """
    config, tensors = _read(find_model(name))
    network = _filled(json.loads(config), tensors)
    for layer_name, layer in network.named_modules():
        if isinstance(layer, ExactLayer) and not is_encoder(layer_name):
            layer.restore()
    return network


def _network(config: dict[str, Any], tensors: dict[str, Tensor]) -> VideoModel:
    """The networks with their integers; what only training needs of the decoder is dropped."""
    network = _filled(config, tensors)
    for name, layer in network.named_modules():
        if isinstance(layer, ExactLayer) and not is_encoder(name):
            for key in list(layer._parameters):
                layer._parameters[key] = None
            for key in {"centre", "seen", "times"} & set(layer._buffers):
                layer._buffers[key] = None
    return network


def _filled(config: dict[str, Any], tensors: dict[str, Tensor]) -> VideoModel:
    """The networks with what a model file holds; float parameters of the decoder mean nothing."""
    intra = from_table(IntraConfig, config["intra"], "model")
    inter = from_table(InterConfig, config["inter"], "model")
    # Whatever type and device the caller's program has made the default:
    with torch.device("cpu"):
        network = VideoModel(intra, inter).float().eval().requires_grad_(False)
    state = {n: t for n, t in tensors.items() if not n.startswith("tables.")}
    missing, unexpected = network.load_state_dict(state, strict=False)
    parameters = {name for name, _ in network.named_parameters()}
    absent = [n for n in missing if is_encoder(n) == (n in parameters)]
    if absent or unexpected:
        raise ModelMismatch(f"model file: missing are {absent[:3]}, not expected {unexpected[:3]}")
    return network


def _tables(tensors: dict[str, Tensor], name: str, branch: Branch) -> tuple[Tables, Tables]:
    """Tables of the hyper-latents and of the latents of the branch called ``name``."""
    hyper, latents = (
        Tables(
            tensors[f"tables.{name}.{k}.cdf"].numpy(),
            tensors[f"tables.{name}.{k}.sizes"].numpy(),
        )
        for k in ("hyper", "latents")
    )
    counts, needed = (len(hyper.sizes), len(latents.sizes)), (branch.config.hyper, SCALES)
    if counts != needed:
        raise ModelMismatch(f"{name} has {counts} tables; it needs {needed}")
    return hyper, latents


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
