"""JPEG files (ITU-T T.81) whose samples are the planes of 4:2:0 frames, through Pillow's libjpeg.

libjpeg takes chroma at full resolution and halves it with a 2x2 box filter. Each chroma sample is
handed over four times, so that the filter gives back the very planes. Sample values are coded as
they are, whatever their range; what decodes them must take them as they are too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from colorvid.errors import ColorvidError
from colorvid.frame import Frame, Plane


def jpeg_settings(quality: int) -> dict[str, str]:
    """Exact settings of a JPEG quality, 1..100, with the versions of Pillow and libjpeg.

    Raises:
        ColorvidError: Pillow is missing.
    """
    try:
        import PIL
        from PIL import Image, features
    except ImportError:
        raise ColorvidError(
            "JPEG needs Pillow; install it with: pip install 'colorvid[eval]'"
        ) from None
    Image.preinit()  # loads its part for JPEG, so that no encoding has to
    turbo = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    return {
        "encoder": "jpeg",
        "library": f"{turbo}-{version}",
        "pillow": PIL.__version__,
        "quality": str(quality),
        "subsampling": "4:2:0",
        "optimize": "1",
    }


def write_jpegs(frames: Iterable[Frame], path: Path, quality: int) -> list[int]:
    """Write one JPEG file after the other into ``path``; gives the bytes of each."""
    from PIL import Image

    sizes: list[int] = []
    with path.open("wb") as file:
        for frame in frames:
            chroma = (_at_full_size(plane, frame.y.shape) for plane in (frame.u, frame.v))
            planes = [Image.fromarray(plane, "L") for plane in (frame.y, *chroma)]
            image = Image.merge("YCbCr", planes)
            image.save(file, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
            sizes.append(file.tell() - sum(sizes))
    return sizes


def _at_full_size(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Each sample four times, cut to the size of luma."""
    return plane.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]].copy()
