"""Every structure that an encoder can choose, checked as a decoder would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from colorvid.bitstream import DisplayOrder, FrameType, Packet, PictureBuffer
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.structure import KEY, REFRESH_PERIOD, Place, low_delay, mini_gop
from colorvid.config import MOST_BFRAMES

LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 18, 19, 31, 33, 40)


@dataclass(frozen=True)
class Group:
    """The places of a group, and what the stream header says of it."""

    settings: EncoderSettings
    places: list[Place]


def group(bframes: int, length: int, gop: int = 100) -> Group:
    """A group of pictures as the closed loop codes it: the last mini-GOP may be shorter."""
    settings = EncoderSettings(gop=gop, bframes=bframes)
    places, last = [KEY], 0
    while last < length - 1:
        first, last = last, min(last + settings.most_bframes + 1, length - 1)
        if settings.second_references:
            refreshed = (first // REFRESH_PERIOD) * REFRESH_PERIOD
            places.append(low_delay(last, refreshed, refresh=last % REFRESH_PERIOD == 0))
        else:
            places += mini_gop(first, last)
    return Group(settings, places)


def groups() -> Iterator[Group]:
    for bframes in range(MOST_BFRAMES + 1):
        for length in LENGTHS:
            yield group(bframes, length)
            yield group(bframes, length, gop=length)


@pytest.mark.parametrize("bframes", range(MOST_BFRAMES + 1))
def test_every_frame_comes_once(bframes: int) -> None:
    for length in LENGTHS:
        numbers = [place.number for place in group(bframes, length).places]
        assert sorted(numbers) == list(range(length)) and numbers[0] == 0


def test_every_reference_is_there_with_as_many_pictures_as_the_header_says() -> None:
    for made in groups():
        buffer, used = PictureBuffer(made.settings.references), set()
        for place in made.places:
            assert buffer.missing(place) is None, (made.settings, place)
            used |= set(place.references)
            buffer.follow(place)
        kept = {place.number for place in made.places if place.frame_type == FrameType.B}
        assert kept <= used, "a frame that is kept is used"


@pytest.mark.parametrize("bframes", range(MOST_BFRAMES + 1))
def test_every_picture_that_the_header_says_is_needed(bframes: int) -> None:
    made = group(bframes, 2 * bframes + 3)
    buffer = PictureBuffer(made.settings.references - 1)
    missing = []
    for place in made.places:
        missing.append(buffer.missing(place))
        buffer.follow(place)
    assert any(number is not None for number in missing)


def test_frames_come_in_order_of_display_as_soon_as_the_header_says() -> None:
    for made in groups():
        reorder = made.settings.reorder
        order: DisplayOrder[int] = DisplayOrder(reorder)
        shown: list[int] = []
        for number, place in enumerate(made.places):
            assert place.number - number >= -reorder, (made.settings, place)
            for due in order.push(number, place.number, place.number, is_key=number == 0):
                assert due.item is not None, "a sound stream has no gaps"
                shown.append(due.item)
            assert len(shown) >= number + 1 - reorder
        shown += [due.item for due in order.flush() if due.item is not None]
        assert shown == list(range(len(made.places)))


@pytest.mark.parametrize("bframes", range(MOST_BFRAMES + 1))
def test_the_order_is_as_tight_as_the_header_says(bframes: int) -> None:
    made = group(bframes, bframes + 2)
    assert made.settings.reorder == -min(p.number - n for n, p in enumerate(made.places))
    assert made.settings.references == made.settings.reorder + (1 if bframes else 2)


def test_packets_can_say_every_place() -> None:
    for made in groups():
        for number, place in enumerate(made.places):
            packet = Packet(
                frame_type=place.frame_type, quality=made.settings.quality,
                frame_number=number, shift=place.number - number, level=place.level,
                past=place.past, future=place.future, frame_crc=0,
            )  # fmt: skip
            assert packet.display_number == place.number
            assert packet.references == place.references


def test_levels_grow_downwards() -> None:
    for made in groups():
        levels = {place.number: place.level for place in made.places}
        for place in made.places:
            if made.settings.second_references:
                assert place.level == (0 if place.refresh else 1) and place.future <= 0
            elif place.frame_type in (FrameType.KEY, FrameType.P):
                assert place.level == 0 and place.future == 0
            else:
                above = [levels[n] for n in place.references]
                assert place.level == max(above) + 1 and len(above) == 2
                assert place.past_number < place.number < place.future_number  # type: ignore[operator]


def test_a_mini_gop_of_seven_b_frames_is_that_of_the_page() -> None:
    places = list(mini_gop(0, 8))
    assert [p.number for p in places] == [8, 4, 2, 1, 3, 6, 5, 7]
    assert [p.frame_type.label for p in places] == ["P", "B", "B", "b", "b", "B", "b", "b"]
    assert [p.level for p in places] == [0, 1, 2, 3, 3, 2, 3, 3]
    assert [p.references for p in places] == [
        (0,), (0, 8), (0, 4), (0, 2), (2, 4), (4, 8), (4, 6), (6, 8),
    ]  # fmt: skip


def test_a_short_gop_has_fewer_b_frames() -> None:
    assert [EncoderSettings(gop=g).most_bframes for g in (1, 2, 3, 9, 17, 18, 99)] == [
        0, 0, 1, 7, 15, 15, 15,
    ]  # fmt: skip
    short = EncoderSettings(gop=1)
    assert (short.reorder, short.references) == (0, 1)


def test_p_frames_refer_to_the_one_before_and_to_the_last_refreshing_one() -> None:
    places = group(0, 18).places
    assert [place.references for place in places[:4]] == [(), (0,), (1, 0), (2, 0)]
    assert [place.references for place in places[8:12]] == [(7, 0), (8,), (9, 8), (10, 8)]
    assert [place.references for place in places[15:]] == [(14, 8), (15, 8), (16,)]
    assert [place.number for place in places if place.level == 0] == [0, 8, 16]
    assert {place.level for place in places} == {0, 1}
    assert low_delay(20, 0, refresh=True).references == (19,), "no reference is so far away"
    assert low_delay(16, 0, refresh=True).references == (15, 0)


def test_who_has_second_references() -> None:
    def of(**values: Any) -> tuple[bool, int]:
        settings = EncoderSettings(**values)
        return settings.second_references, settings.references

    assert of(bframes=0) == of(bframes=0, preset="slow") == (True, 2)
    assert of(bframes=0, preset="fast") == of(bframes=0, gop=2) == (False, 1)
    assert of(bframes=3) == (False, 3)
