"""Motion estimation, on the encoder's side: vectors of libx264, then a rate-distortion decision.

libx264 finds vectors that are good in the rate-distortion sense and comes with PyAV. Each source
frame is encoded and the packet is decoded at once; the decoder exports the vectors of the packet.
The decoder of colorvid needs none of this.

A vector field is an int16 array ``(ceil(H/8), ceil(W/8), 2)``; the last axis is ``(dy, dx)`` in
quarter luma samples. The block at luma position ``(y, x)`` is predicted from the previous frame at
``(y + dy/4, x + dx/4)``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.sidedata.sidedata import Type
from av.video.frame import PictureType
from numpy.typing import NDArray

from colorvid.config import MAX_SIDE
from colorvid.errors import ConfigError
from colorvid.frame import Frame, Plane, Size
from colorvid.motion.field import BLOCK, VECTOR_LIMIT, Vectors, grid_shape
from colorvid.motion.native import AnyMotionCoder
from colorvid.motion.simplify import simplify

_MACROBLOCK = 16
_NO_VECTOR = np.iinfo(np.int16).min
_PRIVATE = ":".join(
    (
        "bframes=0",
        "ref=1",
        "scenecut=0",
        "keyint=infinite",
        "weightp=0",
        "me=hex",
        "subme=7",
        "merange=24",
        "trellis=0",
        "aq-mode=0",
        "no-psy=1",
        "8x8dct=1",
        "partitions=p8x8",
        "forced-idr=1",
        "log-level=-1",
    )
)


class MotionSearch:
    """Streaming motion search: push source frames, get the vectors of each P frame at once.

    Deterministic: one thread. Keeps one frame of state inside libx264.
    """

    def __init__(self, size: Size, crf: float = 26.0) -> None:
        """Open an encoder and a decoder.

        Args:
            size: of the frames, 1..8192 luma samples to a side.
            crf: quality of the search, 0..51; higher gives smoother, cheaper vectors. For a
                residual quantised with ``step``, ``6 * log2(step) - 2`` measured best, and
                ``6 * log2(step) - 8`` if `simplify` follows.

        Raises:
            ConfigError: ``crf`` or the size is out of its range.
        """
        if not 0 <= crf <= 51:
            raise ConfigError(f"motion search crf {crf} is not allowed; it must be 0..51")
        if not (1 <= size.width <= MAX_SIDE and 1 <= size.height <= MAX_SIDE):
            raise ConfigError(f"motion search size is {size}; each side must be 1..{MAX_SIDE}")
        self._size = size
        self._pads = (-size.height % _MACROBLOCK, -size.width % _MACROBLOCK)
        self._count = 0
        self._encoder = self._open_encoder(
            Size(size.width + self._pads[1], size.height + self._pads[0]), crf
        )
        self._decoder: Any = av.CodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        self._decoder.flags |= Flags.low_delay
        self._decoder.options = {"flags2": "+export_mvs"}

    @staticmethod
    def _open_encoder(size: Size, crf: float) -> Any:
        """A libx264 context without delay, for the padded size."""
        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = size.width, size.height, "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25, 1)
        encoder.thread_count = 1
        encoder.options = {
            "preset": "medium",
            "tune": "zerolatency",
            "crf": str(crf),
            "x264-params": _PRIVATE,
        }
        return encoder

    def push(self, frame: Frame, key: bool = False) -> Vectors | None:
        """Take the next source frame.

        Args:
            frame: the picture, of the size given at the start.
            key: start a new group of pictures here. The first frame always does.

        Returns:
            The vector field towards the previous frame, or None at a key frame.

        Raises:
            ConfigError: the frame has another size.
        """
        if frame.size != self._size:
            raise ConfigError(
                f"motion search got a frame of {frame.size}; it was opened for {self._size}"
            )
        key = key or self._count == 0
        picture = self._picture(frame)
        picture.pts = self._count
        picture.pict_type = PictureType.I if key else PictureType.NONE
        self._count += 1
        decoded = [
            out for packet in self._encoder.encode(picture) for out in self._decoder.decode(packet)
        ]
        assert len(decoded) == 1, "zerolatency gives one packet per frame"
        if key:
            return None
        return _field(decoded[0], self._size)

    def _picture(self, frame: Frame) -> Any:
        """The frame as a PyAV picture, padded by edge replication to whole macroblocks."""
        rows, columns = self._pads
        planes = [np.pad(frame.y, ((0, rows), (0, columns)), mode="edge")]
        half = ((planes[0].shape[0] // 2), (planes[0].shape[1] // 2))
        for plane in (frame.u, frame.v):
            grow = [(0, want - have) for want, have in zip(half, plane.shape, strict=True)]
            planes.append(np.pad(plane, grow, mode="edge"))
        joined = np.concatenate([plane.ravel() for plane in planes])
        return av.VideoFrame.from_ndarray(joined.reshape(-1, planes[0].shape[1]), format="yuv420p")


def _field(decoded: Any, size: Size) -> Vectors:
    """The vectors exported with a decoded picture, on the 8x8 grid of a frame of ``size``."""
    padded = grid_shape(*(-(-side // _MACROBLOCK) * _MACROBLOCK for side in size.shape))
    field = np.full((*padded, 2), _NO_VECTOR, dtype=np.int16)
    exported = decoded.side_data.get(Type.MOTION_VECTORS)
    if exported is not None:
        _place(field, exported.to_ndarray())
    rows, columns = grid_shape(*size.shape)
    return fill_holes(field[:rows, :columns])


def _place(field: Vectors, exported: NDArray[Any]) -> None:
    """Write exported partitions of 16x16, 16x8, 8x16 or 8x8 samples into the field."""
    top = (exported["dst_y"].astype(int) - exported["h"] // 2) // BLOCK
    left = (exported["dst_x"].astype(int) - exported["w"] // 2) // BLOCK
    moves = np.stack((exported["motion_y"], exported["motion_x"]), axis=-1)
    moves = np.clip(moves, -VECTOR_LIMIT, VECTOR_LIMIT).astype(np.int16)
    for row in range(2):
        for column in range(2):
            inside = (exported["h"] > BLOCK * row) & (exported["w"] > BLOCK * column)
            field[top[inside] + row, left[inside] + column] = moves[inside]


def fill_holes(field: Vectors) -> Vectors:
    """Give every block without a vector (intra) the median of its known neighbours.

    Works inwards from the known blocks, one ring at a time; a field without any vector becomes
    zero. Changes the field in place and returns it.
    """
    known = field[..., 0] != _NO_VECTOR
    if not known.any():
        return np.zeros_like(field)
    while not known.all():
        values = np.where(known[..., None], field, np.nan).astype(np.float32)
        values = np.pad(values, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
        rows, columns = known.shape
        near = np.stack([values[r : r + rows, c : c + columns] for r in range(3) for c in range(3)])
        ring = ~known & ~np.isnan(near[..., 0]).all(axis=0)
        found = np.nanmedian(near[:, ring], axis=0)
        field[ring] = np.rint(found).astype(np.int16)
        known |= ring
    return field


BIT_WEIGHT = 0.2
"""Price of a bit of the vectors in absolute differences, as a share of the quantiser step."""


def search_crf(step: float) -> float:
    """Quality of libx264's search for a quantiser step in sample values; 0..51.

    Finer than the codec's own: the search sees the source, and `simplify` makes the vectors cheap
    again where that pays.
    """
    return min(51.0, max(0.0, 6 * math.log2(step) - 8))


class MotionEstimator:
    """Vectors for each inter frame of one group of pictures."""

    def __init__(self, size: Size, step: float) -> None:
        """Prepare for frames of ``size`` and a quantiser step in sample values."""
        self._search = MotionSearch(size, search_crf(step))
        self._weight = BIT_WEIGHT * step

    def start(self, frame: Frame) -> None:
        """Take the key frame."""
        self._search.push(frame, key=True)

    def estimate(self, frame: Frame, reference: Plane, coder: AnyMotionCoder) -> Vectors:
        """Vectors int16 ``(ceil(H/8), ceil(W/8), 2)`` from the previous frame as it is decoded.

        Args:
            frame: the source.
            reference: decoded luma of the previous frame, u8 ``(H, W)``.
            coder: what codes the vectors afterwards; its contexts price them.
        """
        vectors = self._search.push(frame)
        assert vectors is not None, "start comes first"
        return simplify(vectors, frame.y, reference, self._weight, coder)
