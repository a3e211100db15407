from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from colorvid.errors import ColorvidError
from colorvid.exact import guard
from colorvid.exact.arithmetic import ExactArithmetic


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    guard.prove.cache_clear()
    yield
    guard.prove.cache_clear()


@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_this_machine_is_exact(carrier: torch.dtype) -> None:
    assert guard.prove("cpu", carrier) > 9000


def test_the_sums_that_are_checked_come_near_the_largest_allowed() -> None:
    sums: list[int] = []
    plain = guard._expected

    def watched(*arguments: Any) -> Any:
        result = plain(*arguments)
        sums.append(int(abs(result).max()))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "_expected", watched)
        guard.prove("cpu", torch.float32)
    assert len(sums) == 3 and 0.8 * 2**24 < max(sums) < 2**24


def test_short_formats_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = F.conv2d

    def short(x: Tensor, w: Tensor, **options: Any) -> Tensor:
        return plain(x.bfloat16(), w.bfloat16(), **options).float()

    monkeypatch.setattr(guard.F, "conv2d", short)
    with pytest.raises(ColorvidError, match="does not add integers in torch.float32 exactly; "):
        guard.prove("cpu", torch.float32)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_kernel_that_fails_for_one_layout_is_refused(
    monkeypatch: pytest.MonkeyPatch, layout: torch.memory_format
) -> None:
    plain = F.conv2d

    def faulty(x: Tensor, w: Tensor, **options: Any) -> Tensor:
        return plain(x, w, **options) + float(x.is_contiguous(memory_format=layout))

    monkeypatch.setattr(guard.F, "conv2d", faulty)
    with pytest.raises(ColorvidError, match="would write wrong pictures"):
        guard.prove("cpu", torch.float64)


def test_wrong_products_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(a: Tensor, b: Tensor) -> Tensor:
        return (a.float() @ b.float()).double()

    monkeypatch.setattr(torch, "matmul", short)
    with pytest.raises(ColorvidError, match="does not add integers in torch.float64 exactly"):
        guard.prove("cpu", torch.float32)


@pytest.mark.parametrize("name", ["round", "trunc", "floor", "twice"])
def test_other_roundings_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def wrong(self: ExactArithmetic, x: Tensor, factor: Tensor, limit: int) -> Tensor:
        product = x.to(torch.float64) * factor  # one rounding too few
        if name == "trunc":
            product = product.trunc()
        elif name == "floor":
            product = (product.float() + 0.5).floor()  # ties upwards
        elif name == "twice":
            product = product.bfloat16()
        return product.round().clamp(-limit, limit).to(self.carrier)

    monkeypatch.setattr(ExactArithmetic, "requantise", wrong)
    with pytest.raises(ColorvidError, match="does not round products as IEEE 754 says"):
        guard.prove("cpu", torch.float32)


DOWNWARD = {"x86_64": 0x400, "AMD64": 0x400, "aarch64": 0x800000, "arm64": 0x800000}
"""FE_DOWNWARD of the C library by machine."""


@pytest.mark.skipif(platform.machine() not in DOWNWARD or os.name == "nt", reason="no fesetround")
def test_other_rounding_modes_of_the_processor_are_refused() -> None:
    library = ctypes.CDLL("libm.so.6" if sys.platform == "linux" else None)
    assert library.fesetround(DOWNWARD[platform.machine()]) == 0
    try:
        with pytest.raises(ColorvidError, match="floating-point unit does not round to nearest; "):
            with guard.exact_torch():
                raise AssertionError("unreachable")
    finally:
        assert library.fesetround(0) == 0
    with guard.exact_torch():
        pass


def precisions() -> list[str]:
    return [place.fp32_precision for place in guard._precisions()]


@pytest.mark.parametrize("wanted", ["tf32", "bf16", "ieee"])
def test_short_formats_that_the_program_allows_are_off_inside(wanted: str) -> None:
    before = precisions()
    places = [p for p in guard._precisions() if p is not getattr(torch.backends.cuda, "matmul", 0)]
    try:
        for place in places:
            place.fp32_precision = wanted
        allowed = precisions()
        with guard.exact_torch():
            assert set(precisions()) <= {"ieee"}
            assert torch.get_float32_matmul_precision() == "highest"
        assert precisions() == allowed
    finally:
        for place, value in zip(guard._precisions(), before, strict=True):
            guard._put_back(place, value)
    assert precisions() == before


def test_settings_are_restored() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with guard.exact_torch():
            assert torch.get_float32_matmul_precision() == "highest"
            assert torch.is_inference_mode_enabled()
            assert not torch.backends.cudnn.enabled
        with pytest.raises(KeyError), guard.exact_torch():
            raise KeyError
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.enabled and not torch.is_inference_mode_enabled()
    finally:
        torch.set_float32_matmul_precision(before)


def test_settings_hold_until_the_last_thread_has_left() -> None:
    entered, left = threading.Event(), threading.Event()
    inside: list[bool] = []

    def second() -> None:
        with guard.exact_torch():
            entered.set()
            left.wait(10)
            inside.append(torch.backends.cudnn.enabled)

    thread = threading.Thread(target=second)
    with guard.exact_torch():
        thread.start()
        assert entered.wait(10)
    left.set()
    thread.join()
    assert inside == [False], "the first to leave must not switch the settings of the second"
    assert torch.backends.cudnn.enabled


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("batch", [1, 16])
def test_sums_are_exact_for_any_batch_without_onednn(batch: int, kernel: int) -> None:
    # torch gives batches of 16 and more to NNPACK, which transforms them, unless it is told not to.
    generator = torch.Generator().manual_seed(kernel)
    groups = 1 if kernel == 1 else 32
    x = torch.randint(-2047, 2048, (batch, 32, 12, 20), generator=generator).float()
    w = torch.randint(-127, 128, (32, 32 // groups, kernel, kernel), generator=generator).float()
    wanted = F.conv2d(x.double(), w.double(), padding=kernel // 2, groups=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a setting for other hardware
        with torch.backends.mkldnn.flags(enabled=False), guard.exact_torch():
            got = F.conv2d(x, w, padding=kernel // 2, groups=groups)
    assert torch.equal(got.double(), wanted)


def test_autocast_outside_has_no_effect_inside() -> None:
    x = torch.full((1, 8, 2, 2), 2047.0)
    w = torch.full((8, 8, 1, 1), 101.0)
    with torch.autocast("cpu", torch.bfloat16), guard.exact_torch():
        assert F.conv2d(x, w).unique().tolist() == [8 * 2047 * 101]


def test_a_short_format_of_onednn_is_harmless_or_refused() -> None:
    program = (
        "import torch\n"
        "from colorvid.errors import ColorvidError\n"
        "from colorvid.exact.guard import prove\n"
        "try:\n    print('exact', prove('cpu', torch.float32))\n"
        "except ColorvidError as error:\n    print('refused', error)\n"
    )
    environment = {**os.environ, "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("exact", "refused")), done.stdout
