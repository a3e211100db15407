"""Pictures in R'G'B' (sRGB): arrays, tensors, Pillow images, and files of them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import ColorvidError, ConfigError, InputError, OutputError
from colorvid.frame import Frame
from colorvid.io import VideoInfo
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL, RANGE_LIMITED
from colorvid.io.files import OutputFile, os_errors
from colorvid.quality.color import ColorSpec, Matrix
from colorvid.system.packages import needed_for

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Rgb = NDArray[np.uint8]
"""A picture of shape ``(H, W, 3)``."""
Kind = Literal["numpy", "pil", "torch"]
"""What a decoded picture may be."""

READ_SUFFIXES = (".png", ".webp", ".bmp", ".tif", ".tiff")
"""Files of pictures in R'G'B'. JPEG is not among them: it holds Y'CbCr, and is read as a video."""
WRITE_SUFFIXES = (".png",)
_OVERSHOOT = 1.0
"""What floats may lie beyond 0..1, as after a filter, and be clipped; more is another scale."""
_SRGB_PRIMARIES, _SRGB_TRANSFER = 1, 13  # code points of ITU-T H.273
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}  # modes whose samples are multiplied by alpha
_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@contextmanager
def pillow_needed() -> Iterator[None]:
    """Say in one line what to install if an import of the block fails.

    Raises:
        ColorvidError: Pillow is missing.
    """
    try:
        yield
    except ImportError:
        raise ColorvidError(
            "pictures need Pillow; install it with: pip install 'colorvid[eval]'"
        ) from None


def spec_of(*, full_range: bool) -> ColorSpec:
    """What the samples of a coded picture mean: BT.709, chroma on even columns between rows."""
    return ColorSpec(Matrix.BT709, full_range, "left")


def info_of_picture(frame: Frame, spec: ColorSpec) -> VideoInfo:
    """A picture as a video of one frame, with the primaries and the curve of sRGB."""
    return VideoInfo(
        width=frame.width,
        height=frame.height,
        rate=Fraction(1),
        sample_aspect=Fraction(1),
        color_range=RANGE_FULL if spec.full_range else RANGE_LIMITED,
        matrix=int(spec.matrix),
        primaries=_SRGB_PRIMARIES,
        transfer=_SRGB_TRANSFER,
        chroma_location=CHROMA_LOCATIONS.index(spec.siting),
        frames=1,
    )


def to_rgb(picture: Rgb | Tensor | Image, name: str = "picture", *, convert: bool = False) -> Rgb:
    """A picture as samples.

    Args:
        picture: array u8 ``(H, W, 3)``, or ``(H, W)`` for grey; tensor ``(3, H, W)`` or
            ``(1, 3, H, W)``, floats 0..1 or u8; or a Pillow image.
        name: what messages call it.
        convert: drop alpha of a Pillow image.

    Raises:
        InputError: it is none of these, or holds values that are no numbers, or far from 0..1.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture, name)
    torch, image = (sys.modules.get(module) for module in ("torch", "PIL.Image"))
    if torch is not None and isinstance(picture, torch.Tensor):
        return _from_tensor(picture, name)
    if image is not None and isinstance(picture, image.Image):
        return _from_pillow(picture, name, convert=convert)
    raise InputError(
        f"{name} is of type {type(picture).__name__}; it must be a numpy array, a torch tensor or "
        "a Pillow image"
    )


def _from_array(array: NDArray[Any], name: str) -> Rgb:
    grey = array.ndim == 2
    if array.dtype != np.uint8 or 0 in array.shape or not (grey or array.shape[2:] == (3,)):
        raise InputError(
            f"{name} is an array of {array.dtype}, shape {array.shape}; it must be uint8 of shape "
            "(height, width, 3) or (height, width)"
        )
    return np.ascontiguousarray(np.repeat(array[..., None], 3, axis=2) if grey else array)


def _from_tensor(tensor: Tensor, name: str) -> Rgb:
    if tensor.is_meta or tensor.is_quantized or str(tensor.layout) != "torch.strided":
        raise InputError(f"{name} is no plain tensor; give a dense one that holds its values")
    plain = tensor.detach().cpu()
    if plain.dim() == 4 and len(plain) == 1:
        plain = plain[0]
    is_bytes = str(plain.dtype) == "torch.uint8"
    if plain.dim() != 3 or len(plain) != 3 or not (is_bytes or plain.is_floating_point()):
        raise InputError(
            f"{name} is a tensor of {tensor.dtype}, shape {tuple(tensor.shape)}; it must be "
            "(3, height, width) of floats 0..1 or of uint8"
        )
    if not is_bytes:
        plain = plain.float()
        if not bool(plain.isfinite().all()):
            raise InputError(f"{name} holds values that are no numbers; they must be 0..1")
        low, high = float(plain.min()), float(plain.max())
        if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
            raise InputError(f"{name} holds floats from {low:g} to {high:g}; they must be 0..1")
        plain = (plain * 255).round().clamp(0, 255).byte()
    return _from_array(np.ascontiguousarray(plain.permute(1, 2, 0).numpy()), name)


def _from_pillow(image: Image, name: str, *, convert: bool = False) -> Rgb:
    """Samples of an image as it is to be shown: turned as EXIF says, colours in sRGB.

    ``convert`` drops alpha and brings samples of more than 8 bits to 8.
    """
    from PIL import ImageOps

    if getattr(image, "n_frames", 1) > 1:
        raise InputError(f"{name}: holds several pictures; give a file of one")
    if image.mode in _WIDE_MODES or _has_wide_samples(image):
        raise InputError(f"{name}: has samples of more than 8 bits; bring them to 8 bits first")
    if image.mode in _STRAIGHT:
        image = image.convert(_STRAIGHT[image.mode])
    if not convert and _has_alpha(image):
        raise InputError(f"{name}: has an alpha channel; pass convert=True to drop it")
    with os_errors(name, InputError):
        image = ImageOps.exif_transpose(image)
        return _from_array(np.asarray(_in_srgb(image, name)), name)


def _has_wide_samples(image: Image) -> bool:
    """Whether Pillow is about to cut samples of 16 bits; it does so without a word."""
    tiles = getattr(image, "tile", None) or ()
    return any("16" in str(tile[3]) for tile in tiles)


def _has_alpha(image: Image) -> bool:
    """Whether a part of the image can be seen through."""
    if "transparency" not in image.info and not image.mode.endswith("A"):
        return False
    lowest = image.convert("RGBA").getchannel("A").getextrema()[0]
    return float(lowest) < 255  # type: ignore[arg-type]


def _in_srgb(image: Image, name: str) -> Image:
    """The image in R'G'B', converted if it states a colour profile."""
    profile = image.info.get("icc_profile")
    if image.mode in ("LA", "PA", "P", "1"):
        image = image.convert("RGB")
    if profile is None or image.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return image.convert("RGB")
    from PIL import ImageCms

    if image.mode == "RGBA":
        image = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError) as error:
        raise InputError(
            f"{name}: its colour profile cannot be used ({error}); remove it, or convert the "
            "picture to sRGB first"
        ) from error
    assert converted is not None  # only with inPlace
    return converted


def from_rgb(rgb: Rgb, kind: Kind = "numpy") -> Any:
    """A picture as what the caller works with.

    Args:
        rgb: samples.
        kind: ``numpy``: ``rgb`` itself; ``pil``: a Pillow image; ``torch``: floats 0..1,
            ``(3, H, W)``.

    Raises:
        ConfigError: ``kind`` is none of these.
        ColorvidError: Pillow is missing.
    """
    if kind == "numpy":
        return rgb
    if kind == "pil":
        with pillow_needed():
            from PIL import Image
        return Image.fromarray(rgb)
    if kind == "torch":
        with needed_for("a tensor"):
            import torch

        return torch.from_numpy(rgb.transpose(2, 0, 1).astype(np.float32) / 255)
    raise ConfigError(f"kind={kind!r} is not allowed; use one of {', '.join(get_args(Kind))}")


def is_picture(path: str | Path) -> bool:
    """Whether a file is read as a picture, by its name."""
    return Path(path).suffix.lower() in READ_SUFFIXES


def is_written_as_picture(path: str | Path) -> bool:
    """Whether a file is written as one picture, by its name; ``%`` stands for numbers of many."""
    return Path(path).suffix.lower() in WRITE_SUFFIXES and "%" not in Path(path).name


def read_picture(path: Path, *, convert: bool = False) -> Rgb:
    """Read a file as it is to be shown: turned as EXIF says, colours in sRGB.

    ``convert`` drops alpha.

    Raises:
        InputError: it cannot be read, holds several pictures or samples of more than 8 bits, or
            can be seen through and ``convert`` is False.
        ColorvidError: Pillow is missing.
    """
    with pillow_needed():
        from PIL import Image
    with os_errors(str(path), InputError):
        file = path.open("rb")
    with file:
        try:
            with Image.open(file) as image:
                return _from_pillow(image, str(path), convert=convert)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{path}: is no picture that can be read: {error}") from error


def write_picture(path: Path, rgb: Rgb, *, overwrite: bool) -> None:
    """Write a PNG file, marked as sRGB; it appears under its name when it is whole.

    Raises:
        OutputError: see `colorvid.io.files.OutputFile`.
        ColorvidError: Pillow is missing.
    """
    with pillow_needed():
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo
    srgb = PngInfo()
    srgb.add(b"sRGB", b"\0")  # perceptual
    target = OutputFile(path, overwrite=overwrite)
    try:
        with os_errors(target.name, OutputError):
            Image.fromarray(rgb).save(target.temporary, "png", pnginfo=srgb)
        target.commit()
    except BaseException:
        target.discard()
        raise
