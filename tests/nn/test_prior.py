from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colorvid.config import BranchConfig
from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.exact.layers import ExactLayer, use_arithmetic
from colorvid.nn.prior import Prior, scale_of

QUALITY = torch.tensor([20])


def prior(predict_mean: bool = True, conditions: int = 0) -> Prior:
    torch.manual_seed(2)
    config = BranchConfig(
        planes=2,
        block=2,
        analysis_widths=None,
        synthesis_widths=None,
        prior_width=12,
        prior_condition=conditions,
        hyper=3,
        context_steps=2,
        predict_mean=predict_mean,
        step_ratio=1.0,
        rounding=0.5,
        sample_weight=1.0,
        rate_weight=0.0,
    )
    made = Prior(config)
    for layer in made.modules():
        if isinstance(layer, ExactLayer):
            layer.finalise()
    use_arithmetic(made, ExactArithmetic())
    return made


def hyper(size: tuple[int, int]) -> Tensor:
    return torch.randint(-127, 128, (1, 3, *size), generator=torch.Generator().manual_seed(1)) * 1.0


def test_scales_are_geometric() -> None:
    scales = scale_of(torch.arange(64.0))
    assert scales[0] == pytest.approx(0.12) and scales[-1] == pytest.approx(64, rel=1e-5)
    ratios = scales[1:] / scales[:-1]
    assert torch.allclose(ratios, ratios[0].expand(63))


@pytest.mark.parametrize(("size", "small"), [((1, 1), (1, 1)), ((4, 8), (1, 2)), ((5, 9), (2, 3))])
def test_hyper_latents_have_a_quarter_of_the_size(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    made = prior()
    assert made.hyper_shape(torch.Size((1, 8, *size))) == (1, 3, *small)
    use_arithmetic(made.hyper_analysis, ExactLayer.arithmetic)
    assert made.hyper_analysis(torch.randn(1, 8, *size)).shape == (1, 3, *small)
    assert made.features(hyper(small), size, QUALITY, None, None).shape == (1, 12, *size)


def test_parameters_are_integers_and_the_same_for_both_carriers() -> None:
    made = prior()
    results: list[list[Tensor]] = []
    for carrier in (torch.float32, torch.float64):
        use_arithmetic(made, ExactArithmetic(carrier))
        features = made.features(hyper((2, 3)).to(carrier), (5, 9), QUALITY, None, None)
        known = torch.randint(-2047, 2048, (1, 8, 5, 9), generator=torch.Generator().manual_seed(4))
        later = made.advance(made.steps[1], features, known.to(carrier), None)
        pairs = zip(made.steps, (features, later), strict=True)
        steps = [made.parameters_of(step, x) for step, x in pairs]
        results.append([t for p in steps for t in (p.mean, p.index) if t is not None])
    assert len(results[0]) == 4
    for a, b in zip(*results, strict=True):
        assert torch.equal(a.double(), b) and torch.equal(b, b.round())
        assert b.unique().numel() > 3


def test_without_means_only_scales_come_out() -> None:
    made = prior(predict_mean=False)
    features = made.features(hyper((1, 1)), (4, 4), QUALITY, None, None)
    parameters = made.parameters_of(made.steps[0], features)
    assert parameters.mean is None and parameters.index.shape == (1, 8, 4, 4)
    assert not len(made.mean_heads)


def test_second_step_sees_the_known_latents_and_quality_counts() -> None:
    made = prior()
    torch.nn.init.normal_(made.quality.knots.values)
    made.quality.finalise()
    features = made.features(hyper((1, 1)), (4, 4), QUALITY, None, None)
    known = torch.zeros(1, 8, 4, 4)
    first, second = made.steps
    assert made.advance(first, features, known, None) is features
    plain = made.advance(second, features, known, None)
    known[0, 0, 0, 0] = 2000
    assert not torch.equal(made.advance(second, features, known, None), plain)
    assert not torch.equal(made.features(hyper((1, 1)), (4, 4), QUALITY + 9, None, None), features)


def test_conditions_take_part() -> None:
    made = prior(conditions=5)
    plain = made.features(hyper((1, 1)), (4, 4), QUALITY, torch.zeros(1, 5, 4, 4), None)
    other = made.features(hyper((1, 1)), (4, 4), QUALITY, torch.full((1, 5, 4, 4), 900.0), None)
    assert not torch.equal(plain, other)


def test_what_is_not_active_takes_no_part() -> None:
    made = prior(predict_mean=False, conditions=5)
    active = torch.zeros(1, 1, 8, 8)
    active[..., 4:, :4] = 1
    condition = torch.randint(-2047, 2048, (1, 5, 8, 8), generator=torch.Generator().manual_seed(3))
    z, known = hyper((2, 2)) * torch.tensor([[0.0, 0], [1, 0]]), torch.zeros(1, 8, 8, 8)
    known[..., 4:, :4] = 700
    results = []
    for seen in (condition, torch.where(active > 0, condition, 99)):
        features = made.features(z, (8, 8), QUALITY, seen.float(), active)
        later = made.advance(made.steps[1], features, known, active)
        results.append([x * active for x in (features, later)])
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    plain = made.features(z, (8, 8), QUALITY, condition.float(), None)
    assert not torch.equal(plain * active, results[0][0])
