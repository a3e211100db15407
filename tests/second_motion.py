"""The motion of the second decoder: motion sections and prediction, see `tests.second_decoder`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Vector = tuple[int, int]
Quad = list[Vector]
Context = list[int]
Neighbours = tuple[Vector | None, Vector | None, Vector | None]

PAST, FUTURE, BOTH = range(3)


class Refused(Exception):
    """What a decoder must refuse or report."""


def up(size: int, step: int) -> int:
    """``ceil(size / step)``."""
    return -(-size // step)


class BinaryReader:
    """The binary range decoder."""

    SHIFT = [1] + [2] * 3 + [3] * 6 + [4] * 11 + [5] * 23 + [6]

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self.data, self.at, self.range = data, 4, 2**32 - 1
        self.code = int.from_bytes((data + bytes(4))[:4], "big")

    def _renormalise(self) -> None:
        while self.range < 2**24:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.code = (self.code << 8 | byte) % 2**32
            self.range, self.at = self.range << 8, self.at + 1

    def bit(self, context: Context) -> int:
        """One bit with an adaptive context ``[p, n]``."""
        p, _ = context
        bound = self.range * p >> 16
        one = int(self.code < bound)
        if one:
            self.range = bound
        else:
            self.code, self.range = self.code - bound, self.range - bound
        self.adapt(context, one)
        self._renormalise()
        return one

    def adapt(self, context: Context, bit: int) -> None:
        """What a bit does to its context."""
        p, n = context
        p += 65536 - p >> self.SHIFT[n] if bit else -(p >> self.SHIFT[n])
        context[:] = p, min(n + 1, 44)

    def plain(self, count: int) -> int:
        """Bits without a context."""
        value = 0
        while count:
            size = min(count, 8)
            self.range >>= size
            part = min(self.code // self.range, 2**size - 1)
            self.code -= self.range * part
            self._renormalise()
            value, count = value << size | part, count - size
        return value

    def magnitude(self, group: list[Context]) -> int:
        """An Exp-Golomb number."""
        length = 0
        while length < 12 and self.bit(group[length]):
            length += 1
        if not length:
            return 0
        first = self.bit(group[12 + length])
        return 2**length - 1 + (first << length - 1) + self.plain(length - 1)

    def finish(self) -> None:
        """All bytes must be used."""
        if not len(self.data) <= self.at <= len(self.data) + 4:
            raise Refused("size of the motion section")


class EmptySection(BinaryReader):
    """Reads what an empty section stands for: its bits are known, and contexts adapt to them."""

    def __init__(self) -> None:
        """Nothing to start at."""
        super().__init__(b"")
        self.old: list[Context] = []

    def bit(self, context: Context) -> int:
        """1 = skipped or direct; 0 = not direct from the later reference."""
        bit = int(all(context is not c for c in self.old))
        self.adapt(context, bit)
        return bit

    def finish(self) -> None:
        """Nothing to check."""


def new_contexts(count: int) -> list[Context]:
    """Fresh ones."""
    return [[32768, 0] for _ in range(count)]


class FieldContexts:
    """Contexts of the vectors of one field."""

    def __init__(self) -> None:
        """Fresh ones."""
        self.skip, self.uniform = new_contexts(36), new_contexts(3)
        self.pair, self.rows = new_contexts(1), new_contexts(1)
        self.merge = [[new_contexts(5) for _ in range(4)] for _ in range(6)]
        self.sign = new_contexts(2)
        self.zero = [new_contexts(5) for _ in range(4)]
        self.size = [[new_contexts(25) for _ in range(5)] for _ in range(4)]


class Contexts:
    """All contexts, and the modes of the last frame: for each of its fields, or None."""

    def __init__(self) -> None:
        """Those of a key frame."""
        self.p, self.past, self.future = FieldContexts(), FieldContexts(), FieldContexts()
        self.direct, self.old = new_contexts(3), new_contexts(3)
        self.both, self.later = new_contexts(3), new_contexts(3)
        self.modes: list[dict[Vector, int] | None] = [None, None]


@dataclass
class Moved:
    """Motion of a frame.

    Attributes:
        past, future: a field of vectors for each reference, ``(rows, columns, 2)``; a P frame has
            one.
        uses: of the macroblocks of a B frame.
    """

    past: Array
    future: Array | None = None
    uses: Array | None = None

    def blocks(self) -> Array:
        """Uses of the blocks."""
        rows, columns, _ = self.past.shape
        if self.uses is None:
            return np.full((rows, columns), PAST)
        return self.uses.repeat(2, 0).repeat(2, 1)[:rows, :columns]


@dataclass
class Trace:
    """What later frames see of the motion of a picture: vectors and their spans in frames."""

    vectors: Array
    spans: Array

    def quad(self, m: int, n: int) -> Quad:
        """The vectors of a macroblock; beyond the field they are those of the nearest block."""
        rows, columns, _ = self.vectors.shape
        places = [(min(2 * m + i, rows - 1), min(2 * n + j, columns - 1)) for i, j in QUAD]
        return [(int(self.vectors[at][0]), int(self.vectors[at][1])) for at in places]


QUAD = [(0, 0), (0, 1), (1, 0), (1, 1)]


def median(left: Vector | None, above: Vector | None, right: Vector | None) -> Vector:
    """The guess from three neighbours."""
    if above is None and right is None:
        return left or (0, 0)
    there = [v for v in (left, above, right) if v is not None]
    if len(there) == 1:
        return there[0]
    three = [v or (0, 0) for v in (left, above, right)]
    return sorted(v[0] for v in three)[1], sorted(v[1] for v in three)[1]


def over(vector: Vector, to: int, span: int) -> Vector:
    """A vector over ``span`` frames as one over ``to`` frames."""
    if span == 0:
        return 0, 0
    size = abs(span)
    factor = (65536 + (size >> 1)) // size * (to if span > 0 else -to)
    y, x = (max(-2047, min(2047, v * factor + 32768 >> 16)) for v in vector)
    return y, x


class FieldReader:
    """Reads one field, macroblock by macroblock."""

    def __init__(
        self, bits: BinaryReader, contexts: FieldContexts, before: dict[Vector, int] | None
    ) -> None:
        """With the modes of the frame whose contexts they are, or None."""
        self.bits, self.contexts, self.before = bits, contexts, before
        self.vectors: dict[Vector, Vector] = {}
        self.modes: dict[Vector, int] = {}
        self.energies: dict[Vector, int] = {}

    def field(self, rows: int, columns: int) -> Array:
        """What was read."""
        return np.array([[self.vectors[i, j] for j in range(columns)] for i in range(rows)])

    def neighbours(self, m: int, n: int) -> Neighbours:
        """left, above, right."""
        top, first = 2 * m, 2 * n
        v = self.vectors.get
        right = v((top - 1, first + 2))
        right = v((top - 1, first - 1)) if right is None else right
        return v((top, first - 1)), v((top - 1, first)), right

    def guess(self, m: int, n: int) -> Vector:
        """The median of the neighbours."""
        return median(*self.neighbours(m, n))

    def take(self, m: int, n: int, quad: Quad) -> None:
        """Vectors that are known without bits."""
        for (i, j), vector in zip(QUAD, quad, strict=True):
            self.vectors[2 * m + i, 2 * n + j] = vector
        self.modes[m, n] = self.energies[m, n] = 0

    def _fill(self, places: list[Vector], vector: Vector) -> None:
        self.vectors.update(dict.fromkeys(places, vector))

    def read(self, m: int, n: int) -> None:
        """The next macroblock."""
        left, above, right = self.neighbours(m, n)
        guess = median(left, above, right)
        beside = self.modes.get((m, n - 1), 0), self.modes.get((m - 1, n), 0)
        t = 2 if self.before is None else int(self.before[m, n] > 0)
        a = 18 * (guess == (0, 0)) + 9 * (left == above == right) + 3 * t
        if self.bits.bit(self.contexts.skip[a + (beside[0] > 0) + (beside[1] > 0)]):
            self.take(m, n, [guess] * 4)
            return
        places = [(2 * m + i, 2 * n + j) for i, j in QUAD]
        self.energies[m, n] = 0
        near = self.energies.get((m, n - 1), 0) + self.energies.get((m - 1, n), 0)
        self.level, self.here = bisect_right((1, 3, 8, 20), near), (m, n)
        if self.bits.bit(self.contexts.uniform[(beside[0] > 1) + (beside[1] > 1)]):
            self.modes[m, n] = 1
            self._fill(places, self._vector(0, guess, [guess, left, above, right], guess))
            return
        self.modes[m, n] = 2
        if not self.bits.bit(self.contexts.pair[0]):
            self._quarters(places)
        elif self.bits.bit(self.contexts.rows[0]):
            self._rows(places, guess)
        else:
            self._columns(places, guess)

    def _rows(self, places: list[Vector], guess: Vector) -> None:
        i, j = places[0]
        v = self.vectors.get
        base = v((i - 1, j), guess)
        top = self._vector(1, base, [base, v((i, j - 1)), v((i - 1, j + 2))], None)
        self._fill(places[:2], top)
        low = v((i + 1, j - 1))
        base = top if low is None else low
        self._fill(places[2:], self._vector(2, base, [low, guess], top))

    def _columns(self, places: list[Vector], guess: Vector) -> None:
        i, j = places[0]
        v = self.vectors.get
        base = v((i, j - 1), guess)
        first = self._vector(3, base, [base, v((i - 1, j)), guess], None)
        self._fill(places[::2], first)
        right = v((i - 1, j + 2), v((i - 1, j)))
        base = guess if right is None else right
        candidates = [right, v((i - 1, j + 1)), guess]
        self._fill(places[1::2], self._vector(4, base, candidates, first))

    def _quarters(self, places: list[Vector]) -> None:
        v = self.vectors.get
        for number, (i, j) in enumerate(places):
            left, above = v((i, j - 1)), v((i - 1, j))
            right = v((i - 1, j + 1), v((i - 1, j - 1)))
            if number == 3:
                right = v(places[0])
            base = median(left, above, right)
            vector = self._vector(5, base, [left, above, right, base], None)
            self._fill([(i, j)], vector)

    def _vector(
        self, kind: int, base: Vector, candidates: list[Vector | None], excluded: Vector | None
    ) -> Vector:
        seen = [] if excluded is None else [excluded]
        result = None
        for order, candidate in enumerate(candidates):
            if candidate is None or candidate in seen:
                continue
            if self.bits.bit(self.contexts.merge[kind][order][len(seen)]):
                result = candidate
                break
            seen.append(candidate)
        if result is None:
            dy = self._component(0)
            dx = self._component(1 + min(abs(dy), 2))
            result = base[0] + dy, base[1] + dx
        if max(abs(result[0]), abs(result[1])) > 2047:
            raise Refused("vector")
        difference = abs(result[0] - base[0]) + abs(result[1] - base[1])
        self.energies[self.here] = max(self.energies[self.here], difference)
        return result

    def _component(self, k: int) -> int:
        if not self.bits.bit(self.contexts.zero[k][self.level]):
            return 0
        negative = self.bits.bit(self.contexts.sign[min(k, 1)])
        size = self.bits.magnitude(self.contexts.size[k][self.level]) + 1
        return -size if negative else size


class PairReader:
    """Reads the macroblocks of a frame with two references."""

    def __init__(
        self, bits: BinaryReader, contexts: Contexts, later: Trace, distances: tuple[int, int]
    ) -> None:
        """With the trace that direct macroblocks follow, and the distances of both references."""
        self.bits, self.contexts, self.later, self.distances = bits, contexts, later, distances
        first = contexts.past if distances[1] > 0 else contexts.p
        self.past = FieldReader(bits, first, contexts.modes[0])
        self.future = FieldReader(bits, contexts.future, contexts.modes[1])
        self.uses: dict[Vector, int] = {}
        self.kinds: dict[Vector, str] = {}

    def _beside(self, values: dict[Vector, Any], m: int, n: int, wanted: Any) -> int:
        """How many of the macroblocks to the left and above have a value."""
        return (values.get((m, n - 1)) == wanted) + (values.get((m - 1, n)) == wanted)

    def read(self, m: int, n: int) -> None:
        """The next macroblock."""
        here = m, n
        left, above = self.uses.get((m, n - 1), BOTH), self.uses.get((m - 1, n), BOTH)
        near_use = left if left == above else BOTH
        near = [self.past.guess(m, n)] * 4, [self.future.guess(m, n)] * 4
        span = int(self.later.spans[m, n])
        past, future = self.distances
        quad = self.later.quad(m, n)
        old = [over(v, past, span) for v in quad], [over(v, -future, span) for v in quad]
        directs = self._beside(self.kinds, m, n, "near") + self._beside(self.kinds, m, n, "old")
        if self.bits.bit(self.contexts.direct[directs]):
            kind = "near"
            if near_use != BOTH or near != old:
                context = self.contexts.old[self._beside(self.kinds, m, n, "old")]
                kind = "old" if self.bits.bit(context) else "near"
            self.kinds[here] = kind
            self.uses[here] = near_use if kind == "near" else BOTH
            quads = near if kind == "near" else old
            self.past.take(m, n, quads[0])
            self.future.take(m, n, quads[1])
            return
        boths, futures = (left == BOTH) + (above == BOTH), (left == FUTURE) + (above == FUTURE)
        use = PAST
        if self.bits.bit(self.contexts.both[boths]):
            use = BOTH
        elif self.bits.bit(self.contexts.later[futures]):
            use = FUTURE
        self.uses[here] = use
        for field, unused, guess in ((self.past, FUTURE, near[0]), (self.future, PAST, near[1])):
            if use == unused:
                field.take(m, n, guess)
            else:
                field.read(m, n)


class MotionReader:
    """Reads motion sections."""

    def __init__(self, rows: int, columns: int) -> None:
        """For fields of ``rows`` x ``columns`` blocks."""
        self.rows, self.columns = rows, columns
        self.macroblocks = up(rows, 2), up(columns, 2)

    def still(self) -> Trace:
        """The trace of a key frame."""
        vectors = np.zeros((self.rows, self.columns, 2), np.int64)
        return Trace(vectors, np.zeros(self.macroblocks, np.int64))

    def read(
        self, data: bytes, inherited: Contexts, later: Trace | None, past: int, future: int = 0
    ) -> tuple[Moved, Contexts, Trace]:
        """A section, with what the frame leaves.

        Args:
            data: the section.
            inherited: contexts of one of the references.
            later: trace of the later reference of a B frame, of the first one of a P frame with
                two references.
            past, future: distances of the references; ``future`` is below 0 in a P frame.
        """
        contexts = deepcopy(inherited)
        if later is None:
            return self._read_p(self._bits(data, contexts), contexts, past)
        return self._read_b(self._bits(data, contexts), contexts, later, (past, future))

    def _bits(self, data: bytes, contexts: Contexts) -> BinaryReader:
        if data:
            return BinaryReader(data)
        empty = EmptySection()
        empty.old = contexts.old
        return empty

    def _read_p(
        self, bits: BinaryReader, contexts: Contexts, past: int
    ) -> tuple[Moved, Contexts, Trace]:
        field = FieldReader(bits, contexts.p, contexts.modes[0])
        for at in np.ndindex(*self.macroblocks):
            field.read(*at)
        bits.finish()
        contexts.modes = [field.modes, None]
        moved = Moved(field.field(self.rows, self.columns))
        return moved, contexts, Trace(moved.past, np.full(self.macroblocks, past))

    def _read_b(
        self, bits: BinaryReader, contexts: Contexts, later: Trace, distances: tuple[int, int]
    ) -> tuple[Moved, Contexts, Trace]:
        pair = PairReader(bits, contexts, later, distances)
        for at in np.ndindex(*self.macroblocks):
            pair.read(*at)
        bits.finish()
        contexts.modes = [pair.past.modes, pair.future.modes]
        uses = np.array([pair.uses[at] for at in np.ndindex(*self.macroblocks)])
        moved = Moved(
            pair.past.field(self.rows, self.columns),
            pair.future.field(self.rows, self.columns),
            uses.reshape(self.macroblocks),
        )
        assert moved.future is not None and moved.uses is not None
        vectors = np.where(moved.blocks()[..., None] == FUTURE, moved.future, moved.past)
        spans = np.where(moved.uses == FUTURE, -distances[1], distances[0])
        return moved, contexts, Trace(vectors, spans)


LUMA_TAPS = [
    [0, 0, 0, 64, 0, 0, 0, 0],
    [-1, 4, -10, 58, 17, -5, 1, 0],
    [-1, 4, -11, 40, 40, -11, 4, -1],
]
CHROMA_TAPS = [
    [0, 64, 0, 0],
    [-2, 58, 10, -2],
    [-4, 54, 16, -2],
    [-6, 46, 28, -4],
    [-4, 36, 36, -4],
]
LUMA_TAPS += [LUMA_TAPS[1][::-1]]
CHROMA_TAPS += [CHROMA_TAPS[f][::-1] for f in (3, 2, 1)]
LUMA_WEIGHTS = [1, 3, 5, 7, 9, 11, 13, 15, 15, 13, 11, 9, 7, 5, 3, 1]
CHROMA_WEIGHTS = [1, 3, 5, 7, 7, 5, 3, 1]


def predict(references: Sequence[Array], moved: Moved, chroma: bool, m: int = 0) -> Array:
    """Prediction of a plane from the same plane of each reference, of ``m`` bits more than 8."""
    taps, weights = (CHROMA_TAPS, CHROMA_WEIGHTS) if chroma else (LUMA_TAPS, LUMA_WEIGHTS)
    size, bits, shift = (4, 3, 3) if chroma else (8, 4, 2)
    count, window = len(taps[0]), np.array(weights)
    rows, columns = references[0].shape
    uses = np.pad(moved.blocks(), 1, mode="edge")
    tall, wide = uses.shape[0] * size, uses.shape[1] * size
    total = np.zeros((tall + 2 * size, wide + 2 * size), np.int64)
    fields = [np.pad(moved.past, ((1, 1), (1, 1), (0, 0)), mode="edge")]
    if moved.future is not None:
        fields.append(np.pad(moved.future, ((1, 1), (1, 1), (0, 0)), mode="edge"))
    for r, c in np.ndindex(*uses.shape):
        # The window's first sample in the plane; total begins size + size / 2 before it.
        y, x = (r - 1) * size - size // 2, (c - 1) * size - size // 2
        reach = np.arange(2 * size + count - 1) - count // 2 + 1
        for number in (PAST, FUTURE) if uses[r, c] == BOTH else (uses[r, c],):
            dy, dx = (int(d) for d in fields[number][r, c])
            at_row = np.clip(y + (dy >> shift) + reach, 0, rows - 1)
            at_column = np.clip(x + (dx >> shift) + reach, 0, columns - 1)
            s = references[number][np.ix_(at_row, at_column)].astype(np.int64)
            fy, fx = taps[dy & (1 << shift) - 1], taps[dx & (1 << shift) - 1]
            across = sum(fx[t] * s[:, t : t + 2 * size] for t in range(count)) + m >> m
            own = sum(fy[t] * across[t : t + 2 * size] for t in range(count))
            own = own + 2 ** (7 - m // 2) >> 8 - m // 2
            own = own if uses[r, c] == BOTH else 2 * own
            oy, ox = y + 3 * size // 2, x + 3 * size // 2
            total[oy : oy + 2 * size, ox : ox + 2 * size] += window[:, None] * window * own
    begin = 3 * size // 2
    inner = total[begin : begin + rows, begin : begin + columns]
    shift = 5 - m // 2 + 2 * bits
    blended: Array = np.clip(inner + 2 ** (shift - 1) >> shift, 0, 2 ** (8 + m) - 1)
    return blended


def unevenness(field: Array, h: int, w: int) -> Array:
    """``M``: differences to the four neighbours, on the padded grid."""
    rows, columns, _ = field.shape
    m = np.zeros((4, h, w), np.int64)
    across = np.minimum(np.abs(np.diff(field, axis=1)).max(axis=2), 255)
    down = np.minimum(np.abs(np.diff(field, axis=0)).max(axis=2), 255)
    m[0, :rows, 1:columns] = across
    m[1, :rows, : columns - 1] = across
    m[2, 1:rows, :columns] = down
    m[3, : rows - 1, :columns] = down
    return m
