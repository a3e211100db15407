"""Rate-distortion decision of the encoder: better vectors nearby, cheaper ones where they will do.

Runs before the field is coded and never changes what a decoder does. With a weight of a fifth of
the quantiser step it halved the bits of the vectors and saved 2 to 10 % of all bits at the same
quality on the development clips; comparing vectors a quarter sample around too, and under the
window of the decoder's blending, saved 3 % more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from colorvid.entropy.binary import STATE_BITS, BinaryCoder, BinaryEncoder, States
from colorvid.errors import ConfigError
from colorvid.frame import Plane
from colorvid.motion.field import (
    BLOCK,
    LUMA_RAMP,
    LUMA_RAMP_BITS,
    LUMA_TAPS,
    VECTOR_LIMIT,
    Quad,
    Vector,
    Vectors,
    check_field,
    grid_shape,
    median,
    quads,
)
from colorvid.motion.native import AnyMotionCoder, NativeMotionCoder

_SIDE = 2 * BLOCK
_REACH = BLOCK // 2  # samples that a block's vector predicts beyond each of its edges
_WINDOW = _SIDE + 2 * _REACH
_CHUNK = 1024  # macroblocks compared at once; bounds the memory
_PARTS = ((0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 2), (1, 3), (0, 1, 2, 3))
_WHOLE = len(_PARTS) - 1
_RING = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
_MARGIN = 32  # samples kept around the picture; vectors that point farther see the margin
_SHARE_SHIFT = STATE_BITS - 10
_BITS = [-math.log2((index + 0.5) / 1024) for index in range(1024)]
_PRICES = np.array(_BITS)


def simplify(
    vectors: Vectors, current: Plane, previous: Plane, weight: float, coder: AnyMotionCoder
) -> Vectors:
    """Replace vectors by cheaper ones where ``error + weight * bits`` falls.

    For each macroblock the field's own vectors, those a quarter sample around them, coarser
    partitions and the neighbours' vectors compete; the bits come from the contexts as they stand,
    the error is the sum of absolute differences under the window of the blended prediction.

    Args:
        vectors: int16 ``(rows, columns, 2)`` as `MotionSearch.push` gives.
        current: luma of the picture to predict, u8 ``(H, W)``.
        previous: luma of the reference, u8 ``(H, W)``; the decoded one is clearly better than the
            source, as it shows what the decoder will really copy.
        weight: price of a bit in units of the absolute difference, at least 0; near a fifth of
            the quantiser step.
        coder: the coder that codes the field afterwards; it is not changed.

    Returns:
        The simplified field, same shape and type.

    Raises:
        ConfigError: the field and the planes do not fit together, or a vector is out of range.
    """
    _check_sizes(vectors, current, previous)
    if isinstance(coder, NativeMotionCoder):
        return coder.simplify(vectors, (current, previous), weight, _PRICES)
    errors = _Errors(current, previous)
    shape = (vectors.shape[0], vectors.shape[1])
    wanted = quads(vectors, shape)
    real, meter = BinaryEncoder(), _Meter()
    walk = coder.trial(real, shape)
    errors.prepare(wanted, walk.size[1])
    for number, (at, here) in enumerate(walk.places()):
        choices = _choices(wanted[number], walk.neighbours(at))
        choices = list(dict.fromkeys(choices + errors.best(number, wanted[number])))
        lowest = math.inf
        walk.use(meter)
        ranked = sorted((errors.of(number, c), c) for c in choices) if len(choices) > 1 else []
        for error, choice in ranked:
            if error >= lowest:
                break
            meter.bits = 0.0
            walk.macroblock(at, here, choice)
            if error + weight * meter.bits < lowest:
                best, lowest = choice, error + weight * meter.bits
        walk.use(real)
        walk.macroblock(at, here, best if len(choices) > 1 else choices[0])
    return walk.field()


def _check_sizes(vectors: Vectors, current: Plane, previous: Plane) -> None:
    """Refuse planes of different sizes, and a field that is not theirs."""
    if current.shape != previous.shape:
        raise ConfigError(
            f"the reference has shape {previous.shape}; it must be {current.shape} as the picture"
        )
    check_field(vectors, grid_shape(*current.shape))


def _window_weights() -> NDArray[np.float32]:
    """How much each sample in the window of a macroblock counts for its `_PARTS`, ``(N, 9)``."""
    ramp = np.array(LUMA_RAMP + LUMA_RAMP[::-1]) / 2**LUMA_RAMP_BITS
    weights = np.zeros((4, _WINDOW, _WINDOW), dtype=np.float32)
    for block in range(4):
        top, left = block // 2 * BLOCK, block % 2 * BLOCK
        weights[block, top : top + 2 * BLOCK, left : left + 2 * BLOCK] = np.outer(ramp, ramp)
    parts = [weights[list(blocks)].sum(axis=0).ravel() for blocks in _PARTS]
    return np.stack(parts, axis=1)


_WEIGHTS = _window_weights()


def _choices(quad: Quad, near: tuple[Vector | None, Vector | None, Vector | None]) -> list[Quad]:
    """The field's own vectors first, then what may replace them; one entry if they cost nothing."""
    guess = median(*near)
    a, b, c, d = quad
    if a == b == c == d == guess:
        return [quad]
    choices = [quad]
    if (a != b or c != d) and (a != c or b != d):
        choices += [(a, a, c, c), (b, b, d, d), (a, b, a, b), (c, d, c, d)]
    return choices + [(one,) * 4 for one in (guess, *quad, *near, (0, 0)) if one is not None]


class _Meter(BinaryCoder):
    """Adds up what bits would cost, with the contexts as they are."""

    __slots__ = ("bits",)

    def __init__(self) -> None:
        """Start at zero."""
        self.bits = 0.0

    def code(self, bit: int | None, states: States, index: int) -> int:
        """Count one bit; see `BinaryCoder.code`."""
        assert bit is not None, "only known bits have a price"
        share = states[index] >> _SHARE_SHIFT
        self.bits += _BITS[share if bit else 1023 - share]
        return bit

    def code_bits(self, value: int | None, count: int) -> int:
        """Count plain bits; see `BinaryCoder.code_bits`."""
        assert value is not None, "only known bits have a price"
        self.bits += count
        return value


class _Errors:
    """Errors of the blocks of macroblocks for given vectors, looked up or computed.

    A block's vector predicts half a block around it too, see `colorvid.motion.compensate`; absolute
    differences count there with the weights of the blending. Sums are multiples of 1/256 below
    2^16, so float32 holds them exactly, in any order of summation.
    """

    def __init__(self, current: Plane, previous: Plane) -> None:
        """Interpolate the reference at all 16 quarter-sample positions."""
        height, width = current.shape
        grow = ((0, -height % _SIDE), (0, -width % _SIDE))
        around = [(_REACH, _REACH + more) for _, more in grow]
        padded = np.pad(current, around, mode="edge").astype(np.int16)
        blocks = sliding_window_view(padded, (_WINDOW, _WINDOW))[::_SIDE, ::_SIDE]
        self._wide = blocks.shape[1]
        self._blocks = blocks.reshape(-1, _WINDOW, _WINDOW)
        phases = _upsample(np.pad(previous, grow, mode="edge"))
        self._phases = sliding_window_view(phases, (1, _WINDOW, _WINDOW))[:, :, :, 0]
        self._known: list[dict[Vector, tuple[float, ...]]] = [{} for _ in range(len(self._blocks))]

    def prepare(self, wanted: list[Quad], wide: int) -> None:
        """Compute at once what is needed most: own vectors, those around them, and neighbours'."""
        pairs: list[tuple[int, Vector]] = []
        for number, quad in enumerate(wanted):
            near = dict.fromkeys(quad)
            near |= dict.fromkeys((y + dy, x + dx) for y, x in near for dy, dx in _RING)
            near[0, 0] = None
            if number % wide:
                near[wanted[number - 1][1]] = None
            if number >= wide:
                near[wanted[number - wide][2]] = None
            pairs += [(number, vector) for vector in near if max(map(abs, vector)) <= VECTOR_LIMIT]
        for start in range(0, len(pairs), _CHUNK):
            part = pairs[start : start + _CHUNK]
            for (number, vector), sums in zip(part, self._sums(part), strict=True):
                self._known[number][vector] = tuple(sums)

    def of(self, number: int, quad: Quad) -> float:
        """Error of macroblock ``number`` with four vectors."""
        known = self._known[number]
        for vector in quad:
            if vector not in known:
                known[vector] = tuple(self._sums([(number, vector)])[0])
        a, b, c, d = quad
        return known[a][0] + known[b][1] + known[c][2] + known[d][3]

    def best(self, number: int, quad: Quad) -> list[Quad]:
        """What is best of the vectors computed so far, in partitions that ``quad`` allows."""
        known = self._known[number].items()

        def pick(part: int) -> Vector:
            return min(known, key=lambda item: item[1][part])[0]

        result: list[Quad] = [(pick(_WHOLE),) * 4]
        if len(set(quad)) > 1:
            top, bottom, left, right = (pick(part) for part in range(4, _WHOLE))
            result += [(top, top, bottom, bottom), (left, right, left, right)]
            result.append((pick(0), pick(1), pick(2), pick(3)))
        return result

    def _sums(self, pairs: list[tuple[int, Vector]]) -> list[list[float]]:
        """Errors of the nine `_PARTS` of a macroblock with one vector, for each pair of these."""
        numbers = np.array([number for number, _ in pairs])
        moves = np.array([vector for _, vector in pairs])
        _, tall, wide = self._phases.shape[:3]
        shift = _MARGIN - _REACH
        top = numbers // self._wide * _SIDE + (moves[:, 0] >> 2) + shift
        left = numbers % self._wide * _SIDE + (moves[:, 1] >> 2) + shift
        phase = (moves[:, 0] & 3) * 4 + (moves[:, 1] & 3)
        source = self._phases[phase, top.clip(0, tall - 1), left.clip(0, wide - 1)]
        difference = np.abs(self._blocks[numbers] - source).astype(np.float32)
        sums: list[list[float]] = (difference.reshape(len(pairs), -1) @ _WEIGHTS).tolist()
        return sums


def _upsample(plane: Plane) -> NDArray[np.int16]:
    """The plane at quarter-sample positions, ``(16, h + 2 * margin, w + 2 * margin)``, 0..255.

    Index ``4 * y + x`` of the first axis is the phase. Near enough to what the decoder computes.
    """
    reach = len(LUMA_TAPS[0]) - 1
    before = reach // 2
    around = (_MARGIN + before, _MARGIN + reach - before)
    base = np.pad(plane, (around, around), mode="edge").astype(np.int16)
    tall, wide = base.shape[0] - reach, base.shape[1] - reach
    result = np.empty((4, 4, tall, wide), dtype=np.int16)
    for x, across in enumerate(LUMA_TAPS):
        line = _filter([base[:, tap : tap + wide] for tap in range(reach + 1)], across)
        for y, down in enumerate(LUMA_TAPS):
            result[y, x] = _filter([line[tap : tap + tall] for tap in range(reach + 1)], down)
    return result.reshape(16, tall, wide)


def _filter(shifted: list[NDArray[np.int16]], taps: tuple[int, ...]) -> NDArray[np.int16]:
    """Weighted sum of shifted planes of 0..255, rounded and clipped to 0..255; fits 16 bits."""
    parts = [plane * np.int16(tap) for plane, tap in zip(shifted, taps, strict=True) if tap]
    total = parts[0]
    for part in parts[1:]:
        total += part
    return np.clip((total + np.int16(32)) >> 6, 0, 255)
