"""Where a codec keeps the pictures that later frames are predicted from.

Frames are planned in decoding order, and may be coded later, by several threads. A picture takes a
slot when its coding begins, and has it as long as later frames may refer to it, or one that does
is not coded yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from colorvid.bitstream import Ordered, PictureBuffer
from colorvid.codec.crew import Lane, Task
from colorvid.frame import Links

T = TypeVar("T")


class Picture:
    """The picture of a frame that is planned.

    Attributes:
        level: temporal level of the frame.
        task: what codes the frame; None = it is coded without one.
        slot: where the picture is; None before it is coded, and for good if that failed.
    """

    def __init__(self, level: int) -> None:
        """One that is not coded yet."""
        self.level = level
        self.task: Task[Any] | None = None
        self.slot: int | None = None
        self._users = 0

    def use(self) -> None:
        """Take note of one more that needs it."""
        self._users += 1

    def leave(self) -> bool:
        """One that needed it does not any more; whether nothing does."""
        self._users -= 1
        return self._users == 0


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What coding a frame needs.

    Attributes:
        frame: with its references.
        references: their pictures, in the order of `Ordered.references`; None = it was never there.
        picture: of the frame itself.
    """

    frame: Ordered
    references: tuple[Picture | None, ...]
    picture: Picture

    def submit(self, lane: Lane, code: Callable[[], T]) -> Task[T]:
        """Have the frame coded once those that it refers to are coded, which were submitted."""
        needs = [p.task for p in self.references if p is not None and p.task is not None]
        task = lane.submit(code, needs)
        self.picture.task = task
        return task

    def missing(self) -> int | None:
        """Display number of the first reference that is not there; None if all are.

        Known once their tasks are done.
        """
        pairs = zip(self.frame.references, self.references, strict=True)
        return next((n for n, picture in pairs if picture is None or picture.slot is None), None)

    def links(self, target: int) -> Links:
        """The links of a P or B frame whose references are all there, and which goes to a slot.

        The contexts of a B frame are those of the reference on the higher level, which was coded
        later and is more like it; of equals the earlier one's. A P frame has those of its first.
        """
        past, *later = self.references
        future = later[0] if later else None
        assert past is not None and past.slot is not None
        inherits = past
        if future is not None and self.frame.future > 0 and future.level > past.level:
            inherits = future
        assert inherits.slot is not None
        return Links(
            past=past.slot,
            future=None if future is None else future.slot,
            inherits=inherits.slot,
            target=target,
            past_distance=self.frame.past,
            future_distance=self.frame.future,
        )


class Slots:
    """The pictures of `PictureBuffer` and those that are being coded, each in a slot.

    Attributes:
        count: number of slots.
    """

    def __init__(self, count: int, references: int) -> None:
        """Prepare.

        Args:
            count: number of slots: one for each reference; for each frame from the first one not
                coded on to the last that may be coded then; and for each slot that is barred.
            references: most pictures that later frames may refer to, 1..16 as in the stream header.
        """
        self.count, self._references = count, references
        self._buffer = PictureBuffer(references)
        self._pictures: dict[int, Picture] = {}  # of the buffer, by display number
        self._free = set(range(count))
        self._barred: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    def place(self, number: int) -> int:
        """The slot of a picture that is coded, and that later frames may refer to."""
        slot = self._pictures[number].slot
        assert slot is not None
        return slot

    def onward(self, number: int, barred: frozenset[int] = frozenset()) -> Slots:
        """For frames that refer to one picture and to what comes behind it.

        Args:
            number: display number of the picture, a coded key or P frame.
            barred: slots that nothing is put into.
        """
        after = Slots(self.count, self._references)
        picture = Picture(0)
        picture.slot = self.place(number)
        after._barred = barred
        after._free -= barred | {picture.slot}
        after._keep(number, picture)
        return after

    def plan(self, frame: Ordered) -> Order:
        """Take the next frame in decoding order; later ones may refer to it if it is kept."""
        with self._lock:
            if frame.is_key:
                self._buffer.reset()
                for number in tuple(self._pictures):
                    self._drop(number)
            references = tuple(map(self._pictures.get, frame.references))
            picture = Picture(frame.level)
            for used in (picture, *references):
                if used is not None:
                    used.use()
            if frame.is_kept:
                self._keep(frame.display_number, picture)
            return Order(frame, references, picture)

    @contextmanager
    def coding(self, order: Order) -> Iterator[int]:
        """The slot for a frame that is coded in the block; if that fails, there is no picture."""
        with self._lock:
            # Low and high slots are used again, and the search keeps references in low ones alone.
            slot = (min if order.frame.is_kept else max)(self._free)
            self._free.remove(slot)
        done = False
        try:
            yield slot
            done = True
        finally:
            with self._lock:
                if done:
                    order.picture.slot = slot
                else:
                    self._free.add(slot)
                for used in (order.picture, *order.references):
                    self._leave(used)

    def _keep(self, number: int, picture: Picture) -> None:
        if number in self._pictures:  # a damaged stream shows two frames at one place
            self._drop(number)
        picture.use()
        self._pictures[number] = picture
        gone = self._buffer.keep(number, picture.level)
        if gone is not None:
            self._drop(gone)

    def _drop(self, number: int) -> None:
        """No later frame refers to a picture any more."""
        self._leave(self._pictures.pop(number))

    def _leave(self, picture: Picture | None) -> None:
        if picture is not None and picture.leave() and picture.slot is not None:
            if picture.slot not in self._barred:
                self._free.add(picture.slot)
            picture.slot = None
