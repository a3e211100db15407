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
from colorvid.models.branch import Coder
from colorvid.models.inter import Context, InterModel, motion_features
from colorvid.models.intra import IntraModel
from colorvid.models.modelfile import ENCODER_PARTS
from colorvid.models.planes import FrameTensors, from_features, padded
from colorvid.motion.compensate import compensate


@dataclass(frozen=True, slots=True)
class State:
    """What a frame leaves for the next one: the decoded picture and the symbols."""

    picture: FrameTensors
    luma: Tensor
    chroma: Tensor


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
    ) -> State:
        """Write a key frame, or read one if ``picture`` is None.

        ``shape`` is that of the luma plane, (height, width), before padding.
        """
        grid = (padded(shape[0]), padded(shape[1]))
        planes = None if picture is None else picture.features(torch.float64)
        y, uv = self.intra.code(coder, planes, grid, quality)
        cells = (grid[0] // INTER_BLOCK, grid[1] // INTER_BLOCK)
        luma, chroma = (
            torch.zeros(b.shape_of(cells), dtype=self.carrier, device=self.device)
            for b in (self.inter.luma, self.inter.chroma)
        )
        return State(from_features(y, uv, *shape), luma, chroma)

    @torch.no_grad()
    def code_inter(
        self,
        coder: tuple[Coder, Coder],
        picture: FrameTensors | None,
        vectors: Tensor,
        state: State,
        quality: int,
    ) -> State:
        """Write an inter frame, or read one if ``picture`` is None.

        ``vectors`` are int16 ``(ceil(H/8), ceil(W/8), 2)``, see `colorvid.motion`; ``state`` is
        what the previous frame left.
        """
        prediction, context = self.predict(vectors, state)
        source = None
        if picture is not None:
            source = (picture.features(torch.float64), prediction.features(torch.float64))
        y, uv, luma, chroma = self.inter.code(coder, source, context, quality)
        height, width = (int(s) for s in prediction.y.shape)
        return State(from_features(y, uv, height, width), luma, chroma)

    def predict(self, vectors: Tensor, state: State) -> tuple[FrameTensors, Context]:
        """The motion-compensated prediction, and the context that comes with it."""
        reference = (state.picture.y, state.picture.u, state.picture.v)
        prediction = FrameTensors(*compensate(reference, vectors))
        y, uv = prediction.features(self.carrier)
        motion = motion_features(vectors[None].to(self.device))
        rows, columns = state.luma.shape[-2:]
        grown = torch.zeros(
            (1, MOTION_FEATURES, rows, columns), dtype=self.carrier, device=self.device
        )
        grown[:, :, : motion.shape[2], : motion.shape[3]] = motion
        return prediction, Context(y, uv, state.luma, state.chroma, grown)
