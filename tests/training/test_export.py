from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from colorvid.codec.decoder import Decoder
from colorvid.codec.settings import EncoderSettings
from colorvid.config import IntraConfig
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.frame import Size
from colorvid.models.loading import load_model
from colorvid.models.modelfile import BRANCHES
from colorvid.models.networks import prove_model, save_model
from colorvid.models.video import VideoModel
from colorvid.training import export
from colorvid.training.loop import weights
from colorvid.training.tables import make_tables
from colorvid.training.tasks.rate import BranchRate
from tests import tiny
from tests.clips import moving_frames
from tests.training import runs


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny trained run of each kind."""
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    runs.intra_trainer(folder / "intra", runs.schedule(6)).run()
    runs.inter_trainer(folder / "inter", runs.schedule(6)).run()
    return folder


def assembled(folder: Path) -> tuple[VideoModel, dict[str, BranchRate]]:
    """What the tool assembles from the runs."""
    network, rates = export.assemble(folder / "intra", folder / "inter")
    assert network.intra.config == tiny.INTRA and network.inter.config == tiny.INTER
    return network, rates


def test_trained_runs_become_a_codec(finished: Path, tmp_path: Path) -> None:
    network, rates = assembled(finished)
    proved = prove_model(network)
    assert {f"{name}.transform" for name in BRANCHES} < {b.layer for b in proved}
    tables = make_tables(network, rates, [])
    path = tmp_path / "trained.safetensors"
    identity = save_model(path, network, tables)
    model = load_model(str(path))
    assert model.identity == identity
    decoder = Decoder(load_model(str(path)), Size(47, 33))
    settings = EncoderSettings(quality=40, gop=4)
    bits = []
    for coded in tiny.encode_all(model, moving_frames(5, 33, 47), settings):
        shown = decoder.decode(coded.packet)
        for plane, wanted in zip(shown.planes, coded.picture.planes, strict=True):
            assert np.array_equal(plane, wanted)
        bits.append(sum(coded.bits.values()))
    assert sum(count > 100 for count in bits) >= 3  # B frames may need nothing


def test_an_existing_model_is_kept(finished: Path, tmp_path: Path) -> None:
    """Before anything is done for it; what is written appears in one step."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"a.safetensors exists; pass overwrite=True"):
        export.export(path, tmp_path / "no such run")
    network, _ = assembled(finished)
    with pytest.raises(OutputError, match="exists"):
        save_model(path, network, tiny.tables_for(network))
    assert path.read_bytes() == b"precious" and list(tmp_path.iterdir()) == [path]
    identity = save_model(path, network, tiny.tables_for(network), overwrite=True)
    assert load_model(str(path)).identity == identity
    assert list(tmp_path.iterdir()) == [path]


def test_the_export_chooses_how_fine_chroma_is(finished: Path) -> None:
    network, _ = export.assemble(finished / "intra", finished / "inter", (7, 9))
    configs = network.intra.config, network.inter.config
    assert [c.chroma_offset for c in configs] == [7, 9]
    generator = torch.Generator().manual_seed(1)
    plane = torch.randint(-512, 513, (1, 2, 16, 16), generator=generator).double()
    network.use_exact()
    steps = []
    for offset in (0, 7):
        object.__setattr__(network.intra.config, "chroma_offset", offset)
        coders = (tiny.SilentCoder(), tiny.SilentCoder())
        network.intra.code(coders, (torch.zeros(1, 1, 32, 32).double(), plane), (32, 32), 30)
        steps.append(float(sum(s.abs().sum() for s in coders[1].symbols)))
    assert steps[1] > steps[0], "finer steps give larger symbols"


@pytest.mark.parametrize("offset", [0, 12])
def test_exported_integers_follow_the_trained_network(finished: Path, offset: int) -> None:
    network, _ = export.assemble(finished / "intra", finished / "inter", (offset, offset))
    task = runs.intra_trainer(finished / "intra", runs.schedule(6)).task
    task.networks.load_state_dict(weights.averaged_weights(finished / "intra", "intra"))
    frame = runs.pictures(finished / "intra").crop(0, 0, 0, 32)
    task.networks["model"].config = network.intra.config  # type: ignore[index]
    y = (torch.from_numpy(frame[0].copy()).float()[None, None] - 128) / 32
    uv = (torch.from_numpy(np.stack(frame[1:])).float()[None] - 128) / 32
    coders = (tiny.SilentCoder(), tiny.SilentCoder())
    for branch in (network.intra.luma, network.intra.chroma):
        branch.symbol_bits.zero_()
    for branch in ("luma", "chroma"):
        getattr(task.networks["model"], branch).symbol_bits.zero_()  # type: ignore[index]
    with torch.no_grad():
        trained = task.networks["model"](y, uv, torch.tensor([40]))  # type: ignore[index]
    network.use_exact()
    planes = ((y * 256).double(), (uv * 256).double())
    exact_y, exact_uv = network.intra.code(coders, planes, (32, 32), 40)
    for exact, wanted in ((exact_y, trained.y), (exact_uv, trained.uv)):
        error = (exact / 256 - wanted).square().mean().sqrt() * 32
        assert error < 2.5, "sample values; quantiser steps are 15"


def test_a_broken_bound_is_refused_at_export(finished: Path) -> None:
    network, _ = assembled(finished)
    network.inter.luma.prior.context["second"].weight_int.fill_(127)
    network.inter.luma.prior.context["second"].bias_int.fill_(2**24)
    with pytest.raises(
        ConfigError, match=r"layer inter.luma.prior.context.second: sums can reach \d+; "
    ):
        prove_model(network)


def test_a_broken_bound_of_a_transform_is_refused_at_export() -> None:
    network = tiny.network()
    network.intra.luma.gains.table[9, 3] = 2**30
    with pytest.raises(ConfigError, match=r"layer intra.luma.transform: .* at most 90071992547409"):
        prove_model(network)


def test_the_largest_steps_still_keep_the_bound() -> None:
    network = tiny.network()
    for branch in (network.intra.luma, network.inter.chroma):
        branch.gains.table.fill_(2**15)
    assert prove_model(network)


def test_a_joint_run_gives_both_parts(finished: Path) -> None:
    torch.manual_seed(0)
    trainer = runs.joint_trainer(finished / "joint", runs.schedule(2))
    trainer.run()
    network, rates = export.assemble(finished / "joint", finished / "joint", (3, 16))
    assert network.inter.config == replace(tiny.INTER, chroma_offset=16)
    assert network.intra.config == replace(tiny.INTRA, chroma_offset=3)
    for name in ("intra.luma.synthesis.leave.weight", "inter.chroma.prior.condition.weight"):
        part, inner = name.split(".", 1)
        trained = trainer.average[f"{part}.model.{inner}"]
        assert torch.equal(network.get_parameter(name), trained), name
    for name, rate in rates.items():
        part, branch = name.split(".")
        trained = trainer.average[f"{part}.{branch}.bottleneck.quantiles"]
        assert torch.equal(rate.bottleneck.quantiles, trained), name
    assert prove_model(network)


def test_a_run_of_the_other_kind_is_refused(finished: Path) -> None:
    with pytest.raises(ConfigError, match="inter: unknown key 'luma_synthesis'; allowed are "):
        weights.run_config(IntraConfig, finished / "inter")


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="checkpoint: no checkpoint there; train first"):
        weights.averaged_weights(tmp_path, "intra")
