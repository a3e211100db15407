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

from colorvid.entropy.binary import BinaryCoder, States
from colorvid.frame import BOTH, FUTURE, PAST, Links, Motion, Vectors
from colorvid.motion.field import VECTOR_LIMIT, ZERO, Quad, Vector, median, quads
from colorvid.motion.walk import Walk

_SCALE_BITS = 16
_CODED, _NEAR, _OLD = range(3)  # kinds of macroblocks: vectors coded, direct from neighbours, or
# from the motion of the later reference

# Layout of the contexts.
_AT_DIRECT = 0
_AT_TEMPORAL = 3
_AT_BOTH = 6
_AT_FUTURE = 9
USE_CONTEXTS = 12


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


class PairWalk:
    """One pass over the macroblocks of a B frame, in either direction."""

    def __init__(
        self, fields: tuple[Walk, Walk], states: States, links: Links, trace: Trace
    ) -> None:
        """Prepare.

        Args:
            fields: walks of the vectors towards the past and towards the future, with one coder.
            states: contexts of direct macroblocks and uses, `USE_CONTEXTS`.
            links: of the frame.
            trace: motion of the later reference, of a P frame that of the first one.
        """
        self.past, self.future = fields
        self.coder: BinaryCoder = self.past.coder
        self.states, self.links, self.trace = states, links, trace
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
        left, above = here - 1, here - self._wide - 1
        near, old = self._near(at, here), self._temporal(number)
        is_near = wanted is not None and wanted.same(near)
        is_old = wanted is not None and wanted.same(old)
        directs = (self.kinds[left] != _CODED) + (self.kinds[above] != _CODED)
        known = wanted is not None
        if self._bit(int(is_near or is_old) if known else None, _AT_DIRECT + directs):
            taken = _NEAR
            if not near.same(old):
                olds = (self.kinds[left] == _OLD) + (self.kinds[above] == _OLD)
                if self._bit(int(not is_near) if known else None, _AT_TEMPORAL + olds):
                    taken = _OLD
            direct = near if taken == _NEAR else old
            self.kinds[here], self.uses[here] = taken, direct.use
            self.past.assume(at, here, near.past if direct.use == FUTURE else direct.past)
            self.future.assume(at, here, near.future if direct.use == PAST else direct.future)
            return
        self.kinds[here] = _CODED
        use = self._use(None if wanted is None else wanted.use, left, above)
        self.uses[here] = use
        if use == FUTURE:
            self.past.assume(at, here, near.past)
        else:
            self.past.macroblock(at, here, None if wanted is None else wanted.past)
        if use == PAST:
            self.future.assume(at, here, near.future)
        else:
            self.future.macroblock(at, here, None if wanted is None else wanted.future)

    def _use(self, wanted: int | None, left: int, above: int) -> int:
        uses = self.uses
        boths = (uses[left] == BOTH) + (uses[above] == BOTH)
        if self._bit(None if wanted is None else int(wanted == BOTH), _AT_BOTH + boths):
            return BOTH
        futures = (uses[left] == FUTURE) + (uses[above] == FUTURE)
        future = None if wanted is None else int(wanted == FUTURE)
        return FUTURE if self._bit(future, _AT_FUTURE + futures) else PAST

    def _bit(self, bit: int | None, context: int) -> int:
        return self.coder.code(bit, self.states, context)

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
