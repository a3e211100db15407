"""The macroblocks of one field of vectors, with adaptive contexts.

Macroblocks of 2x2 blocks in raster order. The guess for a macroblock is the component-wise median
of the vectors to the left, above and above right, as in ITU-T H.264 8.4.1.3. A macroblock is
skipped (all four vectors equal the guess), uniform (one vector), split into two rows or two
columns, or split into four. Each vector is one of its neighbours' (merge flags) or a difference
from its own guess.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NoReturn

import numpy as np

from colorvid.entropy.binary import BinaryCoder, Contexts, Layout
from colorvid.errors import DamagedStream
from colorvid.frame import Vectors
from colorvid.motion.field import VECTOR_LIMIT, ZERO, Quad, Vector, median

Cells = list[Vector | None]

_SKIPPED, _UNIFORM, _SPLIT = 0, 1, 2

# Kinds of partitions, for the contexts of the merge flags.
_WHOLE, _TOP, _BOTTOM, _LEFT, _RIGHT, _QUARTER = range(6)
_CANDIDATES = 4  # most merge candidates of a partition
_ENERGY_STEPS = (1, 3, 8, 20)  # class limits of the neighbours' differences, quarter samples
_CLASSES = len(_ENERGY_STEPS) + 1
_PREFIX = 12  # longest Exp-Golomb prefix; a difference has at most 13 bits
_MAGNITUDE = 2 * _PREFIX + 1  # contexts of one kind of magnitude

_SIDES = 8  # of what is expected, see `_side`
_UNKNOWN = 7

FIELD = Layout()
"""Bits of the vectors of one field."""
_SKIP = FIELD.bin(36, 3 * _CLASSES**2)
_UNIFORM_BIN = FIELD.bin(3, 9)
_PAIR, _ROWS = FIELD.bin(1), FIELD.bin(1)
_MERGE = FIELD.bin(6 * _CANDIDATES * (_CANDIDATES + 1), 6 * _CANDIDATES * _CLASSES)
_SIGN = FIELD.bin(2, 2 * _SIDES)
_ZERO = FIELD.bin(4 * _CLASSES, 4 * _SIDES)
_SIZE = FIELD.bin(4 * _CLASSES * _MAGNITUDE, 2 * _SIDES * _MAGNITUDE)

Expected = tuple[Vector, Vector, Vector, Vector] | None
"""Vectors of a macroblock that other frames or the other field let expect."""


def class_of(difference: int) -> int:
    """Class 0..4 of a difference of vectors in quarter samples."""
    return bisect_right(_ENERGY_STEPS, difference)


def class_between(a: Vector | None, b: Vector | None) -> int:
    """Class of the difference of two vectors; 0 if one does not exist."""
    return 0 if a is None or b is None else class_of(abs(a[0] - b[0]) + abs(a[1] - b[1]))


def _side(difference: int) -> int:
    """Where a component is expected: 0 = at the guess, 1..3 above it, 4..6 below."""
    if difference == 0:
        return 0
    size = abs(difference)
    return 1 + (size >= 3) + (size >= 10) + 3 * (difference < 0)


def _opposite(side: int) -> int:
    """The same distance on the other side."""
    if side in (0, _UNKNOWN):
        return side
    return side - 3 if side > 3 else side + 3


class Walk:
    """One pass over the macroblocks of one frame, in either direction."""

    __slots__ = (
        "before", "cells", "code", "coder", "contexts", "energies", "modes", "shape", "size",
    )  # fmt: skip

    def __init__(
        self,
        coder: BinaryCoder,
        contexts: Contexts,
        shape: tuple[int, int],
        before: list[int] | None,
    ) -> None:
        """Prepare empty maps; a border of blocks that do not exist surrounds the grid.

        Args:
            coder, contexts: the range coder and the contexts of `FIELD`.
            shape: rows and columns of blocks.
            before: modes of the last frame, laid out like ``modes``, or None.
        """
        self.coder, self.code, self.contexts, self.shape = coder, coder.code, contexts, shape
        self.size = (shape[0] + 1) // 2, (shape[1] + 1) // 2
        self.cells: Cells = [None] * ((2 * self.size[0] + 1) * (2 * self.size[1] + 2))
        self.modes = [_SKIPPED] * ((self.size[0] + 1) * (self.size[1] + 1))
        self.energies = self.modes.copy()
        self.before = before

    def run(self, wanted: list[Quad] | None, expected: list[Expected]) -> None:
        """Code all macroblocks; ``wanted`` has their vectors in raster order, or is None.

        ``expected``: see `macroblock`.
        """
        for number, (at, here) in enumerate(self.places()):
            quad = None if wanted is None else wanted[number]
            self.macroblock(at, here, quad, expected[number])

    def places(self) -> Iterator[tuple[int, int]]:
        """For each macroblock in raster order its index in ``cells`` and its index in ``modes``."""
        tall, wide = self.size
        for row in range(1, tall + 1):
            at = (2 * row - 1) * (2 * wide + 2) + 1
            here = row * (wide + 1) + 1
            for column in range(wide):
                yield at + 2 * column, here + column

    def neighbours(self, at: int) -> tuple[Vector | None, Vector | None, Vector | None]:
        """Vectors to the left, above and above right (else above left) of a macroblock."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        right = cells[at - stride + 2]
        return cells[at - 1], cells[at - stride], cells[at - stride - 1] if right is None else right

    def field(self) -> Vectors:
        """The coded vectors as an array."""
        stride = 2 * self.size[1] + 2
        rows, columns = self.shape
        inner = [
            self.cells[stride * (r + 1) + 1 : stride * (r + 1) + 1 + columns] for r in range(rows)
        ]
        return np.array(inner, dtype=np.int16)

    def macroblock(self, at: int, here: int, quad: Quad | None, expected: Expected) -> None:
        """Code one macroblock.

        Args:
            at: index of its first block in ``cells``.
            here: its index in ``modes``.
            quad: its vectors, or None.
            expected: what they may be near; only bits depend on it.
        """
        cells, modes, wide = self.cells, self.modes, self.size[1]
        stride = 2 * wide + 2
        left, above, right = self.neighbours(at)
        guess = median(left, above, right)
        near, up = modes[here - 1], modes[here - wide - 1]
        busy = (near > 0) + (up > 0)
        before = 2 if self.before is None else int(self.before[here] > 0)
        usual = 18 * (guess == ZERO) + 9 * (left == above == right) + 3 * before + busy
        apart = _CLASSES * class_between(left, above) + class_between(above, right)
        skipped = None if quad is None else int(quad == (guess, guess, guess, guess))
        if self.code(skipped, self.contexts, _SKIP, usual, 3 * apart + busy):
            cells[at] = cells[at + 1] = cells[at + stride] = cells[at + stride + 1] = guess
            modes[here], self.energies[here] = _SKIPPED, 0
            return
        uniform = None if quad is None else int(quad[0] == quad[1] == quad[2] == quad[3])
        energy = self.energies[here - 1] + self.energies[here - wide - 1]
        partition = _Partition(self, energy, expected)
        split = (near > _UNIFORM) + (up > _UNIFORM)
        if self.code(uniform, self.contexts, _UNIFORM_BIN, split, 3 * near + up):
            modes[here] = _UNIFORM
            choices = (guess, left, above, right)
            only = partition.vector(quad and quad[0], _WHOLE, 0, guess, choices, guess)
            cells[at] = cells[at + 1] = cells[at + stride] = cells[at + stride + 1] = only
        else:
            modes[here] = _SPLIT
            self._split(partition, at, quad, guess)
        self.energies[here] = partition.energy

    def assume(self, at: int, here: int, quad: Quad) -> None:
        """Take vectors that need no bits for a macroblock; see `macroblock`."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        cells[at], cells[at + 1], cells[at + stride], cells[at + stride + 1] = quad
        self.modes[here], self.energies[here] = _SKIPPED, 0

    def _split(self, partition: _Partition, at: int, quad: Quad | None, guess: Vector) -> None:
        """Code a macroblock of two or four different vectors."""
        rows = pair = None
        if quad is not None:
            rows = int(quad[0] == quad[1] and quad[2] == quad[3])
            pair = rows or int(quad[0] == quad[2] and quad[1] == quad[3])
        if not self.code(pair, self.contexts, _PAIR, 0):
            self._quarters(partition, at, quad)
        elif self.code(rows, self.contexts, _ROWS, 0):
            self._rows(partition, at, quad, guess)
        else:
            self._columns(partition, at, quad, guess)

    def _rows(self, partition: _Partition, at: int, quad: Quad | None, guess: Vector) -> None:
        """Code the vectors of the upper and the lower half."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        left, above, right = cells[at - 1], cells[at - stride], cells[at - stride + 2]
        expected = guess if above is None else above
        top = partition.vector(quad and quad[0], _TOP, 0, expected, (expected, left, right))
        cells[at] = cells[at + 1] = top
        low = cells[at + stride - 1]
        expected = top if low is None else low
        bottom = partition.vector(quad and quad[2], _BOTTOM, 2, expected, (low, guess), top)
        cells[at + stride] = cells[at + stride + 1] = bottom

    def _columns(self, partition: _Partition, at: int, quad: Quad | None, guess: Vector) -> None:
        """Code the vectors of the left and the right half."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        left, above = cells[at - 1], cells[at - stride]
        expected = guess if left is None else left
        first = partition.vector(quad and quad[0], _LEFT, 0, expected, (expected, above, guess))
        cells[at] = cells[at + stride] = first
        right = cells[at - stride + 2]
        if right is None:
            right = cells[at - stride]
        expected = guess if right is None else right
        choices = (right, cells[at - stride + 1], guess)
        second = partition.vector(quad and quad[1], _RIGHT, 1, expected, choices, first)
        cells[at + 1] = cells[at + stride + 1] = second

    def _quarters(self, partition: _Partition, at: int, quad: Quad | None) -> None:
        """Code four vectors."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        for number in range(4):
            spot = at + (number >> 1) * stride + (number & 1)
            left, above = cells[spot - 1], cells[spot - stride]
            right = cells[spot - stride + 1] if number < 3 else None
            if right is None:
                right = cells[spot - stride - 1]
            guess = median(left, above, right)
            choices = (left, above, right, guess)
            cells[spot] = partition.vector(quad and quad[number], _QUARTER, number, guess, choices)


class _Partition:
    """Codes the vectors of one macroblock and keeps the size of the largest difference."""

    __slots__ = ("coder", "contexts", "energy", "expected", "level")

    def __init__(self, walk: Walk, energy: int, expected: Expected) -> None:
        """Take the sum of the neighbouring macroblocks' energies; it selects the contexts."""
        self.coder, self.contexts, self.expected = walk.coder, walk.contexts, expected
        self.level = class_of(energy)
        self.energy = 0

    def vector(
        self,
        wanted: Vector | None,
        kind: int,
        block: int,
        guess: Vector,
        candidates: tuple[Vector | None, ...],
        impossible: Vector | None = None,
    ) -> Vector:
        """Code one vector: merged with a candidate, or the guess plus a difference.

        Args:
            wanted: the vector, or None when decoding.
            kind: kind of partition.
            block: the first block that it is of, 0..3.
            guess: where differences start.
            candidates: vectors to merge with, likely ones first; None where a block does not exist.
            impossible: a vector that an earlier flag has ruled out.

        Returns:
            The vector.

        Raises:
            DamagedStream: the result is out of range.
        """
        seen = [] if impossible is None else [impossible]
        for order, candidate in enumerate(candidates):
            if candidate is None or candidate in seen:
                continue
            place = kind * _CANDIDATES + order
            places = (_CANDIDATES + 1) * place + len(seen), _CLASSES * place + self.level
            same = None if wanted is None else int(wanted == candidate)
            if self.coder.code(same, self.contexts, _MERGE, *places):
                self._note(abs(candidate[0] - guess[0]) + abs(candidate[1] - guess[1]))
                return candidate
            seen.append(candidate)
        sides = _UNKNOWN, _UNKNOWN
        if self.expected is not None:
            there = self.expected[block]
            sides = _side(there[0] - guess[0]), _side(there[1] - guess[1])
        dy = self._component(None if wanted is None else wanted[0] - guess[0], 0, sides[0])
        kind = 1 + min(abs(dy), 2)
        dx = self._component(None if wanted is None else wanted[1] - guess[1], kind, sides[1])
        self._note(abs(dy) + abs(dx))
        result = guess[0] + dy, guess[1] + dx
        if not (abs(result[0]) <= VECTOR_LIMIT and abs(result[1]) <= VECTOR_LIMIT):
            refuse_vector(result)
        return result

    def _note(self, difference: int) -> None:
        """Remember the largest difference of the macroblock."""
        self.energy = max(self.energy, difference)

    def _component(self, value: int | None, kind: int, side: int) -> int:
        """Code one component of a difference; kind 0 is vertical, 1..3 horizontal by ``|dy|``."""
        coder, contexts = self.coder, self.contexts
        group, axis = kind * _CLASSES + self.level, int(kind > 0)
        changed = None if value is None else int(value != 0)
        if not coder.code(changed, contexts, _ZERO, group, kind * _SIDES + side):
            return 0
        below = None if value is None else int(value < 0)
        sign = coder.code(below, contexts, _SIGN, axis, axis * _SIDES + side)
        way = axis * _SIDES + (_opposite(side) if sign else side)

        def code(bit: int | None, place: int) -> int:
            places = group * _MAGNITUDE + place, way * _MAGNITUDE + place
            return coder.code(bit, contexts, _SIZE, *places)

        size = coder.code_magnitude(None if value is None else abs(value) - 1, _PREFIX, code)
        return -size - 1 if sign else size + 1


def refuse_vector(vector: Vector) -> NoReturn:
    """Say that a stream holds a vector that is out of range.

    Raises:
        DamagedStream: always.
    """
    raise DamagedStream(
        f"motion vector {vector} is not allowed; components are within +-{VECTOR_LIMIT}"
    )
