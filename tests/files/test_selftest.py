from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.cli.main import main
from colorvid.entropy.rans import SymbolWriter
from colorvid.entropy.tables import Tables
from colorvid.errors import ConfigError
from colorvid.exact import guard
from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.files import known_answers, selftest, selftest_torch
from colorvid.frame import Frame, Motion
from colorvid.models.modelfile import RELEASED, find_model
from colorvid.motion.coding import MotionCoder
from colorvid.motion.field import grid_shape
from colorvid.native.core import VARIABLE
from tests import second_motion
from tests.motion.test_compensate import model as integer_model

WAYS = ("0", "1")
"""``COLORVID_NATIVE``: PyTorch, and the native core."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of decoding in turn."""
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


@pytest.fixture
def in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch decodes."""
    monkeypatch.setenv(VARIABLE, "0")


def fails(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line of a self-test that finds a difference."""
    guard.prove.cache_clear()
    try:
        assert main(["selftest"]) == 6
    finally:
        guard.prove.cache_clear()
    out, err = capfd.readouterr()
    assert "all right" not in out
    [line] = err.splitlines()
    prefix = "colorvid [error]: self-test failed: "
    assert line.startswith(prefix) and "would " in line
    return line.removeprefix(prefix)


def passes(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of a self-test that finds nothing."""
    start = time.process_time()
    assert main(["selftest"]) == 0
    assert time.process_time() - start < 60
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[-1] == "all right: this machine decodes exactly"
    return lines


def test_pytorch_passes(in_torch: None, capfd: pytest.CaptureFixture[str]) -> None:
    lines = passes(capfd)
    assert f"torch {torch.__version__}" in lines[0]
    for name in RELEASED:
        proofs = [line for line in lines if line.startswith(f"model {name}")]
        assert len(proofs) == 5 and "layers proved below 2^24" in proofs[0]
        assert all(line.endswith(": as it must be") for line in proofs[1:])


def test_the_native_core_passes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    lines = passes(capfd)
    assert "native core with" in lines[0] and "torch" not in lines[0]
    for name in RELEASED:
        proved, decoded = (line for line in lines if line.startswith(f"model {name}"))
        assert proved.endswith("all sums proved to be exact")
        assert decoded.endswith("bytes: as it must be")


def test_the_native_core_needs_no_torch() -> None:
    code = (
        "import sys; from colorvid.cli.main import main; code = main(['selftest']); "
        "sys.exit(code or 'torch' in sys.modules or 'compressai' in sys.modules)"
    )
    environment = {**os.environ, VARIABLE: "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="device 'nowhere' cannot be used"):
        list(selftest.run("nowhere"))


def test_known_answers_are_what_the_encoders_write() -> None:
    tables = Tables(known_answers.CDF, known_answers.SIZES)
    writer = SymbolWriter()
    writer.write(tables, np.array(known_answers.SYMBOLS, np.int32), known_answers.INDEX)
    assert writer.finish().hex() == known_answers.RANS_WORDS
    coder = MotionCoder(known_answers.VECTORS_SHAPE)
    coder.start(0)
    p = Motion(known_answers.vectors(known_answers.VECTORS_SHAPE))
    assert coder.encode(known_answers.P_LINKS, p).hex() == known_answers.VECTORS
    b = coder.encode(known_answers.B_LINKS, known_answers.b_motion())
    assert b.hex() == known_answers.B_VECTORS


def test_the_known_prediction_is_that_of_plain_integers() -> None:
    start = known_answers.picture()
    field = known_answers.vectors(grid_shape(*known_answers.SIZE.shape))
    kinds = zip(start.planes, (True, False, False), strict=True)
    planes = [integer_model(plane, field, luma) for plane, luma in kinds]
    assert Frame(*planes).sha256() == known_answers.MOTION_SHA256
    moved = second_motion.Moved(field, None, None)
    deep = [
        second_motion.predict([plane], moved, number > 0, 2).astype(np.uint16)
        for number, plane in enumerate(start.at_depth(10).planes)
    ]
    assert Frame(*deep).sha256() == known_answers.MOTION10_SHA256


def test_made_up_integers_fill_their_range() -> None:
    values = known_answers.made_up(2000, -3, 2)
    assert set(values.tolist()) == {-3, -2, -1, 0, 1, 2}
    assert values[:8].tolist() == [-2, 2, -2, 1, -1, 1, -2, 0]
    assert known_answers.made_up(100, -3, 2, first=50).tolist() == values[50:150].tolist()


def test_wrong_arithmetic_fails(
    in_torch: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = torch.matmul
    monkeypatch.setattr(torch, "matmul", lambda a, b: plain(a.float(), b.float()).double())
    assert fails(capfd).startswith("arithmetic: this machine's torch (")


def test_wrong_networks_fail(
    in_torch: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = ExactArithmetic.leaky

    def wrong(self: ExactArithmetic, x: Tensor) -> Tensor:
        return plain(self, x) - (x == -8).to(x.dtype)

    monkeypatch.setattr(ExactArithmetic, "leaky", wrong)
    assert fails(capfd).startswith(
        "model default in float32: networks on fixed symbols: the result"
    )


def test_wrong_motion_fails(
    way: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = selftest_torch if way == "0" else selftest
    monkeypatch.setattr(place, "MOTION_SHA256", "0" * 64)
    assert fails(capfd).startswith("motion compensation: a picture by fixed vectors: the result is")
    wrong = known_answers.VECTORS.replace("bf", "be", 1)
    monkeypatch.setattr(known_answers, "VECTORS", wrong)
    assert fails(capfd).startswith("motion decoder: vectors from fixed bytes: the result is ")
    monkeypatch.setattr(place, "RANS_WORDS", "51" + known_answers.RANS_WORDS[2:])
    assert fails(capfd).startswith("entropy decoder: symbols from fixed bytes: the result is [")


def with_answers(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: Any) -> None:
    """Let the self-test find other answers of the first released model."""
    path = find_model(next(iter(RELEASED)))
    answers = json.loads(path.with_suffix(".json").read_text())
    (folder / path.with_suffix(".clv").name).write_bytes(path.with_suffix(".clv").read_bytes())
    changed = folder / path.with_suffix(".json").name
    changed.write_text(json.dumps({**answers, **changes}))
    monkeypatch.setattr(known_answers, "find_model", lambda name: folder / path.name)


def test_other_frames_fail(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_answers(monkeypatch, tmp_path, frames=["0" * 64])
    kind = " in float32" if way == "0" else ""
    assert fails(capfd).startswith(f"model default{kind}: 4 frames of a stream of ")


def test_answers_of_another_model_are_refused(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_answers(monkeypatch, tmp_path, model="00" * 16)
    assert main(["selftest"]) == 3
    error = capfd.readouterr().err
    assert f"its self-test data are for {'00' * 16}; run python -m tests.conformance.make" in error
