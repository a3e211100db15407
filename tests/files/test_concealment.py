from fractions import Fraction

import numpy as np
import pytest

from colorvid.bitstream.summary import DAMAGE_LINES
from colorvid.codec.groups import DecodedRecord
from colorvid.errors import DamagedStream, HashMismatch, InputError
from colorvid.files.concealment import MAX_GAP, Concealment
from colorvid.frame import Frame


def grey(value: int) -> Frame:
    return Frame(*(np.full((1, 1), value, np.uint8) for _ in range(3)))


def shown(*items: DecodedRecord) -> tuple[list[int], Concealment]:
    """Values of the frames that are written, and the account."""
    output = Concealment(strict=False)
    written = [frame for item in items for frame in output.frames(item)]
    return [int(frame.y[0, 0]) for frame in written], output


def test_good_frames_pass() -> None:
    values, output = shown(DecodedRecord(grey(1), 10), DecodedRecord(grey(2), 20))
    report = output.report(Fraction(25), 18, 2.0)
    assert values == [1, 2]
    assert (report.frames, report.lost, report.ok) == (2, 0, True)
    assert report.size_bytes == 62 + 10 + 20 + 18


def test_lost_frames_repeat_the_last_good_one() -> None:
    damage = DecodedRecord(None, lost=2, problem="damage")
    values, output = shown(
        DecodedRecord(grey(1)), damage, DecodedRecord(None, 5, lost=1), DecodedRecord(grey(2))
    )
    assert values == [1, 1, 1, 1, 2]
    report = output.report(Fraction(25), 0, 1.0)
    assert (report.frames, report.lost, report.concealed, report.damages) == (2, 3, 3, 1)


def test_frames_lost_at_the_start_get_the_first_good_one() -> None:
    damage = DecodedRecord(None, lost=2, problem="damage")
    assert shown(damage, DecodedRecord(grey(7)), DecodedRecord(grey(8)))[0] == [7, 7, 7, 8]


def test_a_gap_that_is_too_long_is_not_filled() -> None:
    values, output = shown(
        DecodedRecord(grey(1)), DecodedRecord(None, lost=MAX_GAP + 1, problem="damage")
    )
    assert values == [1]
    assert "too many to repeat a frame for" in output.report(Fraction(25), 0, 1.0).damage[0]
    waiting = [DecodedRecord(None, lost=MAX_GAP, problem="damage")] * 3
    assert len(shown(*waiting, DecodedRecord(grey(1)))[0]) == MAX_GAP + 1


def test_a_stream_of_gaps_is_not_filled() -> None:
    gap = DecodedRecord(None, lost=MAX_GAP // 2, problem="damage")
    values, output = shown(
        DecodedRecord(grey(1)), gap, DecodedRecord(grey(2)), gap, DecodedRecord(grey(3)), gap
    )
    assert len(values) == 3 + MAX_GAP
    report = output.report(Fraction(25), 0, 1.0)
    assert (report.lost, report.concealed) == (MAX_GAP // 2 * 3, MAX_GAP)
    assert [line.endswith("too many to repeat a frame for") for line in report.damage] == [
        False, False, True,
    ]  # fmt: skip


def test_a_lost_frame_whose_packet_is_there_is_always_filled() -> None:
    waiting = [DecodedRecord(None, 16, lost=1)] * (MAX_GAP + 5)
    assert len(shown(DecodedRecord(grey(1)), *waiting)[0]) == MAX_GAP + 6


def test_lines_of_damage_are_bounded() -> None:
    items = [DecodedRecord(None, problem=f"damage {i}") for i in range(DAMAGE_LINES + 5)]
    report = shown(*items)[1].report(Fraction(25), 0, 1.0)
    assert (report.damages, len(report.damage)) == (DAMAGE_LINES + 5, DAMAGE_LINES)


def test_strict_raises() -> None:
    output = Concealment(strict=True)
    assert len(list(output.frames(DecodedRecord(grey(1))))) == 1
    with pytest.raises(DamagedStream, match="damage"):
        list(output.frames(DecodedRecord(None, lost=1, problem="damage")))
    with pytest.raises(HashMismatch, match="frame 3"):
        list(output.frames(DecodedRecord(None, lost=1, problem="frame 3 differs", mismatch=True)))


def test_error_of_a_stream_without_frames() -> None:
    assert isinstance(shown()[1].nothing_decoded(), InputError)
    error = shown(DecodedRecord(None, lost=1, problem="damage"))[1].nothing_decoded()
    assert isinstance(error, DamagedStream) and "damage" in str(error)
