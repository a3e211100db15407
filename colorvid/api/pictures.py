"""Pictures of any kind that Python has, as the frames of a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from operator import length_hint
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from colorvid.api.clip import ClipFrame
from colorvid.colors import Color
from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame, Plane
from colorvid.images.pictures import Rgb, info_of_picture, spec_of, to_rgb
from colorvid.io import FrameReader, VideoInfo
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL, RANGE_LIMITED
from colorvid.quality.color import ColorSpec, rgb_to_frame
from colorvid.quality.scores import color_spec

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    Picture = Frame | tuple[Plane, Plane, Plane] | Rgb | Tensor | Image
    """Planes, or R'G'B' in any of the forms of `colorvid.images.pictures.to_rgb`."""

_KINDS = "a Frame, planes (y, u, v), a numpy array, a torch tensor or a Pillow image"


class Pictures(FrameReader):
    """Pictures of one size as a video.

    Messages call them ``source[0]``, ``source[1]`` and so on.
    """

    def __init__(
        self,
        pictures: Iterable[Picture],
        rate: Fraction | None,
        color: Color | None,
        *,
        convert: bool = False,
    ) -> None:
        """Look at the first picture.

        Args:
            pictures: at least one; all of one size.
            rate: frames per second; None = that of frames of a clip.
            color: what planes mean, or what R'G'B' becomes; None = that of frames of a clip, not
                stated for other planes, and as in `colorvid.images.pictures.spec_of` for R'G'B'.
            convert: drop alpha of Pillow images.

        Raises:
            ConfigError: there is no rate, or R'G'B' cannot be coded in this colour.
            InputError: there is no picture, or it is of a kind that is not known.
        """
        self._convert, self._color = convert, color
        hint = length_hint(pictures, 0)
        self._rest: Iterator[Picture] = iter(pictures)
        first = next(self._rest, None)
        if first is None:
            raise InputError("source holds no picture; give at least one")
        self._spec: ColorSpec | None = None
        self._next: Frame | None = None
        self._count = 0
        frame, info = self._begin(first)
        if rate is not None:
            info = replace(info, rate=rate)
        elif not isinstance(first, ClipFrame):
            raise ConfigError("fps is missing, and pictures carry no rate; pass fps=25")
        self.info = replace(info, frames=hint or None)
        self._next = frame

    def _begin(self, first: Picture) -> tuple[Frame, VideoInfo]:
        """The first frame, and what all are."""
        planes = self._planes(first)
        if planes is None:
            rgb = self._rgb(first)
            if self._color is None:
                self._spec = spec_of(full_range=False)
                frame = rgb_to_frame(rgb, self._spec)
                return frame, info_of_picture(frame, self._spec)
            height, width = rgb.shape[:2]
            info = VideoInfo(width, height, Fraction(1), Fraction(1)).with_color(self._color)
            self._spec = color_spec(info)
            if self._spec is None:
                raise ConfigError(
                    f"color has matrix {self._color.matrix!r}, in which R'G'B' cannot be coded; "
                    "use bt709, smpte170m or bt2020nc"
                )
            return rgb_to_frame(rgb, self._spec), _stated(info, self._spec)
        if isinstance(first, ClipFrame):
            info = first.info
        else:
            info = VideoInfo(planes.width, planes.height, Fraction(1), depth=planes.depth)
        return planes, info if self._color is None else info.with_color(self._color)

    def __next__(self) -> Frame:
        """The next frame.

        Raises:
            InputError: it is of another size or kind than the first.
        """
        if self._next is not None:
            frame, self._next = self._next, None
            self._count = 1
            return frame
        picture = next(self._rest)
        frame = self._frame(picture)
        if frame.size != self.info.size:
            raise InputError(
                f"source[{self._count}] is {frame.size}; all must be {self.info.size}, as source[0]"
            )
        if frame.depth != self.info.depth:
            raise InputError(
                f"source[{self._count}] has {frame.depth} bits a sample; all must have "
                f"{self.info.depth}, as source[0]"
            )
        self._count += 1
        return frame

    def _frame(self, picture: Picture) -> Frame:
        """A picture as a frame."""
        name = f"source[{self._count}]"
        planes = self._planes(picture)
        if (planes is None) != (self._spec is not None):
            kinds = ("R'G'B'", "planes") if planes is None else ("planes", "R'G'B'")
            raise InputError(f"{name} is {kinds[0]}, and source[0] was {kinds[1]}; give one kind")
        if planes is not None:
            return planes
        assert self._spec is not None
        return rgb_to_frame(self._rgb(picture), self._spec)

    def _rgb(self, picture: Picture) -> Rgb:
        """A picture that is no planes, in R'G'B'."""
        rgb = cast("Rgb | Tensor | Image", picture)
        return to_rgb(rgb, f"source[{self._count}]", convert=self._convert)

    def _planes(self, picture: Picture) -> Frame | None:
        """A copy of a frame, for its planes may change before it is coded; None for R'G'B'."""
        name = f"source[{self._count}]"
        if isinstance(picture, Frame):
            return Frame(*map(np.array, picture.planes))
        if not isinstance(picture, tuple | list):
            if not hasattr(picture, "shape") and not hasattr(picture, "mode"):
                kind = type(picture).__name__
                raise InputError(f"{name} is of type {kind}; it must be {_KINDS}")
            return None
        planes: list[NDArray[Any]] = [np.array(plane) for plane in picture]
        if len(planes) != 3:
            raise InputError(f"{name} has {len(planes)} planes; it must be (y, u, v)")
        try:
            return Frame(*planes)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None

    def close(self) -> None:
        """Nothing is open."""


def _stated(info: VideoInfo, spec: ColorSpec) -> VideoInfo:
    """The description of what R'G'B' became, with what a colour left open."""
    return replace(
        info,
        color_range=RANGE_FULL if spec.full_range else RANGE_LIMITED,
        matrix=int(spec.matrix),
        chroma_location=CHROMA_LOCATIONS.index(spec.siting),
    )
