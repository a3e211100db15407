from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.config import IntraConfig
from colorvid.errors import ModelMismatch
from colorvid.frame import Size
from colorvid.models.loading import load_model
from colorvid.models.modelfile import (
    BRANCHES,
    LATER_FIELDS,
    RELEASED,
    find_model,
    is_encoder,
    model_identity,
)
from colorvid.models.networks import save_model
from colorvid.native.core import VARIABLE
from tests import tiny
from tests.clips import moving_frames

Contents = tuple[dict[str, Tensor], dict[str, str]]


def contents(path: Path) -> Contents:
    with safe_open(str(path), "pt") as file:
        return {k: file.get_tensor(k) for k in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path)
    return path


def changed(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], Any]) -> str:
    """A model file with changed contents."""
    tensors, metadata = contents(path)
    change(tensors, metadata)
    other = path.with_name("changed.safetensors")
    save_file(tensors, other, metadata=metadata)
    return str(other)


PLAIN = dataclasses.replace(tiny.INTRA, dct=False, attention=False)
RESIZED = dataclasses.replace(
    tiny.INTRA,
    luma_analysis=(10, 14),
    chroma_analysis=(6, 12),
    synthesis_fine=3,
    analysis_kernel=1,
    synthesis_kernel=5,
    prior_kernel=7,
)


@pytest.mark.parametrize("intra", [tiny.INTRA, PLAIN, RESIZED], ids=["default", "plain", "resized"])
def test_loading_gives_what_was_saved(tmp_path: Path, intra: IntraConfig) -> None:
    built = tiny.network(seed=3, intra=intra)
    tables = tiny.tables_for(built)
    path = tmp_path / "model.safetensors"
    identity = save_model(path, built, tables)
    loaded = load_model(str(path))
    assert loaded.identity == identity and len(identity) == 16
    assert loaded.network.intra.config == intra
    assert loaded.network.inter.config == tiny.INTER
    state = loaded.network.state_dict()
    for name, value in built.state_dict().items():
        if name.rsplit(".", 1)[-1] in ("weight_int", "bias_int", "basis_int", "factor", "table"):
            if not is_encoder(name):
                assert torch.equal(state[name], value), name
        elif is_encoder(name) and name.endswith("weight"):
            assert torch.equal(state[name], value.half().float()), name
    assert set(loaded.books) == set(BRANCHES)
    frame = moving_frames(1, 48, 64)[0]
    for quality in (0, 63):
        [coded] = Encoder(loaded, EncoderSettings(quality=quality, gop=1)).push(frame)
        assert Decoder(loaded, Size(64, 48)).decode(coded.packet).crc32() == coded.picture.crc32()
    book, saved = loaded.pair("inter")[1], tables["inter.chroma"]
    assert book.latents.rows == saved[1].rows and book.hyper.rows == saved[0].rows


def test_the_decoder_has_no_float_weights(path: Path) -> None:
    tensors, _ = contents(path)
    for name, value in tensors.items():
        if name.endswith((".weight", ".bias", ".values")):
            assert is_encoder(name) and value.dtype == torch.float16, name
    network = load_model(str(path)).network
    assert network.intra.luma.prior.context["high_first"].weight is None
    assert not any(p.requires_grad for p in network.parameters())


def test_saving_twice_gives_the_same_identity(tmp_path: Path, path: Path) -> None:
    identity = tiny.save(tmp_path / "again.safetensors")
    assert load_model(str(path)).identity == identity


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("intra.luma.analysis.enter.weight", True),
        ("inter.chroma.prior.hyper_analysis.down2.bias", True),
        ("inter.chroma.synthesis.leave.weight_int", False),
        ("intra.luma.prior.context.high_first.bias_int", False),
        ("inter.luma.prior.index_heads.first.factor", False),
        ("intra.chroma.gains.table", False),
        ("intra.luma.synthesis.quality.table", False),
        ("inter.luma.transform.basis_int", False),
        ("tables.intra.luma.latents.cdf", False),
    ],
)
def test_identity_is_that_of_the_decoder(path: Path, name: str, same: bool) -> None:
    def change(tensors: dict[str, Tensor], _: dict[str, str]) -> None:
        part = tensors[name].flatten()[1:2]
        part += 1 if part < 100 else -1

    other = load_model(changed(path, change)).identity
    assert (other == load_model(str(path)).identity) is same


def test_identity_leaves_out_what_older_files_lack(path: Path) -> None:
    older = changed(path, lambda t, m: m.update(config=without_later(m["config"])))
    assert model_identity(older) == model_identity(str(path))
    for change, same in (({"analysis_kernel": 5}, True), ({"prior_kernel": 5}, False)):
        other = changed(path, edit_config(**change))
        assert (model_identity(other) == model_identity(str(path))) is same


def without_later(config: str) -> str:
    """A configuration as older versions wrote it."""
    table = json.loads(config)
    for name, value in LATER_FIELDS.items():
        assert table["intra"].pop(name) == value
    return json.dumps(table)


def test_released_models_load_by_name() -> None:
    assert set(RELEASED) == {"default", "color"}
    for name in RELEASED:
        model = load_model(name)
        assert model.network.carrier == torch.float32
        assert load_model(name, carrier=torch.float64).identity == model.identity
        assert model_identity(name) == model.identity
    assert sum(find_model(name).stat().st_size for name in RELEASED) < 40e6
    assert len({model_identity(name) for name in RELEASED}) == len(RELEASED)


@pytest.mark.parametrize("name", RELEASED)
def test_cards_name_their_models(name: str) -> None:
    card = find_model(name).with_suffix(".md").read_text(encoding="utf-8")
    assert f"| identity | `{model_identity(name).hex()}` |" in card


def test_other_files_are_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(ModelMismatch) as error:
        load_model(str(tmp_path / "none"))
    reason = "none' is neither a file nor one of default, color; check the name"
    assert str(error.value).endswith(reason)
    noise = tmp_path / "noise"
    for data in (b"", b"\x00" * 7, b"\xff" * 100, path.read_bytes()[:-5]):
        noise.write_bytes(data)
        with pytest.raises(ModelMismatch, match="noise: cannot be read as a model: "):
            load_model(str(noise))
    save_file({"a": torch.zeros(1)}, noise)
    with pytest.raises(ModelMismatch, match="noise: not a colorvid model of format colorvid-model"):
        load_model(str(noise))


def edit_config(**changes: Any) -> Callable[[dict[str, Tensor], dict[str, str]], None]:
    def change(_: dict[str, Tensor], metadata: dict[str, str]) -> None:
        config = json.loads(metadata["config"])
        config["intra"].update(changes)
        metadata["config"] = json.dumps(config)

    return change


LUMA = "intra.luma.prior.context.high_first.weight_int"
FACTOR = "inter.luma.prior.context.second.factor"
GAINS = "intra.chroma.gains.table"
ENTER = "inter.luma.prior.hyper_analysis.enter.weight"
BASIS = "intra.luma.transform.basis_int"
BROKEN: dict[str, tuple[Callable[[dict[str, Tensor], dict[str, str]], Any], str]] = {
    "no config": (lambda t, m: m.pop("config"), "this version can run: Expecting value"),
    "no part": (lambda t, m: m.update(config="{}"), "this version can run: 'intra'"),
    "not an object": (lambda t, m: m.update(config="3"), "this version can run: "),
    "newer": (edit_config(luma_layers=3), "unknown key 'luma_layers'"),
    "wrong type": (edit_config(luma_prior="x"), "luma_prior is 'x'"),
    "other sizes": (edit_config(luma_prior=24), "this version can run: "),
    "lacks": (lambda t, m: t.pop(LUMA), f"missing are \\['{LUMA}'\\]"),
    "lacks encoder": (lambda t, m: t.pop("inter.luma.analysis.enter.weight"), "missing are "),
    "too much": (lambda t, m: t.update(x=torch.zeros(1)), "not expected \\['x'\\]"),
    "infinite factor": (
        lambda t, m: t[FACTOR].fill_(float("inf")),
        "layer inter.luma.prior.context.second: a factor is not finite; export the model again",
    ),
    "huge steps": (
        lambda t, m: t[GAINS].fill_(-(2**31)),
        "layer intra.chroma.transform: sums can reach",
    ),
    "infinite weight": (
        lambda t, m: t[ENTER].fill_(float("nan")),
        f"{ENTER}: a weight is not finite; export the model again",
    ),
    "no step": (
        lambda t, m: t[GAINS][7].fill_(0),
        f"{GAINS}: a step is 0; export the model again",
    ),
    "huge basis": (
        lambda t, m: t[BASIS].fill_(2**15 - 1),
        "layer intra.luma.transform of the encoder: sums can reach 17238032640; at most 2147483647",
    ),
    "no tables": (lambda t, m: t.pop("tables.inter.luma.hyper.cdf"), "this version can run: "),
    "broken tables": (
        lambda t, m: t["tables.inter.luma.hyper.cdf"].fill_(7),
        "table 0 does not rise",
    ),
    "few tables": (
        lambda t, m: t.update({k: t[k][:9] for k in t if k.startswith("tables.inter.luma.lat")}),
        r"inter.luma has \(2, 9\) tables; it needs \(2, 64\)",
    ),
}


@pytest.mark.parametrize("way", ["0", "1"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_models_are_refused(
    path: Path, case: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, way)
    change, message = BROKEN[case]
    with pytest.raises(ModelMismatch, match=f"changed.safetensors: .*{message}") as error:
        load_model(changed(path, change))
    assert "\n" not in str(error.value)
