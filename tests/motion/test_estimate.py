"""Motion search: finds known motion, at once, for every size, always the same."""

import subprocess
import sys

import numpy as np
import pytest

from colorvid.errors import ConfigError
from colorvid.frame import Frame, Plane, Size, chroma_size
from colorvid.motion.estimate import MotionSearch, fill_holes
from colorvid.motion.field import VECTOR_LIMIT, grid_shape

HOLE = np.iinfo(np.int16).min


def texture(height: int, width: int, seed: int = 0) -> Plane:
    """A smooth random picture, u8."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 4 + 3, width // 4 + 3)).repeat(4, 0).repeat(4, 1)
    smooth = np.mean([np.roll(coarse, (i, j), (0, 1)) for i in range(4) for j in range(4)], axis=0)
    return np.asarray(smooth[4 : 4 + height, 4 : 4 + width] * 255).astype(np.uint8)


def grey(luma: Plane) -> Frame:
    chroma = np.full(chroma_size(*luma.shape), 128, dtype=np.uint8)
    return Frame(np.ascontiguousarray(luma), chroma, chroma.copy())


def test_a_pan_is_found_at_once() -> None:
    world = texture(160, 192)
    search = MotionSearch(Size(128, 96), crf=10)
    assert search.push(grey(world[20:116, 20:148])) is None
    found = search.push(grey(world[23:119, 15:143]))
    assert found is not None and found.dtype == np.int16 and found.shape == (12, 16, 2)
    inner = found[2:-2, 2:-2].reshape(-1, 2)
    assert (inner == (12, -20)).all(axis=1).mean() > 0.9  # 3 rows down, 5 columns left


def test_key_frames_have_no_vectors() -> None:
    search = MotionSearch(Size(32, 32))
    keys = [False, False, True, False]
    results = [search.push(grey(texture(32, 32, n)), key) for n, key in enumerate(keys)]
    assert [result is None for result in results] == [True, False, True, False]


def test_a_still_picture_has_no_motion() -> None:
    search, frame = MotionSearch(Size(48, 40)), grey(texture(40, 48))
    search.push(frame)
    found = search.push(frame)
    assert found is not None and not found.any()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (7, 15), (16, 16), (17, 33), (50, 18)])
def test_odd_and_tiny_sizes(size: tuple[int, int]) -> None:
    search = MotionSearch(Size(size[1], size[0]))
    search.push(grey(texture(*size)))
    found = search.push(grey(texture(*size, seed=1)))
    assert found is not None and found.shape == (*grid_shape(*size), 2)
    assert np.abs(found).max() <= VECTOR_LIMIT


def test_the_same_input_gives_the_same_vectors() -> None:
    def run() -> bytes:
        search = MotionSearch(Size(80, 64), crf=30)
        noise = [texture(64, 80, seed=n) for n in range(4)]
        fields = [search.push(grey(luma)) for luma in noise]
        return b"".join(field.tobytes() for field in fields if field is not None)

    assert run() == run()


def test_holes_take_the_median_of_their_neighbours() -> None:
    field = np.full((3, 3, 2), 6, dtype=np.int16)
    field[0] = (2, -4)
    field[1, 1] = HOLE
    assert fill_holes(field)[1, 1].tolist() == [6, 6]
    lonely = np.full((4, 5, 2), HOLE, dtype=np.int16)
    lonely[3, 4] = (7, 9)
    assert (fill_holes(lonely) == (7, 9)).all()
    assert not fill_holes(np.full((2, 2, 2), HOLE, dtype=np.int16)).any()


def test_wrong_use_is_refused() -> None:
    with pytest.raises(ConfigError, match="crf 52 is not allowed; it must be 0..51"):
        MotionSearch(Size(16, 16), crf=52)
    with pytest.raises(ConfigError, match="size is 0x16; each side must be 1..8192"):
        MotionSearch(Size(0, 16))
    with pytest.raises(ConfigError, match="got a frame of 16x8; it was opened for 8x16"):
        MotionSearch(Size(8, 16)).push(grey(texture(8, 16)))


def test_search_does_not_load_torch() -> None:
    modules = "colorvid.motion.simplify, colorvid.motion.estimate"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
