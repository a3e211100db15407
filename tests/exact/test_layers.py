from __future__ import annotations

import pytest
import torch

from colorvid.errors import ConfigError
from colorvid.exact.arithmetic import FEATURE, SUM_LIMIT, ExactArithmetic, FloatArithmetic, Grid
from colorvid.exact.layers import (
    Bound,
    ChannelScale,
    Conv,
    Knots,
    QualityBias,
    exact_layers,
    largest_product,
    prove_bounds,
    refuse,
    use_arithmetic,
)
from tests import tiny


@pytest.mark.parametrize("inputs", [4, 64, 1024])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3])
def test_any_weights_get_integers_within_the_bound(inputs: int, size: float) -> None:
    torch.manual_seed(inputs)
    layer = Conv(inputs, 8, gain=size)
    torch.nn.init.normal_(layer.bias, 0, size)
    layer.finalise()
    assert layer.largest_sum() < SUM_LIMIT
    assert layer.weight_int.abs().max() > 8, "the scale must not waste the eight bits"


def test_all_weights_alike_still_keep_the_bound() -> None:
    layer = Conv(2000, 1)
    torch.nn.init.constant_(layer.weight, 0.5)
    layer.finalise()
    assert SUM_LIMIT * 0.7 < layer.largest_sum() < SUM_LIMIT


def test_integers_times_scale_are_the_weights() -> None:
    torch.manual_seed(0)
    layer = Conv(8, 4)
    layer.finalise()
    scale = layer.weight_scale()
    assert (layer.weight_int * scale - layer.weight).abs().max() <= scale.max() / 2 + 1e-7
    assert torch.allclose(layer.rounded()[0], layer.weight_int * scale)


def test_exact_pointwise_convolution_is_an_integer_product() -> None:
    torch.manual_seed(5)
    layer = Conv(32, 16)
    torch.nn.init.normal_(layer.bias)
    layer.finalise()
    use_arithmetic(layer, ExactArithmetic())
    x = torch.randint(-2047, 2048, (1, 32, 3, 5))
    sums = torch.einsum("oi,bihw->bohw", layer.weight_int[:, :, 0, 0].long(), x)
    sums = sums + layer.bias_int.long()[:, None, None]
    wanted = torch.round(sums.float() * layer.factor[:, None, None]).clamp(-2047, 2047)
    assert torch.equal(layer(x.float()), wanted)


def test_finalising_again_and_loading_drop_the_kept_integers() -> None:
    layer, other = Conv(4, 4), Conv(4, 4)
    for each in (layer, other):
        each.finalise()
    before = layer.integers(torch.float32)[0]
    assert layer.integers(torch.float32)[0] is before
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer.integers(torch.float32)[0], other.weight_int.float())
    with torch.no_grad():
        layer.weight.neg_()
    layer.finalise()
    assert torch.equal(layer.integers(torch.float64)[0], -other.weight_int.double())


def test_kept_integers_follow_the_device() -> None:
    layer = Conv(4, 4)
    layer.finalise()
    assert layer.integers(torch.float32)[0].device.type == "cpu"
    layer.to("meta")
    assert {t.device.type for t in layer.integers(torch.float32)} == {"meta"}


def _off_centre() -> tuple[Conv, torch.Tensor]:
    """A convolution with an outlier, so coarse steps, and inputs that are all nearly alike."""
    torch.manual_seed(1)
    layer = Conv(16, 8, gain=0.1)
    with torch.no_grad():
        layer.weight[:, 0] = 0.9
        layer.bias.normal_()
    x = 3 + 0.1 * torch.randn(4, 16, 5, 5)
    return layer, x


@pytest.mark.parametrize("exact", [False, True])
def test_the_bias_takes_back_what_rounding_does_to_the_mean(exact: bool) -> None:
    layer, x = _off_centre()
    x = torch.round(x * FEATURE.steps) / FEATURE.steps
    wanted = layer(x).detach()

    def error() -> float:
        if not exact:
            use_arithmetic(layer, FloatArithmetic(rounding=True))
            return float((layer(x).detach() - wanted).mean(dim=(0, 2, 3)).abs().max())
        layer.finalise()
        use_arithmetic(layer, ExactArithmetic())
        got = layer(x * FEATURE.steps) / FEATURE.steps
        return float((got - wanted).mean(dim=(0, 2, 3)).abs().max())

    layer.eval()
    before = error()
    layer.centre.copy_(x.mean(dim=(0, 2, 3)))
    assert before > 0.02
    assert error() < 0.003


def test_centres_follow_what_is_seen_while_training_rounds() -> None:
    layer, x = _off_centre()
    mean = x.mean(dim=(0, 2, 3))
    layer(x)
    assert float(layer.times) == 0, "no rounding, nothing to correct"
    use_arithmetic(layer, FloatArithmetic(rounding=True))
    for _ in range(100):
        layer(x)
        layer(x)
        assert float(layer.times) == 2
        layer.follow(layer.seen / layer.times)
    assert torch.allclose(layer.centre, mean, rtol=0.01)
    layer.follow(torch.zeros(16))
    assert torch.allclose(layer.centre, mean, rtol=0.01), "nothing was seen"
    layer.eval()
    layer(x)
    assert float(layer.times) == 0


def test_a_state_without_centres_corrects_nothing() -> None:
    layer, x = _off_centre()
    state = {k: v for k, v in layer.state_dict().items() if k != "centre"}
    assert set(state) == {"weight", "bias", "weight_int", "bias_int", "factor"}
    layer.centre.fill_(3)
    layer.load_state_dict(state)
    assert not layer.centre.any()


def test_a_corrected_bias_stays_within_the_proof() -> None:
    layer, _ = _off_centre()
    with torch.no_grad():
        layer.weight.copy_(torch.rand(layer.weight.shape) - 0.5)
        layer.bias.fill_(FEATURE.bound)
        layer.centre.fill_(FEATURE.bound)
    layer.finalise()
    assert layer.largest_sum() <= SUM_LIMIT


def test_knots_are_joined_by_lines() -> None:
    knots = Knots(1)
    with torch.no_grad():
        knots.values.copy_(torch.tensor([0.0, 8, 0, 0, 0, 0, 0, 0, 3])[:, None])
    table = knots.table()[:, 0].detach()
    assert table[0] == 0 and table[63] == 3
    assert table[1] == pytest.approx(8 * 8 / 63)
    assert torch.equal(knots.at(torch.tensor([5, 63]))[:, 0, 0, 0], table[[5, 63]])


def test_quality_bias_is_a_table_of_features() -> None:
    layer = QualityBias(2)
    with torch.no_grad():
        layer.knots.values.copy_(torch.linspace(-9, 9, 18).reshape(9, 2))
    layer.finalise()
    use_arithmetic(layer, ExactArithmetic())
    got = layer(torch.tensor([0, 63]))
    assert got.shape == (2, 2, 1, 1)
    assert got.flatten().tolist() == [-2047, -2033, 2033, 2047]


def test_channel_scale_brings_large_values_onto_features() -> None:
    layer = ChannelScale(torch.tensor([1.0, 0.25]), Grid(steps=16, limit=2**15))
    x = torch.tensor([3.0, 34799.0, 3.0, -34799.0]).reshape(1, 2, 1, 2)
    use_arithmetic(layer, ExactArithmetic())
    assert layer(x).flatten().tolist() == [48, 2047, 12, -2047]
    use_arithmetic(layer, FloatArithmetic())
    assert layer(x / 16).flatten()[0] == 3 / 16


def test_exact_layers_are_found_by_name() -> None:
    parts = torch.nn.ModuleDict({"a": Conv(1, 1), "b": torch.nn.Linear(1, 1)})
    assert [name for name, _ in exact_layers(parts)] == ["a"]


def test_every_convolution_of_a_model_is_proved() -> None:
    proved = prove_bounds(tiny.network(), skip=("analysis", "hyper_analysis"))
    names = {b.layer for b in proved}
    assert "intra.luma.synthesis.leave" in names and "inter.chroma.prior.context.second" in names
    assert not any("analysis" in n for n in names)
    assert all(0 < b.largest <= b.allowed == SUM_LIMIT - 1 for b in proved)


def test_a_broken_bound_is_refused() -> None:
    model = tiny.network()
    layer = model.intra.luma.prior.context["high_first"]
    assert isinstance(layer, Conv)
    layer.weight_int.fill_(127)
    wanted = 256 * 127 * 2047 + int(layer.bias_int.abs().max())
    with pytest.raises(ConfigError) as error:
        prove_bounds(model)
    assert str(error.value) == (
        f"layer intra.luma.prior.context.high_first: sums can reach {wanted}; at most "
        "16777215 is exact; "
        "use smaller weights or a narrower input grid"
    )


def test_a_large_bias_alone_breaks_the_bound() -> None:
    layer = Conv(1, 1)
    layer.bias_int.fill_(SUM_LIMIT)
    with pytest.raises(ConfigError, match="sums can reach 16777216; at most 16777215"):
        prove_bounds(torch.nn.ModuleDict({"layer": layer}))


def test_factors_that_are_no_numbers_are_refused() -> None:
    model = tiny.network()
    model.intra.luma.scale.scale[3] = float("nan")
    with pytest.raises(ConfigError, match="layer intra.luma.scale: a factor is not finite; export"):
        prove_bounds(model)


def test_the_limit_itself_is_allowed() -> None:
    refuse(Bound("last", SUM_LIMIT - 1, SUM_LIMIT - 1))
    with pytest.raises(ConfigError, match="layer last"):
        refuse(Bound("last", SUM_LIMIT, SUM_LIMIT - 1))


def test_largest_product_is_reached_by_the_worst_input() -> None:
    matrix = torch.tensor([[3, -4], [-100, 27]], dtype=torch.int8)
    assert largest_product(matrix, 10) == 1270
    assert int((matrix.long() @ torch.tensor([-10, 10])).max()) == 1270
