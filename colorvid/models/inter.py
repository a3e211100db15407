"""The inter codec: the residual of a motion-compensated prediction in the same two branches.

The linear path and the dead-zone quantiser make a plain block-transform codec; the networks start
at nothing and improve on it. The prior's mean is zero, so a zero symbol leaves the prediction as
it is. The prediction conditions the prior and the synthesis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import InterConfig
from colorvid.exact.arithmetic import FEATURE
from colorvid.exact.layers import finer
from colorvid.frame import Motion
from colorvid.models.branch import Branch, FrameOutput
from colorvid.models.filtering import LoopFilters, Pictures
from colorvid.models.passes import Coder
from colorvid.models.planes import FrameTensors
from colorvid.nn.transforms import SYMBOL_STEPS

Planes = tuple[Tensor, Tensor]
"""Y ``(1, 1, H, W)`` and UV ``(1, 2, H/2, W/2)``."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the decoder knows before it reads a frame; tensors as the arithmetic has them.

    Attributes:
        y, uv: prediction as features, ``(B, 1, H, W)`` and ``(B, 2, H/2, W/2)``.
        luma, chroma: symbols of the nearer reference, integers, ``(B, 64, H/8, W/8)`` and
            ``(B, 32, H/8, W/8)``; zero after a key frame.
        motion: `motion_features`, integers, ``(B, 4, H/8, W/8)``.
    """

    y: Tensor
    uv: Tensor
    luma: Tensor
    chroma: Tensor
    motion: Tensor


def motion_features(motion: Motion) -> Tensor:
    """How uneven the motion of a frame is around each block: ``(1, 4, h, w)``.

    See `unevenness`; of the two fields of a B frame the larger value counts.
    """
    fields = [motion.past] if motion.future is None else [motion.past, motion.future]
    return unevenness(torch.from_numpy(np.stack(fields))).amax(dim=0, keepdim=True)


def unevenness(vectors: Tensor) -> Tensor:
    """How uneven vectors are around each block: ``(B, 4, h, w)``, float32 integers 0..255.

    Magnitude of the difference to the left, right, upper and lower neighbour in quarter samples,
    the larger component; from vectors ``(B, h, w, 2)`` of any type. Zero beyond the border.
    """
    field = vectors.to(torch.float32).movedim(-1, 1)
    across = (field[..., 1:] - field[..., :-1]).abs().amax(dim=1, keepdim=True)
    down = (field[..., 1:, :] - field[..., :-1, :]).abs().amax(dim=1, keepdim=True)
    parts = (
        F.pad(across, (1, 0)),
        F.pad(across, (0, 1)),
        F.pad(down, (0, 0, 1, 0)),
        F.pad(down, (0, 0, 0, 1)),
    )
    return torch.cat(parts, dim=1).clamp(max=255)


class InterModel(nn.Module):
    """Dual-branch residual codec with the prediction as condition."""

    def __init__(self, config: InterConfig) -> None:
        """Make both branches."""
        super().__init__()
        self.config = config
        self.luma = Branch(config.luma())
        self.chroma = Branch(config.chroma())
        self.filter = LoopFilters()

    def forward(self, y: Tensor, uv: Tensor, context: Context, quality: Tensor) -> FrameOutput:
        """Code frames in units as training sees it; H and W are multiples of 16.

        ``context`` holds units and symbols; see `Context` for shapes, ``quality`` is ``(B,)``.
        """
        known = self._condition(context, 1.0)
        luma = self.luma(y - context.y, quality, reference=context.y, prior_condition=known[0])
        y_out = self._luma_synthesis(luma.planes, context, quality)
        condition = self._chroma_condition(known[1], luma.y_hat)
        quality = finer(quality, self.config.chroma_offset)
        chroma = self.chroma(
            uv - context.uv, quality, reference=context.uv, prior_condition=condition
        )
        uv_out = self._chroma_synthesis(chroma.planes, y_out, context, quality)
        return FrameOutput(y_out, uv_out, luma, chroma)

    def _condition(self, c: Context, symbol: float) -> tuple[Tensor | None, Tensor | None]:
        """Conditions of the two priors; ``symbol`` is what one step is worth as a feature."""
        if not self.config.context:
            return None, None
        bound = FEATURE.bound * symbol
        y = F.pixel_unshuffle(c.y, self.luma.config.block)
        uv = F.pixel_unshuffle(c.uv, self.chroma.config.block)
        luma = (c.luma * symbol).clamp(-bound, bound)
        chroma = (c.chroma * symbol).clamp(-bound, bound)
        motion = c.motion * (symbol / 32)
        return (torch.cat((y, uv, luma, motion), 1), torch.cat((y, uv, chroma, motion), 1))

    def _chroma_condition(self, known: Tensor | None, y_hat: Tensor) -> Tensor | None:
        parts = [] if known is None else [known]
        if self.config.chroma_from_luma:
            parts.append(self.luma.scale(y_hat))
        return torch.cat(parts, dim=1) if parts else None

    def _luma_synthesis(self, residual: Tensor, c: Context, quality: Tensor) -> Tensor:
        picture = self.luma.transform.arithmetic.add(c.y, residual)
        return self.luma.correct(
            picture, quality, F.pixel_unshuffle(c.y, self.luma.config.block // 2)
        )

    def _chroma_synthesis(self, residual: Tensor, y: Tensor, c: Context, quality: Tensor) -> Tensor:
        picture = self.chroma.transform.arithmetic.add(c.uv, residual)
        block = self.chroma.config.block
        parts = (F.pixel_unshuffle(c.uv, block // 2), F.pixel_unshuffle(y, block))
        condition = torch.cat(parts, dim=1)
        return self.chroma.correct(picture, quality, condition)

    @torch.no_grad()
    def code(
        self,
        coder: tuple[Coder, Coder],
        source: tuple[Planes, Planes] | None,
        context: Context,
        quality: int,
        *,
        tries: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Write a frame, or read it if ``source`` is None; exact arithmetic.

        Args:
            coder: coders of the luma and of the chroma symbols.
            source: the encoder's frame and its view of the prediction, padded: features, float64.
            context: what both sides know, in exact features and integer symbols.
            quality: 0..63.
            tries: see `Branch.code`.

        Returns:
            Decoded Y and UV as exact features, and the luma and chroma symbols, integers.
        """
        q = torch.tensor([quality], device=context.y.device)
        known = self._condition(context, float(FEATURE.steps))
        latents = None
        if source is not None:
            (y, uv), (y_predicted, uv_predicted) = source
            latents = self.luma.analyse(y - y_predicted, q, y_predicted)
        y_hat = self.luma.code(coder[0], latents, context.luma.shape, q, known[0], tries=tries)
        y_out = self._luma_synthesis(self.luma.reconstruct(y_hat, q), context, q)
        condition = self._chroma_condition(known[1], y_hat)
        q = finer(q, self.config.chroma_offset)
        if source is not None:
            latents = self.chroma.analyse(uv - uv_predicted, q, uv_predicted)
        uv_hat = self.chroma.code(
            coder[1], latents, context.chroma.shape, q, condition, tries=tries
        )
        residual = self.chroma.reconstruct(uv_hat, q)
        uv_out = self._chroma_synthesis(residual, y_out, context, q)
        return y_out, uv_out, y_hat / SYMBOL_STEPS, uv_hat / SYMBOL_STEPS

    def filtered(
        self, coder: tuple[Coder, Coder], pictures: Pictures, quality: int
    ) -> FrameTensors:
        """The decoded picture as it is shown and predicted from; writes or reads what that needs.

        Args:
            coder: coders of the luma and of the chroma symbols.
            pictures: of the frame.
            quality: 0..63.
        """
        luma = self.luma.bit_worth
        fine = finer(torch.tensor(quality, device=luma.device), self.config.chroma_offset)
        prices = float(luma[quality]), float(self.chroma.bit_worth[fine])
        return self.filter.code(coder, pictures, quality, prices)
