"""Which pictures a page has: lossless, and no more than there is room for."""

from __future__ import annotations

from itertools import chain

import numpy as np
import PIL.features
import pytest

from colorvid.errors import ColorvidError
from colorvid.evaluation.page.data import Pictures
from colorvid.evaluation.page.pictures import (
    MOST_FRAMES,
    MOST_PIXELS,
    Coded,
    KeptPairs,
    check_webp,
    middle_frames,
    show_frames,
)
from colorvid.evaluation.score.pictures import SCALE_DE, heat_map
from colorvid.frame import Frame
from colorvid.quality.color import ColorSpec, Matrix, frame_delta_e, frame_to_rgb
from tests.clips import moving_frames
from tests.evaluation.page.reading import picture

SPEC = ColorSpec(Matrix.BT601)
FIRST, SECOND = moving_frames(3, 60, 82), moving_frames(3, 60, 82, seed=1)
CODED = [Coded("one", SECOND, ("a", "b", "c")), Coded("two", FIRST, ("d", "e", "f"))]


def shown(room_bytes: int) -> Pictures | None:
    return show_frames((4, 5, 6), FIRST, CODED, SPEC, room_bytes)


def size(pictures: Pictures) -> int:
    parts = (chain(one.pictures, one.maps) for one in pictures.decoded)
    return sum(map(len, chain(pictures.originals, *parts)))


def test_pictures_are_the_samples_themselves() -> None:
    pictures = shown(1_000_000)
    assert pictures is not None
    assert pictures.window == (0, 0, 82, 60) and pictures.frames == (4, 5, 6)
    one, two = pictures.decoded
    assert (one.codec, one.captions, two.captions) == ("one", ("a", "b", "c"), ("d", "e", "f"))
    for n in range(3):
        assert np.array_equal(picture(pictures.originals[n]), frame_to_rgb(FIRST[n], SPEC))
        assert np.array_equal(picture(one.pictures[n]), frame_to_rgb(SECOND[n], SPEC))
        expected = heat_map(frame_delta_e(FIRST[n], SECOND[n], SPEC), SCALE_DE)
        assert np.abs(picture(one.maps[n]) - expected.astype(float)).mean() < 12
        assert picture(two.maps[n]).max() < 16, "equal pictures, a dark map"


def test_fewer_frames_where_there_is_less_room() -> None:
    everything = shown(1_000_000)
    assert everything is not None
    pictures = shown(size(everything) - 1)
    assert pictures is not None
    assert pictures.frames == (4, 5) and len(pictures.originals) == 2
    assert all(len(d.pictures) == len(d.maps) == len(d.captions) == 2 for d in pictures.decoded)


def test_less_of_the_picture_where_there_is_no_room_for_one() -> None:
    first = show_frames((4,), FIRST[:1], CODED, SPEC, 1_000_000)
    assert first is not None
    pictures = shown(size(first) - 1)
    assert pictures is not None and size(pictures) < size(first)
    left, top, width, height = pictures.window
    assert (left, top, width, height) == (10, 7, 61, 45)
    inside = frame_to_rgb(FIRST[0], SPEC)[top : top + height, left : left + width]
    assert np.array_equal(picture(pictures.originals[0]), inside)
    assert shown(100) is None


def test_of_large_pictures_the_middle_is_shown() -> None:
    plain = np.full((720, 1280), 99, np.uint8)
    frame = Frame(plain, plain[::2, ::2].copy(), plain[::2, ::2].copy())
    pictures = show_frames((0,), [frame], [Coded("one", [frame], [""])], SPEC, 10**7)
    assert pictures is not None
    left, top, width, height = pictures.window
    assert (left, top, width, height) == (160, 90, 960, 540)
    assert picture(pictures.originals[0]).shape == (540, 960, 3)
    assert width * height <= MOST_PIXELS


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, range(1)), (12, range(12)), (32, range(10, 22)), (33, range(10, 22))],
)
def test_the_middle_of_a_clip_is_shown(count: int, expected: range) -> None:
    assert middle_frames(count) == expected


def pump(kept: KeptPairs, count: int) -> None:
    frames = moving_frames(count, 2, 2)
    for _ in zip(kept.originals(frames), kept.decoded(frames), strict=True):
        pass


def test_chosen_frames_are_kept_and_must_be_there() -> None:
    kept = KeptPairs((1, 3))
    pump(kept, 3)
    assert set(kept.pairs) == {1} and kept.missing == {3}
    kept = KeptPairs(None)
    pump(kept, 3)
    assert set(kept.pairs) == {0, 1, 2} and kept.missing == set()
    kept = KeptPairs(range(5, 40))
    pump(kept, 40)
    assert set(kept.pairs) == set(range(5, 5 + MOST_FRAMES)) and kept.missing == set()


def test_pillow_without_webp_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check_webp()
    monkeypatch.setattr(PIL.features, "check", lambda name: False)
    with pytest.raises(ColorvidError, match="a report needs Pillow with WebP"):
        check_webp()
