"""The model file: integers and tables of the decoder, float16 weights of the encoder.

A safetensors file. Its metadata hold the configuration; the model's identity is a hash over the
configuration and everything the decoder uses, so a better encoder keeps the identity. Nothing here
needs torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from colorvid.bitstream.headers import MODEL_ID_BYTES
from colorvid.config import TUNES, InterConfig, IntraConfig, from_table
from colorvid.entropy.tables import SCALES, Tables
from colorvid.errors import ConfigError, HeaderError, ModelMismatch

BRANCHES = ("intra.luma", "intra.chroma", "inter.luma", "inter.chroma")
RELEASED = {name: f"{name}.safetensors" for name in TUNES}
"""Models inside the package by name."""
ENCODER_PARTS = ("analysis", "hyper_analysis")
"""Names of the networks that only the encoder runs."""
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
FORMAT = "colorvid-model-2"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        path: of the file.
        config: the configuration as JSON text.
        tensors: by name.
    """

    path: Path
    config: str
    tensors: Arrays

    @property
    def identity(self) -> bytes:
        """16 bytes that a stream names the model by.

        Raises:
            ModelMismatch: the configuration cannot be read.
        """
        try:
            return identity_of(self.config, self.tensors)
        except (AttributeError, ValueError) as error:
            raise ModelMismatch(
                f"{self.path}: its configuration cannot be read: {error}"
            ) from error

    def configs(self) -> tuple[IntraConfig, InterConfig]:
        """Sizes of the intra and of the inter codec.

        Raises:
            ModelMismatch: they are missing, or not such.
        """
        try:
            table = json.loads(self.config)
            return (
                from_table(IntraConfig, table["intra"], "model"),
                from_table(InterConfig, table["inter"], "model"),
            )
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ModelMismatch(
                f"{self.path}: not a model that this version can run: {reason}"
            ) from error

    def tables(self) -> dict[str, tuple[Tables, Tables]]:
        """Tables of the hyper-latents and of the latents of each of `BRANCHES`.

        Raises:
            ModelMismatch: they are missing, or not such.
        """
        known = {
            f"tables.{branch}.{kind}.{part}"
            for branch in BRANCHES
            for kind in ("hyper", "latents")
            for part in ("cdf", "sizes")
        }
        extra = sorted(n for n in self.tensors if n.startswith("tables.") and n not in known)
        if extra:
            raise ModelMismatch(f"{self.path}: model file: not expected {extra[:3]}")
        found = {}
        for branch, hyper in zip(BRANCHES, self._hyper_channels(), strict=True):
            found[branch] = (self._table(branch, "hyper"), self._table(branch, "latents"))
            counts = tuple(len(table.sizes) for table in found[branch])
            if counts != (hyper, SCALES):
                raise ModelMismatch(
                    f"{self.path}: {branch} has {counts} tables; it needs {(hyper, SCALES)}"
                )
        return found

    def _hyper_channels(self) -> tuple[int, ...]:
        parts = [part for config in self.configs() for part in (config.luma(), config.chroma())]
        return tuple(part.hyper for part in parts)

    def _table(self, branch: str, kind: str) -> Tables:
        name = f"tables.{branch}.{kind}"
        try:
            return Tables(self.tensors[f"{name}.cdf"], self.tensors[f"{name}.sizes"])
        except KeyError as error:
            raise ModelMismatch(
                f"{self.path}: not a model that this version can run: missing are [{error}]"
            ) from error
        except HeaderError as error:
            raise ModelMismatch(f"{self.path}: {name}: {error}") from error


def table_arrays(branch: str, tables: tuple[Tables, Tables]) -> dict[str, NDArray[np.int32]]:
    """Tables of the hyper-latents and of the latents of a branch, as a model file holds them."""
    arrays = {}
    for kind, table in zip(("hyper", "latents"), tables, strict=True):
        arrays[f"tables.{branch}.{kind}.cdf"] = table.cdf
        arrays[f"tables.{branch}.{kind}.sizes"] = table.sizes
    return arrays


def is_encoder(name: str) -> bool:
    """Whether the tensor ``name`` belongs to the encoder alone."""
    return any(part in ENCODER_PARTS for part in name.split("."))


def identity_of(config: str, tensors: Arrays) -> bytes:
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
        tensor = np.ascontiguousarray(tensors[name])
        # The types have the names that torch gives them.
        digest.update(f"\n{name} torch.{tensor.dtype} {tensors[name].shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.digest()[:MODEL_ID_BYTES]


def find_model(name: str) -> Path:
    """Path of a released model by name, or of a model file.

    Raises:
        ModelMismatch: there is none.
        ConfigError: it is no name.
    """
    if not isinstance(name, str | Path):
        raise ConfigError(f"model is of type {type(name).__name__}; it must be a name or a file")
    if name in RELEASED:
        with resources.as_file(resources.files("colorvid") / "weights" / RELEASED[name]) as path:
            return path
    if Path(name).is_file():
        return Path(name)
    raise ModelMismatch(
        f"model {name!r} is neither a file nor one of {', '.join(RELEASED)}; check the name"
    )


def read_model_file(name: str) -> ModelFile:
    """Read a model, see `find_model`.

    Raises:
        ModelMismatch: no such model, or the file is not one.
    """
    path = find_model(name)
    try:
        with safe_open(str(path), "np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ModelMismatch(f"{path}: not a colorvid model of format {FORMAT}")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError) as error:
        raise ModelMismatch(f"{path}: cannot be read as a model: {error}") from error
    return ModelFile(path, metadata.get("config", ""), tensors)


def model_identity(name: str) -> bytes:
    """Identity of a model, see `find_model`, without making it ready to code.

    Raises:
        ModelMismatch: no such model, or the file is not one.
    """
    return _identity(name, find_model(name).stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _identity(name: str, changed: int) -> bytes:
    """Identity of a model whose file was last changed at ``changed``, in nanoseconds.

    Kept, as every stream that is opened asks for it.
    """
    return read_model_file(name).identity
