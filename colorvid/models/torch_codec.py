"""Frames of a group of pictures in PyTorch: the reference of the native core, and for GPUs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from colorvid.entropy.rans import BranchReader, BranchWriter, SymbolReader, SymbolWriter
from colorvid.errors import ConfigError
from colorvid.exact.guard import exact_torch, prove
from colorvid.frame import Frame, Links, Motion, Size
from colorvid.models.networks import Books
from colorvid.models.passes import Coder
from colorvid.models.planes import FrameTensors
from colorvid.models.video import References, State, VideoModel
from colorvid.native.model import Coded, Decoded, Work

C = TypeVar("C", bound=Coder)


@dataclass(frozen=True, slots=True)
class TorchStep(Generic[C]):
    """A frame that went through the networks.

    Attributes:
        source: the frame as the networks see it.
        references: what the references left; None for a key frame.
        coders: what took the symbols of luma and of chroma.
        picture: the decoded picture.
    """

    source: FrameTensors
    references: References | None
    coders: tuple[C, C]
    picture: Frame


class TorchFrames(Generic[C]):
    """Sends frames through the networks, with any coders of symbols; keeps them in slots."""

    def __init__(
        self, network: VideoModel, coders: Callable[[str], tuple[C, C]], *, tries: bool = True
    ) -> None:
        """Prepare.

        Args:
            network: in exact arithmetic.
            coders: gives the coders of luma and of chroma for a frame of kind ``intra`` or
                ``inter``; called once a frame.
            tries: see `colorvid.effort.Effort`.
        """
        self._network, self._coders, self._tries = network, coders, tries
        self._slots: dict[int, State] = {}

    def encode_key(self, quality: int, target: int, frame: Frame) -> TorchStep[C]:
        """Encode a key frame."""
        source = FrameTensors.of(frame, self._network.device)
        coders, state = self.code_key(quality, target, frame.size, source, frame.depth)
        return TorchStep(source, None, coders, state.picture.frame())

    def encode_inter(
        self, quality: int, links: Links, motion: Motion, frame: Frame
    ) -> TorchStep[C]:
        """Encode a P or B frame."""
        source = FrameTensors.of(frame, self._network.device)
        references = self._references(links)
        coders, state = self.code_inter(quality, links, motion, source)
        return TorchStep(source, references, coders, state.picture.frame())

    def code_key(
        self, quality: int, target: int, size: Size, source: FrameTensors | None, depth: int = 8
    ) -> tuple[tuple[C, C], State]:
        """Write a key frame of ``size`` and ``depth``, or read one if ``source`` is None.

        Returns:
            What took or gave the symbols of luma and of chroma, and what the frame leaves.
        """
        coders = self._coders("intra")
        state = self._network.code_key(coders, source, size.shape, quality, depth)
        self._slots[target] = state
        return coders, state

    def code_inter(
        self, quality: int, links: Links, motion: Motion, source: FrameTensors | None
    ) -> tuple[tuple[C, C], State]:
        """Write a P or B frame, or read one if ``source`` is None; as `code_key`.

        Raises:
            ConfigError: a reference is not there.
        """
        references = self._references(links)
        coders = self._coders("inter")
        state = self._network.code_inter(
            coders, source, motion, references, quality, tries=self._tries
        )
        self._slots[links.target] = state
        return coders, state

    def _references(self, links: Links) -> References:
        slots = self._slots
        if links.past not in slots or not (links.future is None or links.future in slots):
            raise ConfigError("an inter frame needs its references")
        future = None if links.future is None else slots[links.future]
        return References(slots[links.past], future, slots[links.nearer])


AnyBranchCoder = BranchWriter | BranchReader


class TorchCodec:
    """Codes the frames of a group of pictures; see `colorvid.models.frames.FrameCodec`."""

    def __init__(
        self,
        network: VideoModel,
        books: Books,
        size: Size,
        depth: int = 8,
        *,
        tries: bool = True,
    ) -> None:
        """Prepare for pictures of ``size``, of so many bits a sample.

        ``tries``: see `colorvid.effort.Effort`.

        Raises:
            ColorvidError: this machine's torch does not compute exactly.
        """
        prove(str(network.device), network.carrier)
        self._books, self._size, self._depth = books, size, depth
        self._symbols: SymbolWriter | SymbolReader = SymbolWriter()
        self._frames: TorchFrames[AnyBranchCoder] = TorchFrames(network, self._coders, tries=tries)
        self._seconds = {"networks": 0.0, "entropy": 0.0}

    def decode_key(self, quality: int, target: int, latents: bytes) -> Decoded:
        """See `FrameCodec.decode_key`."""
        return self._decode(
            latents,
            lambda: self._frames.code_key(quality, target, self._size, None, self._depth),
        )

    def decode_inter(self, quality: int, links: Links, motion: Motion, latents: bytes) -> Decoded:
        """See `FrameCodec.decode_inter`."""
        return self._decode(latents, lambda: self._frames.code_inter(quality, links, motion, None))

    def encode_key(self, quality: int, target: int, frame: Frame) -> Coded:
        """See `FrameCodec.encode_key`."""
        return self._encode(lambda: self._frames.encode_key(quality, target, frame))

    def encode_inter(self, quality: int, links: Links, motion: Motion, frame: Frame) -> Coded:
        """See `FrameCodec.encode_inter`."""
        return self._encode(lambda: self._frames.encode_inter(quality, links, motion, frame))

    def _decode(
        self,
        latents: bytes,
        code: Callable[[], tuple[tuple[AnyBranchCoder, AnyBranchCoder], State]],
    ) -> Decoded:
        start = time.perf_counter()
        self._symbols = SymbolReader(latents)
        with exact_torch():
            coders, state = code()
        self._count(start, coders)
        return Decoded(state.picture.frame(), None)

    def _encode(self, code: Callable[[], TorchStep[AnyBranchCoder]]) -> Coded:
        start = time.perf_counter()
        writer = self._symbols = SymbolWriter()
        with exact_torch():
            step = code()
        luma, chroma = step.coders
        assert isinstance(luma, BranchWriter) and isinstance(chroma, BranchWriter)
        bits = {
            "luma": luma.latent_bits,
            "chroma": chroma.latent_bits,
            "side": luma.hyper_bits + chroma.hyper_bits,
        }
        self._count(start, step.coders)
        return Coded(step.picture, writer.finish(), bits)

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
