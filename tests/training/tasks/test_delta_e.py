import numpy as np
import pytest
import torch
from torch import Tensor

from colorvid.frame import Frame, chroma_size
from colorvid.quality.color import ColorSpec, Matrix, frame_to_lab
from colorvid.quality.color import delta_e as numpy_delta_e
from colorvid.training.tasks.delta_e import delta_e, linear_rgb_to_lab, yuv420_to_lab
from tests.sharma import EXPECTED, FIRST, SECOND


def pairs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    first, second = (torch.tensor(x, dtype=dtype).reshape(3, 34, 1) for x in (FIRST, SECOND))
    return first, second


def planes(height: int, width: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    chroma = chroma_size(height, width)
    return [rng.integers(0, 256, s, dtype=np.uint8) for s in ((height, width), chroma, chroma)]


def test_published_pairs_in_both_orders() -> None:
    first, second = pairs()
    expected = torch.tensor(EXPECTED).reshape(34, 1)
    assert (delta_e(first, second) - expected).abs().max() < 1e-4
    assert (delta_e(second, first) - expected).abs().max() < 1e-4


def test_batches_are_independent() -> None:
    first, second = pairs()
    batch = delta_e(torch.stack((first, second)), torch.stack((second, second)))
    assert batch.shape == (2, 34, 1)
    assert torch.equal(batch[0], delta_e(first, second))
    assert batch[1].abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_greys_black_ties_and_equal_colours(dtype: torch.dtype) -> None:
    special = torch.tensor(
        [[0, 0, 0], [50, 0, 0], [100, 0, 0], [50, 30, -40], [50, -30, 40], [50, 1e-8, -1e-8]],
        dtype=dtype,
    )
    first = special.T.reshape(3, 6, 1).repeat(1, 1, 6).requires_grad_()
    second = special.T.reshape(3, 1, 6).repeat(1, 6, 1).requires_grad_()
    result = delta_e(first, second)
    result.sum().backward()  # type: ignore[no-untyped-call]
    for grad in (first.grad, second.grad):
        assert grad is not None
        assert torch.isfinite(grad).all()
        assert grad.abs().max() < 150
    assert result.diagonal().abs().max() < 1e-6
    equal = torch.eye(6, dtype=torch.bool)
    assert first.grad is not None
    assert first.grad[:, equal].abs().max() == 0


def test_near_grey_gradients_stay_small_and_values_stay_close() -> None:
    rng = np.random.default_rng(3)
    size = 4000
    for chroma in (1e-6, 1e-4, 1e-2, 0.1, 1.0):
        hues, other_hues = rng.uniform(0, 2 * np.pi, (2, size))
        other = rng.uniform(0, 120, size)
        light = rng.uniform(0, 100, size)
        near = np.stack((light, chroma * np.cos(hues), chroma * np.sin(hues)))
        far = np.stack((light, other * np.cos(other_hues), other * np.sin(other_hues)))
        first = torch.tensor(near[..., None], requires_grad=True)
        result = delta_e(first, torch.tensor(far[..., None]))
        (grad,) = torch.autograd.grad(result.sum(), first)
        exact = numpy_delta_e(near, far)
        assert grad.abs().max() < 150
        assert (np.abs(result.detach().numpy()[:, 0] / exact - 1) < 0.025).all()


def test_gradients_agree_with_finite_differences() -> None:
    rng = np.random.default_rng(5)
    span = np.array([80.0, 120.0, 120.0]).reshape(3, 1, 1)
    low = np.array([10.0, -60.0, -60.0]).reshape(3, 1, 1)
    first, second = (torch.tensor(low + span * rng.random((3, 6, 5))) for _ in range(2))
    first.requires_grad_()
    second.requires_grad_()
    assert torch.autograd.gradcheck(delta_e, (first, second), eps=1e-6, atol=1e-5)
    near = (first.detach() + 0.5 * torch.tensor(rng.random((3, 6, 5)) - 0.5)).requires_grad_()
    assert torch.autograd.gradcheck(delta_e, (first, near), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [Matrix.BT709, Matrix.BT601, Matrix.BT2020_NCL])
def test_lab_agrees_with_the_scoring_side(siting: str, full_range: bool, matrix: Matrix) -> None:
    spec = ColorSpec(matrix, full_range, siting)  # type: ignore[arg-type]
    source = planes(9, 15, seed=7)
    y, u, v = (torch.tensor(p, dtype=torch.float64)[None] / 255 for p in source)
    lab = yuv420_to_lab(y, u, v, spec)
    assert lab.shape == (1, 3, 9, 15)
    assert np.abs(lab[0].numpy() - frame_to_lab(Frame(*source), spec)).max() < 0.02


def test_lab_gradients_agree_with_finite_differences() -> None:
    rng = np.random.default_rng(8)
    spec = ColorSpec()
    y = torch.tensor(0.4 + 0.2 * rng.random((2, 4, 5)), requires_grad=True)
    u, v = (torch.tensor(0.47 + 0.06 * rng.random((2, 2, 3)), requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda *p: yuv420_to_lab(*p, spec), (y, u, v), atol=1e-4)


@pytest.mark.parametrize("code", [0.0, 16 / 255, 17 / 255, 0.5, 235 / 255, 1.0])
def test_a_grey_picture_gives_finite_gradients_end_to_end(code: float) -> None:
    spec = ColorSpec()
    y = torch.full((1, 4, 4), code, requires_grad=True)
    u, v = (torch.full((1, 2, 2), 128 / 255, requires_grad=True) for _ in range(2))
    target = yuv420_to_lab(*(p.detach() + 0.01 for p in (y, u, v)), spec)
    for other in (target, yuv420_to_lab(y, u, v, spec).detach()):
        grads = torch.autograd.grad(delta_e(yuv420_to_lab(y, u, v, spec), other).mean(), (y, u, v))
        assert all(torch.isfinite(grad).all() for grad in grads)


def test_linear_black_and_white() -> None:
    rgb = torch.tensor([0.0, 1.0]).expand(3, 1, 2)
    lab = linear_rgb_to_lab(rgb, ColorSpec())
    assert lab[:, 0, 0] == pytest.approx(torch.zeros(3), abs=1e-3)
    assert lab[:, 0, 1] == pytest.approx(torch.tensor([100.0, 0, 0]), abs=1e-3)
