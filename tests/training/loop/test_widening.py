"""Training of larger networks from smaller, trained ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from colorvid.config import IntraConfig
from colorvid.errors import ConfigError
from colorvid.exact.arithmetic import FloatArithmetic
from colorvid.exact.layers import use_arithmetic
from colorvid.training.loop.checkpoint import keep_weights, load_checkpoint
from colorvid.training.loop.widening import widened
from colorvid.training.tasks.rate import intra_networks
from tests import tiny
from tests.training.runs import intra_trainer, schedule

LARGER: dict[str, dict[str, Any]] = {
    "synthesis": {"luma_widths": (16, 24), "luma_analysis": tiny.INTRA.luma_widths},
    "analysis": {"luma_analysis": (16, 20)},
    "chroma": {"chroma_widths": (12, 16)},
    "prior": {"luma_prior": 24, "chroma_prior": 20},
    "filters": {"analysis_kernel": 5, "synthesis_kernel": 7, "prior_kernel": 5},
    "blocks": {"analysis_blocks": 3, "synthesis_blocks": 2, "synthesis_fine": 4},
    "plain": {"luma_widths": (12, 16)},
}
"""What grows in each case; the last one has no attention."""


def trained(config: IntraConfig) -> nn.ModuleDict:
    """Networks in which everything takes part: last layers, curves and biases are random."""
    torch.manual_seed(3)
    networks = intra_networks(config)
    with torch.no_grad():
        for name, value in networks.named_parameters():
            if name.endswith("leave.weight") and not bool(value.any()):
                value.normal_(0, 0.1)
            elif name.endswith(("quality.knots.values", "bias", "centre")):
                value.add_(torch.randn_like(value) * 0.1)
    return networks


def larger(name: str) -> tuple[nn.ModuleDict, nn.ModuleDict]:
    """Trained networks, and larger ones that begin as them."""
    small = replace(tiny.INTRA, attention=name != "plain")
    old = trained(small)
    new = intra_networks(replace(small, **LARGER[name]))
    new.load_state_dict(widened(old.state_dict(), new), strict=False)
    return old, new


def outputs(networks: nn.ModuleDict) -> list[Tensor]:
    """Pictures and bits; gradients of the networks are those of all of them."""
    torch.manual_seed(1)
    y, uv = torch.randn(2, 1, 64, 64), torch.randn(2, 2, 32, 32)
    output = networks["model"](y, uv, torch.tensor([5, 50]))
    torch.manual_seed(2)
    bits = [b for k in ("luma", "chroma") for b in networks[k](getattr(output, k))]
    error = (output.y - y).square().mean() + (output.uv - uv).square().mean()
    (torch.stack(bits).sum(dim=0).log().mean() + error).backward()
    return [output.y, output.uv, *bits]


@pytest.mark.parametrize("rounding", [False, True])
@pytest.mark.parametrize("name", LARGER)
def test_larger_networks_compute_the_same(name: str, rounding: bool) -> None:
    old, new = (n.eval() for n in larger(name))
    assert sum(p.numel() for p in new.parameters()) > sum(p.numel() for p in old.parameters())
    for networks in (old, new):
        use_arithmetic(networks, FloatArithmetic(rounding))
    for a, b in zip(outputs(old), outputs(new), strict=True):
        assert a.any()
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-4)


def grown_gradients(old: nn.ModuleDict, new: nn.ModuleDict) -> dict[str, tuple[Tensor, Tensor]]:
    """What is larger in ``new``, and its gradients; a row for each output channel."""
    known = old.state_dict()
    new.zero_grad()
    outputs(new)
    found = {}
    for name, value in new.named_parameters():
        if name not in known or value.shape != known[name].shape:
            assert value.grad is not None, name
            pair = (value.detach().clone(), value.grad.clone())
            by_channel = (t.T if name.endswith("knots.values") else t for t in pair)
            found[name] = tuple(t.reshape(len(t), -1) for t in by_channel)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", LARGER)
def test_everything_new_can_learn(name: str) -> None:
    """What reads new channels has gradients at once; all that is new after one step."""
    old, new = larger(name)
    first = grown_gradients(old, new)
    assert first
    for key, (value, gradient) in first.items():
        if key.endswith("weight"):
            silent = value == 0
            assert not silent.any() or gradient[silent].bool().float().mean() > 0.9, key
    with torch.no_grad():
        for value in new.parameters():
            if value.grad is not None and value.grad.any():
                value.sub_(value.grad, alpha=0.01 / float(value.grad.norm()))
    for key, (_, gradient) in grown_gradients(old, new).items():
        assert gradient.any(dim=1).all(), key


def test_a_run_begins_from_a_smaller_one(tmp_path: Path) -> None:
    """From what is kept of a run, which holds no integers, and from the run itself, which does."""
    first = tmp_path / "first"
    intra_trainer(first, schedule(4)).run()
    keep_weights(first, tmp_path / "kept")
    config = replace(tiny.INTRA, luma_widths=(16, 24))
    for start in (first, tmp_path / "kept"):
        second = intra_trainer(tmp_path / f"from_{start.name}", schedule(2), config, start)
        name = "model.luma.synthesis.last.0.expand.weight"
        old, new = load_checkpoint(start)["average"][name].float(), second.average[name]
        assert (old.shape, new.shape) == ((16, 8, 1, 1), (32, 16, 1, 1))
        assert torch.equal(new[:8, :8], old[:8])
        assert torch.equal(new[16:24, :8], old[8:])
        assert not new[:8, 8:].any() and not new[16:24, 8:].any()
        assert new[8:16].all() and new[24:].all()
        second.run()
        assert second.step == 2


@pytest.mark.usefixtures("short_fit")
@pytest.mark.parametrize(
    "change",
    [
        {"luma_widths": (8, 8)},
        {"luma_hyper": 6},
        {"synthesis_kernel": 1},
        {"chroma_prior": 8},
    ],
)
def test_other_changes_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """Narrower networks, and more hyper-latents: these would cost bits at once."""
    path = tmp_path / "tiny.safetensors"
    tiny.save(path)
    config = replace(tiny.INTRA, **change)
    with pytest.raises(ConfigError, match=r"tiny.safetensors: .* change the sizes in \[model\]"):
        intra_trainer(tmp_path / "run", schedule(2), config, path)
