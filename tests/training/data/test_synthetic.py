from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import InputError
from colorvid.training.data.sequences import SequenceStore
from colorvid.training.data.sources import SYNTHETIC_FRAMES, DataConfig, MovingStills
from colorvid.training.data.synthetic import Planes, animate
from tests import tiny
from tests.clips import moving_frames


def picture(height: int, width: int, along: str) -> Planes:
    """A picture whose samples say their row, or their column, in luma samples."""
    places = np.mgrid[0:height, 0:width][("row", "column").index(along)].astype(float)
    chroma = places[::2, ::2] + (0.5 if along == "row" else 0)  # chroma lies between two rows
    y, u = (p.round().astype(np.uint8) for p in (places, chroma))
    return y, u, u


def flat(value: int) -> Planes:
    y = np.full((96, 128), value, np.uint8)
    return y, y[::2, ::2], y[::2, ::2]


@pytest.mark.parametrize("along", ["row", "column"])
@pytest.mark.parametrize("seed", range(3))
def test_the_camera_moves_evenly_and_takes_chroma_along(along: str, seed: int) -> None:
    frames = list(animate([picture(160, 200, along)], 9, seed))
    assert len(frames) == 9
    middles = []
    for y, u, v in frames:
        assert y.shape == (112, 140) and u.shape == v.shape == (56, 70)
        beside = y[::2, ::2].astype(float)
        below = y[1::2, ::2].astype(float)
        assert np.abs((beside + below) / 2 - u)[8:-8, 8:-8].max() <= 1.5
        middles.append(float(y[54:58, 68:72].mean()))
    line = np.linspace(middles[0], middles[-1], 9)
    assert np.abs(line - middles).max() < 2


def test_cut_outs_move_over_the_background() -> None:
    covers = []
    for seed in range(4):
        frames = list(animate([flat(50), flat(200)], 5, seed))
        for y, u, _ in frames:
            assert set(np.unique(y)) <= set(range(50, 201))
            assert ((y == 50) | (y == 200)).mean() > 0.9, "edges are thin"
            assert abs((y > 125).mean() - (u > 125).mean()) < 0.03
        covers.append([y > 125 for y, _, _ in frames])
    assert 0.03 < np.mean(covers) < 0.5
    assert max(np.mean(first != last) for first, *_, last in covers) > 0.05


def write_stills(folder: Path, count: int) -> None:
    folder.mkdir()
    for seed in range(count):
        y = moving_frames(1, 96, 128, seed)[0].y
        Image.fromarray(np.stack([y] * 3, axis=-1)).save(folder / f"{seed}.png")


def test_moving_stills_are_clips_of_their_own(tmp_path: Path) -> None:
    write_stills(tmp_path / "stills", 3)
    config = DataConfig(folders=(), stills=("stills",), synthetic=5, frames=3)
    clips = config.clips(tmp_path)
    assert len(clips) == 5 and all(isinstance(c, MovingStills) and c.is_clip for c in clips)
    assert clips == config.clips(tmp_path) and len(set(clips)) == 5
    first = list(clips[0].planes())
    assert len(first) == SYNTHETIC_FRAMES and first[0][0].shape == (66, 88)
    assert np.array_equal(list(clips[0].planes(5))[1][0], first[5][0])
    store = SequenceStore.open(tiny.network(ends=0), config, tmp_path, tmp_path / "sequences.bin")
    assert len(store.entries) == 5 * (3 - 1)


def test_motion_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no pictures in \[\] to make 2 clips of synthetic motion"
    ):
        DataConfig(folders=(), synthetic=2).clips(tmp_path)
    assert DataConfig(folders=()).clips(tmp_path) == []
