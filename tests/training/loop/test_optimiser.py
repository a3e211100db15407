from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from colorvid.errors import ConfigError
from colorvid.training.loop.optimiser import NAMES, Soap, as_matrix, is_matrix, make_optimisers

Step = Callable[[], None]


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [
        ((6, 4), (6, 4)),
        ((4, 6), (6, 4)),
        ((5, 5), (5, 5)),
        ((8, 3, 1, 1), (8, 3)),
        ((8, 1, 3, 3), (9, 8)),
        ((4, 2, 3), (6, 4)),
    ],
)
def test_the_smaller_side_becomes_the_columns(
    shape: tuple[int, ...], matrix: tuple[int, int]
) -> None:
    x = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    assert is_matrix(x)
    assert as_matrix(x).shape == matrix
    if shape == (5, 5):
        assert torch.equal(as_matrix(x), x), "the inputs of a square weight"


@pytest.mark.parametrize("shape", [(), (3,), (1, 5), (5, 1), (7, 1, 1, 1)])
def test_what_has_one_side_is_no_matrix(shape: tuple[int, ...]) -> None:
    assert not is_matrix(torch.zeros(shape))


def _bowl(shape: tuple[int, ...]) -> tuple[Tensor, Callable[[], Tensor]]:
    """A parameter, and a quadratic loss whose axes are turned and 300 times as steep as others."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.nn.Parameter(torch.zeros(shape))
    columns = as_matrix(weight.detach()).shape[1]
    turn = torch.linalg.qr(torch.randn(columns, columns, generator=generator))[0]
    skew = turn * torch.logspace(0, -2.5, columns)
    goal = torch.randn(as_matrix(weight.detach()).shape, generator=generator)
    return weight, lambda: ((as_matrix(weight) - goal) @ skew).square().mean()


def _train(optimisers: Sequence[torch.optim.Optimizer], loss: Callable[[], Tensor]) -> float:
    for step in range(300):
        for optimiser in optimisers:
            optimiser.zero_grad()
            for group in optimiser.param_groups:
                group["lr"] = 0.03 * (1 - step / 300)
        loss().backward()  # type: ignore[no-untyped-call]
        for optimiser in optimisers:
            optimiser.step()
    return float(loss().detach())


@pytest.mark.parametrize("shape", [(12, 8), (8, 12), (10, 10, 1, 1), (6, 1, 3, 3)])
def test_soap_goes_down_where_adam_zigzags(shape: tuple[int, ...]) -> None:
    left = {}
    for name in NAMES:
        weight, loss = _bowl(shape)
        left[name] = _train(make_optimisers([weight], name, 0.03), loss)
    assert left["soap"] < 0.5 * left["adamw"]


def test_each_parameter_has_one_optimiser() -> None:
    parameters = [torch.zeros(s) for s in ((3,), (4, 4), (1, 5), (6, 2, 1, 1))]
    soap = make_optimisers(parameters, "soap", 1e-3)
    sizes = [[p.shape for g in o.param_groups for p in g["params"]] for o in soap]
    assert [type(o) for o in soap] == [torch.optim.AdamW, Soap]
    assert sizes == [[(3,), (1, 5)], [(4, 4), (6, 2, 1, 1)]]
    assert len(make_optimisers(parameters, "adamw", 1e-3)) == 1
    assert [type(o) for o in make_optimisers(parameters[1:2], "soap", 1e-3)] == [Soap]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="optimiser 'sgd' is unknown; allowed are adamw, soap"):
        make_optimisers([torch.zeros(3)], "sgd", 1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("first", [True, False])
def test_gradients_that_are_no_numbers_change_nothing(bad: float, first: bool) -> None:
    weight, loss = _bowl((6, 4))
    soap = Soap([weight], 0.01)
    for _ in range(0 if first else 4):
        loss().backward()  # type: ignore[no-untyped-call]
        soap.step()
    before, state = weight.detach().clone(), repr(soap.state_dict())
    weight.grad = torch.full_like(weight, bad)
    soap.found_inf = torch.ones(())
    soap.step()
    assert torch.equal(weight, before)
    assert repr(soap.state_dict()) == state


def test_the_basis_follows_the_gradients() -> None:
    weight = torch.nn.Parameter(torch.zeros(30, 5))
    soap = Soap([weight], 1e-3)
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(5, 5, generator=generator)
    for _ in range(400):
        weight.grad = torch.randn(30, 5, generator=generator) @ mix
        soap.step()
    basis = soap.state[weight]["basis"]
    assert torch.allclose(basis.T @ basis, torch.eye(5), atol=1e-5)
    seen = basis.T @ (mix.T @ mix) @ basis
    assert float((seen - torch.diag(seen.diag())).abs().max()) < 0.1 * float(seen.diag().max())
    assert torch.equal(seen.diag().argsort(descending=True), torch.arange(5))
