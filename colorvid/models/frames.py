"""What codes single frames: the native core or PyTorch, which give the same bytes."""

from __future__ import annotations

from typing import Protocol

from colorvid.frame import Frame, Links, Motion
from colorvid.native.model import Coded, Decoded, Work


class FrameCodec(Protocol):
    """Codes the frames of a group of pictures in decoding order.

    Each frame is put into a slot, and stays there to be predicted from until the slot is used
    again. Threads may code frames at the same time in the native core, where no frame is put into
    a slot that another one of them needs; in PyTorch one thread at a time.
    """

    def decode_key(self, quality: int, target: int, latents: bytes) -> Decoded:
        """Decode a key or I frame.

        Args:
            quality: 0..63.
            target: the slot that it is put into.
            latents: the packet's latents section, whatever its bytes are.

        Raises:
            ConfigError: a value is out of its range.
            MemoryError: the memory does not suffice.
        """

    def decode_inter(self, quality: int, links: Links, motion: Motion, latents: bytes) -> Decoded:
        """Decode a P or B frame.

        Args:
            quality: 0..63.
            links: what it is predicted from, and where it is put.
            motion: how it is predicted.
            latents: the packet's latents section, whatever its bytes are.

        Raises:
            ConfigError: a value is out of its range, or a reference is not there.
            MemoryError: the memory does not suffice.
        """

    def encode_key(self, quality: int, target: int, frame: Frame) -> Coded:
        """Encode a key or I frame; arguments and errors as for `decode_key`."""

    def encode_inter(self, quality: int, links: Links, motion: Motion, frame: Frame) -> Coded:
        """Encode a P or B frame; arguments and errors as for `decode_inter`."""

    def work(self) -> dict[str, Work]:
        """What was done so far, by stage."""
