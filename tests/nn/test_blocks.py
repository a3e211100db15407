from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.exact.layers import ExactLayer, use_arithmetic
from colorvid.nn.blocks import Block, blocks


def integers(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2047, 2048, shape, generator=generator).float()


def exact(made: torch.nn.Module) -> torch.nn.Module:
    for layer in made.modules():
        if isinstance(layer, ExactLayer):
            layer.finalise()
    use_arithmetic(made, ExactArithmetic())
    return made


def areas() -> Tensor:
    """Areas of 4x4 positions, with neighbours at sides, at corners, and alone."""
    flags = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]]).float()
    return flags.repeat_interleave(4, 0).repeat_interleave(4, 1)[None, None, :10, :15]


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_what_is_not_active_does_not_reach_what_is(kernel: int) -> None:
    torch.manual_seed(3)
    block, active = exact(Block(6, gain=1.0, kernel=kernel)), areas()
    x, other = integers(1, 6, 10, 15, seed=1), integers(1, 6, 10, 15, seed=2)
    changed = torch.where(active > 0, x, other)
    with torch.no_grad():
        masked = [block(features, active) * active for features in (x, changed)]
        plain = [block(features) * active for features in (x, changed)]
    assert torch.equal(*masked) and masked[0].unique().numel() > 99
    assert torch.equal(*plain) == (kernel == 1)


def test_two_blocks_in_a_row_keep_apart_what_is_not_active() -> None:
    torch.manual_seed(4)
    row, active = exact(blocks(6, 2)), areas()
    x, other = integers(1, 6, 10, 15, seed=1), integers(1, 6, 10, 15, seed=2)
    results = []
    with torch.no_grad():
        for features in (x, torch.where(active > 0, x, other)):
            for block in row.children():
                features = block(features, active)
            results.append(features * active)
    assert torch.equal(*results)


def test_the_filter_sees_zeros() -> None:
    torch.manual_seed(3)
    block, active = exact(Block(6, gain=1.0)), areas()
    alone = torch.zeros_like(active)
    alone[:, :, :4, 12:] = 1  # together with the area below it, and nothing else beside it
    alone[:, :, 4:8, 12:] = 1
    x = integers(1, 6, 10, 15, seed=1)
    with torch.no_grad():
        wanted = block(x[:, :, :8, 12:])  # beyond the borders are zeros too
        assert torch.equal(block(x, active)[:, :, :8, 12:], wanted)
        assert torch.equal(block(x, alone)[:, :, :8, 12:], wanted)


def test_where_all_is_active_nothing_changes() -> None:
    torch.manual_seed(3)
    block, x = exact(Block(6)), integers(1, 6, 5, 7, seed=1)
    with torch.no_grad():
        assert torch.equal(block(x, torch.ones(1, 1, 5, 7)), block(x))
