"""A model in the native core, and the frames of a group of pictures.

Planes are Y ``(H, W)``, U and V ``(ceil(H/2), ceil(W/2))``, see `colorvid.frame.Frame`.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.config import BranchConfig, InterConfig, IntraConfig
from colorvid.errors import ConfigError, ModelMismatch
from colorvid.frame import Frame, Links, Motion, Plane, Size, chroma_size
from colorvid.native.core import Core, Status, pointer
from colorvid.native.motion import LinksStruct, arrays, contiguous
from colorvid.system.locks import process_lock

STAGES = (
    "other", "analysis", "prior", "entropy", "transform", "synthesis", "prediction", "filter",
)  # fmt: skip
"""Stages of the work, as ``src/layers.h`` numbers them."""
_TYPES = {"int8": 0, "int16": 1, "int32": 2, "float32": 3}
_MESSAGE_BYTES = 512
_PLACES = ctypes.c_void_p * 3
_SHARING = process_lock()  # of workspaces, by codecs of one model


class _BranchSizes(ctypes.Structure):
    """``BranchSizes`` of ``src/branch.h``."""

    _fields_ = [  # noqa: RUF012
        *(
            (name, ctypes.c_int32)
            for name in (
                "planes", "block",
                "analysis_fine_width", "analysis_coarse_width",
                "synthesis_fine_width", "synthesis_coarse_width",
                "analysis_blocks", "analysis_fine", "analysis_side",
                "synthesis_blocks", "synthesis_fine", "synthesis_side",
                "prior_width", "prior_side", "hyper", "context_steps", "predict_mean", "attention",
                "reference_planes", "prior_condition", "synthesis_condition",
            )
        ),
        ("rounding", ctypes.c_float),
    ]  # fmt: skip


class _NetworkSizes(ctypes.Structure):
    """``NetworkSizes`` of ``src/model.h``."""

    _fields_ = [  # noqa: RUF012
        ("luma", _BranchSizes),
        ("chroma", _BranchSizes),
        ("chroma_from_luma", ctypes.c_int32),
        ("chroma_offset", ctypes.c_int32),
        ("context", ctypes.c_int32),
    ]


class _ModelSizes(ctypes.Structure):
    """``ModelSizes`` of ``src/model.h``."""

    _fields_ = [("intra", _NetworkSizes), ("inter", _NetworkSizes)]  # noqa: RUF012


def _branch(config: BranchConfig) -> _BranchSizes:
    analysis = config.analysis_widths or (0, 0)
    synthesis = config.synthesis_widths or (0, 0)
    return _BranchSizes(
        planes=config.planes,
        block=config.block,
        analysis_fine_width=analysis[0],
        analysis_coarse_width=analysis[1],
        synthesis_fine_width=synthesis[0],
        synthesis_coarse_width=synthesis[1],
        analysis_blocks=config.analysis_blocks,
        analysis_fine=config.analysis_fine,
        analysis_side=config.analysis_kernel,
        synthesis_blocks=config.synthesis_blocks,
        synthesis_fine=config.synthesis_fine,
        synthesis_side=config.synthesis_kernel,
        prior_width=config.prior_width,
        prior_side=config.prior_kernel,
        hyper=config.hyper,
        context_steps=config.context_steps,
        predict_mean=config.predict_mean,
        attention=config.attention,
        reference_planes=config.reference_planes,
        prior_condition=config.prior_condition,
        synthesis_condition=config.synthesis_condition,
        rounding=config.rounding,
    )


def _network(config: IntraConfig | InterConfig) -> _NetworkSizes:
    return _NetworkSizes(
        _branch(config.luma()),
        _branch(config.chroma()),
        config.chroma_from_luma,
        config.chroma_offset,
        isinstance(config, InterConfig) and config.context,
    )


class NativeModel:
    """Networks and tables of a model, proved exact and packed; codecs may share it."""

    def __init__(
        self,
        core: Core,
        configs: tuple[IntraConfig, InterConfig],
        tensors: Mapping[str, NDArray[Any]],
        *,
        encoder: bool,
    ) -> None:
        """Copy ``tensors``, by their names in a model file, into the core.

        Args:
            core: the native core.
            configs: of key and of inter frames.
            tensors: the decoder's; with ``encoder`` the encoder's too, as integers.
            encoder: whether codecs shall encode.

        Raises:
            ModelMismatch: a tensor is missing or has another shape or type, or a sum of integers
                is not proved exact.
            MemoryError: the memory does not suffice.
        """
        self.core, self.encoder = core, encoder
        self.handle = core.functions["model_new"]()
        if not self.handle:
            raise MemoryError("native core: no memory for a model")
        weakref.finalize(self, core.functions["model_free"], self.handle)
        for name, value in tensors.items():
            array = np.ascontiguousarray(value)
            shape = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
            kind = _TYPES[str(array.dtype)]
            core.call(
                "model_tensor", self.handle, name.encode(), kind, shape, array.ndim,
                array.ctypes.data, array.nbytes,
            )  # fmt: skip
        sizes = _ModelSizes(*(_network(config) for config in configs))
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        status = core.call(
            "model_build", self.handle, ctypes.byref(sizes), encoder, message, _MESSAGE_BYTES
        )
        if status is Status.WRONG_MODEL:
            raise ModelMismatch(message.value.decode())
        self._workspaces: weakref.ref[Workspaces] | None = None

    def workspaces(self) -> Workspaces:
        """Memory for the work on frames: the same for all codecs that live at the same time."""
        with _SHARING:
            shared = None if self._workspaces is None else self._workspaces()
            if shared is None:
                shared = Workspaces(self.core)
                self._workspaces = weakref.ref(shared)
            return shared


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in a stage: seconds, and multiplications of the networks."""

    seconds: float = 0.0
    multiplications: float = 0.0


def added_up(a: Mapping[str, Work], b: Mapping[str, Work]) -> dict[str, Work]:
    """Work of two kinds of stages together."""
    none = Work()
    pairs = {name: (a.get(name, none), b.get(name, none)) for name in (*a, *b)}
    return {
        name: Work(x.seconds + y.seconds, x.multiplications + y.multiplications)
        for name, (x, y) in pairs.items()
    }


class Workspaces:
    """What coding frames needs on the way: as many workspaces as frames are coded at once."""

    def __init__(self, core: Core) -> None:
        """Begin without any."""
        self._core = core
        self._idle: list[Any] = []

    @contextmanager
    def one(self) -> Iterator[Any]:
        """A workspace that no other thread has meanwhile.

        Raises:
            MemoryError: the memory does not suffice.
        """
        try:
            space = self._idle.pop()  # the one used last, whose memory is still in the caches
        except IndexError:
            space = self._core.functions["workspace_new"](self._core.level)
            if not space:
                raise MemoryError("native core: no memory for a workspace") from None
            weakref.finalize(self, self._core.functions["workspace_free"], space)
        try:
            yield space
        finally:
            self._idle.append(space)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded frame.

    Attributes:
        picture: as every decoder shows it.
        bits: information of luma and of chroma, in bits; None = not known.
    """

    picture: Frame
    bits: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Coded:
    """An encoded frame.

    Attributes:
        picture: as every decoder shows it.
        latents: the packet's latents section.
        bits: information of ``luma``, ``chroma`` and ``side`` (hyper-latents), in bits.
    """

    picture: Frame
    latents: bytes
    bits: dict[str, float]


class _MotionStruct(ctypes.Structure):
    """``CodecMotion`` of ``src/api.h``."""

    _fields_ = [  # noqa: RUF012
        ("links", LinksStruct),
        ("past", ctypes.c_void_p),
        ("future", ctypes.c_void_p),
        ("uses", ctypes.c_void_p),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
    ]


class NativeCodec:
    """Codes frames of one size; see `colorvid.models.frames.FrameCodec`."""

    def __init__(
        self, model: NativeModel, size: Size, slots: int, depth: int = 8, *, tries: bool = True
    ) -> None:
        """Prepare for pictures of ``size``, 1..8192 luma samples to a side, in 1..32 slots.

        Args:
            model: what codes them.
            size: of the pictures.
            slots: how many are kept.
            depth: bits of a sample, 8 or 10.
            tries: see `colorvid.effort.Effort`.

        Raises:
            MemoryError: the memory does not suffice.
        """
        self._model, self._size, core = model, size, model.core
        self._depth = depth
        self._tries = tries
        self._spaces = model.workspaces()
        self._seconds, self._products = (np.zeros(len(STAGES)) for _ in range(2))
        self._lock = threading.Lock()  # of the count of work
        self._handle = core.functions["codec_new"](
            model.handle, size.height, size.width, slots, depth
        )
        if not self._handle:
            raise MemoryError(f"native core: no memory for pictures of {size}")
        weakref.finalize(self, core.functions["codec_free"], self._handle)

    def decode_key(self, quality: int, target: int, latents: bytes) -> Decoded:
        """See `FrameCodec.decode_key`."""
        return self._decode(quality, _key(target), latents)

    def decode_inter(self, quality: int, links: Links, motion: Motion, latents: bytes) -> Decoded:
        """See `FrameCodec.decode_inter`."""
        motion = contiguous(motion)
        return self._decode(quality, _inter(links, motion), latents)

    def encode_key(self, quality: int, target: int, frame: Frame) -> Coded:
        """See `FrameCodec.encode_key`."""
        return self._encode(quality, _key(target), frame)

    def encode_inter(self, quality: int, links: Links, motion: Motion, frame: Frame) -> Coded:
        """See `FrameCodec.encode_inter`."""
        motion = contiguous(motion)
        return self._encode(quality, _inter(links, motion), frame)

    def work(self) -> dict[str, Work]:
        """What was done in each of `STAGES` since the start."""
        done = zip(self._seconds.tolist(), self._products.tolist(), strict=True)
        return {stage: Work(*pair) for stage, pair in zip(STAGES, done, strict=True)}

    def _decode(self, quality: int, motion: _MotionStruct, latents: bytes) -> Decoded:
        planes, bits = self._planes(), (ctypes.c_double * 2)()
        with self._spaces.one() as space:
            self._model.core.call(
                "codec_decode", self._handle, space, quality, ctypes.byref(motion), latents,
                len(latents), _places(planes), bits,
            )  # fmt: skip
            self._count(space)
        return Decoded(Frame(*planes), (bits[0], bits[1]))

    def _encode(self, quality: int, motion: _MotionStruct, frame: Frame) -> Coded:
        if not self._model.encoder:
            raise ConfigError("the model is for decoding alone; load it with encoder=True")
        assert frame.size == self._size and frame.depth == self._depth
        source = [np.ascontiguousarray(plane) for plane in frame.planes]
        planes = self._planes()
        data, size, bits = ctypes.c_void_p(), ctypes.c_size_t(), (ctypes.c_double * 4)()
        with self._spaces.one() as space:
            self._model.core.call(
                "codec_encode", self._handle, space, quality, self._tries, ctypes.byref(motion),
                _places(source), _places(planes), ctypes.byref(data), ctypes.byref(size), bits,
            )  # fmt: skip
            latents = ctypes.string_at(data, size.value) if size.value else b""
            self._count(space)
        counted = {"luma": bits[1], "chroma": bits[3], "side": bits[0] + bits[2]}
        return Coded(Frame(*planes), latents, counted)

    def _count(self, space: Any) -> None:
        """Add the work on the frame that was coded last in a workspace."""
        seconds, products = np.empty(len(STAGES)), np.empty(len(STAGES))
        self._model.core.quick["workspace_work"](
            space, pointer(seconds, np.float64), pointer(products, np.float64)
        )
        with self._lock:
            self._seconds += seconds
            self._products += products

    def _planes(self) -> list[Plane]:
        chroma = chroma_size(*self._size.shape)
        kind = np.uint8 if self._depth == 8 else np.uint16
        return [np.empty(shape, kind) for shape in (self._size.shape, chroma, chroma)]


def _key(target: int) -> _MotionStruct:
    return _MotionStruct(LinksStruct(target=target))


def _inter(links: Links, motion: Motion) -> _MotionStruct:
    """For arrays that the caller keeps alive."""
    return _MotionStruct(LinksStruct.of(links), *arrays(motion), *motion.shape)


def _places(planes: list[Plane]) -> Any:
    return _PLACES(*(pointer(plane, plane.dtype) for plane in planes))
