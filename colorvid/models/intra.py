"""The intra codec: luma and chroma in two branches, chroma predicted from decoded luma."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import INTRA_BLOCK, IntraConfig
from colorvid.exact.layers import finer
from colorvid.models.branch import Branch, FrameOutput
from colorvid.models.passes import Coder


class IntraModel(nn.Module):
    """Dual-branch image codec after "Color Learning for Image Compression" (arXiv 2306.17460)."""

    def __init__(self, config: IntraConfig) -> None:
        """Make both branches."""
        super().__init__()
        self.config = config
        self.luma = Branch(config.luma())
        self.chroma = Branch(config.chroma())

    def forward(self, y: Tensor, uv: Tensor, quality: Tensor) -> FrameOutput:
        """Code pictures of units ``(B, 1, H, W)`` and ``(B, 2, H/2, W/2)`` as training sees it.

        H and W are multiples of 16; ``quality`` is int64 ``(B,)``.
        """
        luma = self.luma(y, quality)
        y_out = self.luma.correct(luma.planes, quality)
        condition = self.luma.scale(luma.y_hat) if self.config.chroma_from_luma else None
        quality = finer(quality, self.config.chroma_offset)
        chroma = self.chroma(uv, quality, prior_condition=condition)
        uv_out = self._chroma_synthesis(chroma.planes, y_out, quality)
        return FrameOutput(y_out, uv_out, luma, chroma)

    def _chroma_synthesis(self, planes: Tensor, y: Tensor, quality: Tensor) -> Tensor:
        return self.chroma.correct(planes, quality, F.pixel_unshuffle(y, self.chroma.config.block))

    @torch.no_grad()
    def code(
        self,
        coder: tuple[Coder, Coder],
        planes: tuple[Tensor, Tensor] | None,
        shape: tuple[int, int],
        quality: int,
    ) -> tuple[Tensor, Tensor]:
        """Write a picture, or read it if ``planes`` is None; exact arithmetic.

        Args:
            coder: coders of the luma and of the chroma symbols.
            planes: the encoder's picture, padded: features, float64, ``(1, 1, H, W)`` and
                ``(1, 2, H/2, W/2)``.
            shape: (height, width) of the padded luma plane, multiples of 16.
            quality: 0..63.

        Returns:
            Decoded Y ``(1, 1, H, W)`` and UV ``(1, 2, H/2, W/2)`` as features: integers in 1/8
            sample values around 128.
        """
        q = torch.tensor([quality], device=self.luma.gains.table.device)
        grid = (shape[0] // INTRA_BLOCK, shape[1] // INTRA_BLOCK)
        y, uv = (None, None) if planes is None else planes
        latents = None if y is None else self.luma.analyse(y, q, None)
        y_hat = self.luma.code(coder[0], latents, self.luma.shape_of(grid), q)
        condition = self.luma.scale(y_hat) if self.config.chroma_from_luma else None
        fine = finer(q, self.config.chroma_offset)
        latents = None if uv is None else self.chroma.analyse(uv, fine, None)
        uv_hat = self.chroma.code(coder[1], latents, self.chroma.shape_of(grid), fine, condition)
        return self.synthesise(y_hat, uv_hat, q)

    @torch.no_grad()
    def synthesise(self, y_hat: Tensor, uv_hat: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Planes of decoded latents; exact arithmetic.

        Args:
            y_hat: luma latents in 1/16 steps, integers, ``(B, 256, H/16, W/16)``.
            uv_hat: chroma latents in 1/16 steps, integers, ``(B, 128, H/16, W/16)``.
            quality: of luma, ``(1,)`` int64, 0..63.

        Returns:
            Y ``(B, 1, H, W)`` and UV ``(B, 2, H/2, W/2)``, see `code`.
        """
        y = self.luma.correct(self.luma.reconstruct(y_hat, quality), quality)
        fine = finer(quality, self.config.chroma_offset)
        return y, self._chroma_synthesis(self.chroma.reconstruct(uv_hat, fine), y, fine)
