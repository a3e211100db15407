from __future__ import annotations

import pytest

from colorvid.bitstream import FrameType
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.slots import Slots
from colorvid.codec.structure import KEY, Place, mini_gop
from colorvid.frame import Links


def follow(slots: Slots, place: Place) -> int:
    """Put a frame into the slot that it goes to; gives that slot."""
    if place.is_key:
        slots.reset()
        target = slots.free()
    else:
        target = slots.links(place).target
    slots.follow(place, target)
    return target


@pytest.mark.parametrize("bframes", [0, 1, 3, 4, 7, 10, 15])
def test_a_frame_never_takes_the_slot_of_one_that_is_needed(bframes: int) -> None:
    settings = EncoderSettings(gop=99, bframes=bframes)
    slots = Slots(settings.slots, settings.references)
    assert slots.count == settings.references + 1
    held: dict[int, int] = {}  # display numbers by slot
    for _ in range(2):  # a second group after the first
        places, step = [KEY], bframes + 1
        for first in range(0, 3 * step, step):
            places += mini_gop(first, first + step)
        held.clear()
        for place in places:
            if not place.is_key:
                links = slots.links(place)
                assert held[links.past] == place.past_number
                if links.future is None:
                    assert place.future_number is None
                else:
                    assert held[links.future] == place.future_number
                assert (links.past_distance, links.future_distance) == (place.past, place.future)
                assert links.target not in (links.past, links.future)
                assert 0 <= links.target < slots.count
            held[follow(slots, place)] = place.number
            if place.is_kept:
                assert slots.place(place.number) in held


def test_contexts_come_from_the_reference_on_the_higher_level() -> None:
    slots = Slots(5, 4)
    p, b4, b2, b1, b3, b6, b5, b7 = mini_gop(0, 8)
    follow(slots, KEY)
    assert slots.links(p).inherits == slots.place(0)
    taken: dict[int, int] = {}
    follow(slots, p)
    for place in (b4, b2, b1, b3, b6, b5, b7):
        links = slots.links(place)
        taken[place.number] = next(n for n in place.references if slots.place(n) == links.inherits)
        follow(slots, place)
    assert taken == {4: 0, 2: 4, 1: 2, 3: 2, 6: 4, 5: 6, 7: 6}


def test_frames_that_are_not_kept_leave_no_trace() -> None:
    slots = Slots(3, 2)
    follow(slots, KEY)
    p, b = mini_gop(0, 2)
    follow(slots, p)
    free = slots.free()
    assert b.frame_type == FrameType.B_UNKEPT and follow(slots, b) == free == slots.free()
    assert slots.missing(Place(3, FrameType.P, past=2)) == 1
    assert slots.missing(Place(3, FrameType.P, past=1)) is None


def test_what_is_missing_is_named_and_a_key_frame_drops_all() -> None:
    slots = Slots(4, 3)
    _, b = mini_gop(4, 6)
    assert slots.missing(b) == 4
    follow(slots, KEY)
    follow(slots, Place(4, FrameType.P, past=4))
    assert slots.missing(b) == 6
    follow(slots, Place(6, FrameType.P, past=2))
    assert slots.missing(b) is None
    follow(slots, KEY)
    assert slots.missing(b) == 4 and slots.free() == 1


@pytest.mark.parametrize(
    ("distances", "nearer"), [((1, 0), 5), ((2, 2), 5), ((1, 3), 5), ((3, 2), 7)]
)
def test_the_nearer_reference(distances: tuple[int, int], nearer: int) -> None:
    future = 7 if distances[1] else None
    assert Links(5, future, 5, 1, *distances).nearer == nearer


def test_onward_slots_leave_others_alone() -> None:
    slots = Slots(6, 3)
    follow(slots, KEY)
    p, *others = mini_gop(0, 4)
    follow(slots, p)
    barred = frozenset((slots.place(0),))
    after = slots.onward(4, barred)
    assert after.place(4) == slots.place(4)
    used = {follow(after, place) for place in mini_gop(4, 8)}
    assert not used & {slots.place(0), slots.place(4)}
    assert slots.missing(others[0]) is None, "the old ones are as they were"
    again = slots.onward(4, barred | {after.place(8)})
    assert after.place(8) not in {follow(again, place) for place in mini_gop(4, 8)}
