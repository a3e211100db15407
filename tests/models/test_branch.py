from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from colorvid.config import BranchConfig
from colorvid.entropy.rans import CodeBook, SymbolReader, SymbolWriter
from colorvid.entropy.tables import MAX_SYMBOL
from colorvid.models.branch import Branch
from colorvid.models.networks import branch_of
from tests import tiny

QUALITY = torch.tensor([40])


def book(name: str) -> CodeBook:
    return CodeBook(*tiny.tables_for(tiny.network())[name])


def condition_of(config: BranchConfig, cells: tuple[int, int]) -> Tensor | None:
    shape = (1, config.prior_condition, *cells)
    generator = torch.Generator().manual_seed(8)
    values = torch.randint(-1024, 1024, shape, generator=generator).float()
    return values if config.prior_condition else None


@pytest.mark.parametrize("name", ["intra.luma", "intra.chroma", "inter.luma", "inter.chroma"])
@pytest.mark.parametrize("cells", [(1, 1), (2, 5)])
def test_what_is_written_is_read(name: str, cells: tuple[int, int]) -> None:
    branch = branch_of(tiny.network(), name)
    shape = torch.Size((1, branch.config.latents, *cells))
    y = torch.randn(shape, generator=torch.Generator().manual_seed(6)) * 4
    y[0, 0, 0, 0] = 1e6
    condition = condition_of(branch.config, cells)
    writer = SymbolWriter()
    sent = branch.code(writer.branch(book(name)), y, shape, QUALITY, condition)
    data = writer.finish()
    reader = SymbolReader(data)
    got = branch.code(reader.branch(book(name)), None, shape, QUALITY, condition)
    assert len(data) > 20
    assert torch.equal(got, sent) and torch.equal(got, got.round())
    assert (got.abs() <= 16 * MAX_SYMBOL + 2047).all() and got[0, 0, 0, 0] > 30000


def test_reconstruction_is_of_the_latents() -> None:
    branch = branch_of(tiny.network(ends=0), "intra.luma")
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(-1024, 1017, (1, 1, 32, 48), generator=generator)
    y = branch.analyse(x, QUALITY, None)
    out = branch.code(tiny.SilentCoder(), y, y.shape, QUALITY)
    planes = branch.reconstruct(out, QUALITY)
    step = float(branch.gains.table[40, 0]) / 64 * 8
    assert (planes - x).square().mean().sqrt() < step * 0.35, "uniform noise has step / sqrt(12)"


def test_training_sees_the_planes_that_coding_gives() -> None:
    model = tiny.network(ends=0)
    branch = branch_of(model, "inter.luma")
    generator = torch.Generator().manual_seed(1)
    x, reference = (torch.randint(-256, 257, (1, 1, 32, 32), generator=generator) for _ in range(2))
    condition = condition_of(branch.config, (4, 4))
    y = branch.analyse(x, QUALITY, reference)
    coder = tiny.SilentCoder()
    out = branch.code(coder, y, y.shape, QUALITY, condition)
    exact = branch.reconstruct(out, QUALITY) / 256
    trained = Branch(branch.config).eval()
    trained.load_state_dict(branch.state_dict())
    assert condition is not None
    seen = trained(x / 256, QUALITY, reference=reference / 256, prior_condition=condition / 256)
    assert coder.symbols[0].abs().max() > 3
    assert (seen.planes - exact).abs().median() < 1 / 256, "a symbol at a tie may differ"
    assert (out / 16 == seen.symbols).float().mean() > 0.99


def test_dead_zone_rounds_towards_zero() -> None:
    branch = branch_of(tiny.network(), "inter.luma")
    branch.config = replace(branch.config, rounding=0.25)
    offset = torch.tensor([0.74, 0.76, -0.74, -0.76, 1.74, -9.9, 0.0])
    got = branch.quantise(offset, torch.full_like(offset, 9), torch.ones(()))
    assert got.tolist() == [0, 1, 0, -1, 1, -10, 0]


def test_symbols_that_cost_more_than_they_gain_are_left_out() -> None:
    branch = branch_of(tiny.network(), "inter.luma")
    branch.config = replace(branch.config, rounding=0.5)
    bits = torch.zeros(64, 32)
    bits[7] = torch.arange(32) * 2.0
    branch.set_symbol_bits(bits)
    offset = torch.tensor([0.9, -1.2, 2.6, -2.6, 40.4])
    for price, wanted in ((0.0, [1, -1, 3, -3, 40]), (0.2, [1, -1, 2, -2, 40])):
        assert branch.quantise(offset, torch.full((5,), 7), torch.tensor(price)).tolist() == wanted
    assert branch.quantise(offset, torch.full((5,), 7), torch.tensor(1.7)).tolist()[:2] == [0, 0]
    assert branch.quantise(offset, torch.full((5,), 8), torch.tensor(9.0))[2] == 3


def test_symbols_are_worth_the_error_that_they_save_less_their_bits() -> None:
    branch = branch_of(tiny.network(), "inter.luma")
    bits = torch.zeros(64, 32)
    bits[7] = torch.arange(32) * 2.0 + 1
    branch.set_symbol_bits(bits)
    offset, symbols = torch.tensor([0.9, -1.5, 3.0, 0.25]), torch.tensor([1.0, -1.0, 3.0, 0.0])
    index = torch.full((4,), 7)
    saved = [0.8, 2.0, 9.0, 0.0]
    for price in (0.5, 2.0):
        worth = branch.worth_of(offset, symbols, index, torch.tensor(price))
        wanted = [s / price - 2 * abs(k) - 1 for s, k in zip(saved, symbols.tolist(), strict=True)]
        assert worth.tolist() == pytest.approx([256 * w for w in wanted], abs=1)
    free = branch.worth_of(
        torch.tensor([1e9, 0.0]), torch.tensor([2047.0, 0.0]), index[:2] - 7, torch.tensor(0.0)
    )
    assert free.tolist() == [2**40, 0]


def test_price_of_a_bit_is_in_squared_steps() -> None:
    branch = Branch(replace(tiny.INTRA.luma(), rate_weight=1.0, sample_weight=0.5))
    price = branch.bit_price(torch.tensor([0]), torch.full((1, 1, 1, 1), 51.0))
    assert price.item() == pytest.approx(5**2 / (40 * 0.5))


def test_skipped_latents_keep_the_mean_and_cost_nothing() -> None:
    branch = branch_of(tiny.network(), "intra.luma")
    for head in branch.prior.index_heads.values():
        head.weight_int.zero_()  # type: ignore[operator, union-attr]
        head.bias_int.fill_(-(2**20))  # type: ignore[operator, union-attr]
    shape = torch.Size((1, 256, 1, 1))
    writer = SymbolWriter()
    coder = writer.branch(book("intra.luma"))
    out = branch.code(coder, torch.full(shape, 5.0), shape, QUALITY)
    assert coder.latent_bits == 0
    assert out.abs().max() < 32 and out.any()


@pytest.mark.parametrize("name", ["inter.luma", "inter.chroma"])
@pytest.mark.parametrize("cells", [(8, 12), (6, 9)])
def test_symbols_are_written_at_active_positions_only(name: str, cells: tuple[int, int]) -> None:
    branch = branch_of(tiny.network(), name)
    shape = torch.Size((1, branch.config.latents, *cells))
    areas = torch.zeros(1, 1, *cells)
    areas[..., :4, 4:8] = areas[..., 4:, 8:] = 1
    y = torch.randn(shape, generator=torch.Generator().manual_seed(6)) * 4 * areas
    condition = condition_of(branch.config, cells)
    writer = SymbolWriter()
    sent = branch.code(writer.branch(book(name)), y, shape, QUALITY, condition)
    data = writer.finish()
    reader = SymbolReader(data).branch(book(name))
    assert torch.equal(branch.code(reader, None, shape, QUALITY, condition), sent)
    assert sent.any() and not (sent * (1 - areas)).any()
    flags = SymbolReader(data).branch(book(name)).flags(None, (2, 3))
    assert flags.tolist() == [[False, True, False], [False, False, True]]


@pytest.mark.parametrize("name", ["inter.luma", "inter.chroma"])
def test_a_branch_without_symbols_costs_no_bytes(name: str) -> None:
    branch = branch_of(tiny.network(), name)
    shape = torch.Size((1, branch.config.latents, 5, 6))
    y = torch.full(shape, 0.2)
    condition = condition_of(branch.config, (5, 6))
    writer = SymbolWriter()
    coder = writer.branch(book(name))
    assert not branch.code(coder, y, shape, QUALITY, condition).any()
    assert writer.finish() == b"" and coder.hyper_bits < 4
    reader = SymbolReader(b"").branch(book(name))
    assert not branch.code(reader, None, shape, QUALITY, condition).any()
