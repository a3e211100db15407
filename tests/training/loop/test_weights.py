"""Training that goes on from a model file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from colorvid.config import CodecConfig
from colorvid.entropy.tables import Tables, tables_of
from colorvid.errors import ConfigError, ModelMismatch
from colorvid.models.loading import load_model
from colorvid.models.modelfile import is_encoder
from colorvid.models.networks import branch_of, restored_network, save_model
from colorvid.models.video import VideoModel
from colorvid.training.export import assemble
from colorvid.training.loop.weights import fit_bottleneck, restored_weights
from colorvid.training.tables import make_tables
from colorvid.training.tasks.rate import BranchRate
from tests import tiny
from tests.training import runs


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model file."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path, seed=4)
    return path


def check_integers(released: Path, network: VideoModel) -> None:
    """The decoder's integers in ``network`` are those of the file, but for a last digit."""
    stored = load_model(str(released)).network.state_dict()
    compared = 0
    for name, value in network.state_dict().items():
        if is_encoder(name) or value.dtype not in (torch.int8, torch.int16, torch.int32):
            continue
        # The scale of a layer follows its largest rounded weight: the last digit may change.
        difference = (value.double() - stored[name].double()).abs()
        allowed = 1 if value.dtype is not torch.int32 else 1 + stored[name].double().abs() / 64
        assert (difference <= allowed).all(), name
        assert stored[name].any() or not value.any(), name
        compared += value.numel()
    assert compared > 10_000


def test_restored_networks_give_the_integers_that_they_were_made_of(released: Path) -> None:
    network = restored_network(str(released))
    network.finalise()
    check_integers(released, network)


def test_restored_networks_are_those_that_were_saved(released: Path) -> None:
    torch.manual_seed(0)
    saved, restored = tiny.network(seed=4), restored_network(str(released))
    weights = dict(saved.named_parameters())
    for name, value in restored.named_parameters():
        error = (value - weights[name]).abs().max()
        assert error <= 0.02 * weights[name].abs().max() + 0.01, name


def test_a_bottleneck_is_fitted_to_tables() -> None:
    torch.manual_seed(0)
    places = np.arange(-9.0, 10)
    shapes = ((0, 0.1), (1, 3.0), (-2, 1.0))  # middle and width of each channel
    tables: Tables = tables_of([np.exp(-np.abs(places - m) / w) for m, w in shapes])
    rate = BranchRate(3, means=False)
    assert fit_bottleneck(rate, tables) < 0.02, "the tails end, and nothing is as sharp"
    wanted = np.diff(tables.cdf[1, : tables.sizes[1]]) / 2**16
    values = torch.from_numpy(places).float().expand(3, 1, -1)
    found = rate.bottleneck._likelihood(values)[0][1, 0].detach().numpy()
    assert np.abs(found - wanted[:-1]).max() < 0.05
    assert np.argmax(found) == 10


@pytest.mark.usefixtures("short_fit")
def test_a_run_starts_from_a_model_file(released: Path, tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path / "run", runs.schedule(2), start=released)
    wanted = restored_weights(released, tiny.INTRA)
    for name, value in trainer.average.items():
        assert torch.equal(value, wanted[name]) or "bottleneck" in name, name
    first = trainer.task.networks["model"]  # type: ignore[index]
    assert not torch.equal(
        first.luma.prior.trunk[0].enter.weight,
        runs.intra_trainer(tmp_path / "fresh", runs.schedule(2)).average[
            "model.luma.prior.trunk.0.enter.weight"
        ],
    )
    trainer.run()
    assert trainer.step == 2


@pytest.mark.usefixtures("short_fit")
def test_a_joint_run_takes_both_parts(released: Path) -> None:
    both = restored_weights(released, CodecConfig(tiny.INTRA, tiny.INTER))
    for part, config in (("intra", tiny.INTRA), ("inter", tiny.INTER)):
        for name, value in restored_weights(released, config).items():
            assert both[f"{part}.{name}"].shape == value.shape
    network = restored_network(str(released))
    steps = branch_of(network, "inter.chroma").gains.knots.values
    assert torch.equal(both["inter.model.chroma.gains.knots.values"], steps)


@pytest.mark.usefixtures("short_fit")
def test_a_model_file_is_exported_again(released: Path, tmp_path: Path) -> None:
    network, rates = assemble(released, released, (1, 2))
    assert network.intra.config == replace(tiny.INTRA, chroma_offset=1)
    assert network.inter.config == replace(tiny.INTER, chroma_offset=2)
    check_integers(released, network)
    path = tmp_path / "again.safetensors"
    identity = save_model(path, network, make_tables(network, rates, []))
    assert load_model(str(path)).identity == identity


@pytest.mark.usefixtures("short_fit")
def test_other_sizes_and_other_files_are_refused(released: Path, tmp_path: Path) -> None:
    narrower = replace(tiny.INTRA, luma_prior=8)
    with pytest.raises(ConfigError, match=r"tiny.safetensors: model.luma.*change the sizes in"):
        runs.intra_trainer(tmp_path / "narrow", runs.schedule(2), narrower, start=released)
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing")
    with pytest.raises(ModelMismatch, match="cannot be read as a model"):
        runs.intra_trainer(tmp_path / "other", runs.schedule(2), start=other)
