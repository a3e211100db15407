"""Overlapped block motion compensation in exact integers that floats carry.

Interpolation: separable, luma 8 taps at quarter samples and chroma 4 taps at eighth samples with
the coefficients of ITU-T H.265 8.5.3.3.3. Of 8 bits, samples keep full precision after the first
pass, and are rounded to 1/16 after the second; of 10 bits, to 1/16 and to 1/8. Each block's vector
predicts the block and half a block around it; where the predictions of neighbours overlap they are
blended with integer weights (overlapped block motion compensation, as in ITU-T H.263 Annex F but
with a linear window). Outside of the picture the nearest sample counts. No partial sum reaches
2^24, so float32 and float64 give the same bytes on every device, in any order of summation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from colorvid.errors import ConfigError
from colorvid.frame import Motion, chroma_size
from colorvid.motion.field import (
    BLOCK,
    LUMA_RAMP,
    LUMA_RAMP_BITS,
    LUMA_TAPS,
    VECTOR_LIMIT,
    grid_shape,
)
from colorvid.native import motion as native_motion
from colorvid.native.core import core

_CHUNK = 1024  # blocks filtered together; keeps the working set inside the second-level cache


@dataclass(frozen=True)
class _Kind:
    """How one kind of plane is predicted.

    Attributes:
        block: side of a block in samples of the plane.
        taps: one row of filter coefficients, sum 64, per sub-sample phase.
        shift: log2 of the number of phases.
        ramp: weights of a block's own prediction across its edge, from outside to inside; weights
            at the same distance on both sides add up to ``2**ramp_bits``. Half of them lie outside.
        ramp_bits: log2 of the full weight.
    """

    block: int
    taps: tuple[tuple[int, ...], ...]
    shift: int
    ramp: tuple[int, ...]
    ramp_bits: int

    @property
    def margin(self) -> int:
        """Samples predicted beyond each edge of a block."""
        return len(self.ramp) // 2


_LUMA = _Kind(
    block=BLOCK,
    taps=LUMA_TAPS,
    shift=2,
    ramp=LUMA_RAMP,
    ramp_bits=LUMA_RAMP_BITS,
)
_CHROMA = _Kind(
    block=BLOCK // 2,
    taps=(
        (0, 64, 0, 0),
        (-2, 58, 10, -2),
        (-4, 54, 16, -2),
        (-6, 46, 28, -4),
        (-4, 36, 36, -4),
        (-4, 28, 46, -6),
        (-2, 16, 54, -4),
        (-2, 10, 58, -2),
    ),
    shift=3,
    ramp=(1, 3, 5, 7),
    ramp_bits=3,
)


Planes = tuple[Tensor, Tensor, Tensor]
"""Y ``(H, W)``, U and V ``(ceil(H/2), ceil(W/2))``, or the same with a leading batch axis."""


def predict(motion: Motion, past: Planes, future: Planes | None = None) -> Planes:
    """Predict a frame from its references; in the native core where it takes such planes.

    A block that uses both references is predicted by the mean of what it is predicted from each,
    before the blending and the rounding.

    Args:
        motion: of the frame.
        past: the earlier reference, uint8, or int16 for 10 bits, without a batch axis.
        future: the later reference of a B frame.

    Returns:
        The predicted planes, of the same type.

    Raises:
        ConfigError: shapes do not fit together.
    """
    native = core()
    if native is not None and all(_is_plain(plane) for plane in past):
        later = None if future is None else _arrays(future)
        y, u, v = (
            torch.from_numpy(plane if plane.dtype == np.uint8 else plane.view(np.int16))
            for plane in native_motion.compensate(native, motion, _arrays(past), later)
        )
        return y, u, v
    return predict_in_torch(motion, past, future)


def _arrays(planes: Planes) -> native_motion.Planes:
    y, u, v = (p.numpy() if p.dtype == torch.uint8 else p.numpy().view(np.uint16) for p in planes)
    return y, u, v


def predict_in_torch(motion: Motion, past: Planes, future: Planes | None = None) -> Planes:
    """`predict` without the native core."""
    device = past[0].device
    vectors = torch.from_numpy(motion.past).to(device)
    if future is None or motion.future is None or motion.uses is None:
        return compensate_in_torch(past, vectors)
    _check_shapes(*past, vectors)
    fields = torch.stack((vectors, torch.from_numpy(motion.future).to(device))).to(torch.int32)
    blocks = torch.from_numpy(motion.uses).to(device).repeat_interleave(2, 0)
    blocks = blocks.repeat_interleave(2, 1)[: vectors.shape[0], : vectors.shape[1]]
    halves = torch.tensor((_PAST_SHARES, _FUTURE_SHARES), dtype=torch.float32, device=device)
    shares = halves[:, blocks.long()]
    predicted = [
        _predict_pair(torch.stack(pair), fields, shares, _CHROMA if number else _LUMA)
        for number, pair in enumerate(zip(past, future, strict=True))
    ]
    y, u, v = (plane.to(past[0].dtype) for plane in predicted)
    return y, u, v


# Of two halves, what each reference gives to a block that uses the past, the future, or both.
_PAST_SHARES = (2.0, 0.0, 1.0)
_FUTURE_SHARES = (0.0, 2.0, 1.0)


def compensate(
    reference: tuple[Tensor, Tensor, Tensor], vectors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Predict a frame from the previous one; in the native core where it takes such planes.

    Args:
        reference: planes Y ``(H, W)``, U and V ``(ceil(H/2), ceil(W/2))``, or the same with a
            leading batch axis; integers 0..255 as uint8, float32 or float64, or 0..1023 as int16.
            The arithmetic is float64 for float64 planes and float32 for all others; the result is
            the same.
        vectors: integers ``(ceil(H/8), ceil(W/8), 2)``, with the same leading batch axis if the
            planes have one: ``(dy, dx)`` in quarter luma samples, -2047..2047, from the block to
            its source in the reference.

    Returns:
        The predicted planes, uint8 or int16, shaped as the reference.

    Raises:
        ConfigError: shapes do not fit together.
    """
    _check_shapes(*reference, vectors)
    if vectors.dim() == 3 and all(_is_plain(plane) for plane in reference):
        field = vectors.cpu().to(torch.int32).clamp(-VECTOR_LIMIT, VECTOR_LIMIT)
        return predict(Motion(field.to(torch.int16).numpy()), reference)
    return compensate_in_torch(reference, vectors)


def compensate_in_torch(
    reference: tuple[Tensor, Tensor, Tensor], vectors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`compensate` without the native core."""
    kind = torch.int16 if reference[0].dtype == torch.int16 else torch.uint8
    y, u, v = (plane.to(kind) for plane in compensate_with_gradient(reference, vectors))
    return y, u, v


def _is_plain(plane: Tensor) -> bool:
    """Whether the native core takes such a plane: samples, on the CPU, no batch."""
    samples = plane.dtype in (torch.uint8, torch.int16)
    return samples and plane.device.type == "cpu" and plane.dim() == 2


def compensate_with_gradient(
    reference: tuple[Tensor, Tensor, Tensor], vectors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Predict as `compensate` does, the same integers, in float planes that pass gradients on.

    Gradients go through interpolation, blending and clipping to the reference planes, and straight
    through the two roundings; vectors get none.
    """
    luma, first, second = reference
    _check_shapes(luma, first, second, vectors)
    batched = luma.dim() == 3
    if not batched:
        luma, vectors = luma[None], vectors[None]
        first, second = first[None], second[None]
    field = vectors.to(device=luma.device, dtype=torch.int32).clamp(-VECTOR_LIMIT, VECTOR_LIMIT)
    y = _predict(luma, field, _LUMA)
    uv = _predict(torch.cat((first, second)), field.repeat(2, 1, 1, 1), _CHROMA)
    u, v = uv.chunk(2)
    return (y, u, v) if batched else (y[0], u[0], v[0])


def _check_shapes(luma: Tensor, first: Tensor, second: Tensor, vectors: Tensor) -> None:
    """Refuse planes and vectors that do not belong together."""
    height, width = luma.shape[-2:]
    lead = luma.shape[:-2]
    chroma = (*lead, *chroma_size(height, width))
    if len(lead) > 1 or tuple(first.shape) != chroma or tuple(second.shape) != chroma:
        raise ConfigError(
            f"reference planes have shapes {tuple(luma.shape)}, {tuple(first.shape)}, "
            f"{tuple(second.shape)}; they must be (H, W) and twice (ceil(H/2), ceil(W/2)), "
            "all with or without one batch axis"
        )
    expected = (*lead, *grid_shape(height, width), 2)
    if tuple(vectors.shape) != expected:
        raise ConfigError(f"vectors have shape {tuple(vectors.shape)}; the planes need {expected}")


def _predict(plane: Tensor, field: Tensor, kind: _Kind) -> Tensor:
    """Predict planes ``(N, h, w)`` with vectors ``(N, rows, columns, 2)``; integers in floats."""
    height, width = plane.shape[-2:]
    more = _more_bits(plane)
    blended = _blend(_moved(plane, field, kind), kind, 4 - more // 2)
    return _crop(blended, height, width, kind).clamp(0, (256 << more) - 1)


def _more_bits(plane: Tensor) -> int:
    """Bits of a sample above 8."""
    return 2 if plane.dtype == torch.int16 else 0


def _predict_pair(planes: Tensor, fields: Tensor, shares: Tensor, kind: _Kind) -> Tensor:
    """Predict a plane ``(h, w)`` from two ``(2, h, w)`` with vectors ``(2, rows, columns, 2)``.

    ``shares``, halves of what each of the two gives to each block, are ``(2, rows, columns)``.
    """
    height, width = planes.shape[-2:]
    ringed = pad(shares[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    windows = _moved(planes, fields, kind) * ringed
    summed = windows[:, :, :1] + windows[:, :, 1:]
    more = _more_bits(planes)
    blended = _blend(summed, kind, 5 - more // 2)
    return _crop(blended, height, width, kind)[0].clamp(0, (256 << more) - 1)


def _moved(plane: Tensor, field: Tensor, kind: _Kind) -> Tensor:
    """What each block of `_predict` predicts: `_windows` as ``(side, side, N, rows, columns)``."""
    more = _more_bits(plane)
    if plane.dtype != torch.float64:
        plane = plane.to(torch.float32)
    # A ring of copied vectors around the grid gives edge blocks neighbours that agree with them.
    ringed = pad(field.movedim(-1, 1).float(), (1, 1, 1, 1), mode="replicate").to(torch.int32)
    windows = _windows(plane, ringed, kind, more)
    side = windows.shape[0]
    return windows.view(side, side, ringed.shape[0], *ringed.shape[2:])


def _crop(blended: Tensor, height: int, width: int, kind: _Kind) -> Tensor:
    """Planes ``(N, height, width)`` of blocks, ``(block, block, N, rows, columns)``."""
    tall, wide = blended.shape[3] * kind.block, blended.shape[4] * kind.block
    return blended.permute(2, 3, 0, 4, 1).reshape(-1, tall, wide)[:, :height, :width]


def _windows(plane: Tensor, ringed: Tensor, kind: _Kind, more: int) -> Tensor:
    """Each block's weighted prediction with its margins, ``(side, side, blocks)``.

    Values are integers: samples of 8 bits times 16, or of 10 bits times 8 where there are two
    ``more`` bits, times the weight of the position.
    """
    batch, _, rows, columns = ringed.shape
    height, width = plane.shape[-2:]
    dy, dx = ringed.movedim(1, 0).reshape(2, -1)
    table, weights = _constants(kind, plane.dtype, plane.device)
    reach = kind.block + 2 * kind.margin + len(kind.taps[0]) - 1
    span = torch.arange(reach, dtype=torch.int32, device=plane.device)
    span = (span - kind.margin - len(kind.taps[0]) // 2 + 1 - kind.block)[:, None]
    top = torch.arange(rows, dtype=torch.int32, device=plane.device) * kind.block
    left = torch.arange(columns, dtype=torch.int32, device=plane.device) * kind.block
    base = torch.arange(batch, dtype=torch.int32, device=plane.device) * (height * width)
    y = top[:, None].expand(batch, rows, columns).reshape(-1) + (dy >> kind.shift)
    x = left.expand(batch, rows, columns).reshape(-1) + (dx >> kind.shift)
    at_row = (span + y).clamp(0, height - 1) * width + base.repeat_interleave(rows * columns)
    at_column = (span + x).clamp(0, width - 1)
    phases = (1 << kind.shift) - 1
    fy, fx = table[:, dy & phases], table[:, dx & phases]
    samples = plane.flatten()
    chunk = _CHUNK if plane.device.type == "cpu" else len(dy)
    return torch.cat(
        [
            _interpolate(samples, r, c, (ty, tx), more) * weights
            for r, c, ty, tx in zip(
                *(part.split(chunk, dim=1) for part in (at_row, at_column, fy, fx)), strict=True
            )
        ],
        dim=-1,
    )


def _interpolate(
    samples: Tensor, rows: Tensor, columns: Tensor, filters: tuple[Tensor, Tensor], more: int
) -> Tensor:
    """Gather windows and filter them, ``(side, side, blocks)``; see `_windows`.

    Args:
        samples: all planes, flat.
        rows, columns: ``(reach, blocks)``, the two parts of the flat index of each window sample.
        filters: ``(taps, blocks)``, vertical and horizontal coefficients of each block.
        more: bits of a sample above 8.
    """
    fy, fx = filters
    reach, blocks = rows.shape
    taps = fx.shape[0]
    side = reach - taps + 1
    index = (rows[:, None] + columns[None]).flatten()
    window = samples.index_select(0, index).view(reach, reach, blocks)
    across = window[:, :side] * fx[0]
    for tap in range(1, taps):
        across.addcmul_(window[:, tap : tap + side], fx[tap])
    if more:
        across = _floor(across.add_(2).mul_(0.25))
    down = across[:side] * fy[0]
    for tap in range(1, taps):
        down.addcmul_(across[tap : tap + side], fy[tap])
    bits = 8 - more // 2
    return _floor(down.add_(2.0 ** (bits - 1)).mul_(2.0**-bits))


def _floor(x: Tensor) -> Tensor:
    """Round down in place; gradients pass straight through.

    The difference to the floor has no more bits than ``x``, so the sum gives the floor exactly.
    """
    if not x.requires_grad:
        return x.floor_()
    return x.add_(x.detach().floor() - x.detach())


def _blend(windows: Tensor, kind: _Kind, fraction: int) -> Tensor:
    """Add the overlapping margins and round: ``(block, block, N, rows, columns)`` samples.

    Args:
        windows: ``(side, side, N, rows + 2, columns + 2)``, with the ring of outer blocks.
        kind: of the plane.
        fraction: bits behind the point of their values, but for the weights.
    """
    block, margin = kind.block, kind.margin
    rows = windows[margin : margin + block, :, :, 1:-1].clone()
    rows[:margin] += windows[block + margin :, :, :, :-2]
    rows[block - margin :] += windows[:margin, :, :, 2:]
    out = rows[:, margin : margin + block, :, :, 1:-1].clone()
    out[:, :margin] += rows[:, block + margin :, :, :, :-2]
    out[:, block - margin :] += rows[:, :margin, :, :, 2:]
    bits = fraction + 2 * kind.ramp_bits
    return _floor(out.add_(2.0 ** (bits - 1)).mul_(2.0**-bits))


@lru_cache(maxsize=16)
def _constants(kind: _Kind, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Filter table ``(taps, phases)`` and window weights ``(side, side, 1)``."""
    with torch.inference_mode(False):  # else a decoder's would be of no use to training
        table = torch.tensor(kind.taps, dtype=dtype, device=device).t().contiguous()
        flat = (1 << kind.ramp_bits,) * (kind.block - 2 * kind.margin)
        profile = torch.tensor(kind.ramp + flat + kind.ramp[::-1], dtype=dtype, device=device)
        return table, (profile[:, None] * profile[None])[..., None]
