"""What codes single frames: the native core or PyTorch, which give the same bytes."""

from __future__ import annotations

from typing import Protocol

from colorvid.frame import Frame
from colorvid.motion.field import Vectors
from colorvid.native.model import Coded, Work


class FrameCodec(Protocol):
    """Codes the frames of one group of pictures, in order; used by one thread at a time.

    It keeps the last frame, from which an inter frame is predicted.
    """

    def decode(self, quality: int, vectors: Vectors | None, latents: bytes) -> Frame:
        """Decode a frame: a key frame if ``vectors`` is None.

        Args:
            quality: 0..63.
            vectors: see `colorvid.motion.field`.
            latents: the packet's latents section, whatever its bytes are.
        """

    def encode(self, quality: int, vectors: Vectors | None, frame: Frame) -> Coded:
        """Encode a frame: a key frame if ``vectors`` is None."""

    def forget(self) -> None:
        """Forget the last frame: only a key frame can follow."""

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
