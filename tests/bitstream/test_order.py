"""The picture buffer, and display order out of decoding order, on random valid groups."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from colorvid.bitstream import DisplayOrder, Due, Packet, PictureBuffer
from colorvid.bitstream.order import GroupNumbers
from tests.clv import packet, successor


@dataclass(frozen=True)
class Coded:
    """A frame of a made stream: its packet, and what has to hold for it."""

    frame_number: int
    number: int
    is_key: bool


def split(first: int, last: int, cuts: st.DataObject) -> list[int]:
    """Numbers between two that are there, in an order of a random tree."""
    if last - first < 2:
        return []
    middle = cuts.draw(st.integers(first + 1, last - 1))
    return [middle, *split(first, middle, cuts), *split(middle, last, cuts)]


@st.composite
def streams(draw: st.DrawFn) -> list[Coded]:
    """Groups of random trees, whose shifts a header can say."""
    data = draw(st.data())
    order: list[Coded] = []
    for _ in range(draw(st.integers(1, 4))):
        key = len(order)
        numbers = [key]
        for _ in range(draw(st.integers(0, 3))):
            before = key + len(numbers) - 1
            after = before + draw(st.integers(1, 9))
            numbers += [after, *split(before, after, data)]
        order += [Coded(key + n, number, number == key) for n, number in enumerate(numbers)]
    return order


def reorder_of(order: list[Coded]) -> int:
    return max(frame.frame_number - frame.number for frame in order)


def given_out(due: list[Due[str]]) -> list[tuple[int, str | None]]:
    return [(number, d.item) for d in due for number in d.numbers]


def test_buffer_keeps_the_highest_numbers() -> None:
    buffer = PictureBuffer(2)
    assert [buffer.keep(n, 1) for n in (0, 8, 4, 16, 2, 16)] == [None, None, 0, 4, 2, None]
    assert buffer.numbers == (8, 16)
    assert buffer.holds(8) and not buffer.holds(4)
    buffer.reset()
    assert buffer.numbers == () and buffer.keep(20) is None


def test_buffer_follows_frames() -> None:
    buffer = PictureBuffer(2)
    assert buffer.missing(packet(1)) == 0
    assert [buffer.follow(packet(n)) for n in range(3)] == [None] * 3
    assert buffer.numbers == (0, 2)
    assert buffer.missing(packet(2)) is None
    assert buffer.missing(packet(2, future=3)) == 4
    assert buffer.follow(packet(2, frame_type=2)) == 0
    assert buffer.follow(packet(3)) is None and buffer.numbers == (3,)


def test_the_last_picture_of_level_0_stays() -> None:
    buffer = PictureBuffer(2)
    levels = {0: 0, 1: 1, 2: 1, 3: 0, 4: 1, 5: 1, 6: 0, 7: 0}
    assert [buffer.keep(*item) for item in levels.items()] == [None, None, 1, 0, 2, 4, 3, 5]
    assert buffer.numbers == (6, 7)
    buffer.reset()
    assert [buffer.keep(n, 1) for n in (8, 9, 10)] == [None, None, 8]
    alone = PictureBuffer(1)
    assert [alone.keep(n, n) for n in range(3)] == [None, 1, 2], "there is no place for others"


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 16))
def test_buffer_holds_the_highest_of_all_that_were_kept(numbers: list[int], most: int) -> None:
    buffer = PictureBuffer(most)
    for n, number in enumerate(numbers):
        held = set(buffer.numbers) | {number}
        leaves = buffer.keep(number, level=1)
        assert held - set(buffer.numbers) == ({leaves} if leaves is not None else set())
        assert buffer.numbers == tuple(sorted(set(numbers[: n + 1]))[-most:])


@given(streams())
def test_sound_groups_pass_and_others_do_not(order: list[Coded]) -> None:
    if min(f.number - f.frame_number for f in order) < -8:
        return
    group = GroupNumbers()
    for frame in order:
        if frame.is_key:
            assert group.end(frame.number) is None
            group.start(frame.number)
        else:
            assert group.add(frame.frame_number, frame.number) is None
            assert "where another frame does" in str(group.add(frame.frame_number, frame.number))
    assert group.end(len(order)) is None
    assert len(order) < 2 or "its group ends before" in str(group.end(len(order) - 1))


def test_numbers_before_the_key_frame() -> None:
    group = GroupNumbers()
    group.start(7)
    assert group.add(8, 6) == "frame 8 shows at 6, before its key frame, which shows at 7"
    assert group.add(8, 9) is None and group.add(9, 8) is None


def test_few_numbers_are_remembered() -> None:
    group = GroupNumbers()
    group.start(0)
    for n in range(1, 1000):
        assert group.add(n, n + 16) is None
    assert len(group._shown) <= 25


@given(streams(), st.integers(0, 3))
def test_every_frame_comes_out_in_its_turn(order: list[Coded], more: int) -> None:
    shown = DisplayOrder[str](reorder_of(order) + more)
    out: list[tuple[int, str | None]] = []
    there: set[int] = set()
    for f in order:
        out += given_out(shown.push(f.frame_number, f.number, f"{f.number}", is_key=f.is_key))
        there.add(f.number)
        whole = next(n for n in range(len(order) + 1) if n not in there)
        assert len(out) == whole, "as soon as all before it are there"
    assert out == [(n, f"{n}") for n in range(len(order))]
    assert shown.flush(len(order)) == []


@given(streams(), st.data())
def test_lost_packets_are_missed_and_nothing_else(order: list[Coded], data: st.DataObject) -> None:
    reorder = reorder_of(order)
    kinds = data.draw(st.lists(st.sampled_from("gggnl"), min_size=len(order), max_size=len(order)))
    shown = DisplayOrder[str](reorder)
    out: list[tuple[int, str | None]] = []
    wanted = {}
    for f, kind in zip(order, kinds, strict=True):
        wanted[f.number] = f"{f.number}" if kind == "g" else None
        if kind == "l":
            continue
        item = wanted[f.number]
        out += given_out(shown.push(f.frame_number, f.number, item, is_key=f.is_key))
        assert len(shown._held) <= reorder
        assert len(out) > f.frame_number - reorder, "what is decided is given"
    out += given_out(shown.flush(len(order)))
    assert out == sorted(wanted.items())


@given(streams(), st.data())
def test_decoding_from_a_key_frame_on(order: list[Coded], data: st.DataObject) -> None:
    start = data.draw(st.sampled_from([f.number for f in order if f.is_key]))
    shown = DisplayOrder[str](reorder_of(order), first=start)
    for _ in range(2):
        out: list[tuple[int, str | None]] = []
        for f in order[start:]:
            out += given_out(shown.push(f.frame_number, f.number, "", is_key=f.is_key))
        assert out == [(n, "") for n in range(start, len(order))]
        shown.restart(start)


def numbered() -> SearchStrategy[list[tuple[int, int]]]:
    """Steps of frame numbers and shifts that no sound stream has."""
    return st.lists(st.tuples(st.sampled_from((1, 1, 1, 2, 40)), st.integers(-8, 16)), max_size=60)


@given(numbered(), st.integers(0, 15))
def test_any_numbers_come_out_in_order_in_bounded_memory(
    steps: list[tuple[int, int]], reorder: int
) -> None:
    shown = DisplayOrder[str](reorder)
    out, number = [], 0
    for step, shift in steps:
        out += given_out(shown.push(number, max(0, number + shift), "", is_key=shift == 0))
        assert len(shown._held) <= reorder
        number += step
    out += given_out(shown.flush())
    assert [n for n, _ in out] == list(range(len(out)))


def test_a_huge_step_is_one_run() -> None:
    shown = DisplayOrder[str](2)
    assert shown.push(0, 0, "a", is_key=True) == [Due(range(1), "a")]
    far = 2**32 - 2
    runs = [Due(range(1, far), None), Due(range(far, far + 1), "b")]
    assert shown.push(far, far, "b", is_key=True) == runs
    runs = [Due(range(far), None), Due(range(far, far + 1), "b")]
    assert DisplayOrder[str](0).push(far, far, "b") == runs


def test_the_end() -> None:
    shown = DisplayOrder[str](3)
    shown.push(0, 0, "a", is_key=True)
    assert shown.push(1, 4, "e") == []
    runs = [Due(range(1, 4), None), Due(range(4, 5), "e")]
    assert shown.flush() == runs
    assert shown.flush(7) == [Due(range(5, 7), None)]
    assert shown.flush(6) == []


def test_a_number_that_was_given_is_not_given_again() -> None:
    shown = DisplayOrder[str](1)
    shown.push(9, 9, "k", is_key=True)
    assert shown.push(3, 3, "again", is_key=True) == []
    shown.restart(3)
    assert shown.push(3, 3, "again", is_key=True) == [Due(range(3, 4), "again")]


@pytest.mark.parametrize("other", [successor(4), packet(4)])
def test_places_of_a_packet(other: Packet) -> None:
    assert other.is_kept and not other.is_key
    assert other.past_number == 3 and other.future_number is None
