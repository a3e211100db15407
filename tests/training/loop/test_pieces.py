"""Long runs in pieces, of which only the weights are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from colorvid.training.loop.checkpoint import keep_weights, load_checkpoint, save_checkpoint
from colorvid.training.loop.weights import restored_weights
from colorvid.training.tasks.rate import BranchRate
from tests import tiny
from tests.training.runs import intra_trainer, schedule
from tools import keep

PLAN = schedule(8, pieces=True, warmup=4, decay=0.5, optimiser="soap")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left of a first piece of three steps, which lies beside it as ``first``."""
    folder = tmp_path_factory.mktemp("pieces")
    intra_trainer(folder / "first", PLAN).run(until=3)
    assert keep.main([str(folder / "first"), "-o", str(folder / "kept")]) == 0
    return folder / "kept"


def size(run: Path) -> int:
    return sum(path.stat().st_size for path in (run / "checkpoint").iterdir())


def test_what_is_kept_is_small_and_close(kept: Path) -> None:
    first = kept.parent / "first"
    whole, rest = load_checkpoint(first), load_checkpoint(kept)
    assert (rest["step"], rest["config"]) == (3, whole["config"])
    assert size(kept) < size(first) / 4
    for name, value in whole["average"].items():
        if value.is_floating_point():
            short = rest["average"][name].float()
            assert short.shape == value.shape
            if value.numel():
                assert (short - value).abs().max() <= 1e-3 * value.abs().max(), name
        else:
            assert name not in rest["average"]


def test_likelihoods_keep_their_lower_bound(tmp_path: Path, kept: Path) -> None:
    """In float16 it is zero, and a symbol that nobody expects takes infinitely many bits."""
    names = [n for n in load_checkpoint(kept)["average"] if n.endswith("lower_bound.bound")]
    assert names
    second = intra_trainer(tmp_path / "second", PLAN, start=kept)
    rate = second.task.networks.get_submodule("luma")
    fresh = intra_trainer(tmp_path / "fresh", PLAN).task.networks.get_submodule("luma")
    for name, value in fresh.named_buffers():
        if name.endswith("bound"):
            assert torch.allclose(rate.get_buffer(name), value, rtol=1e-3, atol=0), name
    far = torch.full((1, 1), 1e4)
    assert isinstance(rate, BranchRate)
    likelihood = rate.conditional.likelihood_lower_bound(
        rate.conditional._likelihood(far, torch.ones(1, 1))
    )
    assert likelihood.log2().isfinite().all()


def test_what_no_short_number_holds_stays_as_it_is(tmp_path: Path) -> None:
    values = {"small": [1e-9, 3e-9], "large": [1e6], "plain": [1.0, 1e-9, -0.3], "none": []}
    weights = {name: torch.tensor(value) for name, value in values.items()}
    save_checkpoint(tmp_path / "run", {"step": 1, "config": {}, "average": weights})
    keep_weights(tmp_path / "run", tmp_path / "kept")
    kept = load_checkpoint(tmp_path / "kept")["average"]
    assert [n for n, v in kept.items() if v.dtype is torch.float16] == ["plain"]
    for name in ("small", "large", "none"):
        assert torch.equal(kept[name], weights[name])


def test_a_piece_goes_on_where_the_one_before_ended(tmp_path: Path, kept: Path) -> None:
    second = intra_trainer(tmp_path / "second", PLAN, start=kept)
    assert second.step == 3
    begun = second.task.networks.state_dict()
    for name, value in load_checkpoint(kept)["average"].items():
        assert torch.equal(begun[name], value.float()), name
        assert torch.equal(second.average[name], value.float()), name
    fresh = intra_trainer(tmp_path / "fresh", PLAN)
    assert second._batches.state != fresh._batches.state, "other crops"


def test_the_rate_warms_up_in_each_piece(tmp_path: Path, kept: Path) -> None:
    second = intra_trainer(tmp_path / "second", PLAN, start=kept)
    seen = []
    for _ in range(5):
        second._advance()
        seen.append(second._optimisers[0].param_groups[0]["lr"])
    rates = [PLAN.learning_rate(step) for step in range(3, 8)]
    wanted = [rate * share for rate, share in zip(rates, (0.25, 0.5, 0.75, 1, 1), strict=True)]
    assert seen == pytest.approx(wanted)


def test_a_stopped_piece_goes_on_as_if_it_had_not_stopped(tmp_path: Path, kept: Path) -> None:
    whole = intra_trainer(tmp_path / "whole", PLAN, start=kept)
    whole.run(until=6)
    intra_trainer(tmp_path / "parts", PLAN, start=kept).run(until=4)
    rest = intra_trainer(tmp_path / "parts", PLAN, start=kept)
    assert rest.step == 4
    rest.run(until=6)
    assert rest.step == whole.step == 6
    for name, value in whole.average.items():
        assert torch.equal(rest.average[name], value), name


def test_another_stage_begins_at_its_own_start(tmp_path: Path, kept: Path) -> None:
    assert intra_trainer(tmp_path / "stage", schedule(8), start=kept).step == 0


@pytest.mark.usefixtures("short_fit")
def test_the_first_piece_may_start_from_a_model_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    tiny.save(path)
    first = intra_trainer(tmp_path / "first", PLAN, start=path)
    assert first.step == 0
    wanted = restored_weights(path, tiny.INTRA)
    name = "model.luma.prior.trunk.0.enter.weight"
    assert torch.equal(first.average[name], wanted[name])
    first._advance()
    assert first._optimisers[0].param_groups[0]["lr"] == PLAN.learning_rate(0)


def test_a_piece_may_be_larger_than_the_one_before(tmp_path: Path, kept: Path) -> None:
    config = replace(tiny.INTRA, luma_widths=(16, 24))
    second = intra_trainer(tmp_path / "second", PLAN, config, kept)
    assert second.step == 3
    second.run(until=4)
    assert second.step == 4


def test_a_run_without_a_checkpoint_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keep.main([str(tmp_path / "none"), "-o", str(tmp_path / "kept")]) != 0
    assert "no checkpoint there; train first" in capsys.readouterr().err
