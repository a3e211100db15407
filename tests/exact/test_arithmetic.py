from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colorvid.exact.arithmetic import FEATURE, ExactArithmetic, FloatArithmetic, Grid
from colorvid.exact.layers import ChannelScale, Conv, QualityBias, use_arithmetic


def integers(shape: tuple[int, ...], limit: int = 2047, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-limit, limit + 1, shape, generator=generator).float()


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)


def test_bound_of_a_grid_is_in_units() -> None:
    assert Grid(steps=8, limit=2047).bound == 255.875


def test_requantise_rounds_half_to_even_and_clamps() -> None:
    got = ExactArithmetic().requantise(row(1, 3, 5, -1, -3, 9, 5000), 0.5, 4)
    assert got.flatten().tolist() == [0, 2, 2, 0, -2, 4, 4]


def test_leaky_is_an_eighth_below_zero() -> None:
    got = ExactArithmetic().leaky(row(17, 0, -8, -4, -12, -2047))
    assert got.flatten().tolist() == [17, 0, -1, 0, -2, -256]


def test_gate_opens_between_minus_two_and_two() -> None:
    got = ExactArithmetic().gate(row(100, 100, 100, 101, -2047), row(-512, 512, 0, 0, 2047))
    assert got.flatten().tolist() == [0, 100, 50, 50, -2047]


def test_add_clamps_to_features() -> None:
    got = ExactArithmetic().add(row(2000, -2000, 3), row(100, -100, -5))
    assert got.flatten().tolist() == [2047, -2047, -2]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_exact_convolution_follows_the_float_one(kernel: int) -> None:
    torch.manual_seed(3)
    layer = Conv(12, 12, depthwise=kernel if kernel > 1 else None, gain=0.7)
    torch.nn.init.normal_(layer.bias, 0, 0.5)
    layer.finalise()
    x = integers((2, 12, 7, 9), limit=1500)
    use_arithmetic(layer, FloatArithmetic(rounding=True))
    wanted = layer(x / FEATURE.steps).detach() * FEATURE.steps
    use_arithmetic(layer, ExactArithmetic())
    got = layer(x)
    assert (got - wanted).abs().max() <= 1, "only a tie or the rounding of the bias may differ"
    assert (got == wanted).float().mean() > 0.97


@pytest.mark.parametrize("operation", ["leaky", "add", "gate"])
def test_exact_operations_follow_the_float_ones(operation: str) -> None:
    inputs = [integers((1, 8, 5, 5), seed=s) for s in range(1 if operation == "leaky" else 2)]
    exact = getattr(ExactArithmetic(), operation)(*inputs)
    real = getattr(FloatArithmetic(), operation)(*(x / FEATURE.steps for x in inputs))
    assert (exact - real * FEATURE.steps).abs().max() <= 0.5


def test_both_carriers_give_the_same_integers() -> None:
    torch.manual_seed(4)
    layers = [Conv(64, 64), Conv(64, 64, depthwise=5)]
    scale = ChannelScale(torch.rand(64), Grid(16, 2**15))
    bias = QualityBias(64)
    torch.nn.init.normal_(bias.knots.values)
    for layer in (*layers, scale, bias):
        layer.finalise()
    results = []
    for carrier in (torch.float32, torch.float64):
        a = ExactArithmetic(carrier)
        for layer in (*layers, scale, bias):
            use_arithmetic(layer, a)
        x = integers((1, 64, 9, 9)).to(carrier)
        y = a.gate(layers[1](a.leaky(layers[0](x))), x)
        y = a.add(y, bias(torch.tensor([17])))
        results.append(scale(y * 16))
        assert results[-1].dtype == carrier
    assert torch.equal(results[0].double(), results[1])
    assert results[0].abs().max() > 100, "the comparison must be of something"


def test_rounding_passes_gradients_through() -> None:
    x = torch.tensor([0.1003, 3.0, 100.0], requires_grad=True)
    y = FloatArithmetic(rounding=True).on_grid(x, FEATURE)
    assert torch.equal(y * 256, torch.tensor([26.0, 768.0, 2047.0]))
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1, 0]


def test_float_arithmetic_clamps_without_rounding() -> None:
    y = FloatArithmetic().on_grid(torch.tensor([0.1003, -100.0]), FEATURE)
    assert y.tolist() == [pytest.approx(0.1003), -2047 / 256]
