"""No code in data, no network, nothing written but the outputs."""

from __future__ import annotations

import ast
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from colorvid.errors import ModelMismatch
from colorvid.models.loading import load_model
from colorvid.models.modelfile import RELEASED, find_model
from tests.conftest import CodedClip

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "colorvid").rglob("*.py"))
DANGEROUS_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "ctypes"}
NETWORK_MODULES = {"socket", "ssl", "urllib", "http", "requests", "ftplib", "xmlrpc", "aiohttp"}
CLUSTER_MODULES = {"dask", "distributed"}
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty"}
PLAYER = "files/play.py"
DANGEROUS_CALLS = {"eval", "exec", "compile", "__import__"}
DANGEROUS_ATTRIBUTES = {
    "os.system", "os.popen", "os.execv", "numpy.load", "torch.hub",
    "torch.jit.load", "yaml.load",
}  # fmt: skip


def modules_of(node: ast.AST) -> list[str]:
    """Top-level names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").split(".")[0]]
    return []


def dangers(source: str, part: str = "") -> Iterator[str]:
    """What in a module could run code, open the network or start a program.

    Other processes belong to ``part`` evaluation and batch, encoders and measuring, workers, and to
    the module that starts a player.
    Clusters belong to batch alone, which opens one when it is asked to by name. Foreign functions
    belong to ``native`` alone: it calls the library that is installed beside it.
    """
    training = part == "training"
    for node in ast.walk(ast.parse(source)):
        forbidden = DANGEROUS_MODULES | NETWORK_MODULES
        forbidden |= set() if part in ("batch", "evaluation", PLAYER) else PROCESS_MODULES
        forbidden |= set() if part == "batch" else CLUSTER_MODULES
        forbidden -= {"ctypes"} if part == "native" else set()
        yield from forbidden.intersection(modules_of(node))
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True"
                       for k in node.keywords)  # fmt: skip
            if name in DANGEROUS_CALLS | DANGEROUS_ATTRIBUTES:
                yield name
            if name == "torch.load" and not (training and safe):
                yield name
            if name == "np.load" or any(k.arg == "allow_pickle" for k in node.keywords):
                yield name


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_runs_what_data_says(path: Path) -> None:
    place = path.relative_to(ROOT / "colorvid")
    part = PLAYER if place.as_posix() == PLAYER else place.parts[0]
    assert list(dangers(path.read_text(encoding="utf-8"), part)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import http.client", "eval('1')",
        "import torch\ntorch.load('a', weights_only=True)", "np.load('a')", "import subprocess",
        "f(allow_pickle=True)", "def f():\n    import urllib.request",
    ],
)  # fmt: skip
def test_dangers_are_found(source: str) -> None:
    assert list(dangers(source))


def test_foreign_functions_are_called_by_the_native_core_alone() -> None:
    assert list(dangers("import ctypes", "codec")) == ["ctypes"]
    assert list(dangers("import ctypes", "native")) == []


def test_clusters_belong_to_batches_alone() -> None:
    assert list(dangers("import distributed", "files")) == ["distributed"]
    assert list(dangers("from dask import config", "cli")) == ["dask"]
    assert list(dangers("import distributed", "batch")) == []
    assert list(dangers("import socket", "batch")) == ["socket"]


def test_training_loads_weights_only() -> None:
    assert list(dangers("torch.load('a')", "training")) == ["torch.load"]
    assert list(dangers("torch.load('a', weights_only=False)", "training")) == ["torch.load"]
    assert list(dangers("torch.load('a', weights_only=True)", "training")) == []


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pkl"])
def test_a_pickle_is_no_model(tmp_path: Path, suffix: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / f"model{suffix}"
    bomb = Bomb(trace)
    path.write_bytes(pickle.dumps(bomb))
    with pytest.raises(ModelMismatch):
        load_model(str(path))
    torch.save({"a": bomb}, path)
    with pytest.raises(ModelMismatch):
        load_model(str(path))
    assert not trace.exists()


def test_released_models_are_safetensors() -> None:
    assert {find_model(name).suffix for name in RELEASED} == {".safetensors"}
    folder = ROOT / "colorvid" / "weights"
    assert {p.suffix for p in folder.iterdir() if p.is_file()} <= {
        ".safetensors", ".clv", ".json", ".md",
    }  # fmt: skip


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_no_network_and_no_writing_elsewhere(coded: CodedClip, tmp_path: Path) -> None:
    """Encode, decode, verify and info, where the system refuses every socket, of C code too."""
    for name in ("home", "temporary", "here", "out"):
        (tmp_path / name).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        playlist = tmp_path / "a.m3u8"
        playlist.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
        )
        out, stream = tmp_path / "out", tmp_path / "out" / "a.clv"
        lines: list[list[object]] = [
            ["encode", coded.source, "-o", stream, "--csv", out / "a.csv", "--threads", 2],
            ["decode", stream, "-o", out / "a.y4m"],
            ["decode", stream, "-o", out / "a.mkv"],
            ["verify", stream],
            ["info", stream],
            ["encode", playlist, "-o", out / "b.clv"],
            ["encode", address, "-o", out / "b.clv"],
        ]
        before = listing(tmp_path)
        environment = os.environ | {
            "HOME": str(tmp_path / "home"),
            "XDG_CACHE_HOME": str(tmp_path / "home"),
            "TMPDIR": str(tmp_path / "temporary"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        words = [str(w) for line in lines for w in ("--", *line)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.sandbox", str(tmp_path / "log"), *words],
            cwd=tmp_path / "here",
            env=environment,
            capture_output=True,
            text=True,
        )
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert done.returncode == 0, done.stderr
    log = json.loads((tmp_path / "log").read_text())
    assert log["codes"] == [0, 0, 0, 0, 0, 2, 2], done.stderr
    assert log["sockets"] == []
    assert {str(Path(p).parent) for p in log["written"] if p != os.devnull} == {str(out)}
    after = listing(tmp_path) - before
    assert after == {"log", "out/a.clv", "out/a.csv", "out/a.y4m", "out/a.mkv"}
