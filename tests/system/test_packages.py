"""A package that is missing is named, with what installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from colorvid.errors import ColorvidError
from colorvid.system.packages import missing_package, needed_for
from tests.conftest import CodedClip

STREAM = Path(__file__).parents[1] / "conformance" / "streams" / "default_grey.clv"


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("torch", "torch"),
        ("torch.nn", "torch"),
        ("PIL.Image", "pillow"),
        ("pytorch_msssim", "pytorch-msssim"),
        ("skvideo", "scikit-video"),
    ],
)
def test_the_package_of_a_module_is_named(module: str, package: str) -> None:
    with pytest.raises(ColorvidError) as caught, needed_for("a picture"):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    expected = (
        f"a picture needs {package}, which is missing; install it with: pip install {package}"
    )
    assert str(caught.value) == expected


def test_other_errors_stay_what_they_are() -> None:
    own = ModuleNotFoundError("No module named 'colorvid.gone'", name="colorvid.gone")
    for error in (own, ImportError("broken", name="torch"), ModuleNotFoundError("?"), OSError()):
        assert missing_package(error, "x") is None
        with pytest.raises(type(error)) as caught, needed_for("x"):
            raise error
        assert caught.value is error


SLIM = """
import sys
from importlib.abc import MetaPathFinder

class Gone(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        gone = ("torch", "compressai", "einops", "skvideo", "PIL", "matplotlib", "scipy", "tomli")
        if name.partition(".")[0] in gone:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Gone())
from colorvid.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The command where only av, numpy, safetensors and tqdm are installed."""


def slim(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", SLIM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_coding_needs_four_packages(coded: CodedClip, tmp_path: Path) -> None:
    stream, video = tmp_path / "a.clv", tmp_path / "a.mkv"
    for arguments in (
        ("encode", coded.source, "-o", stream, "--csv", tmp_path / "a.csv"),
        ("decode", stream, "-o", video),
        ("encode", video, "-o", tmp_path / "b.clv"),
        ("verify", stream),
        ("info", stream),
        ("eval", coded.source, stream),
        ("selftest",),
    ):
        done = slim(*arguments)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "purpose"),
    [
        (("train", "none.toml", "--data", ".", "--run", "r"), "this command"),
        (("export", "--intra", "r", "-o", "m.safetensors"), "this command"),
        (("model",), "this command"),
        (("selftest", "--device", "cuda"), "device 'cuda'"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_needs_more_says_so(arguments: tuple[str, ...], purpose: str) -> None:
    done = slim(*arguments)
    assert done.returncode == ColorvidError.exit_code, done.stderr
    hint = "which is missing; install it with: pip install torch"
    assert done.stderr == f"colorvid [error]: {purpose} needs torch, {hint}\n"


def test_the_python_path_needs_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORVID_NATIVE", "0")
    for arguments in (("selftest",), ("verify", str(STREAM))):
        done = slim(*arguments)
        assert "native core switched off by COLORVID_NATIVE=0) needs torch, which is" in done.stderr
        assert done.stderr.count("\n") == 1


def test_encoding_needs_the_core(
    coded: CodedClip, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORVID_NATIVE", "0")
    done = slim("encode", coded.source, "-o", outputs / "a.clv")
    assert done.returncode == 1 and not list(outputs.iterdir())
    assert done.stderr == (
        "colorvid [error]: encoding needs the native core, and COLORVID_NATIVE=0 switches it off; "
        "decoding works without it\n"
    )
