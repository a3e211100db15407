from __future__ import annotations

import pytest
import torch

from colorvid.errors import ConfigError
from colorvid.exact.arithmetic import SUM_LIMIT
from colorvid.exact.bounds import Bound, largest_product, prove_bounds, refuse
from colorvid.exact.layers import Conv
from tests import tiny


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
