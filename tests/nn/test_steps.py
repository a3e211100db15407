from __future__ import annotations

import pytest
import torch

from colorvid.errors import ConfigError
from colorvid.nn.steps import CONTEXT_STEPS, Step, context_steps, places

CPU = torch.device("cpu")


def test_checkerboard_alternates_with_channels() -> None:
    mask = Step("first", (0, 1), 0).mask(2, 3, CPU)
    assert mask.int().tolist() == [[[1, 0, 1], [0, 1, 0]], [[0, 1, 0], [1, 0, 1]]]
    rows = Step("first", (4,), 0, 1).mask(4, 4, CPU)
    assert rows.int().tolist() == [[[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 1]]]


@pytest.mark.parametrize("count", CONTEXT_STEPS)
@pytest.mark.parametrize(("block", "planes"), [(16, 1), (8, 2), (4, 2)])
@pytest.mark.parametrize("size", [(1, 1), (3, 4), (4, 5)])
def test_steps_code_every_latent_once(
    count: int, block: int, planes: int, size: tuple[int, int]
) -> None:
    steps = context_steps(count, block, planes)
    assert len(steps) == count
    coded = torch.zeros(planes * block**2, *size, dtype=torch.int64)
    for step in steps:
        within, overall = places(step, *size, CPU)
        coded.view(-1)[overall] += 1
        assert torch.equal(step.mask(*size, CPU).flatten().nonzero()[:, 0], within)
        channels = torch.tensor(step.channels)[within // (size[0] * size[1])]
        assert torch.equal(channels, overall // (size[0] * size[1]))
    assert (coded == 1).all()


def test_low_frequencies_of_every_plane_come_first() -> None:
    steps = context_steps(5, 8, 2)
    assert steps[0].channels == (*range(10), *range(64, 74))
    assert steps[0].channels == steps[1].channels == steps[2].channels
    assert len(steps[3].channels) == 128 - 20
    shares = [int(s.mask(4, 4, CPU).sum()) / (16 * len(s.channels)) for s in steps]
    assert shares == [1 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2]


def test_other_counts_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"context_steps is 3; allowed are \(1, 2, 5\)"):
        context_steps(3, 8, 1)
