"""Intra and inter codec together: one frame after the other through one traversal.

The encoder's reference frames come from the very function that the decoder runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorvid.config import INTER_BLOCK, MOTION_FEATURES, InterConfig, IntraConfig
from colorvid.exact.arithmetic import ExactArithmetic, WideArithmetic
from colorvid.exact.layers import ExactLayer, use_arithmetic
from colorvid.frame import Motion
from colorvid.models.filtering import Pictures
from colorvid.models.inter import Context, InterModel, motion_features
from colorvid.models.intra import IntraModel
from colorvid.models.modelfile import ENCODER_PARTS
from colorvid.models.passes import Coder
from colorvid.models.planes import FrameTensors, from_features, padded
from colorvid.motion.compensate import predict


@dataclass(frozen=True, slots=True)
class State:
    """What a frame leaves for those predicted from it: the decoded picture and the symbols."""

    picture: FrameTensors
    luma: Tensor
    chroma: Tensor


@dataclass(frozen=True, slots=True)
class References:
    """What a frame's references left.

    Attributes:
        past, future: of the earlier and of the later reference; a P frame has no later one.
        nearer: of the nearer one, whose symbols count.
    """

    past: State
    future: State | None
    nearer: State


class VideoModel(nn.Module):
    """The whole codec of frames; entropy coding and packets are left to the caller's coders."""

    def __init__(self, intra: IntraConfig, inter: InterConfig) -> None:
        """Make both models."""
        super().__init__()
        self.intra = IntraModel(intra)
        self.inter = InterModel(inter)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.intra.luma.gains.table.device

    @property
    def carrier(self) -> torch.dtype:
        """Type of the tensors that carry the decoder's integers."""
        arithmetic = self.intra.luma.transform.arithmetic
        return arithmetic.carrier if isinstance(arithmetic, ExactArithmetic) else torch.float32

    def use_exact(self, carrier: torch.dtype = torch.float32) -> None:
        """Compute in exact arithmetic from now on.

        ``carrier`` is that of the decoder; the encoder's own parts need float64.
        """
        use_arithmetic(self, ExactArithmetic(carrier))
        wide = WideArithmetic()
        for name, part in self.named_modules():
            if name.rsplit(".", 1)[-1] in ENCODER_PARTS:
                use_arithmetic(part, wide)

    def finalise(self) -> None:
        """Derive all integers from the float parameters."""
        for part in self.modules():
            if isinstance(part, ExactLayer):
                part.finalise()

    @torch.no_grad()
    def code_key(
        self,
        coder: tuple[Coder, Coder],
        picture: FrameTensors | None,
        shape: tuple[int, int],
        quality: int,
        depth: int = 8,
    ) -> State:
        """Write a key or I frame, or read one if ``picture`` is None.

        ``shape`` is that of the luma plane, (height, width), before padding; ``depth`` the bits of
        a sample.
        """
        grid = (padded(shape[0]), padded(shape[1]))
        planes = None if picture is None else picture.features(torch.float64)
        y, uv = self.intra.code(coder, planes, grid, quality)
        cells = (grid[0] // INTER_BLOCK, grid[1] // INTER_BLOCK)
        luma, chroma = (
            torch.zeros(b.shape_of(cells), dtype=self.carrier, device=self.device)
            for b in (self.inter.luma, self.inter.chroma)
        )
        return State(from_features(y, uv, *shape, depth), luma, chroma)

    @torch.no_grad()
    def code_inter(
        self,
        coder: tuple[Coder, Coder],
        picture: FrameTensors | None,
        motion: Motion,
        states: References,
        quality: int,
        *,
        tries: bool = True,
    ) -> State:
        """Write a P or B frame, or read one if ``picture`` is None.

        ``states`` is what its references left; ``tries``: see `Branch.code`.
        """
        prediction, context = self.predict(motion, states)
        source = None
        if picture is not None:
            source = (picture.features(torch.float64), prediction.features(torch.float64))
        y, uv, luma, chroma = self.inter.code(coder, source, context, quality, tries=tries)
        height, width = (int(s) for s in prediction.y.shape)
        decoded = from_features(y, uv, height, width, prediction.depth)
        shown = self.inter.filtered(coder, Pictures(decoded, prediction, picture), quality)
        return State(shown, luma, chroma)

    def predict(self, motion: Motion, states: References) -> tuple[FrameTensors, Context]:
        """The motion-compensated prediction, and the context that comes with it."""
        past = states.past.picture.planes
        future = None if states.future is None else states.future.picture.planes
        prediction = FrameTensors(*predict(motion, past, future))
        y, uv = prediction.features(self.carrier)
        uneven = motion_features(motion).to(self.device)
        nearer = states.nearer
        rows, columns = nearer.luma.shape[-2:]
        grown = torch.zeros(
            (1, MOTION_FEATURES, rows, columns), dtype=self.carrier, device=self.device
        )
        grown[:, :, : uneven.shape[2], : uneven.shape[3]] = uneven
        return prediction, Context(y, uv, nearer.luma, nearer.chroma, grown)
