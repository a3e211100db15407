import os
from pathlib import Path

import pytest
import torch

from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import GroupEncoder
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError, ModelMismatch
from colorvid.models import loading
from colorvid.models.loading import Model, load_model, model_for, model_on
from colorvid.models.modelfile import find_model, model_identity
from colorvid.native.core import VARIABLE, core
from tests import tiny
from tests.clips import moving_frames

needs_core = pytest.mark.skipif(core() is None, reason="needs the native core")


def test_a_model_is_loaded_by_one_torch_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = torch.get_num_threads(), []

    def load(name: str, device: str, carrier: torch.dtype | None, *, encoder: bool) -> Model:
        seen.append(torch.get_num_threads())
        return load_model(name, device, carrier, encoder=encoder)

    monkeypatch.setattr(loading, "load_model", load)
    monkeypatch.setattr(loading, "_kept", None)
    torch.set_num_threads(3)
    try:
        model_on("cpu", "default")
        assert seen == [1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_model_is_found_by_its_identity() -> None:
    identity = load_model().identity
    assert model_for(identity, "cpu", None).identity == identity
    assert model_for(identity, "cpu", str(find_model("default"))).identity == identity
    with pytest.raises(ModelMismatch, match=f"needs model {'00' * 16}; available are default"):
        model_for(bytes(16), "cpu", None)
    for device in ("abacus", "meta", 2**70, True, []):
        with pytest.raises(ConfigError, match="device .* cannot be used: .*; use cpu"):
            model_for(identity, device, None)  # type: ignore[arg-type]


def test_models_are_kept_for_those_who_want_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_kept", None)
    path = tmp_path / "tiny.safetensors"
    tiny.save(path)
    assert loading.model_on("cpu", str(path)) is not loading.model_on("cpu", str(path))
    loading.keep_models()
    kept = loading.model_on("cpu", str(path))
    assert loading.model_on("cpu", str(path)) is kept
    identity = model_identity(str(path))
    tiny.save(path, seed=1)
    os.utime(path, (1, 1))
    other = loading.model_on("cpu", str(path))
    assert other.identity != kept.identity == identity, "a file that has changed is read again"
    assert model_identity(str(path)) == other.identity
    monkeypatch.setenv(VARIABLE, "plain")
    assert loading.model_on("cpu", str(path)) is not other, "other kernels"


def test_a_model_in_words() -> None:
    model = tiny.model()
    worker = "PyTorch" if model.native is None else "native core"
    assert repr(model) == f"Model({model.identity.hex()}, cpu, {worker})"


@needs_core
def test_a_model_for_decoding_alone_does_not_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_kept", None)
    model = model_for(model_identity("default"), "cpu", None)
    frames = moving_frames(2, 40, 48)
    with pytest.raises(ConfigError, match="decoding alone; load it with encoder=True"):
        GroupEncoder(model, EncoderSettings(gop=1), frames[0].size, 0).push(frames[0])
    whole = model_for(model_identity("default"), "cpu", None, encoder=True)
    coded = GroupEncoder(whole, EncoderSettings(gop=1), frames[0].size, 0).push(frames[0])
    assert Decoder(model, (48, 40)).push(coded[0].packet) == [coded[0].picture]


@needs_core
def test_a_kept_model_that_encodes_decodes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colorvid.models.loading._kept", {})
    whole = model_on("cpu", "default")
    assert model_for(whole.identity, "cpu", None) is whole
