"""The motion of a B frame, macroblock by macroblock: two fields and what each macroblock uses.

A macroblock is *direct*, which costs next to nothing, or says whether it uses the earlier
reference, the later one or both, and then codes its vectors for each reference it uses as
`colorvid.motion.walk.Walk` does. Direct motion comes from the neighbours (their guesses, and the
references that the left and the upper one agree on), or from the motion of the later reference at
the same place, scaled to the distances of the two references; as the spatial and the temporal
direct modes of ITU-T H.264 8.4.1.2, simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colorvid.entropy.binary import BinaryCoder, Contexts, Layout
from colorvid.frame import BOTH, FUTURE, PAST, Links, Motion, Vectors
from colorvid.motion.field import VECTOR_LIMIT, ZERO, Quad, Vector, median, quads
from colorvid.motion.walk import Expected, Walk, class_between, class_of

_SCALE_BITS = 16
_CODED, _NEAR, _OLD = range(3)  # kinds of macroblocks: vectors coded, direct from neighbours, or
# from the motion of the later reference

USES = Layout()
"""Bits of a frame with two references beside those of its fields."""
_DIRECT = USES.bin(16, 36, 27, 75, 648)
_TEMPORAL = USES.bin(27, 108, 75, 150)
_BOTH = USES.bin(9, 12, 25)
_LATER = USES.bin(9, 12, 25)


@dataclass(frozen=True, slots=True)
class Trace:
    """Motion of a picture as later frames see it.

    Attributes:
        vectors: one for each block, int16 ``(rows, columns, 2)``.
        distances: of each macroblock, in raster order: how many frames before the picture its
            reference lies; below 0 behind it, 0 = no motion.
    """

    vectors: Vectors
    distances: list[int]


@dataclass(frozen=True, slots=True)
class PairChoice:
    """What a macroblock of a B frame is predicted from; vectors it does not use do not matter."""

    use: int
    past: Quad
    future: Quad

    def same(self, other: PairChoice) -> bool:
        """Whether both predict the same."""
        return (
            self.use == other.use
            and (self.use == FUTURE or self.past == other.past)
            and (self.use == PAST or self.future == other.future)
        )


def over_frames(vector: Vector, to: int, span: int) -> Vector:
    """A vector that spans ``span`` frames over ``to`` frames; below 0 towards later ones."""
    if span == 0:
        return ZERO
    size = abs(span)
    factor = (-to if span < 0 else to) * (((1 << _SCALE_BITS) + size // 2) // size)
    half = 1 << (_SCALE_BITS - 1)
    y, x = (
        max(-VECTOR_LIMIT, min(VECTOR_LIMIT, (part * factor + half) >> _SCALE_BITS))
        for part in vector
    )
    return y, x


@dataclass(frozen=True, slots=True)
class Ways:
    """Of the macroblocks of a frame with two references, laid out like `Walk.modes`.

    Attributes:
        uses: what each is predicted from.
        kinds: whether its vectors were coded, or where they came from.
    """

    uses: list[int]
    kinds: list[int]


@dataclass(frozen=True, slots=True)
class _Around:
    """What the neighbours and the frame before say of a macroblock.

    Attributes:
        left, above: their places.
        right, corner: places above right and above left; at an edge above.
        uses: of the left and of the upper macroblock.
        used: by the same macroblock of that frame; 3 = not known.
        apart: how much the neighbours' vectors differ, in both fields.
    """

    left: int
    above: int
    right: int
    corner: int
    uses: int
    used: int
    apart: int


class PairWalk:
    """One pass over the macroblocks of a B frame, in either direction."""

    def __init__(
        self,
        fields: tuple[Walk, Walk],
        contexts: Contexts,
        links: Links,
        trace: Trace,
        before: Ways | None,
    ) -> None:
        """Prepare.

        Args:
            fields: walks of the vectors towards the past and towards the future, with one coder.
            contexts: those of `USES`.
            links: of the frame.
            trace: motion of the later reference, of a P frame that of the first one.
            before: of the frame whose contexts these are, if it has two references.
        """
        self.past, self.future = fields
        self.coder: BinaryCoder = self.past.coder
        self.contexts, self.links, self.trace, self.before = contexts, links, trace, before
        self.shape = self.past.shape
        self._wide = self.past.size[1]
        places = len(self.past.modes)
        self.uses = [BOTH] * places
        self.kinds = [_CODED] * places
        self._old = quads(trace.vectors, self.shape)

    def run(self, wanted: list[PairChoice] | None) -> None:
        """Code all macroblocks; ``wanted`` has them in raster order, or is None."""
        for number, (at, here) in enumerate(self.past.places()):
            self.macroblock(number, at, here, None if wanted is None else wanted[number])

    def motion(self) -> Motion:
        """What was coded."""
        return Motion(self.past.field(), self.future.field(), self._use_map())

    def leave(self) -> Trace:
        """What later frames see: of the vectors of a macroblock those it uses, the past first."""
        uses = self._use_map()
        blocks = uses.repeat(2, 0).repeat(2, 1)[: self.shape[0], : self.shape[1], None]
        vectors = np.where(blocks == FUTURE, self.future.field(), self.past.field())
        later, earlier = -self.links.future_distance, self.links.past_distance
        distances = [later if use == FUTURE else earlier for use in uses.ravel().tolist()]
        return Trace(vectors.astype(np.int16), distances)

    def macroblock(self, number: int, at: int, here: int, wanted: PairChoice | None) -> None:
        """Code one macroblock; see `Walk.macroblock`."""
        near, old = self._near(at, here), self._temporal(number)
        is_near = wanted is not None and wanted.same(near)
        is_old = wanted is not None and wanted.same(old)
        known, alike, around = wanted is not None, near.same(old), self._look(at, here)
        places = self._direct_places(here, around, alike)
        direct_wanted = int(is_near or is_old) if known else None
        if self.coder.code(direct_wanted, self.contexts, _DIRECT, *places):
            taken = _NEAR
            if not alike:
                places = self._old_places(around, near, old)
                old_wanted = int(not is_near) if known else None
                taken += self.coder.code(old_wanted, self.contexts, _TEMPORAL, *places)
            direct = near if taken == _NEAR else old
            self.kinds[here], self.uses[here] = taken, direct.use
            self.past.assume(at, here, near.past if direct.use == FUTURE else direct.past)
            self.future.assume(at, here, near.future if direct.use == PAST else direct.future)
            return
        self.kinds[here] = _CODED
        use = self._use(None if wanted is None else wanted.use, around)
        self.uses[here] = use
        expected = old.future
        if use == FUTURE:
            self.past.assume(at, here, near.past)
        else:
            self.past.macroblock(at, here, None if wanted is None else wanted.past, old.past)
            expected = self._mirrored(at)
        if use == PAST:
            self.future.assume(at, here, near.future)
        else:
            self.future.macroblock(at, here, None if wanted is None else wanted.future, expected)

    def _use(self, wanted: int | None, around: _Around) -> int:
        uses = self.uses[around.left], self.uses[around.above]
        for bin, use in ((_BOTH, BOTH), (_LATER, FUTURE)):
            known = None if wanted is None else int(wanted == use)
            count = 4 * uses.count(use) + around.used
            if self.coder.code(known, self.contexts, bin, around.uses, count, around.apart):
                return use
        return PAST

    def _look(self, at: int, here: int) -> _Around:
        left, above = here - 1, here - self._wide - 1
        column = (here - 1) % (self._wide + 1)
        past, future = self.past.neighbours(at), self.future.neighbours(at)
        return _Around(
            left,
            above,
            above + (column < self._wide - 1),
            above - (column > 0),
            3 * self.uses[left] + self.uses[above],
            3 if self.before is None else self.before.uses[here],
            5 * class_between(*past[:2]) + class_between(*future[:2]),
        )

    def _direct_places(self, here: int, around: _Around, alike: bool) -> tuple[int, ...]:
        left, above, right, corner = (
            int(self.kinds[place] != _CODED)
            for place in (around.left, around.above, around.right, around.corner)
        )

        def was_direct(place: int) -> int:
            """In the frame before; 2 = not known."""
            if self.before is None:
                return 2
            kinds = self.before.kinds
            return int(place < len(kinds) and kinds[place] != _CODED)

        was, beside, below = map(was_direct, (here, here + 1, here + self._wide + 1))
        directs = left + above
        return (
            8 * left + 4 * above + 2 * right + corner,
            4 * around.uses + around.used,
            9 * was + 3 * beside + below,
            3 * around.apart + directs,
            18 * (6 * directs + 2 * was + alike) + 2 * around.uses + right,
        )

    def _old_places(self, around: _Around, near: PairChoice, old: PairChoice) -> tuple[int, ...]:
        left, above, right = (
            self.kinds[place] for place in (around.left, around.above, around.right)
        )
        olds = (left == _OLD) + (above == _OLD)
        pairs = (near.past[0], old.past[0]), (near.future[0], old.future[0])
        off = sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairs)
        across = over_frames(near.past[0], -self.links.future_distance, self.links.past_distance)
        bent = class_between(across, near.future[0])
        return (
            9 * left + 3 * above + right,
            3 * (4 * around.uses + around.used) + olds,
            3 * (5 * class_of(off) + bent) + olds,
            6 * around.apart + 2 * olds + (old.past == (old.past[0],) * 4),
        )

    def _mirrored(self, at: int) -> Quad:
        """The vectors of the first field, over to the second reference."""
        links = self.links
        stride = 2 * self._wide + 2
        blocks = [self.past.cells[at + place] for place in (0, 1, stride, stride + 1)]
        first, second, third, fourth = (
            over_frames(vector or ZERO, -links.future_distance, links.past_distance)
            for vector in blocks
        )
        return first, second, third, fourth

    def _near(self, at: int, here: int) -> PairChoice:
        """Direct from the neighbours."""
        left, above = self.uses[here - 1], self.uses[here - self._wide - 1]
        past = median(*self.past.neighbours(at))
        future = median(*self.future.neighbours(at))
        return PairChoice(left if left == above else BOTH, (past,) * 4, (future,) * 4)

    def _temporal(self, number: int) -> PairChoice:
        """Direct from the motion of that reference."""
        span, links = self.trace.distances[number], self.links
        past, future = (
            tuple(over_frames(vector, to, span) for vector in self._old[number])
            for to in (links.past_distance, -links.future_distance)
        )
        return PairChoice(BOTH, past, future)  # type: ignore[arg-type]

    def _use_map(self) -> NDArray[np.uint8]:
        tall, wide = self.past.size
        return np.array(self.uses, np.uint8).reshape(tall + 1, wide + 1)[1:, 1:].copy()


def expected_from(trace: Trace, to: int) -> list[Expected]:
    """What each macroblock of a P frame may be near: its reference's motion over ``to`` frames."""
    shape = trace.vectors.shape[0], trace.vectors.shape[1]
    found: list[Expected] = []
    for quad, span in zip(quads(trace.vectors, shape), trace.distances, strict=True):
        a, b, c, d = (over_frames(vector, to, span) for vector in quad)
        found.append((a, b, c, d) if span else None)
    return found


def choices(motion: Motion) -> list[PairChoice]:
    """The macroblocks of a B frame in raster order."""
    assert motion.future is not None and motion.uses is not None
    return [
        PairChoice(*macroblock)
        for macroblock in zip(
            motion.uses.ravel().tolist(),
            quads(motion.past, motion.shape),
            quads(motion.future, motion.shape),
            strict=True,
        )
    ]
