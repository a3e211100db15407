"""The vectors of one field, macroblock by macroblock; see `colorvid.motion.coding`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NoReturn

import numpy as np

from colorvid.entropy.binary import BinaryCoder, States
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

# Layout of the contexts.
_AT_SKIP = 0
_AT_UNIFORM = _AT_SKIP + 3 * 3 * 4
_AT_PAIR = _AT_UNIFORM + 3
_AT_ROWS = _AT_PAIR + 1
_AT_MERGE = _AT_ROWS + 1
_AT_SIGN = _AT_MERGE + 6 * _CANDIDATES * (_CANDIDATES + 1)
_AT_ZERO = _AT_SIGN + 2
_AT_SIZE = _AT_ZERO + 4 * _CLASSES
WALK_CONTEXTS = _AT_SIZE + 4 * _CLASSES * _MAGNITUDE


class Walk:
    """One pass over the macroblocks of one frame, in either direction."""

    __slots__ = ("before", "cells", "code", "coder", "energies", "modes", "shape", "size", "states")

    def __init__(
        self, coder: BinaryCoder, states: States, shape: tuple[int, int], before: list[int] | None
    ) -> None:
        """Prepare empty maps; a border of blocks that do not exist surrounds the grid.

        Args:
            coder, states: the range coder and its contexts.
            shape: rows and columns of blocks.
            before: modes of the last frame, laid out like ``modes``, or None.
        """
        self.coder, self.code, self.states, self.shape = coder, coder.code, states, shape
        self.size = (shape[0] + 1) // 2, (shape[1] + 1) // 2
        self.cells: Cells = [None] * ((2 * self.size[0] + 1) * (2 * self.size[1] + 2))
        self.modes = [_SKIPPED] * ((self.size[0] + 1) * (self.size[1] + 1))
        self.energies = self.modes.copy()
        self.before = before

    def run(self, wanted: list[Quad] | None) -> None:
        """Code all macroblocks; ``wanted`` has their vectors in raster order, or is None."""
        for number, (at, here) in enumerate(self.places()):
            self.macroblock(at, here, None if wanted is None else wanted[number])

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

    def macroblock(self, at: int, here: int, quad: Quad | None) -> None:
        """Code one macroblock.

        Args:
            at: index of its first block in ``cells``.
            here: its index in ``modes``.
            quad: its vectors, or None.
        """
        cells, modes, wide = self.cells, self.modes, self.size[1]
        stride = 2 * wide + 2
        left, above, right = self.neighbours(at)
        guess = median(left, above, right)
        near, up = modes[here - 1], modes[here - wide - 1]
        context = _AT_SKIP + (near > 0) + (up > 0)
        context += 6 if self.before is None else 3 * (self.before[here] > 0)
        context += 9 * (left == above == right) + 18 * (guess == ZERO)
        skipped = None if quad is None else int(quad == (guess, guess, guess, guess))
        if self.code(skipped, self.states, context):
            cells[at] = cells[at + 1] = cells[at + stride] = cells[at + stride + 1] = guess
            modes[here], self.energies[here] = _SKIPPED, 0
            return
        uniform = None if quad is None else int(quad[0] == quad[1] == quad[2] == quad[3])
        context = _AT_UNIFORM + (near > _UNIFORM) + (up > _UNIFORM)
        partition = _Partition(self, self.energies[here - 1] + self.energies[here - wide - 1])
        if self.code(uniform, self.states, context):
            modes[here] = _UNIFORM
            choices = (guess, left, above, right)
            only = partition.vector(quad and quad[0], _WHOLE, guess, choices, guess)
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
        if not self.code(pair, self.states, _AT_PAIR):
            self._quarters(partition, at, quad)
        elif self.code(rows, self.states, _AT_ROWS):
            self._rows(partition, at, quad, guess)
        else:
            self._columns(partition, at, quad, guess)

    def _rows(self, partition: _Partition, at: int, quad: Quad | None, guess: Vector) -> None:
        """Code the vectors of the upper and the lower half."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        left, above, right = cells[at - 1], cells[at - stride], cells[at - stride + 2]
        expected = guess if above is None else above
        top = partition.vector(quad and quad[0], _TOP, expected, (expected, left, right))
        cells[at] = cells[at + 1] = top
        low = cells[at + stride - 1]
        expected = top if low is None else low
        bottom = partition.vector(quad and quad[2], _BOTTOM, expected, (low, guess), top)
        cells[at + stride] = cells[at + stride + 1] = bottom

    def _columns(self, partition: _Partition, at: int, quad: Quad | None, guess: Vector) -> None:
        """Code the vectors of the left and the right half."""
        cells, stride = self.cells, 2 * self.size[1] + 2
        left, above = cells[at - 1], cells[at - stride]
        expected = guess if left is None else left
        first = partition.vector(quad and quad[0], _LEFT, expected, (expected, above, guess))
        cells[at] = cells[at + stride] = first
        right = cells[at - stride + 2]
        if right is None:
            right = cells[at - stride]
        expected = guess if right is None else right
        choices = (right, cells[at - stride + 1], guess)
        second = partition.vector(quad and quad[1], _RIGHT, expected, choices, first)
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
            cells[spot] = partition.vector(quad and quad[number], _QUARTER, guess, choices)


class _Partition:
    """Codes the vectors of one macroblock and keeps the size of the largest difference."""

    __slots__ = ("coder", "energy", "level", "states")

    def __init__(self, walk: Walk, energy: int) -> None:
        """Take the sum of the neighbouring macroblocks' energies; it selects the contexts."""
        self.coder, self.states = walk.coder, walk.states
        self.level = bisect_right(_ENERGY_STEPS, energy)
        self.energy = 0

    def vector(
        self,
        wanted: Vector | None,
        kind: int,
        guess: Vector,
        candidates: tuple[Vector | None, ...],
        impossible: Vector | None = None,
    ) -> Vector:
        """Code one vector: merged with a candidate, or the guess plus a difference.

        Args:
            wanted: the vector, or None when decoding.
            kind: kind of partition.
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
            context = _AT_MERGE + (kind * _CANDIDATES + order) * (_CANDIDATES + 1) + len(seen)
            same = None if wanted is None else int(wanted == candidate)
            if self.coder.code(same, self.states, context):
                self._note(abs(candidate[0] - guess[0]) + abs(candidate[1] - guess[1]))
                return candidate
            seen.append(candidate)
        dy = self._component(None if wanted is None else wanted[0] - guess[0], 0)
        dx = self._component(None if wanted is None else wanted[1] - guess[1], 1 + min(abs(dy), 2))
        self._note(abs(dy) + abs(dx))
        result = guess[0] + dy, guess[1] + dx
        if not (abs(result[0]) <= VECTOR_LIMIT and abs(result[1]) <= VECTOR_LIMIT):
            refuse_vector(result)
        return result

    def _note(self, difference: int) -> None:
        """Remember the largest difference of the macroblock."""
        self.energy = max(self.energy, difference)

    def _component(self, value: int | None, kind: int) -> int:
        """Code one component of a difference; kind 0 is vertical, 1..3 horizontal by ``|dy|``."""
        coder, states = self.coder, self.states
        group = kind * _CLASSES + self.level
        if not coder.code(None if value is None else int(value != 0), states, _AT_ZERO + group):
            return 0
        sign = coder.code(None if value is None else int(value < 0), states, _AT_SIGN + (kind > 0))
        base = _AT_SIZE + group * _MAGNITUDE
        size = coder.code_magnitude(
            None if value is None else abs(value) - 1, states, base, _PREFIX
        )
        return -size - 1 if sign else size + 1


def refuse_vector(vector: Vector) -> NoReturn:
    """Say that a stream holds a vector that is out of range.

    Raises:
        DamagedStream: always.
    """
    raise DamagedStream(
        f"motion vector {vector} is not allowed; components are within +-{VECTOR_LIMIT}"
    )
