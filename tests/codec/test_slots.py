from __future__ import annotations

from collections.abc import Sequence

import pytest

from colorvid.bitstream import FrameType
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.slots import Order, Slots
from colorvid.codec.structure import KEY, Place, mini_gop
from colorvid.frame import Links


def code(slots: Slots, order: Order) -> int:
    """Code a frame; the slot that it went to."""
    assert order.missing() is None
    with slots.coding(order) as slot:
        pass
    return slot


def follow(slots: Slots, *places: Place) -> None:
    """Plan frames and code them at once."""
    for place in places:
        code(slots, slots.plan(place))


def lose(slots: Slots, order: Order) -> None:
    """Fail to code a frame."""
    with pytest.raises(ValueError, match="lost"), slots.coding(order):
        raise ValueError("lost")


def group(bframes: int, mini_gops: int) -> list[Place]:
    places, step = [KEY], bframes + 1
    for first in range(0, mini_gops * step, step):
        places += mini_gop(first, first + step)
    return places


def as_late_as_possible(places: Sequence[Place], reach: int) -> list[int]:
    """An order of coding that waits with the first frame as long as others may come before."""
    coded: list[int] = []
    index = {place.number: at for at, place in enumerate(places)}
    while len(coded) < len(places):
        left = [at for at in range(len(places)) if at not in coded]
        ready = [
            at
            for at in left
            if at < left[0] + reach and all(index[n] in coded for n in places[at].references)
        ]
        coded.append(ready[-1])
    return coded


@pytest.mark.parametrize("reach", [1, 2, 5, 16])
@pytest.mark.parametrize("bframes", [0, 1, 3, 4, 7, 10, 15])
def test_a_frame_never_takes_the_slot_of_one_that_is_needed(bframes: int, reach: int) -> None:
    settings = EncoderSettings(gop=99, bframes=bframes)
    slots = Slots(settings.references + reach, settings.references)
    held: dict[int, int] = {}  # display numbers by slot
    for _ in range(2):  # a second group after the first
        places = group(bframes, 3)
        orders = [slots.plan(place) for place in places]
        for at in as_late_as_possible(places, reach):
            place, order = places[at], orders[at]
            assert order.missing() is None
            with slots.coding(order) as target:
                assert 0 <= target < slots.count
                if not place.is_key:
                    links = order.links(target)
                    assert held[links.past] == place.past_number
                    if links.future is None:
                        assert place.future_number is None
                    else:
                        assert held[links.future] == place.future_number
                    distances = links.past_distance, links.future_distance
                    assert distances == (place.past, place.future)
                    assert links.target == target not in (links.past, links.future)
                held[target] = place.number


def test_slots_come_free_as_soon_as_nothing_needs_them() -> None:
    slots = Slots(18, 2)
    assert [code(slots, slots.plan(place)) for place in (KEY, *mini_gop(0, 2))] == [0, 1, 17]
    p, b = mini_gop(2, 4)
    later = slots.plan(p), slots.plan(b)
    assert code(slots, later[0]) == 0, "the key frame is dropped; the B frame was not kept"
    assert code(slots, slots.plan(KEY)) == 2, "the B frame needs frame 2"
    assert code(slots, later[1]) == 17
    assert code(slots, slots.plan(Place(1, FrameType.P, past=1))) == 0


def test_contexts_come_from_the_reference_on_the_higher_level() -> None:
    slots = Slots(5, 4)
    places = [KEY, *mini_gop(0, 8)]
    where: dict[int, int] = {}
    taken: dict[int, int] = {}
    for place in places:
        order = slots.plan(place)
        with slots.coding(order) as slot:
            if not place.is_key:
                inherits = order.links(slot).inherits
                taken[place.number] = next(n for n in place.references if where[n] == inherits)
            where[place.number] = slot
    assert taken == {8: 0, 4: 0, 2: 4, 1: 2, 3: 2, 6: 4, 5: 6, 7: 6}


def test_what_is_missing_is_named_and_a_key_frame_drops_all() -> None:
    slots = Slots(4, 3)
    _, b = mini_gop(4, 6)
    assert slots.plan(b).missing() == 4
    follow(slots, KEY, Place(4, FrameType.P, past=4))
    assert slots.plan(b).missing() == 6
    follow(slots, Place(6, FrameType.P, past=2))
    order = slots.plan(b)
    assert order.missing() is None
    follow(slots, KEY)
    assert order.missing() is None, "what is planned has its references"
    assert slots.plan(b).missing() == 4


def test_frames_that_are_not_kept_leave_no_trace() -> None:
    slots = Slots(3, 2)
    follow(slots, KEY, *mini_gop(0, 2))
    assert slots.plan(Place(3, FrameType.P, past=2)).missing() == 1
    assert slots.plan(Place(3, FrameType.P, past=1)).missing() is None


def test_a_frame_that_fails_is_missed_by_those_that_refer_to_it_alone() -> None:
    slots = Slots(4, 3)
    follow(slots, KEY)
    p, b2, b1, b3 = mini_gop(0, 4)
    follow(slots, p)
    orders = [slots.plan(place) for place in (b2, b1, b3)]
    lose(slots, orders[0])
    for order in orders[1:]:
        assert order.missing() == 2
        lose(slots, order)
    follow(slots, *mini_gop(4, 8))
    assert slots.plan(Place(9, FrameType.P, past=1)).missing() is None


def test_frames_that_fail_hold_no_slot() -> None:
    slots = Slots(4, 3)
    follow(slots, KEY)
    for number in range(1, 20):
        lose(slots, slots.plan(Place(number, FrameType.P, past=1)))
    follow(slots, KEY, *mini_gop(0, 2))


def test_two_frames_at_one_place_leave_no_slot_behind() -> None:
    slots = Slots(3, 2)
    follow(slots, KEY)
    for _ in range(9):
        follow(slots, Place(1, FrameType.P, past=1))
    assert slots.plan(Place(2, FrameType.P, past=1)).missing() is None


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
    used = {code(after, after.plan(place)) for place in mini_gop(4, 8)}
    assert not used & {slots.place(0), slots.place(4)}
    assert slots.plan(others[0]).missing() is None, "the old ones are as they were"
    again = slots.onward(4, barred | {after.place(8)})
    assert after.place(8) not in {code(again, again.plan(place)) for place in mini_gop(4, 8)}
