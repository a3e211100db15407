from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.cli.main import main
from colorvid.entropy.binary import BinaryEncoder
from colorvid.entropy.rans import CodeBook, SymbolWriter
from colorvid.entropy.tables import Tables
from colorvid.errors import ConfigError
from colorvid.exact import guard
from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.files import selftest
from colorvid.frame import Frame
from colorvid.models.modelfile import RELEASED, find_model
from colorvid.motion.coding import MotionCoder
from tests.motion.test_compensate import model as integer_model


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


def test_this_machine_passes(capfd: pytest.CaptureFixture[str]) -> None:
    start = time.process_time()
    assert main(["selftest"]) == 0
    assert time.process_time() - start < 60
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert f"torch {torch.__version__}" in lines[0]
    assert lines[-1] == "all right: this machine decodes exactly"
    for name in RELEASED:
        proofs = [line for line in lines if line.startswith(f"model {name}")]
        assert len(proofs) == 5 and "layers proved below 2^24" in proofs[0]
        assert all(line.endswith(": as it must be") for line in proofs[1:])


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="device 'nowhere' cannot be used"):
        list(selftest.run("nowhere"))


def test_known_answers_are_what_the_encoders_write() -> None:
    tables = Tables(selftest._CDF, selftest._SIZES)
    book, writer = CodeBook(tables, tables), SymbolWriter()
    writer.write(book, tables, np.array(selftest._SYMBOLS, np.int32), selftest._INDEX)
    assert writer.finish().hex() == selftest._RANS_WORDS
    coder, field = BinaryEncoder(), selftest.vectors(selftest._VECTORS_SHAPE)
    MotionCoder().code(coder, field, selftest._VECTORS_SHAPE)
    assert coder.finish().hex() == selftest._VECTORS


def test_the_known_prediction_is_that_of_plain_integers() -> None:
    start = selftest.picture("cpu").frame()
    field = selftest.vectors(selftest.grid_shape(selftest.HEIGHT, selftest.WIDTH))
    kinds = zip(start.planes, (True, False, False), strict=True)
    planes = [integer_model(plane, field, luma) for plane, luma in kinds]
    assert Frame(*planes).sha256() == selftest._MOTION_SHA256


def test_made_up_integers_fill_their_range() -> None:
    values = selftest.made_up(2000, -3, 2)
    assert set(values.tolist()) == {-3, -2, -1, 0, 1, 2}
    assert values[:8].tolist() == [-2, 2, -2, 1, -1, 1, -2, 0]
    assert selftest.made_up(100, -3, 2, first=50).tolist() == values[50:150].tolist()


def test_wrong_arithmetic_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = torch.matmul
    monkeypatch.setattr(torch, "matmul", lambda a, b: plain(a.float(), b.float()).double())
    assert fails(capfd).startswith("arithmetic: this machine's torch (")


def test_wrong_networks_fail(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = ExactArithmetic.leaky

    def wrong(self: ExactArithmetic, x: Tensor) -> Tensor:
        return plain(self, x) - (x == -8).to(x.dtype)

    monkeypatch.setattr(ExactArithmetic, "leaky", wrong)
    assert fails(capfd).startswith(
        "model default in float32: networks on fixed symbols: the result"
    )


def test_wrong_motion_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selftest, "_MOTION_SHA256", "0" * 64)
    assert fails(capfd).startswith("motion compensation: a picture by fixed vectors: the result is")
    monkeypatch.setattr(selftest, "_VECTORS", selftest._VECTORS.replace("bf", "be", 1))
    assert fails(capfd).startswith("motion decoder: vectors from fixed bytes: the result is ")
    monkeypatch.setattr(selftest, "_RANS_WORDS", "51" + selftest._RANS_WORDS[2:])
    assert fails(capfd).startswith("entropy decoder: symbols from fixed bytes: the result is [")


def with_answers(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: Any) -> None:
    """Let the self-test find other answers of the first released model."""
    path = find_model(next(iter(RELEASED)))
    answers = json.loads(path.with_suffix(".json").read_text())
    (folder / path.with_suffix(".clv").name).write_bytes(path.with_suffix(".clv").read_bytes())
    changed = folder / path.with_suffix(".json").name
    changed.write_text(json.dumps({**answers, **changes}))
    monkeypatch.setattr(selftest, "find_model", lambda name: folder / path.name)


def test_other_frames_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_answers(monkeypatch, tmp_path, frames=["0" * 64])
    assert "in float32: 4 frames of a stream of " in fails(capfd)


def test_answers_of_another_model_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_answers(monkeypatch, tmp_path, model="00" * 16)
    assert main(["selftest"]) == 3
    error = capfd.readouterr().err
    assert f"its self-test data are for {'00' * 16}; run python -m tests.conformance.make" in error
