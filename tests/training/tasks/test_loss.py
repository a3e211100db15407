import math

import pytest
import torch
from torch import Tensor

from colorvid.training.tasks.loss import LossConfig, Planes, distortion, figures, rate_distortion


def pictures(shift: float = 0.0) -> Planes:
    generator = torch.Generator().manual_seed(3)
    y = torch.rand(2, 1, 112, 112, generator=generator) * 2 - 1
    uv = torch.rand(2, 2, 56, 56, generator=generator) * 0.5
    return y + shift, uv


def test_squared_error_is_weighted_over_the_planes() -> None:
    (y, uv), config = pictures(), LossConfig(mse=2.0, planes=(6.0, 1.0, 1.0))
    got = distortion(config, (y + 0.5, uv), (y, uv))
    expected = 2 * 6 / 8 * (0.5 * 32 / 255) ** 2
    assert torch.allclose(got, torch.full((2,), expected))


@pytest.mark.parametrize("term", ["ms_ssim", "delta_e"])
def test_every_term_is_zero_for_equal_pictures_and_has_gradients(term: str) -> None:
    config = LossConfig(mse=0.0, **{term: 1.0})
    source = pictures()
    assert distortion(config, source, source).abs().max() < 1e-5
    decoded = (source[0] + 0.2 * torch.sin(torch.arange(112.0)), source[1] * 0.8)
    leaves = [p.clone().requires_grad_(True) for p in decoded]
    error = distortion(config, (leaves[0], leaves[1]), source)
    assert (error > 1e-4).all()
    error.sum().backward()  # type: ignore[no-untyped-call]
    used = leaves if term == "delta_e" else leaves[:1]
    for leaf in used:
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all() and leaf.grad.any()


@pytest.mark.parametrize("term", ["mse", "ms_ssim", "delta_e"])
def test_terms_are_as_exact_while_networks_run_in_bfloat16(term: str) -> None:
    config = LossConfig(**({"mse": 0.0} | {term: 1.0}))
    source = pictures()
    decoded = (source[0] + 0.05 * torch.sin(torch.arange(112.0)), source[1] * 0.9)
    with torch.autocast("cpu", torch.bfloat16):
        found = distortion(config, decoded, source)
    assert torch.equal(found, distortion(config, decoded, source))


def test_logarithm_counts_easy_and_hard_pictures_alike() -> None:
    quality = torch.tensor([0, 0])
    hard = torch.tensor([1.0, 0.01])

    def saved(config: LossConfig, factors: Tensor) -> float:
        zero = torch.zeros(2)
        before = rate_distortion(config, hard, zero, quality)
        return float(before - rate_distortion(config, hard * factors, zero, quality))

    first, second = torch.tensor([0.9, 1.0]), torch.tensor([1.0, 0.9])
    even, plain = LossConfig(), LossConfig(logarithmic=False)
    assert saved(even, first) == pytest.approx(saved(even, second), rel=1e-4)
    assert saved(plain, first) > 50 * saved(plain, second)


def test_figures_add_up() -> None:
    source = pictures()
    bits = [torch.full((2,), 112.0 * 112 * share) for share in (0.5, 0.25, 0.125, 0.0625)]
    result = figures(LossConfig(mse=0.0), pictures(0.1), source, bits, torch.tensor([10, 20]))
    assert float(result["loss"]) == pytest.approx(math.log(0.9375), rel=1e-5)
    assert float(result["bpp_uv"]) == 0.125
    assert float(result["psnr_y"]) == pytest.approx(20 * math.log10(255 / 3.2), rel=1e-4)


def test_a_part_of_the_picture_can_count_alone() -> None:
    source, quality = pictures(), torch.tensor([10, 20])
    y, uv = (p.clone() for p in source)
    y[:, :, :28] += 0.1
    bits = [torch.full((2,), 112.0 * 28)] * 4
    share = torch.full((2,), 0.25)
    result = figures(LossConfig(), (y, uv + 0.05), source, bits, quality, share)
    whole = [b * 4 for b in bits]
    wanted = figures(LossConfig(), (source[0] + 0.1, uv + 0.1), source, whole, quality)
    for name, value in wanted.items():
        assert float(result[name]) == pytest.approx(float(value), rel=1e-3), name
