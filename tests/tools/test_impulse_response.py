"""The picture of impulse responses, as a user makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import ConfigError
from colorvid.quality.color import ColorSpec, rgb_to_frame
from tests import tiny
from tests.clips import moving_frames
from tools.impulse_response import main, mosaic, row_labels, tiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture and a tiny model."""
    frame = moving_frames(1, 48, 64)[0]
    Image.fromarray(np.stack([frame.y] * 3, axis=-1)).save(tmp_path / "waves.png")
    tiny.save(tmp_path / "tiny.safetensors")
    return tmp_path


def arguments(folder: Path, output: str, *more: str) -> list[str]:
    model = str(folder / "tiny.safetensors")
    return [str(folder / "waves.png"), "-o", str(folder / output), "--model", model, *more]


def test_luma_as_svg_says_what_it_shows(folder: Path) -> None:
    assert main(arguments(folder, "luma.svg", "--quality", "20", "--steps", "3")) == 0
    text = (folder / "luma.svg").read_text(encoding="utf-8")
    assert "one latent of 3 steps in each channel, quality 20; ordered by bits on waves" in text
    assert text.count(" % -->") == 16, "a share for each row of 256 channels"
    assert "<!-- 100.0 % -->" in text


def test_chroma_as_png_is_in_colour(folder: Path) -> None:
    assert main(arguments(folder, "chroma.png", "--branch", "chroma", "--margin", "0")) == 0
    with Image.open(folder / "chroma.png") as image:
        rgb = np.asarray(image.convert("RGB")).astype(int)
    assert rgb.shape[1] > rgb.shape[0] > 100
    assert np.abs(rgb[..., 0] - rgb[..., 1]).max() > 50


def test_luma_tiles_are_scaled_one_by_one() -> None:
    responses = np.zeros((3, 1, 48, 48))
    responses[0, 0, 16, 16], responses[0, 0, 31, 31] = 5, -2.5
    responses[1, 0, 20, 20] = -0.125
    result = tiles(responses, 2)
    assert result.shape == (3, 20, 20, 3)
    assert np.all(result[0, 2, 2] == 1) and np.all(result[0, 17, 17] == 0.25)
    assert np.all(result[1, 6, 6] == 0)
    assert np.all(result[2] == 0.5)


def test_chroma_tiles_have_the_colours_of_the_codec() -> None:
    responses = np.zeros((2, 2, 24, 24))
    responses[0, 0, 8:16, 8:16] = 10
    responses[1, 1, 8:16, 8:16] = -7
    result = tiles(responses, 0)
    assert result.shape == (2, 16, 16, 3)
    assert 0 <= result.min() and result.max() <= 1
    spec = ColorSpec()
    for tile, chroma in zip(result, ((56, 0), (0, -56)), strict=True):
        frame = rgb_to_frame(np.rint(tile * 255).astype(np.uint8), spec)
        planes = [float(plane.mean()) for plane in frame.planes]
        assert planes == pytest.approx([16 + 219 / 2, 128 + chroma[0], 128 + chroma[1]], abs=1)


def test_the_mosaic_is_filled_row_by_row() -> None:
    pictures = np.arange(18)[:, None, None, None] / 20 * np.ones((18, 4, 4, 3))
    result = mosaic(pictures)
    assert result.shape == (12, 96, 3)
    assert result[0, 6, 0] == 1 / 20 and result[6, 6, 0] == 17 / 20
    assert np.all(result[4:6] == 1) and np.all(result[6:, 12:] == 1)


def test_shares_add_up_along_the_rows() -> None:
    assert row_labels(np.full(20, 0.05)) == ["80.0 %", "100.0 %"]


@pytest.mark.parametrize("margin", [-2, 3, 34])
def test_margins_that_cannot_be_shown_are_refused(margin: int) -> None:
    with pytest.raises(ConfigError, match=rf"margin of {margin} is not allowed; .* even and 0..32"):
        tiles(np.zeros((1, 1, 144, 144)), margin)


def test_a_mistake_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder, "x.png", "--steps", "0")) == 1
    assert main([str(folder / "none.png"), "-o", str(folder / "x.png")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("impulse_response [error]: impulse of 0 steps is not allowed")
    assert second.startswith("impulse_response [error]:") and "none.png" in second
