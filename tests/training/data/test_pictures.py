"""How crops and qualities for training are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from colorvid.errors import ConfigError, InputError
from colorvid.training.data.pictures import (
    PictureStore,
    draw_places,
    draw_qualities,
    picture_batch,
    scaled_down,
)
from colorvid.training.data.sources import DataConfig


def gradient_store(sizes: list[tuple[int, int, int]], config: DataConfig) -> PictureStore:
    """Pictures of height, width and source; luma falls from 240 to 16 along the columns."""
    parts, entries, offset = [], [], 0
    for height, width, source in sizes:
        entries.append((offset, height, width, source))
        row = np.linspace(240, 16, width).round().astype(np.uint8)
        planes = [np.tile(row, (height, 1)), *[np.tile(row[::2], (height // 2, 1))] * 2]
        parts += [p.ravel() for p in planes]
        offset += sum(p.size for p in planes)
    return PictureStore(np.concatenate(parts), np.array(entries, np.int64), config)


def shares(numbers: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    return np.bincount(numbers, minlength=count) / len(numbers)


def test_large_pictures_and_long_clips_are_drawn_as_often_as_others() -> None:
    sizes = [(64, 64, 0), (512, 640, 1), (96, 64, 2), (96, 64, 2), (96, 64, 2), (16, 16, 3)]
    by_entry = gradient_store(sizes, DataConfig())
    drawn = by_entry.draw(np.random.default_rng(1), 30000, 48)[:, 0]
    assert shares(drawn, 6) == pytest.approx([0.2] * 5 + [0], abs=0.01)
    by_source = gradient_store(sizes, DataConfig(by_source=True))
    drawn = by_source.draw(np.random.default_rng(1), 30000, 48)[:, 0]
    assert shares(drawn, 6) == pytest.approx([1 / 3, 1 / 3, 1 / 9, 1 / 9, 1 / 9, 0], abs=0.01)


def test_without_options_crops_are_those_of_older_runs() -> None:
    store = gradient_store([(64, 64, 0), (96, 128, 1)], DataConfig())
    places = draw_places(store.entries, np.random.default_rng(3), 50, 32, 2)
    drawn = store.draw(np.random.default_rng(3), 50, 32)
    assert np.array_equal(drawn[:, :3], places) and set(drawn[:, 3]) == {32}
    old = np.random.default_rng(4).integers(0, 64, 50)
    assert np.array_equal(draw_qualities(np.random.default_rng(4), 50, even=False), old)


@pytest.mark.parametrize("by_source", [False, True])
def test_crops_are_scaled_within_the_range_and_the_picture(by_source: bool) -> None:
    sizes = [(400, 400, 0), (80, 90, 1)]
    store = gradient_store(sizes, DataConfig(smallest_scale=0.5, by_source=by_source))
    drawn = store.draw(np.random.default_rng(2), 4000, 64)
    assert not (drawn[:, 1:] % 2).any()
    large, small = (drawn[drawn[:, 0] == number] for number in (0, 1))
    assert 64 <= large[:, 3].min() < 68 and 124 < large[:, 3].max() <= 128
    assert set(small[:, 3]) == set(range(64, 81, 2)), "the picture ends at 80 samples"
    for rows, (height, width, _) in zip((large, small), sizes, strict=True):
        assert (rows[:, 1] + rows[:, 3]).max() == height
        assert (rows[:, 2] + rows[:, 3]).max() == width
        assert rows[:, 1:3].min() == 0
    assert 1 / np.mean(1 / (large[:, 3] / 64)) == pytest.approx(4 / 3, abs=0.01), "mean scale"


def test_scaled_crops_show_the_same_picture() -> None:
    store = gradient_store([(256, 256, 0)], DataConfig(smallest_scale=0.5))
    y, uv = picture_batch(store, np.random.default_rng(5), 64, 64)
    assert y.shape == (64, 1, 64, 64) and uv.shape == (64, 2, 32, 32)
    planes = y[:, 0].float()
    slopes = (planes[:, 0, :] - planes[:, -1, :]).abs().mean(1) + (
        planes[:, :, 0] - planes[:, :, -1]
    ).abs().mean(1)
    step = 224 / 255 * 63  # of a crop that is not scaled
    assert slopes.min() == pytest.approx(step, abs=3) and slopes.max() > 1.8 * step
    chroma = uv[:, 0].float()
    assert (planes.mean(dim=(1, 2)) - chroma.mean(dim=(1, 2))).abs().max() < 2


def test_scaling_does_not_alias() -> None:
    stripes = np.tile(np.array([16, 240], np.uint8), (128, 64))
    scaled = scaled_down(stripes, 64)
    assert scaled.shape == (64, 64) and np.abs(scaled[:, 4:-4].astype(int) - 128).max() <= 1
    assert scaled_down(stripes, 128) is stripes


def test_even_qualities_give_one_of_each_part() -> None:
    generator = np.random.default_rng(6)
    drawn = np.stack([draw_qualities(generator, 8, even=True) for _ in range(4000)])
    assert np.array_equal(np.sort(drawn // 8, axis=1), np.tile(np.arange(8), (4000, 1)))
    assert shares(drawn.ravel(), 64) == pytest.approx([1 / 64] * 64, abs=0.003)
    assert shares(drawn[:, 0], 64) == pytest.approx([1 / 64] * 64, abs=0.008), "no place is special"
    three = np.stack([draw_qualities(generator, 3, even=True) for _ in range(2000)])
    assert three.min() == 0 and three.max() == 63
    assert (np.sort(three, axis=1)[:, 0] <= 21).all()


@pytest.mark.parametrize("scale", [0.0, -0.5, 1.5])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(ConfigError, match=f"smallest_scale is {scale}; it must be above 0 and at"):
        DataConfig(smallest_scale=scale)


def test_a_store_without_sources_says_what_to_do() -> None:
    store = gradient_store([(64, 64, 0)], DataConfig(by_source=True))
    old = PictureStore(store.data, store.entries[:, :3], store.config)
    with pytest.raises(InputError, match="by_source in .data.: .* delete pictures.json beside it"):
        old.draw(np.random.default_rng(0), 2, 32)
