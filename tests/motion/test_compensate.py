"""Motion compensation against a per-sample model in plain integers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorvid.errors import ConfigError
from colorvid.frame import BOTH, FUTURE, PAST, Motion, chroma_size
from colorvid.motion import compensate as module
from colorvid.motion.compensate import (
    _constants,
    compensate,
    compensate_in_torch,
    compensate_with_gradient,
    predict,
    predict_in_torch,
)
from colorvid.motion.field import grid_shape

LUMA = {
    0: (0, 0, 0, 64, 0, 0, 0, 0),
    1: (-1, 4, -10, 58, 17, -5, 1, 0),
    2: (-1, 4, -11, 40, 40, -11, 4, -1),
    3: (0, 1, -5, 17, 58, -10, 4, -1),
}
CHROMA = {
    0: (0, 64, 0, 0),
    1: (-2, 58, 10, -2),
    2: (-4, 54, 16, -2),
    3: (-6, 46, 28, -4),
    4: (-4, 36, 36, -4),
    5: (-4, 28, 46, -6),
    6: (-2, 16, 54, -4),
    7: (-2, 10, 58, -2),
}
SIZES = [(1, 1), (2, 2), (5, 9), (8, 8), (17, 33), (24, 16)]
Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Predict = Callable[[Triple, torch.Tensor], Triple]
PredictPair = Callable[[Motion, Triple, Triple], Triple]


def sixteenths(plane: list[list[int]], y: int, x: int, move: list[int], luma: bool) -> int:
    """One interpolated sample times 16, rounded."""
    taps, phases = (LUMA, 4) if luma else (CHROMA, 8)
    before = len(taps[0]) // 2 - 1
    down, across = taps[move[0] % phases], taps[move[1] % phases]
    total = 0
    for i, a in enumerate(down):
        row = plane[min(max(y + move[0] // phases + i - before, 0), len(plane) - 1)]
        for j, b in enumerate(across):
            total += a * b * row[min(max(x + move[1] // phases + j - before, 0), len(row) - 1)]
    return (total + 128) >> 8


def weights(at: int, luma: bool) -> dict[int, int]:
    """Which of the blocks -1, 0, +1 along one axis predict position ``at`` of a block."""
    block = 8 if luma else 4
    half, full = block // 2, 2 * block
    share = 2 * (at % half) + 1
    if at < half:
        return {-1: half * 2 - share, 0: full - half * 2 + share}
    return {0: full - share, 1: share}


def model(plane: NDArray[np.uint8], field: NDArray[np.int16], luma: bool) -> NDArray[np.uint8]:
    """Every sample by itself, with Python integers."""
    block = 8 if luma else 4
    samples, moves = plane.tolist(), field.tolist()
    out = np.empty_like(plane)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            total = 0
            for r, wy in weights(y % block, luma).items():
                for c, wx in weights(x % block, luma).items():
                    row = min(max(y // block + r, 0), len(moves) - 1)
                    column = min(max(x // block + c, 0), len(moves[0]) - 1)
                    total += wy * wx * sixteenths(samples, y, x, moves[row][column], luma)
            unit = 16 * (2 * block) ** 2
            out[y, x] = min(max((total + unit // 2) // unit, 0), 255)
    return out


def picture(height: int, width: int, seed: int) -> Triple:
    rng = np.random.default_rng(seed)
    shapes = ((height, width), chroma_size(height, width), chroma_size(height, width))
    y, u, v = (
        torch.from_numpy(rng.choice([0, 255, 128, 7, 200], shape).astype(np.uint8))
        for shape in shapes
    )
    return y, u, v


def moves(height: int, width: int, seed: int, reach: int) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed + 100)
    return rng.integers(-reach, reach + 1, (*grid_shape(height, width), 2)).astype(np.int16)


@pytest.mark.parametrize("way", [compensate, compensate_in_torch])
@pytest.mark.parametrize("reach", [0, 9, 60, 2047])
@pytest.mark.parametrize("size", SIZES)
def test_agrees_with_the_model(size: tuple[int, int], reach: int, way: Predict) -> None:
    reference, field = picture(*size, reach), moves(*size, reach, reach)
    predicted = way(reference, torch.from_numpy(field))
    for plane, source, luma in zip(predicted, reference, (True, False, False), strict=True):
        assert plane.dtype == torch.uint8
        np.testing.assert_array_equal(plane.numpy(), model(source.numpy(), field, luma))


def pair_of(height: int, width: int, seed: int, reach: int) -> Motion:
    """Random motion of a B frame; every macroblock uses what it likes."""
    past = moves(height, width, seed, reach)
    shape = -(-past.shape[0] // 2), -(-past.shape[1] // 2)
    uses = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    return Motion(past, moves(height, width, seed + 1, reach), uses)


def pair_model(
    planes: tuple[NDArray[np.uint8], NDArray[np.uint8]], motion: Motion, luma: bool
) -> NDArray[np.uint8]:
    """`model` of a B frame: in halves of a sample, a block adds one or two predictions up."""
    assert motion.future is not None and motion.uses is not None
    block = 8 if luma else 4
    out = np.empty_like(planes[0])
    sources = list(zip(planes, (motion.past, motion.future), strict=True))
    for y, x in np.ndindex(out.shape):
        total = 0
        for r, wy in weights(y % block, luma).items():
            for c, wx in weights(x % block, luma).items():
                row = min(max(y // block + r, 0), motion.shape[0] - 1)
                column = min(max(x // block + c, 0), motion.shape[1] - 1)
                use = motion.uses[row // 2, column // 2]
                for which, (plane, field) in enumerate(sources):
                    halves = (1 if use == BOTH else 2) if use in (which, BOTH) else 0
                    move = field[row, column].tolist()
                    found = sixteenths(plane.tolist(), y, x, move, luma) if halves else 0
                    total += wy * wx * halves * found
        unit = 2 * 16 * (2 * block) ** 2
        out[y, x] = min(max((total + unit // 2) // unit, 0), 255)
    return out


@pytest.mark.parametrize("way", [predict, predict_in_torch])
@pytest.mark.parametrize("reach", [0, 9, 60, 2047])
@pytest.mark.parametrize("size", SIZES)
def test_b_frames_agree_with_the_model(size: tuple[int, int], reach: int, way: PredictPair) -> None:
    past, future = picture(*size, reach), picture(*size, reach + 1)
    motion = pair_of(*size, reach, reach)
    predicted = way(motion, past, future)
    for plane, a, b, luma in zip(predicted, past, future, (True, False, False), strict=True):
        assert plane.dtype == torch.uint8
        wanted = pair_model((a.numpy(), b.numpy()), motion, luma)
        np.testing.assert_array_equal(plane.numpy(), wanted)


@pytest.mark.parametrize("way", [predict, predict_in_torch])
def test_both_references_without_motion_give_their_mean(way: PredictPair) -> None:
    past, future = picture(35, 50, 1), picture(35, 50, 2)
    still = np.zeros((5, 7, 2), np.int16)
    motion = Motion(still, still, np.full((3, 4), BOTH, np.uint8))
    for plane, a, b in zip(way(motion, past, future), past, future, strict=True):
        mean = (a.numpy().astype(int) + b.numpy() + 1) // 2
        np.testing.assert_array_equal(plane.numpy(), mean)


@pytest.mark.parametrize("way", [predict, predict_in_torch])
@pytest.mark.parametrize("size", [*SIZES, (61, 83)])
def test_equal_references_give_the_same_as_one(size: tuple[int, int], way: PredictPair) -> None:
    reference, motion = picture(*size, 3), pair_of(*size, 3, 50)
    same = Motion(motion.past, motion.past, motion.uses)
    alone = predict_in_torch(Motion(motion.past), reference)
    for a, b in zip(way(same, reference, reference), alone, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("way", [predict, predict_in_torch])
@pytest.mark.parametrize("use", [PAST, FUTURE])
def test_a_reference_that_is_not_used_does_not_count(use: int, way: PredictPair) -> None:
    past, future, motion = picture(61, 83, 1), picture(61, 83, 2), pair_of(61, 83, 1, 200)
    assert motion.future is not None and motion.uses is not None
    one = Motion(motion.past, motion.future, np.full_like(motion.uses, use))
    field, reference = ((motion.past, past), (motion.future, future))[use]
    wanted = predict_in_torch(Motion(field), reference)
    for a, b in zip(way(one, past, future), wanted, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32])
def test_every_carrier_gives_the_same_bytes(dtype: torch.dtype) -> None:
    reference, field = picture(61, 83, 1), torch.from_numpy(moves(61, 83, 1, 200))
    y, u, v = reference
    for a, b in zip(
        compensate(reference, field),
        compensate((y.to(dtype), u.to(dtype), v.to(dtype)), field),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_a_batch_equals_its_pictures() -> None:
    pictures = [picture(21, 35, seed) for seed in range(3)]
    fields = [torch.from_numpy(moves(21, 35, seed, 50)) for seed in range(3)]
    y, u, v = (torch.stack(planes) for planes in zip(*pictures, strict=True))
    together = compensate((y, u, v), torch.stack(fields))
    for number, (reference, field) in enumerate(zip(pictures, fields, strict=True)):
        for a, b in zip(together, compensate(reference, field), strict=True):
            assert torch.equal(a[number], b)


def test_many_blocks_equal_few() -> None:
    """A picture of several chunks of blocks agrees with its upper left corner."""
    reference, field = picture(320, 320, 2), torch.from_numpy(moves(320, 320, 2, 8))
    y, u, v = reference
    corner = compensate_in_torch((y[:64, :64], u[:32, :32], v[:32, :32]), field[:8, :8])
    for whole, part in zip(compensate_in_torch(reference, field), corner, strict=True):
        inner = part.shape[0] // 2
        assert torch.equal(whole[:inner, :inner], part[:inner, :inner])


def test_no_motion_copies_the_picture() -> None:
    reference = picture(19, 30, 3)
    field = torch.zeros((*grid_shape(19, 30), 2), dtype=torch.int16)
    for a, b in zip(compensate(reference, field), reference, strict=True):
        assert torch.equal(a, b)


def test_a_whole_sample_pan_moves_the_picture() -> None:
    reference = picture(32, 48, 4)
    field = torch.tensor([8, -16], dtype=torch.int16).expand(4, 6, 2)  # 2 down, 4 left
    y, u, v = compensate(reference, field)
    assert torch.equal(y[:30, 4:], reference[0][2:, :44])
    assert torch.equal(u[:15, 2:], reference[1][1:, :22])
    assert torch.equal(v[:15, 2:], reference[2][1:, :22])


def batch(height: int, width: int, dtype: torch.dtype) -> tuple[Triple, torch.Tensor]:
    """Two random pictures that want gradients, and random vectors for each."""
    pictures = [picture(height, width, seed) for seed in (7, 8)]
    fields = [torch.from_numpy(moves(height, width, seed, 40)) for seed in (7, 8)]
    y, u, v = (
        torch.stack(planes).to(dtype).requires_grad_() for planes in zip(*pictures, strict=True)
    )
    return (y, u, v), torch.stack(fields)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_with_gradients_the_prediction_is_the_same(dtype: torch.dtype) -> None:
    reference, field = batch(37, 50, dtype)
    wanted = compensate(reference, field)
    for a, b in zip(compensate_with_gradient(reference, field), wanted, strict=True):
        assert a.requires_grad and a.dtype == dtype and b.dtype == torch.uint8
        assert torch.equal(a, b.to(dtype))


def test_training_may_follow_a_decoder_in_the_same_process() -> None:
    _constants.cache_clear()
    reference, field = batch(37, 50, torch.float32)
    with torch.inference_mode():
        compensate_in_torch(reference, field)
    compensate_with_gradient(reference, field)[0].sum().backward()


def test_gradients_are_those_of_the_function_without_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, field = batch(21, 30, torch.float64)
    generator = torch.Generator().manual_seed(1)

    def total(planes: Triple, weights: list[torch.Tensor]) -> torch.Tensor:
        predicted = compensate_with_gradient(planes, field)
        return torch.stack([(p * w).sum() for p, w in zip(predicted, weights, strict=True)]).sum()

    # Small contrast: clipping would bend the function between the two points of a difference.
    y, u, v = (torch.round(100 + p.detach() / 8).requires_grad_() for p in reference)
    weights, steps = (
        [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in (y, u, v)]
        for _ in range(2)
    )
    gradients = torch.autograd.grad(total((y, u, v), weights), (y, u, v))
    monkeypatch.setattr(module, "_floor", lambda x: x)
    for number, (gradient, step) in enumerate(zip(gradients, steps, strict=True)):
        ends = []
        for sign in (1, -1):
            planes = [p.detach() for p in (y, u, v)]
            planes[number] = planes[number] + sign * step
            ends.append(total((planes[0], planes[1], planes[2]), weights))
        slope = (gradient * step).sum()
        assert abs(slope) > 1
        assert float((ends[0] - ends[1]) / 2) == pytest.approx(float(slope), rel=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_bytes() -> None:
    reference, field = picture(270, 482, 5), torch.from_numpy(moves(270, 482, 5, 300))
    y, u, v = (plane.cuda() for plane in reference)
    for a, b in zip(compensate(reference, field), compensate((y, u, v), field), strict=True):
        assert torch.equal(a, b.cpu())


def test_shapes_that_do_not_fit_are_refused() -> None:
    y, u, v = picture(16, 16, 6)
    with pytest.raises(ConfigError, match=r"vectors have shape \(1, 2, 2\); .* need \(2, 2, 2\)"):
        compensate((y, u, v), torch.zeros(1, 2, 2, dtype=torch.int16))
    with pytest.raises(ConfigError, match=r"reference planes have shapes .* \(4, 8\)"):
        compensate((y, u[:4], v), torch.zeros(2, 2, 2, dtype=torch.int16))
