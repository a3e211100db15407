from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from colorvid.models.passes import BranchOutput
from colorvid.nn.prior import Parameters
from colorvid.training.tasks.rate import BranchRate


def output(offsets: Tensor, means: bool) -> BranchOutput:
    """What a branch would give training; scales of 0.12 steps."""
    symbols = offsets + (offsets.round() - offsets).detach()
    mean = torch.zeros_like(offsets) if means else None
    z = torch.zeros(len(offsets), 2, 2, 2)
    active = torch.ones(len(offsets), 1, 2, 2)
    parameters = Parameters(mean, torch.zeros_like(offsets))
    return BranchOutput(offsets, offsets, offsets, symbols, parameters, z, active)


@pytest.mark.parametrize("means", [False, True])
def test_only_noise_gives_latents_below_half_a_step_a_gradient(means: bool) -> None:
    torch.manual_seed(1)
    rate = BranchRate(2, means).train()
    offsets = torch.full((2, 1, 8, 8), 0.2, requires_grad=True)
    bits, _ = rate(output(offsets, means))
    assert bits.shape == (2,)
    bits.sum().backward()
    assert offsets.grad is not None
    assert bool((offsets.grad != 0).any()) == means


def test_of_written_symbols_scales_learn_at_the_integer_and_means_under_noise() -> None:
    torch.manual_seed(1)
    rate = BranchRate(2, means=True, written=True).train()
    offsets = torch.full((1, 1, 8, 8), 0.2, requires_grad=True)
    wanted = output(offsets, means=True)
    wanted.parameters.index.requires_grad_(True)
    bits, _ = rate(wanted)
    assert torch.equal(bits, rate.eval()(wanted)[0]), "the bits are those of the integers"
    bits.sum().backward()
    assert offsets.grad is not None and bool((offsets.grad != 0).any())
    noisy = torch.full((1, 1, 8, 8), 0.2)
    plain = output(noisy, means=True)
    plain.parameters.index.requires_grad_(True)
    BranchRate(2, means=True).train()(plain)[0].sum().backward()
    own, under_noise = wanted.parameters.index.grad, plain.parameters.index.grad
    assert own is not None and under_noise is not None
    assert bool((own > 0).all()), "zeros ask for the smallest scale"
    assert under_noise.sum() < own.sum(), "noise for a larger one"


def test_out_of_training_the_rate_is_that_of_the_integers() -> None:
    rate = BranchRate(2, means=True).eval()
    offsets = torch.full((1, 1, 4, 4), 0.2)
    first, second = (rate(output(offsets, True))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first, rate(output(torch.zeros(1, 1, 4, 4), True))[0])
    rate.train()
    assert not torch.equal(rate(output(offsets, True))[0], first)


def test_what_is_not_active_costs_nothing() -> None:
    rate = BranchRate(2, means=False)
    whole = output(torch.ones(1, 1, 8, 8), means=False)
    left = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    all_bits, half_bits = (rate(o)[0] for o in (whole, replace(whole, active=left)))
    assert half_bits.item() == pytest.approx(all_bits.item() / 2)
    nothing = rate(replace(whole, active=torch.zeros_like(left)))
    assert [bits.item() for bits in nothing] == [0, 0]
