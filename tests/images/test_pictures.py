"""Pictures in and out: arrays, tensors, Pillow images, files."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from colorvid.errors import ColorvidError, ConfigError, InputError, OutputError
from colorvid.images.pictures import (
    Kind,
    Rgb,
    from_rgb,
    is_picture,
    read_picture,
    to_rgb,
    write_picture,
)

WIDE = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def picture(height: int = 5, width: int = 7) -> Rgb:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("kind", "expected"), [("numpy", np.ndarray), ("pil", Image.Image), ("torch", torch.Tensor)]
)
def test_every_kind_comes_back(kind: Kind, expected: type) -> None:
    rgb = picture()
    made = from_rgb(rgb, kind)
    assert expected in type(made).__mro__
    assert np.array_equal(to_rgb(made), rgb)


def test_tensors_may_have_a_batch_of_one_and_bytes() -> None:
    rgb = picture()
    floats = from_rgb(rgb, "torch")
    assert floats.shape == (3, 5, 7) and 0 <= floats.min() and floats.max() <= 1
    assert np.array_equal(to_rgb(floats[None].requires_grad_()), rgb)
    assert np.array_equal(to_rgb(torch.from_numpy(rgb.transpose(2, 0, 1).copy())), rgb)
    assert np.array_equal(to_rgb(floats * 3 - 1), np.rint((floats.numpy() * 3 - 1).clip(0, 1) * 255)
                          .astype(np.uint8).transpose(1, 2, 0))  # fmt: skip


def test_grey_has_three_equal_channels() -> None:
    grey = picture()[..., 0]
    both: list[Any] = [grey, Image.fromarray(grey)]
    for given in both:
        rgb = to_rgb(given)
        assert rgb.shape == (5, 7, 3) and all(np.array_equal(rgb[..., c], grey) for c in range(3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "array of float32, shape .*; it must be uint8"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (torch.zeros(2, 3, 4, 4), r"shape \(2, 3, 4, 4\); it must be \(3, height, width\)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (torch.full((3, 4, 4), float("nan")), "no numbers"),
        ("a.png", "of type str; it must be a numpy array"),
        (Image.new("I;16", (4, 4)), "more than 8 bits"),
        (Image.new("RGBA", (4, 4), (1, 2, 3, 254)), "alpha channel; pass convert=True"),
    ],
)
def test_other_pictures_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_rgb(given)


@pytest.mark.parametrize("mode", [mode for mode in Image.MODES if mode not in WIDE])
def test_every_mode_of_pillow_of_8_bits(mode: str) -> None:
    """Those with alpha are transparent black here, and dropped on request."""
    image = Image.new(mode, (7, 5))
    assert to_rgb(image, convert=True).shape == (5, 7, 3)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        with pytest.raises(InputError, match="has an alpha channel"):
            to_rgb(image)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="kind='jax' is not allowed; use one of numpy, pil, torch"
    ):
        from_rgb(picture(), "jax")  # type: ignore[arg-type]


def test_files_come_back(tmp_path: Path) -> None:
    rgb = picture()
    path = tmp_path / "a.png"
    write_picture(path, rgb, overwrite=False)
    assert np.array_equal(read_picture(path), rgb)
    with Image.open(path) as image:
        image.load()
        assert image.info["srgb"] == 0
    with pytest.raises(OutputError, match="exists; pass overwrite=True"):
        write_picture(path, rgb, overwrite=False)
    for suffix in ("bmp", "tif", "webp"):
        Image.fromarray(rgb).save(tmp_path / f"a.{suffix}", lossless=True)
        assert is_picture(tmp_path / f"a.{suffix}".upper())
        assert np.array_equal(read_picture(tmp_path / f"a.{suffix}"), rgb), suffix


def test_opaque_alpha_and_palettes_are_fine(tmp_path: Path) -> None:
    rgb = picture()
    image = Image.fromarray(rgb)
    image.putalpha(255)
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), rgb)
    few = Image.fromarray(rgb // 128 * 255)
    few.quantize(8).save(tmp_path / "b.png")
    assert np.array_equal(read_picture(tmp_path / "b.png"), np.asarray(few))
    clear = few.quantize(8)
    clear.save(tmp_path / "c.png", transparency=0)
    with pytest.raises(InputError, match="c.png: has an alpha channel"):
        read_picture(tmp_path / "c.png")
    assert np.array_equal(read_picture(tmp_path / "c.png", convert=True), np.asarray(few))


def test_pictures_are_turned_as_exif_says(tmp_path: Path) -> None:
    rgb = picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png"), np.rot90(rgb, -1))


def test_colour_profiles_are_followed(tmp_path: Path) -> None:
    """The same colours in a space whose channels are swapped about give other samples."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(picture()).save(tmp_path / "same.png", icc_profile=profile.tobytes())
    assert abs(read_picture(tmp_path / "same.png").astype(int) - picture()).max() <= 1
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(picture()).save(tmp_path / "lab.png", icc_profile=lab)
    with pytest.raises(InputError, match="lab.png: its colour profile cannot be used"):
        read_picture(tmp_path / "lab.png")
    Image.fromarray(picture()).save(tmp_path / "junk.png", icc_profile=b"junk")
    with pytest.raises(InputError, match="junk.png: its colour profile cannot be used"):
        read_picture(tmp_path / "junk.png")


def png_of_16_bits() -> bytes:
    """A PNG of 16-bit R'G'B', which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    rows = (b"\0" + bytes(range(24))) * 4
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    images = [Image.fromarray(picture()), Image.fromarray(255 - picture())]
    images[0].save(buffer, "png", save_all=True, append_images=images[1:], pnginfo=PngInfo())
    cases = {
        "several.png": (buffer.getvalue(), "holds several pictures"),
        "wide.png": (png_of_16_bits(), "more than 8 bits"),
        "empty.png": (b"", "no picture that can be read"),
        "cut.png": (buffer.getvalue()[:60], "no picture that can be read"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            read_picture(tmp_path / name)
    with pytest.raises(InputError, match="none.png: No such file"):
        read_picture(tmp_path / "none.png")


def test_a_missing_pillow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    for work in (
        lambda: read_picture(tmp_path / "a.png"),
        lambda: write_picture(tmp_path / "b.png", picture(), overwrite=False),
        lambda: from_rgb(picture(), "pil"),
    ):
        with pytest.raises(ColorvidError, match="pictures need Pillow; install it with: pip inst"):
            work()
    assert not (tmp_path / "b.png").exists()
