"""How videos are cut into parts."""

from __future__ import annotations

import pytest

from colorvid.batch.split import LEAST_FRAMES, MOST_DECODED, MOST_FRAMES, Splitter

HD = 1920 * 1080


@pytest.mark.parametrize("frames", [1, 31, 32, 33, 1000, 150_000])
@pytest.mark.parametrize("workers", [1, 2, 1000])
@pytest.mark.parametrize("gop", [1, 5, 32, 250])
@pytest.mark.parametrize("direct", [True, False])
def test_parts_cover_the_video_in_whole_groups(
    frames: int, workers: int, gop: int, direct: bool
) -> None:
    splitter = Splitter(workers, frames * HD)
    parts = splitter.parts(frames=frames, pixels=HD, gop=gop, direct=direct)
    expected = 0
    for first, count in parts[:-1]:
        assert first == expected and count is not None and count % gop == 0
        assert count >= min(LEAST_FRAMES, gop)
        assert not direct or count < MOST_FRAMES + gop
        expected += count
    assert parts[-1] == (expected, None) and expected < frames
    assert direct or len(parts) <= MOST_DECODED


def test_a_film_alone_fills_all_workers() -> None:
    parts = Splitter(8, 5000 * HD).parts(frames=5000, pixels=HD, gop=32, direct=True)
    assert 32 <= len(parts) <= 64


def test_short_files_among_many_stay_whole() -> None:
    splitter = Splitter(2, 1000 * 500 * HD)
    assert splitter.parts(frames=500, pixels=HD, gop=32, direct=True) == [(0, None)]


def test_a_video_of_unknown_length_is_one_part() -> None:
    assert Splitter(2, 0).parts(frames=None, pixels=HD, gop=32, direct=False) == [(0, None)]
