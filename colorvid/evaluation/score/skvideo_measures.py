"""ST-RRED and NIQE of scikit-video, on a current NumPy, SciPy and Pillow.

scikit-video 1.1.11 uses names that are gone: ``np.int``, ``np.float`` and ``scipy.misc.imresize``;
and it counts on NumPy 1, where a float32 and a plain number give float64, and where the
eigenvalues of a symmetric matrix come as real numbers. Its modules are therefore loaded a second
time under a private name, where ``np`` and ``scipy`` are small stand-ins that have all this; numpy,
scipy and the user's own ``skvideo`` stay as they are, and nothing runs FFmpeg, which ``import
skvideo`` would look for.

Both measures see luma at full range, 0..255, as scikit-video's own reader delivers it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import ColorvidError, InputError
from colorvid.frame import Plane
from colorvid.quality.color import ColorSpec

NIQE_MIN_SIDE_PX = 194
"""Smallest side for NIQE: two patches of 96 samples and two more."""

STRRED_MIN_SIDE_PX = 32
"""Smallest side for ST-RRED: its filters are applied after three halvings."""

_PRIVATE = "_colorvid_skvideo"


class _Numpy:
    """NumPy with the names and the habits that it has dropped."""

    int, float, bool = int, float, bool

    def __init__(self, **own: Any) -> None:
        """Take the names of ``own`` in place of those of NumPy."""
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class _Float32:
    """``np.float32`` as a type of arrays; as a function it gives float64, as sums with it did."""

    dtype = np.dtype(np.float32)

    def __call__(self, value: float) -> np.float64:
        return np.float64(np.float32(value))


def _real_eig(matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """``np.linalg.eig`` of a symmetric matrix: real numbers whatever the version of NumPy."""
    values, vectors = np.linalg.eig(matrix)
    return values.real, vectors.real


def _imresize(array: NDArray[Any], scale: float, interp: str, mode: str) -> NDArray[Any]:
    """``scipy.misc.imresize`` for what NIQE asks of it: bicubic, with Pillow's mode ``F``."""
    from PIL import Image

    assert interp == "bicubic" and mode == "F"
    picture = Image.fromarray(array.astype(np.float32))  # float32 is mode F
    size = int(picture.width * scale), int(picture.height * scale)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def _utils(name: str) -> Any:
    """The private copy of the module ``skvideo.utils.name``."""
    return importlib.import_module(f"{_PRIVATE}.utils.{name}")


@lru_cache(maxsize=2)
def _measure(name: str) -> Any:
    """The private copy of the module ``skvideo.measure.name``.

    Raises:
        ColorvidError: scikit-video or what it needs is missing.
    """
    spec = find_spec("skvideo")
    try:
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("No module named 'skvideo'")
        folder = Path(spec.submodule_search_locations[0])
        for package, path in ((_PRIVATE, folder), (f"{_PRIVATE}.measure", folder / "measure")):
            module = ModuleType(package)
            module.__path__ = [str(path)]
            sys.modules.setdefault(package, module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scipy.misc, which goes with SciPy 2
            loaded: Any = importlib.import_module(f"{_PRIVATE}.measure.{name}")
            pyramid = _utils("stpyr")
            import PIL  # noqa: F401
    except ImportError as error:
        raise ColorvidError(
            f"the metrics strred and niqe do not work here ({error}); they need scikit-video "
            "1.1.11, Pillow and a SciPy below 2, or leave them out of the metrics"
        ) from error
    loaded.np = pyramid.np = _Numpy(linalg=SimpleNamespace(eig=_real_eig))
    if name == "niqe":
        _utils("mscn").np = _Numpy(float32=_Float32())
        scipy, misc = loaded.scipy, SimpleNamespace(imresize=_imresize)
        loaded.scipy = SimpleNamespace(misc=misc, io=scipy.io, linalg=scipy.linalg)
    return loaded


def _full_range(plane: Plane, spec: ColorSpec) -> Plane:
    """Luma as 0..255, rounded half to even."""
    black, scale, _ = spec.scales
    table = np.rint((np.arange(256) - black) * (255 / scale)).clip(0, 255).astype(np.uint8)
    return np.asarray(table[plane], np.uint8)


def _check_side(name: str, plane: Plane, least: int) -> None:
    if min(plane.shape) < least:
        height, width = plane.shape
        raise InputError(
            f"luma of {width}x{height} is too small for {name}; both sides must be {least} "
            f"samples or more, so leave {name} out of the metrics"
        )


def niqe(plane: Plane, spec: ColorSpec) -> float:
    """NIQE of a luma plane (Mittal, Soundararajan and Bovik 2013): 0 or more, lower is better.

    It knows no reference: it measures the distance from natural pictures.

    Args:
        plane: luma ``(H, W)``, u8.
        spec: its range.

    Raises:
        InputError: a side is below ``NIQE_MIN_SIDE_PX``.
        ColorvidError: scikit-video does not work here.
    """
    _check_side("niqe", plane, NIQE_MIN_SIDE_PX)
    module = _measure("niqe")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(module.niqe(_full_range(plane, spec))[0])


def strred_pair(
    reference: tuple[Plane, Plane], decoded: tuple[Plane, Plane], spec: ColorSpec
) -> tuple[float, float]:
    """Spatial and temporal part of ST-RRED (Soundararajan and Bovik 2013) for two frames.

    The score of a video is the product of the means of both parts over its pairs of frames (0 and
    1, 2 and 3, and so on); 0 for equal videos, lower is better.

    Args:
        reference, decoded: luma ``(H, W)``, u8, of two frames that follow each other.
        spec: their range.

    Raises:
        InputError: a side is below ``STRRED_MIN_SIDE_PX``.
        ColorvidError: scikit-video does not work here.
    """
    _check_side("strred", reference[0], STRRED_MIN_SIDE_PX)
    module = _measure("strred")
    one, two = (np.stack([_full_range(p, spec) for p in pair]) for pair in (reference, decoded))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # np.matrix
        parts, _, _ = module.strred(one[..., None], two[..., None])
    return float(parts[0, 0]), float(parts[0, 1])
