"""The loop filter of inter frames: corrects decoded planes, from which later frames are predicted.

As the adaptive loop filter of H.266 it weighs clipped differences to the samples around, with
weights by the class of a block; unlike there, the weights belong to the model. All is integers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.config import QUALITIES

PAIRS = (
    (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0),
    (1, 2), (1, -2), (2, 1), (2, -1), (0, 3), (3, 0),
)  # fmt: skip
"""Rows and columns to one neighbour of a pair; the other one lies opposite."""
CLIPS = 2
"""Differences count clipped to each of so many bounds."""
REACH = 3
"""Samples that a neighbour lies away at the most."""
BANDS = 8
"""Sets of weights, each for as many qualities."""
DIRECTIONS = 5
LEVELS = 7
"""Of activity, from the smoothest."""
CLASSES = 2 * DIRECTIONS * LEVELS
_BITS = 8
ONE = 1 << _BITS
"""The value of a weight of one."""


def extended(plane: Tensor, block: int) -> Tensor:
    """A plane of samples as int32, in whole blocks and `REACH` samples more at each side.

    The samples of the border repeat.
    """
    height, width = plane.shape
    below, right = (-side % block + REACH for side in (height, width))
    sides = (REACH, right, REACH, below)
    return F.pad(plane[None, None].float(), sides, mode="replicate")[0, 0].to(torch.int32)


def in_blocks(plane: Tensor, block: int) -> Tensor:
    """Sums over whole blocks."""
    rows, columns = (side // block for side in plane.shape)
    return plane.reshape(rows, block, columns, block).sum((1, 3), dtype=torch.int32)


def classes(wide: Tensor, coded: Tensor, activity: Tensor, block: int) -> Tensor:
    """The class of each block, 0..69.

    Args:
        wide: the plane, see `extended`.
        coded: whether the residual of each block is coded, bool.
        activity: six bounds of the levels of activity.
        block: its side.

    Returns:
        int64, as ``coded``: 35 where it is coded, plus 7 times the direction, plus the level.
    """
    inner = slice(REACH, -REACH)
    middle = 2 * wide[inner, inner]

    def bent(dy: int, dx: int) -> Tensor:
        """Sums of the second differences along a direction."""
        pair = _shifted(wide, dy, dx) + _shifted(wide, -dy, -dx)
        return in_blocks((middle - pair).abs(), block).to(torch.int64)

    down, across, falling, rising = bent(1, 0), bent(0, 1), bent(1, 1), bent(1, -1)
    level = (down + across >= activity[:, None, None]).sum(0)
    straight = torch.stack((across, down))
    diagonal = torch.stack((falling, rising))
    (s_low, s_high), (d_low, d_high) = (pair.aminmax(dim=0) for pair in (straight, diagonal))
    is_straight, is_diagonal = s_high > 2 * s_low, d_high > 2 * d_low
    is_straight &= ~is_diagonal | (s_high * d_low >= d_high * s_low)
    direction = torch.where(is_diagonal, 3 + (rising > falling).long(), 0)
    direction = torch.where(is_straight, 1 + (down > across).long(), direction)
    return (coded.long() * DIRECTIONS + direction) * LEVELS + level


def _shifted(wide: Tensor, dy: int, dx: int) -> Tensor:
    """The samples so many rows below and columns to the right of those of the plane."""
    height, width = (side - 2 * REACH for side in wide.shape)
    return wide[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]


def differences(wide: Tensor, clips: Tensor) -> Tensor:
    """What the weights weigh: int32 ``(24, h, w)`` of a plane, see `extended`.

    For each pair and each clip the sum of both clipped differences to the sample between.
    """
    middle = _shifted(wide, 0, 0)
    rows = []
    for dy, dx in PAIRS:
        ahead, behind = (_shifted(wide, *at) - middle for at in ((dy, dx), (-dy, -dx)))
        for clip in clips.tolist():
            rows.append(ahead.clamp(-clip, clip) + behind.clamp(-clip, clip))
    return torch.stack(rows)


class LoopFilter(nn.Module):
    """The filter of luma or of chroma planes.

    It starts with weights of zero, which leave planes as they are; see
    `colorvid.training.filters`.

    Attributes:
        block: side of a block in samples of the plane.
        weights: int8 ``(8, 70, 24)`` in 1/256, by quality // 8, class, and pair and clip.
        clips: int32 ``(64, 2)``, 1..255, by quality, in sample values of 8 bits.
        activity: int32 ``(64, 6)``, sums over a block from which on a level counts, by quality, in
            the same.
    """

    weights: Tensor
    clips: Tensor
    activity: Tensor

    def __init__(self, block: int) -> None:
        """Make a filter that does nothing."""
        super().__init__()
        self.block = block
        taps = CLIPS * len(PAIRS)
        self.register_buffer("weights", torch.zeros(BANDS, CLASSES, taps, dtype=torch.int8))
        self.register_buffer("clips", torch.ones(QUALITIES, CLIPS, dtype=torch.int32))
        self.register_buffer("activity", torch.zeros(QUALITIES, LEVELS - 1, dtype=torch.int32))

    def blocks(self, plane: Tensor, predicted: Tensor, quality: int) -> tuple[Tensor, Tensor]:
        """Classes of the blocks of a plane, and what the weights weigh; see `forward`.

        Returns:
            int64 ``(H / block, W / block)`` and int32 ``(24, H, W)``, for whole blocks.
        """
        more = _more_bits(plane)
        wide = extended(plane, self.block)
        changed = (wide != extended(predicted, self.block))[REACH:-REACH, REACH:-REACH]
        coded = in_blocks(changed.int(), self.block) > 0
        found = classes(wide, coded, self.activity[quality].to(torch.int64) << more, self.block)
        return found, differences(wide, self.clips[quality] << more)

    def forward(self, plane: Tensor, predicted: Tensor, quality: int) -> Tensor:
        """Filter a plane.

        Args:
            plane: decoded samples, uint8, or int16 for 10 bits, ``(h, w)``.
            predicted: their prediction; a block is coded where they differ.
            quality: of the frame, 0..63.

        Returns:
            Filtered samples, as the plane.
        """
        found, weighed = self.blocks(plane, predicted, quality)
        weights = self.weights[quality * BANDS // QUALITIES][found].to(torch.int32)
        weights = weights.repeat_interleave(self.block, 0).repeat_interleave(self.block, 1)
        total = (weights.movedim(2, 0) * weighed).sum(0, dtype=torch.int32)
        height, width = plane.shape
        change = ((total + (1 << _BITS - 1)) >> _BITS)[:height, :width]
        peak = (256 << _more_bits(plane)) - 1
        return (plane.to(torch.int32) + change).clamp_(0, peak).to(plane.dtype)


def _more_bits(plane: Tensor) -> int:
    """Bits of a sample above 8."""
    return 2 if plane.dtype == torch.int16 else 0
