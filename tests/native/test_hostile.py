"""The core trusts nothing: damaged packets and model files do no harm, whatever they hold.

Run it with the sanitizers too, see docs/native.md; ``-m slow`` tries many more cases.
"""

from __future__ import annotations

import json
import lzma
from dataclasses import asdict
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.bitstream import Packet
from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.config import InterConfig, IntraConfig, from_table
from colorvid.errors import ConfigError, DamagedStream, ModelMismatch
from colorvid.frame import Size
from colorvid.models.loading import load_model, native_tensors
from colorvid.models.modelfile import ModelFile, read_model_file
from colorvid.motion.field import grid_shape
from colorvid.motion.native import motion_coder
from colorvid.native.core import at_level
from colorvid.native.model import NativeCodec, NativeModel
from tests.clips import moving_frames
from tests.conftest import P_FRAMES_ALONE
from tests.motion.frames import b_links, p_links

Random = np.random.Generator
CONFORMANCE = Path(__file__).parents[1] / "conformance"
CORE = at_level("1")
SIZE = Size(37, 26)
SLOTS = 3


@pytest.fixture(autouse=True)
def core_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORVID_NATIVE", "1")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    """The model file of the conformance set, a few kilobytes."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    path.write_bytes(lzma.decompress((CONFORMANCE / "tiny.safetensors.xz").read_bytes()))
    return read_model_file(str(path))


@lru_cache(maxsize=1)
def packets(path: Path) -> list[Packet]:
    """Two groups of key, P and B frames by a model."""
    encoder = Encoder(load_model(str(path)), EncoderSettings(gop=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*P_FRAMES_ALONE)
        coded = [encoder.push(frame) for frame in moving_frames(10, *SIZE.shape)]
        return [step.packet for step in [*chain.from_iterable(coded), *encoder.flush()]]


def damage(data: bytes, rng: Random) -> bytes:
    """Bytes changed, cut off, put in, or all new."""
    kind = int(rng.integers(5))
    if kind == 0 or not data:
        return rng.bytes(int(rng.integers(0, 200)))
    array = np.frombuffer(data, np.uint8).copy()
    if kind == 1:
        array[rng.integers(0, len(array), int(rng.integers(1, 5)))] ^= rng.integers(
            1, 256, 1, np.uint8
        )
    elif kind == 2:
        array = array[: int(rng.integers(0, len(array)))]
    elif kind == 3:
        array = np.insert(
            array, int(rng.integers(0, len(array))), rng.integers(0, 256, 4, np.uint8)
        )
    else:
        array[int(rng.integers(0, len(array))) :] = 255
    return array.tobytes()


def decode_damaged(codec: NativeCodec, path: Path, rng: Random) -> bool:
    """A key, a P and a B frame of damaged packets; whether the motion of both could be read."""
    whole = True
    coder = motion_coder(grid_shape(*SIZE.shape), SLOTS)
    coder.start(0)
    for kind, links in enumerate((None, p_links(0, 1, 2), b_links(0, 1, 2))):
        chosen = [p for p in packets(path) if len(p.references) == kind]
        packet = chosen[int(rng.integers(len(chosen)))]
        quality, latents = int(rng.integers(64)), damage(packet.latents, rng)
        if links is None:
            decoded = codec.decode_key(quality, 0, latents)
        else:
            try:
                motion = coder.decode(links, damage(packet.motion, rng))
            except DamagedStream:
                whole = False
                motion = coder.decode(links, b"")
            decoded = codec.decode_inter(quality, links, motion, latents)
        assert decoded.picture.size == SIZE
    return whole


def damaged_packets(file: ModelFile, count: int) -> None:
    rng = np.random.default_rng(count)
    model = NativeModel(CORE, file.configs(), native_tensors(file), encoder=True)
    codec = NativeCodec(model, SIZE, SLOTS)
    whole = sum(decode_damaged(codec, file.path, rng) for _ in range(count))
    assert 0 < whole < count


def change_array(array: NDArray[Any], rng: Random) -> NDArray[Any]:
    """Another shape, type or values."""
    kind = int(rng.integers(6))
    if kind == 0:
        return array[: int(rng.integers(0, len(array) + 1))]
    if kind == 1:
        return array.reshape(-1)
    if kind == 2:
        types = [t for t in ("int8", "int16", "int32", "float32") if t != str(array.dtype)]
        return array.astype(str(rng.choice(types)))
    changed = array.copy()
    place = tuple(int(rng.integers(n)) for n in array.shape)
    if array.dtype.kind == "f":
        changed[place] = rng.choice([0.0, -1.0, 1e30, np.inf, np.nan])
    else:
        limits = np.iinfo(array.dtype)
        value = int(rng.choice([limits.min, limits.max, 0, -1]))
        if kind == 3:
            changed[...] = value
        else:
            changed[place] = value
    return changed


def change_config(config: IntraConfig | InterConfig, rng: Random) -> IntraConfig | InterConfig:
    """One number changed."""
    table = json.loads(json.dumps(asdict(config)))
    key = str(rng.choice(sorted(table)))
    value = int(rng.choice([-1, 0, 1, 2, 3, 7, 2**20, 2**31 - 1]))
    old = table[key]
    if isinstance(old, bool):
        table[key] = not old
    elif isinstance(old, list):
        table[key][int(rng.integers(2))] = value
    elif isinstance(old, int):
        table[key] = value
    elif isinstance(old, float):
        table[key] = float(rng.choice([np.inf, -1e30, 0.0, np.nan]))
    else:
        table[key] = (value, value)
    changed: IntraConfig | InterConfig = from_table(type(config), table, "model")
    return changed


def damaged_models(file: ModelFile, count: int) -> None:
    rng = np.random.default_rng(count)
    good = native_tensors(file)
    names = sorted(good)
    taken = 0
    for _ in range(count):
        tensors, configs = dict(good), list(file.configs())
        kind = int(rng.integers(4))
        name = names[int(rng.integers(len(names)))]
        try:
            if kind == 0:
                del tensors[name]
            elif kind == 1:
                place = int(rng.integers(2))
                configs[place] = change_config(configs[place], rng)  # type: ignore[call-overload]
            else:
                tensors[name] = change_array(good[name], rng)
            model = NativeModel(CORE, (configs[0], configs[1]), tensors, encoder=True)
        except (ModelMismatch, ConfigError, OverflowError, ZeroDivisionError, MemoryError):
            continue
        taken += 1
        decode_damaged(NativeCodec(model, SIZE, SLOTS), file.path, rng)
    assert 0 < taken < count


def test_damaged_packets_do_no_harm(file: ModelFile) -> None:
    damaged_packets(file, 300)


def test_damaged_models_do_no_harm(file: ModelFile) -> None:
    damaged_models(file, 100)


@pytest.mark.slow
def test_many_damaged_packets_do_no_harm(file: ModelFile) -> None:
    damaged_packets(file, 100_000)


@pytest.mark.slow
def test_many_damaged_models_do_no_harm(file: ModelFile) -> None:
    damaged_models(file, 5_000)
