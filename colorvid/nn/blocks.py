"""Building blocks of all networks, in operations that exact arithmetic has."""

from __future__ import annotations

from torch import Tensor, nn

from colorvid.exact.layers import Conv, ExactLayer

RESIDUAL_GAIN = 0.3


class Block(ExactLayer):
    """Residual block: depthwise context of k x k, then a gated channel mixer.

    ``x + 1x1(dw(leaky(1x1 x)))``, then ``x + 1x1(u * clamp(v / 4 + 1 / 2, 0, 1))`` where
    ``u, v`` are the halves of one 1x1 expansion. 5 C^2 + k^2 C multiplications per position.

    Args:
        channels: of input and output.
        gain: scales what the two halves add at the start.
        kernel: odd side k of the depthwise filters.
    """

    def __init__(self, channels: int, gain: float = RESIDUAL_GAIN, kernel: int = 3) -> None:
        """Make the layers."""
        super().__init__()
        self.enter = Conv(channels, channels)
        self.context = Conv(channels, channels, depthwise=kernel)
        self.leave = Conv(channels, channels, gain=gain)
        self.expand = Conv(channels, 2 * channels)
        self.project = Conv(channels, channels, gain=gain)

    def forward(self, x: Tensor, active: Tensor | None = None) -> Tensor:
        """Features ``(B, C, H, W)`` to features of the same shape.

        The filters see zeros where ``active`` ``(B, 1, H, W)`` is 0 instead of 1; what comes out
        there means nothing.
        """
        a = self.arithmetic
        entered = a.leaky(self.enter(x))
        if active is not None:
            entered = entered * active
        x = a.add(x, self.leave(self.context(entered)))
        u, v = self.expand(x).chunk(2, dim=1)
        return a.add(x, self.project(a.gate(u, v)))


class GatedAttention(ExactLayer):
    """Attention as a gate with a wide view: ``x + 1x1(trunk(x) * gate(mask(x)))``.

    The simplified attention of Cheng et al. 2020 (arXiv 2001.01568) with a hard gate instead of a
    sigmoid; the mask sees 9x9 positions through two depthwise 5x5 filters.
    """

    def __init__(self, channels: int, gain: float = RESIDUAL_GAIN, kernel: int = 3) -> None:
        """Make an attention block of ``channels``; ``kernel`` is that of its trunk, a `Block`."""
        super().__init__()
        self.trunk = Block(channels, kernel=kernel)
        self.mask_enter = Conv(channels, channels // 2)
        self.mask_near = Conv(channels // 2, channels // 2, depthwise=5)
        self.mask_far = Conv(channels // 2, channels // 2, depthwise=5)
        self.mask_leave = Conv(channels // 2, channels)
        self.project = Conv(channels, channels, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(B, C, H, W)`` to features of the same shape."""
        a = self.arithmetic
        mask = a.leaky(self.mask_near(self.mask_enter(x)))
        mask = self.mask_leave(self.mask_far(mask))
        return a.add(x, self.project(a.gate(self.trunk(x), mask)))


def blocks(channels: int, count: int, kernel: int = 3) -> nn.Sequential:
    """``count`` residual blocks in a row, with depthwise filters of ``kernel`` x ``kernel``."""
    return nn.Sequential(*(Block(channels, kernel=kernel) for _ in range(count)))
