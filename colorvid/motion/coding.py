"""Lossless coding of motion with adaptive contexts.

A P frame has one field of vectors (`colorvid.motion.walk`), a B frame two, and what each of its
macroblocks uses (`colorvid.motion.pair`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from colorvid.entropy import binary
from colorvid.entropy.binary import BinaryCoder, BinaryDecoder, BinaryEncoder
from colorvid.errors import ConfigError
from colorvid.frame import BOTH, Links, Motion
from colorvid.motion.field import check_motion, quads
from colorvid.motion.pair import USES, PairWalk, Trace, Ways, choices, expected_from
from colorvid.motion.walk import FIELD, Walk


class MotionCoder:
    """Codes the motion of the frames of a group of pictures, in decoding order.

    Contexts, and the motion that direct macroblocks look at, last from a frame to those that are
    predicted from it; so a frame needs no other frame than its references.
    """

    __slots__ = ("_shape", "_slots")

    def __init__(self, shape: tuple[int, int]) -> None:
        """Prepare for frames of ``(rows, columns)`` blocks, each at least 1."""
        self._shape = shape
        self._slots: dict[int, _Left] = {}

    def start(self, target: int) -> None:
        """Put a key or I frame into a slot: fresh contexts, no motion."""
        rows, columns = self._shape
        still = np.zeros((rows, columns, 2), np.int16)
        trace = Trace(still, [0] * (-(-rows // 2) * -(-columns // 2)))
        self._slots[target] = _Left(Contexts(), trace)

    def encode(self, links: Links, motion: Motion) -> bytes:
        """The bytes of a frame's motion; none if nothing moves, though the contexts adapt then too.

        Args:
            links: of the frame.
            motion: with vectors within +-2047.

        Raises:
            ConfigError: a value is out of its range, or a reference is not there.
        """
        check_motion(motion, self._shape)
        coder = BinaryEncoder()
        self._code(coder, links, motion)
        return section(motion, coder.finish())

    def decode(self, links: Links, data: bytes) -> Motion:
        """The motion that `encode` was given.

        Args:
            links: of the frame.
            data: its bytes, or any damaged form of them.

        Raises:
            ConfigError: a reference is not there.
            DamagedStream: the bytes decode to a vector out of range, or are too few or too many.
        """
        if not data:
            return self._code(BinaryEncoder(), links, still_motion(links, self._shape))
        coder = BinaryDecoder(data)
        motion = self._code(coder, links, None)
        coder.finish()
        return motion

    def _code(self, coder: BinaryCoder, links: Links, motion: Motion | None) -> Motion:
        """Write the motion of a frame, or read it."""
        future = None if links.future is None else self._left(links.future)
        past = self._left(links.past)
        contexts = self._left(links.inherits).contexts.copy()
        if future is None:
            walk = Walk(coder, contexts.p, self._shape, contexts.modes[0])
            wanted = None if motion is None else quads(motion.past, self._shape)
            walk.run(wanted, expected_from(past.trace, links.past_distance))
            contexts.modes, contexts.ways = (walk.modes, None), None
            coded = Motion(walk.field())
            trace = Trace(coded.past, [links.past_distance] * len(list(walk.places())))
        else:
            later = links.future_distance > 0
            first = contexts.past if later else contexts.p
            fields = (
                Walk(coder, first, self._shape, contexts.modes[0]),
                Walk(coder, contexts.future, self._shape, contexts.modes[1]),
            )
            trace = (future if later else past).trace
            pair = PairWalk(fields, contexts.uses, links, trace, contexts.ways)
            pair.run(None if motion is None else choices(motion))
            contexts.modes = fields[0].modes, fields[1].modes
            contexts.ways = Ways(pair.uses, pair.kinds)
            coded, trace = pair.motion(), pair.leave()
        self._slots[links.target] = _Left(contexts, trace)
        return coded

    def _left(self, slot: int) -> _Left:
        """What the picture in a slot left."""
        if slot not in self._slots:
            raise ConfigError("an inter frame needs its references")
        return self._slots[slot]


class Contexts:
    """Adaptive contexts, and the modes of the macroblocks of the last frame.

    Attributes:
        p: contexts of the vectors of P frames; of their first field, if there are two.
        past, future: those of the two fields of B frames; ``future`` also of a P frame's second.
        uses: those of direct macroblocks and of what a macroblock uses.
        modes: of the last frame, for each of its fields, laid out like `Walk.modes`; None = none.
        ways: of the last frame, if it has two references.
    """

    __slots__ = ("future", "modes", "p", "past", "uses", "ways")

    def __init__(self) -> None:
        """Fresh ones."""
        self.p, self.past, self.future = (binary.Contexts(FIELD) for _ in range(3))
        self.uses = binary.Contexts(USES)
        self.modes: tuple[list[int] | None, list[int] | None] = (None, None)
        self.ways: Ways | None = None

    def copy(self) -> Contexts:
        """Contexts that adapt on their own."""
        new = Contexts.__new__(Contexts)
        new.p, new.past, new.future = self.p.copy(), self.past.copy(), self.future.copy()
        new.uses, new.modes, new.ways = self.uses.copy(), self.modes, self.ways
        return new


class _Left(NamedTuple):
    """What a picture leaves for the motion of later frames."""

    contexts: Contexts
    trace: Trace


def still_motion(links: Links, shape: tuple[int, int]) -> Motion:
    """The motion that an empty section stands for: zero vectors, from all references."""
    vectors = np.zeros((*shape, 2), np.int16)
    if links.future is None:
        return Motion(vectors)
    uses = np.full((-(-shape[0] // 2), -(-shape[1] // 2)), BOTH, np.uint8)
    return Motion(vectors, vectors.copy(), uses)


def section(motion: Motion, data: bytes) -> bytes:
    """The motion section: empty for still motion alone, though that is not all that costs nothing.

    A decoder reads zeros behind the end of the data.
    """
    return b"" if is_still(motion) else data or b"\0"


def is_still(motion: Motion) -> bool:
    """Whether motion is what an empty section stands for."""
    if motion.past.any():
        return False
    if motion.future is None or motion.uses is None:
        return True
    return not motion.future.any() and bool((motion.uses == BOTH).all())
