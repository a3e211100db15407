"""The committed streams decode to the committed hashes, whatever computes.

Each child process decodes the whole set in several setups; see `tests.conformance.check`.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from colorvid.bitstream import ClvReader, FrameType, Packet
from colorvid.codec.decoder import Decoder
from colorvid.errors import HashMismatch
from colorvid.frame import Size
from colorvid.models.modelfile import RELEASED, model_identity
from tests.conformance import check, make
from tests.conformance.cases import (
    CASES,
    EXPECTED,
    MODELS,
    STREAMS,
    TINY,
    expected,
    loaded,
    model,
    stream,
)

ROOT = Path(__file__).parents[2]
NARROW = {
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "DEFAULT": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
"""Narrower instruction sets of x86-64 by what torch calls them, and what chooses them."""
OTHER_TORCH = {"2.3.1": "numpy<2", "2.8.0": "numpy<2"}
"""Versions of torch that the slow test installs, each with the numpy that it needs."""


def packets(path: Path) -> list[Packet]:
    with open(path, "rb") as file:
        return [record for record in ClvReader(file) if isinstance(record, Packet)]


def conformance(python: Path | str, *options: str, **environment: str) -> list[str]:
    """Lines of the check in a process of its own, one for each setup behind the first."""
    done = subprocess.run(
        [str(python), "-W", "error", "-m", "tests.conformance.check", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def as_they_must_be(lines: list[str], models: tuple[str, ...] = MODELS) -> bool:
    wanted = [entry["frames"] for name, entry in expected().items() if name.startswith(models)]
    frames = sum(map(len, wanted))
    return all(line.endswith(f": {frames} frames as they must be") for line in lines)


def test_the_set_decodes_with_any_number_of_threads_and_any_carrier() -> None:
    lines = conformance(sys.executable)
    assert len(lines) == 1 + len(check.SETUPS) and as_they_must_be(lines[1:])


def narrower() -> list[str]:
    """Instruction sets below the one that torch uses here."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return []
    here = torch.backends.cpu.get_cpu_capability()
    return [name for name in NARROW if name != here]


def test_the_set_decodes_with_narrower_instruction_sets() -> None:
    for name in narrower():
        lines = conformance(sys.executable, "--brief", **NARROW[name])
        assert lines[0].endswith(f", {name}")
        assert len(lines) == 1 + len(check.BRIEF) and as_they_must_be(lines[1:], check.SHAPES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_set_decodes_on_cuda() -> None:
    lines = conformance(sys.executable, "--device", "cuda")
    assert len(lines) == 1 + len(check.SETUPS) and as_they_must_be(lines[1:])


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHER_TORCH)
def test_the_set_decodes_with_another_torch(version: str, tmp_path: Path) -> None:
    # As large as torch itself: several GB to download and to store.
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet"]
    needed = [f"torch=={version}", OTHER_TORCH[version], "einops", "safetensors", "tomli"]
    subprocess.run([*install, *needed], check=True)
    subprocess.run([*install, "--no-deps", "compressai>=1.2.8", "av>=15"], check=True)
    lines = conformance(python, "--brief")
    assert f"torch {version}" in lines[0]
    assert len(lines) == 1 + len(check.BRIEF) and as_they_must_be(lines[1:], check.SHAPES)


def test_the_set_is_whole() -> None:
    names = {stream(name, case).stem for name in MODELS for case in CASES}
    assert set(MODELS) == {"tiny", *RELEASED} and len(CASES) == 20
    assert set(expected()) == names == {p.stem for p in STREAMS.iterdir()}
    for name in MODELS:
        found = model(name).identity if name == "tiny" else model_identity(name)
        identity = found.hex()
        stale = [s for s, e in expected().items() if s.startswith(name) and e["model"] != identity]
        assert not stale, "run python -m tests.conformance.make"
    assert sum(p.stat().st_size for p in (TINY, EXPECTED, *STREAMS.iterdir())) < 500_000


def test_the_document_has_the_bounds_of_the_released_models() -> None:
    text = make.DOCUMENT.read_text(encoding="utf-8")
    between = text.partition(make.BEGIN)[2].partition(make.END)[0]
    assert between.strip() == make.bounds_table(), "run python -m tests.conformance.make"


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a model."""
    state = loaded(name).network.state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def test_some_models_have_the_shapes_of_all() -> None:
    shapes = {name: shapes_of(name) for name in MODELS}
    assert {str(shapes[name]) for name in check.SHAPES} == {str(s) for s in shapes.values()}


def test_the_set_uses_all_of_the_format() -> None:
    for name in MODELS:
        kept = packets(stream(name, "moving"))
        assert [p.is_key for p in kept] == [True, False, False, False, True, False]
        assert any(p.motion for p in kept) and all(p.latents for p in kept)
        assert sum(p.is_key for p in packets(stream(name, "groups"))) == 3
        assert FrameType.I in {p.frame_type for p in packets(stream(name, "intra"))}
    every = [p for path in STREAMS.iterdir() for p in packets(path)]
    assert any(not p.motion and not p.latents for p in every), "no packet without sections"
    assert {p.frame_type for p in every} == set(FrameType)
    assert {p.level for p in every} == {0, 1, 2, 3}
    assert {0, 63} <= {p.quality for p in every} and len({p.quality for p in every}) > 10


def test_the_tiny_model_has_networks_that_take_part() -> None:
    network = model("tiny").network
    for part in (network.intra, network.inter):
        for branch in (part.luma, part.chroma):
            assert branch.synthesis is not None
            assert branch.synthesis.leave.weight_int.any()
            assert branch.synthesis.quality.table.any()


def test_another_weight_gives_other_frames() -> None:
    changed = model("tiny")
    synthesis = changed.network.intra.luma.synthesis
    assert synthesis is not None
    synthesis.leave.bias_int += 2**20
    decoder = Decoder(changed, Size(59, 45))
    with pytest.raises(HashMismatch, match="frame 0: the decoded picture has CRC "):
        decoder.push(packets(stream("tiny", "moving"))[0])


def test_the_check_tells_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = expected()
    wrong["tiny_pixel"]["frames"][1] = "0" * 64
    monkeypatch.setattr(check, "expected", lambda: wrong)
    before = torch.get_num_threads(), torch.backends.mkldnn.enabled
    try:
        with pytest.raises(HashMismatch, match="tiny_pixel.clv, 1 workers, 1 torch threads, float"):
            check.check(check.Setup())
    finally:
        torch.set_num_threads(before[0])
        torch.backends.mkldnn.enabled = before[1]
