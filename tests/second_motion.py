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
Hint = Quad | None
Neighbours = tuple[Vector | None, Vector | None, Vector | None]

PAST, FUTURE, BOTH = range(3)


class Refused(Exception):
    """What a decoder must refuse or report."""


def up(size: int, step: int) -> int:
    """``ceil(size / step)``."""
    return -(-size // step)


class Bin:
    """A kind of bit: sets of contexts ``[p, n]``, and weights of their odds."""

    SHIFT = [1] + [2] * 3 + [3] * 6 + [4] * 11 + [5] * 23 + [6]
    KNOTS = [
        22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743,
        32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374,
        65438, 65476, 65500, 65514,
    ]  # fmt: skip

    def __init__(self, *sizes: int) -> None:
        """Fresh contexts, so many in each set."""
        self.sets: list[list[Context]] = [[[32768, 0] for _ in range(size)] for size in sizes]
        self.weights = [393216 // (5 * len(sizes))] * len(sizes)
        self.odds: list[int] = []

    @classmethod
    def chance_of(cls, odds: int) -> int:
        """chance(x)."""
        i, j = (odds + 2048) // 128, (odds + 2048) % 128
        return cls.KNOTS[i] + (cls.KNOTS[i + 1] - cls.KNOTS[i]) * j // 128

    def chance(self, places: Sequence[int]) -> int:
        """The probability of a one in units of 2^-16."""
        chosen = [contexts[place][0] for contexts, place in zip(self.sets, places, strict=True)]
        if len(chosen) == 1:
            return chosen[0]
        self.odds = [ODDS[p >> 4] for p in chosen]
        mixed = sum(w * x for w, x in zip(self.weights, self.odds, strict=True)) >> 16
        return self.chance_of(min(max(mixed, -2047), 2047))

    def learn(self, places: Sequence[int], bit: int, chance: int) -> None:
        """What a bit does to weights and contexts."""
        if len(self.sets) > 1:
            missed, pairs = bit * 65536 - chance, zip(self.weights, self.odds, strict=True)
            moved = [w + (missed * x >> 14) for w, x in pairs]
            self.weights = [min(max(w, -(2**19)), 2**19) for w in moved]
        for contexts, place in zip(self.sets, places, strict=True):
            p, n = contexts[place]
            p += 65536 - p >> self.SHIFT[n] if bit else -(p >> self.SHIFT[n])
            contexts[place] = [p, min(n + 1, 44)]


ALL_CHANCES = np.array([Bin.chance_of(x) for x in range(-2047, 2048)])
ODDS = np.maximum(np.searchsorted(ALL_CHANCES, 16 * np.arange(4096) + 8, "right") - 1, 0) - 2047
ODDS = ODDS.tolist()


class BinaryReader:
    """The binary range decoder."""

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self.data, self.at, self.range = data, 4, 2**32 - 1
        self.code = int.from_bytes((data + bytes(4))[:4], "big")

    def _renormalise(self) -> None:
        while self.range < 2**24:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.code = (self.code << 8 | byte) % 2**32
            self.range, self.at = self.range << 8, self.at + 1

    def bit(self, bin: Bin, *places: int) -> int:
        """One bit with a context of each set of a bin."""
        chance = bin.chance(places)
        bound = self.range * chance >> 16
        one = int(self.code < bound)
        if one:
            self.range = bound
        else:
            self.code, self.range = self.code - bound, self.range - bound
        bin.learn(places, one, chance)
        self._renormalise()
        return one

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

    def magnitude(self, bin: Bin, i: int, j: int) -> int:
        """An Exp-Golomb number."""
        length = 0
        while length < 12 and self.bit(bin, 25 * i + length, 25 * j + length):
            length += 1
        if not length:
            return 0
        first = self.bit(bin, 25 * i + 12 + length, 25 * j + 12 + length)
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
        self.old: Bin | None = None

    def bit(self, bin: Bin, *places: int) -> int:
        """1 = skipped or direct; 0 = not direct from the later reference."""
        bit = int(bin is not self.old)
        bin.learn(places, bit, bin.chance(places))
        return bit

    def finish(self) -> None:
        """Nothing to check."""


class FieldContexts:
    """Contexts of the vectors of one field."""

    def __init__(self) -> None:
        """Fresh ones."""
        self.skip, self.uniform = Bin(36, 75), Bin(3, 9)
        self.pair, self.rows = Bin(1), Bin(1)
        self.merge, self.sign = Bin(120, 120), Bin(2, 16)
        self.zero, self.size = Bin(20, 32), Bin(500, 400)


class Contexts:
    """All contexts, and modes, uses and kinds of the last frame; None where it has none."""

    def __init__(self) -> None:
        """Those of a key frame."""
        self.p, self.past, self.future = FieldContexts(), FieldContexts(), FieldContexts()
        self.direct, self.old = Bin(16, 36, 27, 75, 648), Bin(27, 108, 75, 150)
        self.both, self.later = Bin(9, 12, 25), Bin(9, 12, 25)
        self.modes: list[dict[Vector, int] | None] = [None, None]
        self.uses: dict[Vector, int] | None = None
        self.kinds: dict[Vector, int] | None = None


def class_of(x: int) -> int:
    """class(x)."""
    return bisect_right((1, 3, 8, 20), x)


def between(u: Vector | None, v: Vector | None) -> int:
    """between(u, v)."""
    return 0 if u is None or v is None else class_of(abs(u[0] - v[0]) + abs(u[1] - v[1]))


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
        self.expected: dict[Vector, Vector | None] = {}

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

    def read(self, m: int, n: int, expected: Hint) -> None:
        """The next macroblock."""
        left, above, right = self.neighbours(m, n)
        guess = median(left, above, right)
        beside = self.modes.get((m, n - 1), 0), self.modes.get((m - 1, n), 0)
        t = 2 if self.before is None else int(self.before[m, n] > 0)
        s = (beside[0] > 0) + (beside[1] > 0)
        a = 18 * (guess == (0, 0)) + 9 * (left == above == right) + 3 * t + s
        b = 15 * between(left, above) + 3 * between(above, right) + s
        if self.bits.bit(self.contexts.skip, a, b):
            self.take(m, n, [guess] * 4)
            return
        places = [(2 * m + i, 2 * n + j) for i, j in QUAD]
        self.expected = dict(zip(places, expected or [None] * 4, strict=True))
        self.energies[m, n] = 0
        near = self.energies.get((m, n - 1), 0) + self.energies.get((m - 1, n), 0)
        self.level, self.here = class_of(near), (m, n)
        c = (beside[0] > 1) + (beside[1] > 1)
        if self.bits.bit(self.contexts.uniform, c, 3 * beside[0] + beside[1]):
            self.modes[m, n] = 1
            candidates = [guess, left, above, right]
            self._fill(places, self._vector(0, places[0], guess, candidates, guess))
            return
        self.modes[m, n] = 2
        if not self.bits.bit(self.contexts.pair, 0):
            self._quarters(places)
        elif self.bits.bit(self.contexts.rows, 0):
            self._rows(places, guess)
        else:
            self._columns(places, guess)

    def _rows(self, places: list[Vector], guess: Vector) -> None:
        i, j = places[0]
        v = self.vectors.get
        base = v((i - 1, j), guess)
        top = self._vector(1, places[0], base, [base, v((i, j - 1)), v((i - 1, j + 2))], None)
        self._fill(places[:2], top)
        low = v((i + 1, j - 1))
        base = top if low is None else low
        self._fill(places[2:], self._vector(2, places[2], base, [low, guess], top))

    def _columns(self, places: list[Vector], guess: Vector) -> None:
        i, j = places[0]
        v = self.vectors.get
        base = v((i, j - 1), guess)
        first = self._vector(3, places[0], base, [base, v((i - 1, j)), guess], None)
        self._fill(places[::2], first)
        right = v((i - 1, j + 2), v((i - 1, j)))
        base = guess if right is None else right
        candidates = [right, v((i - 1, j + 1)), guess]
        self._fill(places[1::2], self._vector(4, places[1], base, candidates, first))

    def _quarters(self, places: list[Vector]) -> None:
        v = self.vectors.get
        for number, (i, j) in enumerate(places):
            left, above = v((i, j - 1)), v((i - 1, j))
            right = v((i - 1, j + 1), v((i - 1, j - 1)))
            if number == 3:
                right = v(places[0])
            base = median(left, above, right)
            vector = self._vector(5, (i, j), base, [left, above, right, base], None)
            self._fill([(i, j)], vector)

    def _vector(
        self,
        kind: int,
        place: Vector,
        base: Vector,
        candidates: list[Vector | None],
        excluded: Vector | None,
    ) -> Vector:
        seen = [] if excluded is None else [excluded]
        result = None
        for order, candidate in enumerate(candidates):
            if candidate is None or candidate in seen:
                continue
            row = 20 * kind + 5 * order
            if self.bits.bit(self.contexts.merge, row + len(seen), row + self.level):
                result = candidate
                break
            seen.append(candidate)
        if result is None:
            hint = self.expected[place]
            y, x = (7, 7) if hint is None else (side(hint[k] - base[k]) for k in (0, 1))
            dy = self._component(0, y)
            dx = self._component(1 + min(abs(dy), 2), x)
            result = base[0] + dy, base[1] + dx
        if max(abs(result[0]), abs(result[1])) > 2047:
            raise Refused("vector")
        difference = abs(result[0] - base[0]) + abs(result[1] - base[1])
        self.energies[self.here] = max(self.energies[self.here], difference)
        return result

    def _component(self, k: int, h: int) -> int:
        if not self.bits.bit(self.contexts.zero, 5 * k + self.level, 8 * k + h):
            return 0
        m = min(k, 1)
        negative = self.bits.bit(self.contexts.sign, m, 8 * m + h)
        if negative and 1 <= h <= 6:
            h = h + 3 if h <= 3 else h - 3
        size = self.bits.magnitude(self.contexts.size, 5 * k + self.level, 8 * m + h) + 1
        return -size if negative else size


def side(x: int) -> int:
    """The side of a component that is expected x from the base."""
    return 0 if x == 0 else 1 + (abs(x) >= 3) + (abs(x) >= 10) + 3 * (x < 0)


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
        self.kinds: dict[Vector, int] = {}

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
        u, g = 3 * left + above, 0
        for field in (self.past, self.future):
            g = 5 * g + between(*field.neighbours(m, n)[:2])
        v = 3 if self.contexts.uses is None else self.contexts.uses[here]
        columns = up(self.later.vectors.shape[1], 2)
        places = [(m, n - 1), (m - 1, n), (m - 1, min(n + 1, columns - 1)), (m - 1, max(n - 1, 0))]
        kinds = [self.kinds.get(place, 0) for place in places]
        d, a, r, c = (int(kind > 0) for kind in kinds)
        was = [self._was_direct(place) for place in (here, (m, n + 1), (m + 1, n))]
        alike = near_use == BOTH and near == old
        if self.bits.bit(
            self.contexts.direct,
            8 * d + 4 * a + 2 * r + c,
            4 * u + v,
            9 * was[0] + 3 * was[1] + was[2],
            3 * g + d + a,
            18 * (6 * (d + a) + 2 * was[0] + alike) + 2 * u + r,
        ):
            kind = 1 if alike else 1 + self._is_old(near, old, kinds, 4 * u + v, g)
            self.kinds[here] = kind
            self.uses[here] = near_use if kind == 1 else BOTH
            quads = near if kind == 1 else old
            self.past.take(m, n, quads[0])
            self.future.take(m, n, quads[1])
            return
        self.kinds[here] = 0
        boths, futures = (left == BOTH) + (above == BOTH), (left == FUTURE) + (above == FUTURE)
        use = PAST
        if self.bits.bit(self.contexts.both, u, 4 * boths + v, g):
            use = BOTH
        elif self.bits.bit(self.contexts.later, u, 4 * futures + v, g):
            use = FUTURE
        self.uses[here] = use
        expected = old[1]
        if use == FUTURE:
            self.past.take(m, n, near[0])
        else:
            self.past.read(m, n, old[0])
            vectors = [self.past.vectors[2 * m + i, 2 * n + j] for i, j in QUAD]
            expected = [over(vector, -future, past) for vector in vectors]
        if use == PAST:
            self.future.take(m, n, near[1])
        else:
            self.future.read(m, n, expected)

    def _was_direct(self, place: Vector) -> int:
        """E(x)."""
        if self.contexts.kinds is None:
            return 2
        return int(self.contexts.kinds.get(place, 0) > 0)

    def _is_old(
        self, near: tuple[Quad, Quad], old: tuple[Quad, Quad], kinds: list[int], uv: int, g: int
    ) -> int:
        """Whether a direct macroblock is so as old."""
        past, future = self.distances
        olds = (kinds[0] == 2) + (kinds[1] == 2)
        pairs = [(near[k][0], old[k][0]) for k in (0, 1)]
        o = class_of(sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairs))
        e = between(over(near[0][0], -future, past), near[1][0])
        return self.bits.bit(
            self.contexts.old,
            9 * kinds[0] + 3 * kinds[1] + kinds[2],
            3 * uv + olds,
            3 * (5 * o + e) + olds,
            6 * g + 2 * olds + (len(set(old[0])) == 1),
        )


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
        self, data: bytes, inherited: Contexts, trace: Trace, past: int, future: int = 0
    ) -> tuple[Moved, Contexts, Trace]:
        """A section, with what the frame leaves.

        Args:
            data: the section.
            inherited: contexts of one of the references.
            trace: of the later reference of a B frame, of the first one of a P frame.
            past, future: distances of the references; ``future`` is below 0 in a P frame, and 0
                where it has one reference.
        """
        contexts = deepcopy(inherited)
        if future == 0:
            return self._read_p(self._bits(data, contexts), contexts, trace, past)
        return self._read_b(self._bits(data, contexts), contexts, trace, (past, future))

    def _bits(self, data: bytes, contexts: Contexts) -> BinaryReader:
        if data:
            return BinaryReader(data)
        empty = EmptySection()
        empty.old = contexts.old
        return empty

    def _read_p(
        self, bits: BinaryReader, contexts: Contexts, trace: Trace, past: int
    ) -> tuple[Moved, Contexts, Trace]:
        field = FieldReader(bits, contexts.p, contexts.modes[0])
        for m, n in np.ndindex(*self.macroblocks):
            span = int(trace.spans[m, n])
            expected = [over(vector, past, span) for vector in trace.quad(m, n)]
            field.read(m, n, expected if span else None)
        bits.finish()
        contexts.modes = [field.modes, None]
        contexts.uses = contexts.kinds = None
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
        contexts.uses, contexts.kinds = pair.uses, pair.kinds
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
