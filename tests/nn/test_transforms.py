from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.exact.layers import use_arithmetic
from colorvid.nn.transforms import (
    STEP_STEPS,
    SYMBOL_STEPS,
    UNIT,
    AnalysisNet,
    BlockTransform,
    Gains,
    PathShape,
    SynthesisNet,
    dct_basis,
    latent_scale,
)

GOLDEN_COEFFICIENTS = [1179648, -22265760, 7330400, -1572864, -21082176, 15335424]
COEFFICIENT_STEPS = SYMBOL_STEPS * STEP_STEPS * UNIT  # exact coefficients to a unit


@pytest.mark.parametrize("block", [4, 8, 16])
def test_dct_is_orthonormal(block: int) -> None:
    basis = dct_basis(block)
    assert torch.allclose(basis @ basis.T, torch.eye(block**2, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(basis[0], torch.full((block**2,), 1 / block, dtype=torch.float64))


def test_coefficients_rise_in_frequency() -> None:
    rows = dct_basis(8).reshape(64, 8, 8)
    changes = (rows.diff(dim=1).sign().diff(dim=1).abs().sum(dim=(1, 2))).tolist()
    assert changes[0] == 0 and changes[-1] > changes[10]
    flat = rows.std(dim=(1, 2))
    assert flat[0] < 1e-12 and flat[1:].min() > 0.1


@pytest.mark.parametrize(("block", "planes"), [(16, 1), (8, 2), (8, 1), (4, 2)])
def test_float_synthesis_inverts_analysis(block: int, planes: int) -> None:
    torch.manual_seed(block)
    transform = BlockTransform(block, planes)
    x = torch.rand(2, planes, 32, 48) * 8 - 4
    coefficients = transform.analyse(x)
    assert coefficients.shape == (2, planes * block**2, 32 // block, 48 // block)
    assert torch.allclose(coefficients.square().sum(), x.square().sum())
    assert torch.allclose(transform(coefficients), x, atol=1e-5)


@pytest.mark.parametrize(("block", "planes"), [(16, 1), (8, 2), (4, 2)])
@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_exact_synthesis_is_the_float_one_rounded(
    block: int, planes: int, carrier: torch.dtype
) -> None:
    torch.manual_seed(block)
    transform = BlockTransform(block, planes)
    coefficients = transform.analyse(torch.rand(1, planes, 32, 32) * 8 - 4)
    integers = torch.round(coefficients.double() * COEFFICIENT_STEPS)
    real = transform((integers / COEFFICIENT_STEPS).float()) * 256
    use_arithmetic(transform, ExactArithmetic(carrier))
    exact = transform(integers)
    assert exact.dtype == carrier and torch.equal(exact, exact.round())
    assert (exact - real).abs().max() <= 0.5 + 0.2, "half a feature step, and 15 bits of basis"


def test_exact_synthesis_clamps() -> None:
    transform = BlockTransform(8, 1)
    use_arithmetic(transform, ExactArithmetic())
    coefficients = torch.zeros(1, 64, 1, 1, dtype=torch.float64)
    coefficients[0, 0] = 2.0**31
    assert transform(coefficients).unique().tolist() == [2047]


@pytest.mark.parametrize("block", [4, 8, 16])
def test_latent_scales_are_powers_of_two(block: int) -> None:
    scale = latent_scale(block, 2)
    assert scale.shape == (2 * block**2,)
    assert torch.equal(scale.log2(), scale.log2().round())
    assert scale[0] == scale[: block**2].min() and scale[block**2 - 1] == 1


def test_analysis_network_starts_at_nothing() -> None:
    net = AnalysisNet(2, 8, 64, PathShape((6, 8), 1))
    out = net(torch.randn(3, 2, 16, 24), torch.tensor([0, 30, 63]))
    assert out.shape == (3, 64, 2, 3) and not out.any()


@pytest.mark.parametrize("exact", [False, True])
def test_synthesis_network_starts_as_identity(exact: bool) -> None:
    net = SynthesisNet(2, 4, PathShape((6, 8), 1), conditions=3)
    net.finalise()
    for layer in net.modules():
        if hasattr(layer, "finalise"):
            layer.finalise()
    picture = torch.randint(-1024, 1017, (2, 2, 16, 24)).float()
    condition = torch.randint(-1024, 1017, (2, 3, 8, 12)).float()
    if exact:
        use_arithmetic(net, ExactArithmetic())
    else:
        picture, condition = picture / 256, condition / 256
    assert torch.equal(net(picture, torch.tensor([0, 63]), condition), picture)


def test_a_trained_end_changes_the_picture_where_it_should() -> None:
    torch.manual_seed(0)
    net = SynthesisNet(1, 8, PathShape((6, 8), 1))
    torch.nn.init.normal_(net.leave.weight)
    picture = torch.zeros(1, 1, 64, 64)
    moved = F.pad(torch.full((1, 1, 8, 8), 3.0), (0, 56, 0, 56))
    change = net(picture + moved, torch.tensor([5])) - net(picture, torch.tensor([5])) - moved
    assert change[..., :8, :8].abs().max() > 0


def test_a_learned_basis_starts_orthogonal_and_is_exported() -> None:
    torch.manual_seed(3)
    transform = BlockTransform(4, 2, dct=False)
    assert isinstance(transform.basis, torch.nn.Parameter)
    assert torch.allclose(transform.basis @ transform.basis.T, torch.eye(16), atol=1e-5)
    picture = torch.randn(1, 2, 8, 8)
    coefficients = transform.analyse(picture)
    assert torch.allclose(transform(coefficients), picture, atol=1e-5)
    with torch.no_grad():
        transform.basis.mul_(0.5)
    transform.finalise()
    assert torch.equal(transform.basis_int, torch.round(transform.basis * 2**15).to(torch.int16))
    transform._parameters["basis"] = None  # as in a model file
    use_arithmetic(transform, ExactArithmetic())
    assert torch.allclose(transform.analyse(picture).float(), coefficients / 2, atol=1e-3)


@pytest.mark.parametrize(("block", "planes"), [(16, 1), (8, 2), (4, 2)])
@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_exact_analysis_is_a_product_of_integers(
    block: int, planes: int, carrier: torch.dtype
) -> None:
    transform = BlockTransform(block, planes)
    use_arithmetic(transform, ExactArithmetic(carrier))
    generator = torch.Generator().manual_seed(block)
    x = torch.randint(-2040, 2041, (1, planes, 32, 48), generator=generator)
    got = transform.analyse(x.to(carrier))
    blocks = F.pixel_unshuffle(x, block).reshape(planes, block**2, -1)
    total = torch.einsum("ks,psn->pkn", transform.basis_int.long(), blocks)
    assert got.dtype == torch.float64
    assert torch.equal((got * 2**15).long(), total.reshape(got.shape))
    assert total.abs().max() > 2**24, "float32 could not carry these sums"


def test_golden_analysis() -> None:
    transform = BlockTransform(4, 1)
    use_arithmetic(transform, ExactArithmetic())
    x = torch.tensor([[8, -16, 24, 1016], [-1024, 40, 48, 56], [0, 0, 8, 8], [-8, -8, 72, -80]])
    total = transform.analyse(x[None, None].double()) * 2**15
    assert total.flatten()[:6].tolist() == GOLDEN_COEFFICIENTS


def test_the_dct_is_no_parameter() -> None:
    transform = BlockTransform(8, 1)
    assert not list(transform.parameters()) and set(transform.state_dict()) == {"basis_int"}


def test_a_plain_block_can_stand_for_attention() -> None:
    for net in (
        AnalysisNet(1, 8, 64, PathShape((6, 8), 0)),
        SynthesisNet(1, 8, PathShape((6, 8), 0)),
    ):
        assert any("mask" in name for name in net.state_dict())
    for net in (
        AnalysisNet(1, 8, 64, PathShape((6, 8), 0, attention=False)),
        SynthesisNet(1, 8, PathShape((6, 8), 0, attention=False)),
    ):
        assert not any("mask" in name for name in net.state_dict())
        assert net(torch.randn(1, 1, 16, 16), torch.tensor([3])).isfinite().all()


def test_golden_quantiser_steps() -> None:
    gains = Gains(1, 1.0)
    gains.finalise()
    # 255 * sqrt(8.66 / lambda) in 1/64 sample values, lambda 40 and 16000
    assert gains.table[[0, 63], 0].tolist() == [7594, 380]
    assert gains(torch.tensor([0])).item() * 32 * 64 == pytest.approx(7594, abs=0.5)
    assert (gains.table[1:] < gains.table[:-1]).all()
