"""Frames of a group of pictures in PyTorch: the reference of the native core, and for GPUs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from colorvid.entropy.rans import BranchReader, BranchWriter, SymbolReader, SymbolWriter
from colorvid.errors import ConfigError
from colorvid.exact.guard import exact_torch, prove
from colorvid.frame import Frame, Size
from colorvid.models.branch import Coder
from colorvid.models.networks import Books
from colorvid.models.planes import FrameTensors, padded
from colorvid.models.video import State, VideoModel
from colorvid.motion.field import Vectors
from colorvid.native.model import Coded, Work

C = TypeVar("C", bound=Coder)


@dataclass(frozen=True, slots=True)
class TorchStep(Generic[C]):
    """A frame that went through the networks.

    Attributes:
        source: the frame as the networks see it.
        before: what the previous frame left; None for a key frame.
        after: what this frame leaves: the decoded picture and its symbols.
        coders: what took the symbols of luma and of chroma.
        picture: the decoded picture.
    """

    source: FrameTensors
    before: State | None
    after: State
    coders: tuple[C, C]
    picture: Frame


class TorchFrames(Generic[C]):
    """Sends frames through the networks, with any coders of symbols; keeps the last frame."""

    def __init__(self, network: VideoModel, coders: Callable[[str], tuple[C, C]]) -> None:
        """Prepare.

        Args:
            network: in exact arithmetic.
            coders: gives the coders of luma and of chroma for a frame of kind ``intra`` or
                ``inter``; called once a frame.
        """
        self._network, self._coders = network, coders
        self._state: State | None = None

    def encode(self, quality: int, vectors: Vectors | None, frame: Frame) -> TorchStep[C]:
        """Code a frame: a key frame if ``vectors`` is None."""
        source = FrameTensors.of(frame, self._network.device)
        before = None if vectors is None else self._state
        coders, after = self.code(quality, vectors, frame.size, source)
        return TorchStep(source, before, after, coders, after.picture.frame())

    def code(
        self, quality: int, vectors: Vectors | None, size: Size, source: FrameTensors | None
    ) -> tuple[tuple[C, C], State]:
        """Write a frame of ``size``, or read one if ``source`` is None.

        Returns:
            What took or gave the symbols of luma and of chroma, and what the frame leaves.

        Raises:
            ConfigError: there is no frame that an inter frame can be predicted from.
        """
        if vectors is None:
            coders = self._coders("intra")
            state = self._network.code_key(coders, source, size.shape, quality)
        elif self._state is None:
            raise ConfigError("an inter frame needs the frame before it")
        else:
            coders = self._coders("inter")
            field = torch.from_numpy(vectors).to(self._network.device)
            state = self._network.code_inter(coders, source, field, self._state, quality)
        self._state = state
        return coders, state

    def forget(self) -> None:
        """Forget the last frame: only a key frame can follow."""
        self._state = None


AnyBranchCoder = BranchWriter | BranchReader


class TorchCodec:
    """Codes the frames of a group of pictures; see `colorvid.models.frames.FrameCodec`."""

    def __init__(self, network: VideoModel, books: Books, size: Size) -> None:
        """Prepare for pictures of ``size``.

        Raises:
            ColorvidError: this machine's torch does not compute exactly.
        """
        prove(str(network.device), network.carrier)
        self._books, self._size = books, size
        self._symbols: SymbolWriter | SymbolReader = SymbolWriter()
        self._frames: TorchFrames[AnyBranchCoder] = TorchFrames(network, self._coders)
        self._seconds = {"networks": 0.0, "entropy": 0.0}

    def decode(self, quality: int, vectors: Vectors | None, latents: bytes) -> Frame:
        """See `FrameCodec.decode`."""
        start = time.perf_counter()
        most = 2 * padded(self._size.height) * padded(self._size.width)
        self._symbols = SymbolReader(latents, most)
        with exact_torch():
            coders, state = self._frames.code(quality, vectors, self._size, None)
        self._count(start, coders)
        return state.picture.frame()

    def encode(self, quality: int, vectors: Vectors | None, frame: Frame) -> Coded:
        """See `FrameCodec.encode`."""
        start = time.perf_counter()
        writer = self._symbols = SymbolWriter()
        with exact_torch():
            step = self._frames.encode(quality, vectors, frame)
        luma, chroma = step.coders
        assert isinstance(luma, BranchWriter) and isinstance(chroma, BranchWriter)
        bits = {
            "luma": luma.latent_bits,
            "chroma": chroma.latent_bits,
            "side": luma.hyper_bits + chroma.hyper_bits,
        }
        self._count(start, step.coders)
        return Coded(step.picture, writer.finish(), bits)

    def forget(self) -> None:
        """See `FrameCodec.forget`."""
        self._frames.forget()

    def work(self) -> dict[str, Work]:
        """Seconds in the networks and in entropy coding; multiplications are not counted."""
        return {stage: Work(seconds) for stage, seconds in self._seconds.items()}

    def _coders(self, kind: str) -> tuple[AnyBranchCoder, AnyBranchCoder]:
        luma, chroma = (self._books[f"{kind}.{branch}"] for branch in ("luma", "chroma"))
        return self._symbols.branch(luma), self._symbols.branch(chroma)

    def _count(self, start: float, coders: tuple[AnyBranchCoder, AnyBranchCoder]) -> None:
        entropy = coders[0].seconds + coders[1].seconds
        self._seconds["entropy"] += entropy
        self._seconds["networks"] += time.perf_counter() - start - entropy
