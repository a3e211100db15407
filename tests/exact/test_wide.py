from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorvid.exact.arithmetic import FEATURE, WideArithmetic
from colorvid.exact.layers import Conv, QualityBias, use_arithmetic
from colorvid.exact.wide import FINEST_SHIFT, wide_table, wide_weights

GRID = {"steps": 256, "limit": 2047}


def fits(weight: NDArray[np.float16], bias: float, shift: int) -> bool:
    """Whether a channel may have this shift, by the definition, in Python's integers."""
    scale = 2.0**shift
    integers = [round(float(w) * scale) for w in weight]
    reach = sum(abs(w) for w in integers) * 2047 + abs(round(float(bias) * 256 * scale))
    return max(abs(w) for w in integers) <= 32767 and reach < 2**31


@pytest.mark.parametrize("size", [6e-8, 1e-4, 0.02, 1.0, 300.0, 60000.0])
@pytest.mark.parametrize("taps", [1, 9, 576])
def test_the_shift_is_the_largest_that_fits(size: float, taps: int) -> None:
    random = np.random.default_rng(taps)
    weight = (random.uniform(-1, 1, (40, taps, 1, 1)) * size).astype(np.float16)
    bias = (random.uniform(-1, 1, 40) * random.choice([0, 0.1, 8, 3000], 40)).astype(np.float16)
    made = wide_weights(weight, bias, **GRID)
    for channel, shift in enumerate(made.shift.tolist()):
        row = weight[channel].ravel()
        assert fits(row, bias[channel], shift)
        assert shift == FINEST_SHIFT or not fits(row, bias[channel], shift + 1)
        wanted = [round(float(w) * 2.0**shift) for w in row]
        assert made.weight[channel].ravel().tolist() == wanted
        assert made.bias[channel] == round(float(bias[channel]) * 256 * 2.0**shift)
    assert made.weight.dtype == np.int16 and made.bias.dtype == made.shift.dtype == np.int32


def test_golden_weights() -> None:
    weight = np.array([[0.25, -1.5], [0, 0], [2**-24, -(2**-10)], [8, 8], [3, 1]], np.float16)
    bias = np.array([0.5, 0, 2**-24, -3, 60000], np.float16)
    made = wide_weights(weight[:, :, None, None], bias, **GRID)
    assert made.shift.tolist() == [14, 24, 24, 11, 7]
    assert made.weight[..., 0, 0].tolist() == [
        [4096, -24576],
        [0, 0],
        [1, -16384],
        [16384, 16384],
        [384, 128],
    ]
    assert made.bias.tolist() == [2097152, 0, 256, -1572864, 1966080000]


def test_a_weight_just_above_a_power_of_two_needs_one_shift_less() -> None:
    for weight, shift in ((32767 / 2**15, 15), (32767.5 / 2**15, 14), (1.0, 14)):
        made = wide_weights(np.full((1, 1), weight, np.float32), np.zeros(1, np.float32), **GRID)
        assert made.shift.tolist() == [shift], weight


def layer(weight: list[list[float]], bias: list[float]) -> Conv:
    made = Conv(len(weight[0]), len(weight))
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight)[:, :, None, None])
        made.bias.copy_(torch.tensor(bias))
    use_arithmetic(made, WideArithmetic())
    return made


def test_golden_layer() -> None:
    made = layer([[0.25, -1.5, 0.0625], [0.3333, 0.75, -0.001953125]], [0.5, -0.25])
    x = torch.tensor([[100, -7, 2047], [3, 250, -2047], [-2047, 2047, 1]], dtype=torch.float64)
    got = made(x[None, :, None, :])
    assert got.dtype == torch.float64
    assert got[0, :, 0].tolist() == GOLDEN_LAYER


GOLDEN_LAYER = [[21, -121, 2047], [-24, 117, -917]]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_sums_are_those_of_the_definition(kernel: int) -> None:
    torch.manual_seed(kernel)
    made = Conv(16, 16, depthwise=kernel if kernel > 1 else None)
    torch.nn.init.normal_(made.bias)
    made.weight.requires_grad_(False).copy_(made.weight.half())
    use_arithmetic(made, WideArithmetic())
    x = torch.randint(-2047, 2048, (1, 16, 7, 9))
    integers = wide_weights(made.weight.numpy(), made.bias.detach().numpy(), **GRID)
    weight, bias = torch.from_numpy(integers.weight).long(), torch.from_numpy(integers.bias).long()
    padded = torch.nn.functional.pad(x, (kernel // 2,) * 4)
    windows = padded.unfold(2, kernel, 1).unfold(3, kernel, 1)[0]  # C, H, W, k, k
    where = "oikl,ihwkl->ohw" if kernel == 1 else "okl,ohwkl->ohw"
    total = torch.einsum(where, weight if kernel == 1 else weight[:, 0], windows)
    total = total + bias[:, None, None]
    assert 2**26 < total.abs().max() < 2**31
    rounded = total.numpy().astype(np.float32)
    assert (rounded != total.numpy()).any(), "some sums do not fit 24 bits"
    scaled = np.ldexp(rounded, -integers.shift[:, None, None])
    wanted = np.rint(scaled).clip(-2047, 2047)
    assert made(x.double())[0].tolist() == wanted.tolist()


def test_a_sum_is_first_rounded_to_float32() -> None:
    # 2^24 + 1 is a tie of float32, and 2^24 is one of the integers after it.
    made = layer([[1.0, 2.0**-14]], [0.0])
    x = torch.tensor([1024.0, 8192 + 1])[None, :, None, None].double()
    weight, _, factor = made.wide_integers()
    assert weight.flatten().tolist() == [2**14, 1] and factor.item() == 2.0**-14
    assert made(x).item() == 1024, "2^24 + 8193 rounds to 2^24 + 8192, a tie"
    x[0, 1] += 2
    assert made(x).item() == 1025


def test_the_integers_follow_the_weights() -> None:
    made = layer([[0.5]], [0.0])
    before = made.wide_integers()
    assert made.wide_integers() is before
    with torch.no_grad():
        made.weight.fill_(-0.25)
    made.finalise()
    assert made.wide_integers()[0].item() == -(2**14)
    made.load_state_dict(layer([[0.75]], [1.0]).state_dict())
    assert [t.item() for t in made.wide_integers()] == [24576, 2**23, 2.0**-15]


def test_golden_table() -> None:
    knots = np.zeros((9, 2), np.float16)
    knots[:, 0] = [0, 8, -9, 0.001953125, 0, 0, 0, 0, 3]
    knots[:, 1] = 0.005859375  # 1.5 of a feature
    table = wide_table(knots, **GRID)
    assert table.shape == (64, 2) and table.dtype == np.int16
    assert table[:, 1].tolist() == [2] * 64
    assert table[[0, 1, 7, 8, 15, 16, 23, 24, 62, 63], 0].tolist() == GOLDEN_TABLE


GOLDEN_TABLE = [0, 260, 1820, 1979, -1890, -2047, -182, 0, 670, 768]


def test_the_table_is_rounded_from_exact_values() -> None:
    random = np.random.default_rng(7)
    knots = random.normal(0, 1, (9, 50)).astype(np.float16)
    whole = [[int(float(v) * 2**24) for v in row] for row in knots]  # every float16 is one
    table = wide_table(knots, **GRID)
    for quality in range(64):
        low = min(8 * quality // 63, 7)
        part = 8 * quality - 63 * low
        for channel in range(50):
            value = whole[low][channel] * (63 - part) + whole[low + 1][channel] * part
            numerator, denominator = 256 * value, 63 * 2**24
            floor, rest = divmod(numerator, denominator)
            up = 2 * rest > denominator or (2 * rest == denominator and floor % 2)
            assert table[quality, channel] == max(-2047, min(2047, floor + up))


def test_quality_bias_of_the_encoder_is_that_table() -> None:
    made = QualityBias(3)
    torch.nn.init.normal_(made.knots.values)
    use_arithmetic(made, WideArithmetic())
    table = made.wide_table()
    got = made(torch.tensor([5, 63]))
    assert got.dtype == torch.float64
    assert got[:, :, 0, 0].tolist() == table[[5, 63]].tolist()
    values = made.curve(torch.arange(64))[:, :, 0, 0] * FEATURE.steps
    assert (table - values).abs().max() <= 0.51
    made.knots.values.requires_grad_(False).zero_()
    assert made.wide_table() is table
    made.finalise()
    assert not made.wide_table().any()
    other = QualityBias(3)
    torch.nn.init.ones_(other.knots.values)
    made.load_state_dict(other.state_dict())
    assert (made.wide_table() == 256).all()
