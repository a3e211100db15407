from fractions import Fraction

import numpy as np
import pytest

from colorvid.bitstream import PacketHeader
from colorvid.bitstream.headers import STREAM_HEADER_BYTES
from colorvid.bitstream.summary import DAMAGE_LINES
from colorvid.codec.groups import DecodedRecord
from colorvid.errors import DamagedStream, HashMismatch, InputError
from colorvid.files.concealment import MAX_GAP, Concealment
from colorvid.frame import Frame
from tests.clv import header

DAMAGE = DecodedRecord(None, None, problem="damage")


def grey(value: int) -> Frame:
    return Frame(*(np.full((1, 1), value, np.uint8) for _ in range(3)))


def record(
    number: int, value: int | None, *, shown: int | None = None, size: int = 0
) -> DecodedRecord:
    """A P frame of a grey value, or one that could not be decoded; a key frame is number 0."""
    shift = 0 if shown is None else shown - number
    made = PacketHeader(
        quality=1, frame_type=1 if number else 0, level=0, shift=shift, past=1 if number else 0,
        future=0, frame_crc=0, frame_number=number, motion_bytes=0, latents_bytes=0,
    )  # fmt: skip
    return DecodedRecord(made, None if value is None else grey(value), size)


def shown(
    *items: DecodedRecord, reorder: int = 0, total: int | None = None
) -> tuple[list[int], Concealment]:
    """Values of the frames that are written, and the account."""
    output = Concealment(header(reorder=reorder), strict=False)
    written = [frame for item in items for frame in output.frames(item)]
    written += output.rest(total)
    return [int(frame.y[0, 0]) for frame in written], output


def test_good_frames_pass() -> None:
    values, output = shown(record(0, 1, size=10), record(1, 2, size=20))
    report = output.report(Fraction(25), 18, 2.0)
    assert values == [1, 2]
    assert (report.frames, report.lost, report.ok) == (2, 0, True)
    assert report.size_bytes == STREAM_HEADER_BYTES + 10 + 20 + 18


def test_frames_are_shown_in_order_of_display() -> None:
    items = [record(0, 10), record(1, 13, shown=3), record(2, 11, shown=1), record(3, 12, shown=2)]
    assert shown(*items, reorder=1)[0] == [10, 11, 12, 13]
    output = Concealment(header(reorder=1), strict=False)
    assert [[int(f.y[0, 0]) for f in output.frames(item)] for item in items] == [
        [10], [], [11], [12, 13],
    ]  # fmt: skip


def test_lost_frames_repeat_the_last_good_one_of_the_display() -> None:
    values, output = shown(
        record(0, 10), record(1, 14, shown=4), DAMAGE, record(3, None, shown=1),
        record(4, 13, shown=3), reorder=2,
    )  # fmt: skip
    assert values == [10, 10, 10, 13, 14], "2 has no packet, 1 cannot be decoded"
    report = output.report(Fraction(25), 0, 1.0)
    assert (report.frames, report.lost, report.concealed, report.damages) == (3, 2, 2, 1)


def test_lost_frames_repeat_the_last_good_one() -> None:
    values, output = shown(record(0, 1), DAMAGE, record(3, None, size=5), record(4, 2))
    assert values == [1, 1, 1, 1, 2]
    report = output.report(Fraction(25), 0, 1.0)
    assert (report.frames, report.lost, report.concealed, report.damages) == (2, 3, 3, 1)


def test_frames_lost_at_the_start_get_the_first_good_one() -> None:
    assert shown(DAMAGE, record(2, 7), record(3, 8))[0] == [7, 7, 7, 8]


def test_frames_lost_at_the_end_are_filled_if_their_number_is_known() -> None:
    assert shown(record(0, 5), DAMAGE)[0] == [5]
    values, output = shown(record(0, 5), record(1, 7, shown=2), DAMAGE, reorder=1, total=4)
    assert values == [5, 5, 7, 7]
    assert output.report(Fraction(25), 0, 1.0).lost == 2


def test_a_seek_begins_at_its_key_frame() -> None:
    output = Concealment(header(reorder=1), strict=False)
    output.start(0)
    assert len(list(output.frames(record(0, 1)))) == 1
    output = Concealment(header(reorder=1), strict=False)
    output.start(40)
    written = [f for item in (record(40, 3), record(41, 4)) for f in output.frames(item)]
    written += output.rest(42)
    assert [int(f.y[0, 0]) for f in written] == [3, 4]
    assert output.report(Fraction(25), 0, 1.0).lost == 0


def test_a_gap_that_is_too_long_is_not_filled() -> None:
    values, output = shown(record(0, 1), DAMAGE, record(MAX_GAP + 2, 2))
    assert values == [1, 2]
    lines = output.report(Fraction(25), 0, 1.0).damage
    assert lines[1] == f"frames 1 to {MAX_GAP + 1} are lost; too many to repeat a frame for"
    waiting = [record(n, None) for n in range(3 * MAX_GAP)]
    assert len(shown(*waiting, record(3 * MAX_GAP, 1))[0]) == MAX_GAP + 1


def test_a_stream_of_gaps_is_not_filled() -> None:
    gap = MAX_GAP // 2
    values, output = shown(
        record(0, 1), DAMAGE, record(gap + 1, 2), DAMAGE, record(2 * gap + 2, 3), DAMAGE,
        record(3 * gap + 3, 4),
    )  # fmt: skip
    assert len(values) == 4 + MAX_GAP
    report = output.report(Fraction(25), 0, 1.0)
    assert (report.lost, report.concealed) == (gap * 3, MAX_GAP)
    assert [line.endswith("too many to repeat a frame for") for line in report.damage] == [
        False, False, False, True,
    ]  # fmt: skip


def test_a_lost_frame_whose_packet_is_there_is_always_filled() -> None:
    waiting = [record(n, None, size=14) for n in range(1, MAX_GAP + 6)]
    assert len(shown(record(0, 1), *waiting)[0]) == MAX_GAP + 6


def test_lines_of_damage_are_bounded() -> None:
    items = [DecodedRecord(None, None, problem=f"damage {i}") for i in range(DAMAGE_LINES + 5)]
    report = shown(*items)[1].report(Fraction(25), 0, 1.0)
    assert (report.damages, len(report.damage)) == (DAMAGE_LINES + 5, DAMAGE_LINES)


def test_strict_raises() -> None:
    output = Concealment(header(reorder=0), strict=True)
    assert len(list(output.frames(record(0, 1)))) == 1
    with pytest.raises(DamagedStream, match="damage"):
        list(output.frames(DAMAGE))
    wrong = DecodedRecord(record(3, None).header, None, problem="frame 3 differs", mismatch=True)
    with pytest.raises(HashMismatch, match="frame 3"):
        list(output.frames(wrong))


def test_error_of_a_stream_without_frames() -> None:
    assert isinstance(shown()[1].nothing_decoded(), InputError)
    error = shown(DAMAGE)[1].nothing_decoded()
    assert isinstance(error, DamagedStream) and "damage" in str(error)
