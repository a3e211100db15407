"""Models that are ready to work: in the native core, or in PyTorch.

Both give the same bytes and the same pictures. The native core serves the processor where it is
there; PyTorch serves GPUs, and is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from colorvid.entropy.tables import COSTED
from colorvid.errors import ConfigError, ModelMismatch
from colorvid.exact.wide import encoder_tensors
from colorvid.frame import Size
from colorvid.models.frames import FrameCodec
from colorvid.models.modelfile import (
    BRANCHES,
    RELEASED,
    ModelFile,
    find_model,
    is_encoder,
    model_identity,
    read_model_file,
)
from colorvid.native.core import Core, Level, core, describe
from colorvid.native.model import NativeCodec, NativeModel
from colorvid.system.cores import one_torch_thread
from colorvid.system.interrupts import uninterrupted
from colorvid.system.packages import needed_for

if TYPE_CHECKING:
    import torch

    from colorvid.entropy.rans import CodeBook
    from colorvid.models.networks import Books
    from colorvid.models.video import VideoModel


@dataclass(frozen=True, eq=False)
class Model:
    """A released model, ready to code.

    Attributes:
        file: what its file holds.
        identity: 16 bytes that a stream names its model by.
        device: torch device; on ``cpu`` the native core does the work, if ``native``.
        native: the model in the native core; None = PyTorch does the work.
        carrier: what carries the integers in PyTorch; None = float32.
    """

    file: ModelFile
    identity: bytes
    device: str = "cpu"
    native: NativeModel | None = None
    carrier: torch.dtype | None = field(default=None)

    def __repr__(self) -> str:
        """Identity, device, and what does the work."""
        worker = "PyTorch" if self.native is None else "native core"
        return f"Model({self.identity.hex()}, {self.device}, {worker})"

    def frames(self, size: Size, slots: int, *, depth: int = 8, tries: bool = True) -> FrameCodec:
        """What codes the frames of a group of pictures.

        Args:
            size: of the frames.
            slots: room for so many pictures, 1..32.
            depth: bits of a sample, 8 or 10.
            tries: of inter frames, see `colorvid.effort.Effort`.

        Raises:
            MemoryError: the memory does not suffice.
        """
        if self.native is not None:
            return NativeCodec(self.native, size, slots, depth, tries=tries)
        from colorvid.models.torch_codec import TorchCodec

        return TorchCodec(self.network, self.books, size, depth, tries=tries)

    @property
    def network(self) -> VideoModel:
        """The networks in PyTorch, in exact arithmetic; loaded when first asked for."""
        return self._torch[0]

    @property
    def books(self) -> Books:
        """Tables of each of `BRANCHES` for PyTorch's path."""
        return self._torch[1]

    def pair(self, kind: str) -> tuple[CodeBook, CodeBook]:
        """Code books of luma and chroma; ``kind`` is ``intra`` or ``inter``."""
        return self.books[f"{kind}.luma"], self.books[f"{kind}.chroma"]

    @cached_property
    def _torch(self) -> tuple[VideoModel, Books]:
        from colorvid.models.networks import load_networks

        carrier = {} if self.carrier is None else {"carrier": self.carrier}
        return load_networks(self.file, self.device, **carrier)


def load_model(
    name: str = "default",
    device: str = "cpu",
    carrier: torch.dtype | None = None,
    *,
    encoder: bool = True,
) -> Model:
    """Load a model.

    Args:
        name: one of `colorvid.config.TUNES`, or the path of a model file.
        device: ``cpu``, for the native core where there is one; any other torch device, for
            PyTorch.
        carrier: torch's float32 or float64, to check that both give the same bytes, for PyTorch;
            None = the native core, if it is there.
        encoder: whether it shall encode too; for decoding alone the core takes less memory.

    Raises:
        ColorvidError: PyTorch is needed and not installed.
        ModelMismatch: no such model, or the file is not one.
    """
    return model_of(read_model_file(name), device, carrier, encoder=encoder)


def model_of(
    file: ModelFile,
    device: str = "cpu",
    carrier: torch.dtype | None = None,
    *,
    encoder: bool = True,
) -> Model:
    """A model from what its file holds; arguments and errors as for `load_model`."""
    found = core() if device == "cpu" and carrier is None else None
    if found is not None:
        native = _in_core(found, file, encoder=encoder)
        return Model(file, file.identity, native=native)
    file.configs()
    need_torch(device)
    model = Model(file, file.identity, device, carrier=carrier)
    assert model.network is not None  # loaded and proved now
    return model


def _in_core(found: Core, file: ModelFile, *, encoder: bool) -> NativeModel:
    configs = file.configs()
    try:
        tensors = native_tensors(file, encoder=encoder)
        return NativeModel(found, configs, tensors, encoder=encoder)
    except (ConfigError, KeyError, ModelMismatch) as error:
        if str(error).startswith(str(file.path)):
            raise
        raise ModelMismatch(
            f"{file.path}: not a model that this version can run: {error}"
        ) from error


def native_tensors(file: ModelFile, *, encoder: bool = True) -> dict[str, NDArray[Any]]:
    """What the native core takes: integers of the decoder and of an encoder, and prices."""
    tensors = {name: array for name, array in file.tensors.items() if not is_encoder(name)}
    tables, (intra, inter) = file.tables(), file.configs()
    if not encoder:
        return tensors
    floats = {name: array for name, array in file.tensors.items() if is_encoder(name)}
    tensors |= encoder_tensors(floats)
    parts = (intra.luma(), intra.chroma(), inter.luma(), inter.chroma())
    for branch, part in zip(BRANCHES, parts, strict=True):
        tensors[f"{branch}.worth"] = np.array(part.bit_worth(), np.float32)
        tensors[f"{branch}.costs"] = tables[branch][1].costs(COSTED)
    return tensors


def check_device(device: str) -> None:
    """Refuse what torch cannot run on; ``cpu`` needs no torch.

    Raises:
        ColorvidError: torch is not installed.
        ConfigError: unknown, or not there.
    """
    if device == "cpu":
        return
    try:
        with needed_for(f"device {device!r}"):
            import torch
        if torch.empty(0, device=device).is_meta:
            raise RuntimeError("it holds no values")
    except (ImportError, RuntimeError, AssertionError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ConfigError(f"device {device!r} cannot be used: {reason}; use cpu") from error


def need_torch(device: str) -> None:
    """Load torch for work on ``device`` that the native core does not do.

    Raises:
        ColorvidError: it is not installed.
    """
    on_cpu = f"colorvid without its native core ({describe()})"
    # It aborts the process if a signal's handler raises meanwhile.
    with needed_for(on_cpu if device == "cpu" else f"device {device!r}"), uninterrupted():
        import torch  # noqa: F401


_kept: dict[tuple[str, str, int, Level | None, bool], Model] | None = None


def keep_models() -> None:
    """Let `model_on` keep the models of this process, which will code many files."""
    global _kept
    _kept = _kept or {}


def model_on(
    device: str, name: str, carrier: torch.dtype | None = None, *, encoder: bool = True
) -> Model:
    """Load a model by name or path, ready for work on several threads; see also `keep_models`.

    Args:
        device, name, carrier, encoder: see `load_model`; with a carrier the model is not kept.

    Raises:
        ColorvidError: PyTorch is needed and not installed.
        ConfigError: no such device.
        ModelMismatch: no such model.
    """
    check_device(device)
    found = core()
    level = None if found is None else found.level
    place = device, name, find_model(name).stat().st_mtime_ns, level
    if _kept is not None and carrier is None:
        for key in ((*place, True), (*place, encoder)):
            if key in _kept:
                return _kept[key]
    if device != "cpu" or carrier is not None or found is None:
        need_torch(device)  # so that the number of its threads can be set
    # With one torch thread: its thousands of small operations gain little from more, and threads
    # that wait for each other crawl where other programs keep the cores busy.
    with one_torch_thread():
        model = load_model(name, device, carrier, encoder=encoder)
        if model.native is None:
            _warm_up(model)
    if _kept is not None and carrier is None:
        key = (*place, encoder)
        _kept[key] = model
    return model


def _warm_up(model: Model) -> None:
    """Prove PyTorch's arithmetic: here, once, not in several threads."""
    from colorvid.exact.guard import prove

    prove(str(model.network.device), model.network.carrier)


def model_for(model_id: bytes, device: str, name: str | None, *, encoder: bool = False) -> Model:
    """The model that a stream needs: ``name`` if it is that one, else a released one.

    For decoding alone, unless ``encoder``.

    Raises:
        ModelMismatch: it is not there; the message names it and those that are.
    """
    available = []
    for candidate in [name] if name is not None else list(RELEASED):
        identity = model_identity(candidate)
        if identity == model_id:
            return model_on(device, candidate, encoder=encoder)
        available.append(f"{candidate} ({identity.hex()})")
    raise ModelMismatch(
        f"the stream needs model {model_id.hex()}; available are {', '.join(available)}; "
        "pass model=FILE with the right one or update colorvid"
    )
