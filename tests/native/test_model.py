"""The core and PyTorch code frames alike: same bytes, same pictures, for every kind of network."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colorvid.config import InterConfig, IntraConfig
from colorvid.entropy.flags import TABLES
from colorvid.entropy.rans import SymbolReader, SymbolWriter
from colorvid.errors import ConfigError
from colorvid.frame import Frame, Links, Motion, Size, Vectors
from colorvid.models.frames import FrameCodec
from colorvid.models.loading import Model, load_model
from colorvid.models.modelfile import is_encoder, read_model_file
from colorvid.models.networks import save_model
from colorvid.models.torch_codec import TorchCodec
from colorvid.motion.coding import still_motion
from colorvid.motion.field import grid_shape
from colorvid.native.core import Level, at_level
from colorvid.native.model import STAGES, Coded, NativeCodec, NativeModel
from tests import tiny
from tests.clips import moving_frames
from tests.motion.frames import b_links, p_links, uses_of

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
    "bits are free": ({"rate_weight": 0.0}, {"rate_weight": 0.0, **WITHOUT}),
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


@dataclass(frozen=True)
class Step:
    """A frame of a made-up group: what it is predicted from, and how."""

    quality: int
    links: Links | None
    motion: Motion | None


ORDER = (
    p_links(0, 1, 4),
    b_links(0, 1, 2, (2, 2)),
    b_links(0, 2, 3, (1, 1)),
    b_links(2, 1, 3, (1, 2)),
    b_links(3, 2, 0, (2, 1)),
    p_links(0, 3, 16),
)
"""Behind a key frame in slot 0; slots are used again, and the nearer reference is either one."""
SLOTS = 4


def some_motion(size: Size, links: Links, rng: np.random.Generator) -> Motion:
    """Short vectors and some of the longest, and all uses."""
    shape = grid_shape(*size.shape)

    def vectors() -> Vectors:
        field = rng.integers(-9, 10, (*shape, 2))
        far = rng.random(field.shape) < 0.02
        field[far] = rng.choice([-2047, 2047], int(far.sum()))
        return field.astype(np.int16)

    if links.future is None:
        return Motion(vectors())
    return Motion(vectors(), vectors(), uses_of(shape, int(rng.integers(99))))


def steps(size: Size, count: int) -> list[Step]:
    """A key frame and P and B frames at several qualities, by motion that knows nothing."""
    rng = np.random.default_rng(11)
    made = [Step(63, None, None)]
    for number in range(1, count):
        links = ORDER[number - 1]
        made.append(Step((63, 45, 5, 30)[number % 4], links, some_motion(size, links, rng)))
    return made


def assert_same(got: Frame, wanted: Frame) -> None:
    for a, b in zip(got.planes, wanted.planes, strict=True):
        np.testing.assert_array_equal(a, b)


def code(codec: FrameCodec, frames: list[Frame], size: Size) -> list[Coded]:
    """Encode frames by `steps`."""
    coded = []
    for step, frame in zip(steps(size, len(frames)), frames, strict=True):
        if step.links is None or step.motion is None:
            coded.append(codec.encode_key(step.quality, 0, frame))
        else:
            coded.append(codec.encode_inter(step.quality, step.links, step.motion, frame))
    return coded


def decode(codec: FrameCodec, sections: list[bytes], size: Size) -> list[Frame]:
    """Decode latents by `steps`."""
    shown = []
    for step, latents in zip(steps(size, len(sections)), sections, strict=True):
        if step.links is None or step.motion is None:
            shown.append(codec.decode_key(step.quality, 0, latents).picture)
        else:
            decoded = codec.decode_inter(step.quality, step.links, step.motion, latents)
            shown.append(decoded.picture)
    return shown


def native_codec(
    loaded: Model | NativeModel, size: Size, depth: int = 8, *, tries: bool = True
) -> NativeCodec:
    """A codec in the core, of a model that is there."""
    built = loaded.native if isinstance(loaded, Model) else loaded
    assert built is not None
    return NativeCodec(built, size, SLOTS, depth, tries=tries)


@pytest.mark.parametrize(
    ("kind", "tries"),
    [*((kind, True) for kind in KINDS), ("as released", False)],
)
def test_every_kind_of_network_is_coded_alike(kind: str, tries: bool, folder: Path) -> None:
    size = Size(70, 35)
    loaded = model(kind, folder)
    frames = moving_frames(5, *size.shape)
    wanted = code(TorchCodec(loaded.network, loaded.books, size, tries=tries), frames, size)
    got = code(native_codec(loaded, size, tries=tries), frames, size)
    for number, (a, b) in enumerate(zip(got, wanted, strict=True)):
        assert a.latents == b.latents, number
        assert_same(a.picture, b.picture)
        for part in ("luma", "chroma", "side"):
            assert a.bits[part] == pytest.approx(b.bits[part], rel=1e-6, abs=1e-6)
    shown = decode(native_codec(loaded, size), [coded.latents for coded in got], size)
    for frame, b in zip(shown, wanted, strict=True):
        assert_same(frame, b.picture)
    assert any(coded.latents for coded in wanted[1:])


@pytest.mark.parametrize("size", [Size(1, 1), Size(2, 3), Size(17, 1), Size(16, 16), Size(129, 47)])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("depth", [8, 10])
def test_every_size_at_every_level(size: Size, level: Level, depth: int, folder: Path) -> None:
    loaded = model("networks in the loop", folder)
    at = in_core("networks in the loop", folder, level)
    frames = moving_frames(7, *size.shape, depth=depth)
    wanted = code(TorchCodec(loaded.network, loaded.books, size, depth), frames, size)
    got = code(native_codec(at, size, depth), frames, size)
    for a, b in zip(got, wanted, strict=True):
        assert a.latents == b.latents
        assert_same(a.picture, b.picture)
    codecs = native_codec(at, size, depth), TorchCodec(loaded.network, loaded.books, size, depth)
    for codec in codecs:
        shown = decode(codec, [coded.latents for coded in got], size)
        for frame, b in zip(shown, wanted, strict=True):
            assert_same(frame, b.picture)


Grid = list[list[bool]]
PATCHES: dict[str, tuple[set[tuple[int, int]], set[tuple[int, int]]]] = {
    "corners": ({(0, 0), (2, 3)}, {(0, 0)}),
    "diagonal": ({(0, 1), (1, 2), (2, 1)}, {(1, 2), (1, 3)}),
    "luma alone": ({(1, 1)}, set()),
    "chroma alone": (set(), {(0, 3), (2, 0)}),
    "nothing": (set(), set()),
}
"""Places of 32x32 luma samples that change in luma, and in chroma, of a grid of 3x4."""


def with_patches(frame: Frame, luma: set[tuple[int, int]], chroma: set[tuple[int, int]]) -> Frame:
    """The frame with steep changes in places; all else stays the same."""
    y, u, v = (plane.copy() for plane in frame.planes)
    for row, column in luma:
        y[32 * row + 1 : 32 * row + 24, 32 * column + 1 : 32 * column + 24] ^= 0x80
    for row, column in chroma:
        v[16 * row : 16 * row + 12, 16 * column : 16 * column + 12] ^= 0x80
    return Frame(y, u, v)


def flags_in(latents: bytes, loaded: Model, grid: tuple[int, int]) -> Grid:
    """Flags of the branch that comes first: luma."""
    reader = SymbolReader(latents).branch(loaded.books["inter.luma"])
    flags: Grid = reader.flags(None, grid).tolist()
    return flags


@pytest.mark.parametrize("size", [Size(128, 96), Size(121, 90), Size(99, 67)])
@pytest.mark.parametrize("case", PATCHES)
@pytest.mark.parametrize("kind", ["as released", "wide filters"])
def test_partly_active_frames_are_coded_alike(
    kind: str, case: str, size: Size, folder: Path
) -> None:
    loaded, (luma, chroma) = model(kind, folder), PATCHES[case]
    ways = (native_codec(loaded, size), TorchCodec(loaded.network, loaded.books, size))
    decoders = (native_codec(loaded, size), TorchCodec(loaded.network, loaded.books, size))
    [source] = moving_frames(1, *size.shape)
    key = [way.encode_key(50, 0, source) for way in ways]
    links = p_links(0, 1)
    # What is coded without loss but for the patches: all else is as predicted.
    frame = with_patches(key[0].picture, luma, chroma)
    coded = [way.encode_inter(40, links, still(size, links), frame) for way in ways]
    assert coded[0].latents == coded[1].latents
    assert (coded[0].latents == b"") == (case == "nothing")
    wanted = [[(row, column) in luma for column in range(4)] for row in range(3)]
    assert flags_in(coded[0].latents, loaded, (3, 4)) == wanted
    for decoder in decoders:
        decoder.decode_key(50, 0, key[0].latents)
        shown = decoder.decode_inter(40, links, still(size, links), coded[0].latents)
        assert_same(shown.picture, coded[1].picture)
    assert_same(coded[0].picture, coded[1].picture)


def test_flags_that_we_never_write_are_read_alike(folder: Path) -> None:
    """Classes below 0 and beyond 7, flags other than 0 and 1, no flag in a class above 0."""
    size, loaded = Size(128, 96), model("as released", folder)
    book, links = loaded.books["inter.luma"], p_links(0, 1)
    native, reference = native_codec(loaded, size), TorchCodec(loaded.network, loaded.books, size)
    for said, flags in ((-3, [2, 0, -1] + [0] * 9), (12, [0] * 12), (2047, [-300] * 12)):
        writer, above = SymbolWriter(), np.zeros(6, np.int32)
        writer.write(TABLES, np.array([said], np.int32), np.zeros(1, np.int32))
        for row in np.array(flags, np.int32).reshape(3, 4):
            index = 4 * (abs(said) % 8) - 3 + above[:-2] + above[1:-1] + above[2:]
            writer.write(TABLES, row, index)
            above[1:-1] = row != 0
        for value in np.arange(300) % 5 - 2:  # what it is taken for is the decoders' matter
            writer.write(book.hyper, np.full(1, value, np.int32), np.zeros(1, np.int32))
        data = writer.finish()
        for codec in (native, reference):
            codec.decode_key(50, 0, b"")
        shown = [c.decode_inter(40, links, still(size, links), data) for c in (native, reference)]
        assert_same(shown[0].picture, shown[1].picture)


def in_core(kind: str, folder: Path, level: Level) -> NativeModel:
    """A model with the kernels of a level."""
    from colorvid.models.loading import native_tensors

    file = read_model_file(str(model(kind, folder).file.path))
    core = at_level(level.name.lower())
    return NativeModel(core, file.configs(), native_tensors(file), encoder=True)


def test_damaged_sections_decode_to_the_same_pictures(folder: Path) -> None:
    size = Size(40, 24)
    loaded = model("as released", folder)
    rng = np.random.default_rng(3)
    native, reference = native_codec(loaded, size), TorchCodec(loaded.network, loaded.books, size)
    p, b = p_links(0, 1, 2), b_links(0, 1, 2)
    for _ in range(20):
        # Noise that holds no long escape, of which coders may make what they like.
        data = bytes(rng.integers(0, 200, int(rng.integers(9, 80)), np.uint8))
        one, two = some_motion(size, p, rng), some_motion(size, b, rng)
        native.decode_key(20, 0, data)
        native.decode_inter(20, p, one, data)
        native.decode_inter(20, b, two, data)
        shown = [codec.decode_key(31, 0, b"").picture for codec in (native, reference)]
        assert_same(*shown)
        for links, motion in ((p, one), (b, two)):
            shown = [c.decode_inter(7, links, motion, b"").picture for c in (native, reference)]
            assert_same(*shown)


def still(size: Size, links: Links) -> Motion:
    return still_motion(links, grid_shape(*size.shape))


@pytest.mark.parametrize("way", ["native", "torch"])
@pytest.mark.parametrize("links", [p_links(1, 2), b_links(0, 1, 2), b_links(1, 0, 2)])
def test_a_frame_without_its_references_is_refused(way: str, links: Links, folder: Path) -> None:
    size = Size(20, 20)
    loaded = model("as released", folder)
    codec: FrameCodec = native_codec(loaded, size)
    if way == "torch":
        codec = TorchCodec(loaded.network, loaded.books, size)
    codec.decode_key(40, 0, b"")
    motion = still(size, links)
    with pytest.raises(ConfigError, match="an inter frame needs its references"):
        codec.decode_inter(40, links, motion, b"")
    with pytest.raises(ConfigError, match="an inter frame needs its references"):
        codec.encode_inter(40, links, motion, moving_frames(1, 20, 20)[0])
    codec.decode_key(40, 1, b"")
    codec.decode_inter(40, links, motion, b"")


@pytest.mark.parametrize(
    "case", ["quality", "negative quality", "field", "vector", "later vector", "use", "slot"]
)
def test_arguments_out_of_range_are_refused(case: str, folder: Path) -> None:
    size = Size(20, 20)
    codec = native_codec(model("as released", folder), size)
    codec.decode_key(40, 0, b"")
    quality = {"quality": 64, "negative quality": -1}.get(case, 40)
    links = b_links(0, 0, SLOTS if case == "slot" else 1)
    motion = still_motion(links, (3, 4 if case == "field" else 3))
    assert motion.future is not None and motion.uses is not None
    if case == "vector":
        motion.past[1, 1, 0] = 2048
    if case == "later vector":
        motion.future[2, 2, 1] = -2048
    if case == "use":
        motion.uses[0, 1] = 3
    with pytest.raises(ConfigError, match="native core: codec_decode refuses its arguments"):
        codec.decode_inter(quality, links, motion, b"")
    with pytest.raises(ConfigError, match="native core: codec_encode refuses its arguments"):
        codec.encode_inter(quality, links, motion, moving_frames(1, 20, 20)[0])


@pytest.mark.parametrize("target", [-1, SLOTS])
def test_key_frames_in_slots_that_are_not_there_are_refused(target: int, folder: Path) -> None:
    codec = native_codec(model("as released", folder), Size(20, 20))
    with pytest.raises(ConfigError, match="native core: codec_decode refuses its arguments"):
        codec.decode_key(40, target, b"")


def test_a_model_without_its_encoder_decodes_only(folder: Path) -> None:
    file = read_model_file(str(model("as released", folder).file.path))
    tensors = {name: array for name, array in file.tensors.items() if not is_encoder(name)}
    decoder = NativeModel(at_level("1"), file.configs(), tensors, encoder=False)
    codec = native_codec(decoder, Size(20, 20))
    codec.decode_key(40, 0, b"")
    with pytest.raises(ConfigError, match="for decoding alone"):
        codec.encode_key(40, 0, moving_frames(1, 20, 20)[0])


def test_codecs_in_threads_share_a_model(folder: Path) -> None:
    size = Size(64, 48)
    loaded = model("networks in the loop", folder)
    frames = moving_frames(6, *size.shape)
    wanted = [coded.latents for coded in code(native_codec(loaded, size), frames, size)]
    results: list[list[bytes]] = []

    def work() -> None:
        codec = native_codec(loaded, size)
        results.append([coded.latents for coded in code(codec, frames, size)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [wanted] * 4


def test_threads_share_a_codec(folder: Path) -> None:
    """B frames between the same two frames need nothing of each other."""
    size, count = Size(200, 120), SLOTS - 2
    codec = native_codec(model("networks in the loop", folder), size)
    frames = moving_frames(count + 2, *size.shape)
    links = [b_links(0, 1, 2 + number) for number in range(count)]
    rng = np.random.default_rng(5)
    motions = [some_motion(size, link, rng) for link in links]
    codec.encode_key(40, 0, frames[0])
    codec.encode_inter(40, p_links(0, 1), still(size, p_links(0, 1)), frames[-1])

    def encode(number: int) -> Coded:
        return codec.encode_inter(30, links[number], motions[number], frames[1 + number])

    def products() -> float:
        return codec.work()["prior"].multiplications

    start = products()
    wanted = [encode(number) for number in range(count)]
    each = products() - start
    with ThreadPoolExecutor(count) as pool:
        for _ in range(20):
            for got, one in zip(pool.map(encode, range(count)), wanted, strict=True):
                assert (got.latents, got.bits) == (one.latents, one.bits)
                assert_same(got.picture, one.picture)
    assert products() - start == pytest.approx(21 * each) and each > 0


def test_workspaces_are_shared_and_go_with_the_last_codec(folder: Path) -> None:
    native = in_core("networks in the loop", folder, Level.PLAIN)
    first, second = native_codec(native, Size(40, 24)), native_codec(native, Size(70, 90))
    assert native.workspaces() is native.workspaces()
    shared = weakref.ref(native.workspaces())
    with native.workspaces().one() as a, native.workspaces().one() as b:
        assert a != b
    for codec, size in ((first, Size(40, 24)), (second, Size(70, 90)), (first, Size(40, 24))):
        [frame] = moving_frames(1, *size.shape)
        alone = native_codec(model("networks in the loop", folder), size)
        assert codec.encode_key(30, 0, frame).latents == alone.encode_key(30, 0, frame).latents
    del first
    assert shared() is not None
    del second, codec
    assert shared() is None


def test_work_is_counted(folder: Path) -> None:
    size = Size(64, 48)
    loaded = model("networks in the loop", folder)
    codec = native_codec(loaded, size)
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
    frames = moving_frames(3, *size.shape)
    wanted = code(TorchCodec(loaded.network, loaded.books, size), frames, size)
    for a, b in zip(code(native_codec(loaded, size), frames, size), wanted, strict=True):
        assert a.latents == b.latents
        assert_same(a.picture, b.picture)


def test_kinds_are_different(folder: Path) -> None:
    decoded = [kind for kind in KINDS if kind != "bits are free"]  # that is the encoder's affair
    assert len({model(kind, folder).identity for kind in decoded}) == len(decoded)
    assert IntraConfig() != tiny.INTRA and InterConfig() != tiny.INTER
