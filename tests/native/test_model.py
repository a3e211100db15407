"""The core and PyTorch code frames alike: same bytes, same pictures, for every kind of network."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colorvid.config import InterConfig, IntraConfig
from colorvid.errors import ConfigError
from colorvid.frame import Frame, Size
from colorvid.models.loading import Model, load_model
from colorvid.models.modelfile import is_encoder, read_model_file
from colorvid.models.networks import save_model
from colorvid.models.torch_codec import TorchCodec
from colorvid.motion.field import Vectors, grid_shape
from colorvid.native.core import Level, at_level
from colorvid.native.model import STAGES, Coded, NativeCodec, NativeModel
from tests import tiny
from tests.clips import moving_frames

HIGHEST = at_level("1").level
LEVELS = [level for level in Level if level is Level.PLAIN or level is HIGHEST]
WITHOUT: dict[str, Any] = {
    "luma_analysis": None,
    "luma_synthesis": None,
    "chroma_analysis": None,
    "chroma_synthesis": None,
}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as released": ({}, WITHOUT),
    "networks in the loop": ({}, {}),
    "one step": ({"context_steps": 1}, {"context_steps": 1}),
    "two and five steps": ({"context_steps": 2}, {"context_steps": 5}),
    "luma apart": (
        {"chroma_from_luma": False},
        {"chroma_from_luma": False, "context": False},
    ),
    "no context": ({}, {"context": False}),
    "chroma finer": ({"chroma_offset": 9}, {"chroma_offset": -7}),
    "no attention": ({"attention": False, "synthesis_blocks": 0, "analysis_blocks": 0}, {}),
    "odd widths": (
        {"luma_widths": (10, 18), "chroma_widths": (6, 34), "luma_prior": 22, "luma_hyper": 5},
        {"luma_prior": 6, "chroma_prior": 6, "luma_hyper": 1, **WITHOUT},
    ),
    "wide filters": (
        {"synthesis_kernel": 5, "prior_kernel": 7, "analysis_kernel": 1},
        WITHOUT,
    ),
    "other analysis": (
        {"luma_analysis": (20, 40), "chroma_analysis": (4, 6), "synthesis_fine": 3},
        {"luma_analysis": None, "chroma_synthesis": None},
    ),
    "learned transform": ({"dct": False}, WITHOUT),
}
"""Changes of the tiny intra and inter configurations."""


@cache
def model(kind: str, folder: Path) -> Model:
    """A random model of a kind in the native core; its `Model.network` is in PyTorch."""
    intra, inter = KINDS[kind]
    built = tiny.network(
        seed=7, intra=replace(tiny.INTRA, **intra), inter=replace(tiny.INTER, **inter)
    )
    path = folder / f"{kind}.safetensors"
    save_model(path, built, tiny.tables_for(built))
    loaded = load_model(str(path))
    assert loaded.native is not None
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def core_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests compare both ways, whatever was chosen for the rest."""
    monkeypatch.setenv("COLORVID_NATIVE", "1")


def some_vectors(size: Size, rng: np.random.Generator) -> Vectors:
    """Short vectors, and some of the longest."""
    field = rng.integers(-9, 10, (*grid_shape(*size.shape), 2))
    far = rng.random(field.shape) < 0.02
    field[far] = rng.choice([-2047, 2047], int(far.sum()))
    return field.astype(np.int16)


def assert_same(got: Frame, wanted: Frame) -> None:
    for a, b in zip(got.planes, wanted.planes, strict=True):
        np.testing.assert_array_equal(a, b)


def code(codec: NativeCodec | TorchCodec, frames: list[Frame], size: Size) -> list[Coded]:
    """A key frame and inter frames at several qualities, by vectors that know nothing."""
    rng = np.random.default_rng(11)
    coded = []
    for number, frame in enumerate(frames):
        vectors = some_vectors(size, rng) if number else None
        coded.append(codec.encode((63, 45, 5, 30)[number % 4], vectors, frame))
    return coded


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_is_coded_alike(kind: str, folder: Path) -> None:
    size = Size(70, 35)
    loaded = model(kind, folder)
    frames = moving_frames(4, *size.shape)
    wanted = code(TorchCodec(loaded.network, loaded.books, size), frames, size)
    assert loaded.native is not None
    got = code(NativeCodec(loaded.native, size), frames, size)
    decoder = NativeCodec(loaded.native, size)
    rng = np.random.default_rng(11)
    for number, (a, b) in enumerate(zip(got, wanted, strict=True)):
        assert a.latents == b.latents, number
        assert_same(a.picture, b.picture)
        for part in ("luma", "chroma", "side"):
            assert a.bits[part] == pytest.approx(b.bits[part], rel=1e-6, abs=1e-6)
        vectors = some_vectors(size, rng) if number else None
        shown = decoder.decode((63, 45, 5, 30)[number % 4], vectors, a.latents)
        assert_same(shown, b.picture)
    assert any(coded.latents for coded in wanted[1:])


@pytest.mark.parametrize("size", [Size(1, 1), Size(2, 3), Size(17, 1), Size(16, 16), Size(129, 47)])
@pytest.mark.parametrize("level", LEVELS)
def test_every_size_at_every_level(size: Size, level: Level, folder: Path) -> None:
    loaded = model("networks in the loop", folder)
    at = in_core("networks in the loop", folder, level)
    frames = moving_frames(3, *size.shape)
    wanted = code(TorchCodec(loaded.network, loaded.books, size), frames, size)
    for a, b in zip(code(NativeCodec(at, size), frames, size), wanted, strict=True):
        assert a.latents == b.latents
        assert_same(a.picture, b.picture)


def in_core(kind: str, folder: Path, level: Level) -> NativeModel:
    """A model with the kernels of a level."""
    from colorvid.models.loading import native_tensors

    file = read_model_file(str(model(kind, folder).file.path))
    core = at_level(level.name.lower())
    return NativeModel(core, file.configs(), native_tensors(file), encoder=True)


def test_damaged_sections_decode_to_the_same_pictures(folder: Path) -> None:
    size = Size(40, 24)
    loaded = model("as released", folder)
    assert loaded.native is not None
    rng = np.random.default_rng(3)
    native = NativeCodec(loaded.native, size)
    reference = TorchCodec(loaded.network, loaded.books, size)
    for _ in range(20):
        # Noise that holds no long escape, of which coders may make what they like.
        data = bytes(rng.integers(0, 200, int(rng.integers(9, 80)), np.uint8))
        vectors = some_vectors(size, rng)
        for section in (None, vectors):
            native.decode(20, section, data)
        key = native.decode(31, None, b"")
        assert_same(key, reference.decode(31, None, b""))
        assert_same(native.decode(7, vectors, b""), reference.decode(7, vectors, b""))


def test_a_frame_without_the_one_before_is_refused(folder: Path) -> None:
    size = Size(20, 20)
    loaded = model("as released", folder)
    assert loaded.native is not None
    codec = NativeCodec(loaded.native, size)
    still = np.zeros((*grid_shape(*size.shape), 2), np.int16)
    with pytest.raises(ConfigError, match="an inter frame needs the frame before it"):
        codec.decode(40, still, b"")
    codec.decode(40, None, b"")
    codec.decode(40, still, b"")
    codec.forget()
    with pytest.raises(ConfigError, match="an inter frame needs the frame before it"):
        codec.encode(40, still, moving_frames(1, 20, 20)[0])


@pytest.mark.parametrize("case", ["quality", "negative quality", "field", "vector"])
def test_arguments_out_of_range_are_refused(case: str, folder: Path) -> None:
    size = Size(20, 20)
    loaded = model("as released", folder)
    assert loaded.native is not None
    codec = NativeCodec(loaded.native, size)
    codec.decode(40, None, b"")
    quality = {"quality": 64, "negative quality": -1}.get(case, 40)
    field = np.zeros((3, 4 if case == "field" else 3, 2), np.int16)
    if case == "vector":
        field[1, 1, 0] = 2048
    with pytest.raises(ConfigError, match="native core: codec_decode refuses its arguments"):
        codec.decode(quality, field, b"")


def test_a_model_without_its_encoder_decodes_only(folder: Path) -> None:
    file = read_model_file(str(model("as released", folder).file.path))
    tensors = {name: array for name, array in file.tensors.items() if not is_encoder(name)}
    decoder = NativeModel(at_level("1"), file.configs(), tensors, encoder=False)
    codec = NativeCodec(decoder, Size(20, 20))
    codec.decode(40, None, b"")
    with pytest.raises(ConfigError, match="native core: codec_encode refuses its arguments"):
        codec.encode(40, None, moving_frames(1, 20, 20)[0])


def test_codecs_in_threads_share_a_model(folder: Path) -> None:
    size = Size(64, 48)
    loaded = model("networks in the loop", folder)
    assert loaded.native is not None
    frames = moving_frames(6, *size.shape)
    wanted = [coded.latents for coded in code(NativeCodec(loaded.native, size), frames, size)]
    results: list[list[bytes]] = []

    def work() -> None:
        assert loaded.native is not None
        codec = NativeCodec(loaded.native, size)
        results.append([coded.latents for coded in code(codec, frames, size)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [wanted] * 4


def test_work_is_counted(folder: Path) -> None:
    size = Size(64, 48)
    loaded = model("networks in the loop", folder)
    assert loaded.native is not None
    codec = NativeCodec(loaded.native, size)
    assert all(work.seconds == work.multiplications == 0 for work in codec.work().values())
    code(codec, moving_frames(3, *size.shape), size)
    work = codec.work()
    assert tuple(work) == STAGES
    assert all(work[stage].seconds > 0 for stage in STAGES)
    networks = ("analysis", "prior", "transform", "synthesis")
    assert all(work[stage].multiplications > 0 for stage in networks)


def test_the_released_models_are_what_they_were(folder: Path) -> None:
    """The sizes of the tests above are tiny; those of a release are not."""
    size = Size(48, 32)
    loaded = load_model("default")
    frames = moving_frames(2, *size.shape)
    wanted = code(TorchCodec(loaded.network, loaded.books, size), frames, size)
    assert loaded.native is not None
    for a, b in zip(code(NativeCodec(loaded.native, size), frames, size), wanted, strict=True):
        assert a.latents == b.latents
        assert_same(a.picture, b.picture)


def test_kinds_are_different(folder: Path) -> None:
    assert len({model(kind, folder).identity for kind in KINDS}) == len(KINDS)
    assert IntraConfig() != tiny.INTRA and InterConfig() != tiny.INTER
