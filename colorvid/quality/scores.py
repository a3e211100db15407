"""Quality of decoded frames: one type for the figures, one scorer, one mean.

`score_frame` compares a decoded frame with its original; `mean_scores` averages over frames (and,
applied again, over clips). What each figure is, its unit and its direction: `METRICS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

import numpy as np

from colorvid.errors import InputError
from colorvid.frame import Frame
from colorvid.io import VideoInfo
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL
from colorvid.quality.color import ColorSpec, Siting, choose_matrix, frame_delta_e
from colorvid.quality.metrics import (
    METRICS,
    QUALITY_CAP_DB,
    ms_ssim,
    ms_ssim_db,
    ms_ssim_possible,
    psnr,
    weighted_psnr,
)

_SITINGS: dict[str, Siting] = {"left": "left", "center": "center", "topleft": "topleft"}


@dataclass(frozen=True, slots=True)
class FrameScores:
    """Quality of a decoded frame, or a mean of such figures; None = not computed.

    Every figure has the name that it has in `METRICS` and in all tables.

    Attributes:
        psnr_y_db, psnr_u_db, psnr_v_db: PSNR of a plane, dB, cut at ``QUALITY_CAP_DB`` (which an
            exact copy counts for) so that means stay finite.
        psnr_yuv611_db: ``(6 Y + U + V) / 8`` of these, dB.
        ms_ssim_y, ms_ssim_y_db: MS-SSIM of luma, 0..1 and dB; None where luma is too small.
        de00_mean, de00_p95: CIEDE2000 (k = 1), mean and 95th percentile over pixels; None if the
            matrix of the video is none of BT.601, BT.709 and BT.2020.
    """

    psnr_y_db: float
    psnr_u_db: float
    psnr_v_db: float
    psnr_yuv611_db: float
    ms_ssim_y: float | None = None
    ms_ssim_y_db: float | None = None
    de00_mean: float | None = None
    de00_p95: float | None = None

    def figure(self, metric: str) -> float | None:
        """A figure by its name in `METRICS`.

        Raises:
            KeyError: there is no such figure.
        """
        if metric not in METRICS:
            raise KeyError(metric)
        value: float | None = getattr(self, metric)
        return value

    def as_dict(self) -> dict[str, float | None]:
        """All figures by name, in the order of `METRICS`."""
        return asdict(self)


QUICK_METRICS = tuple(name for name in METRICS if not name.startswith("ms_ssim"))
"""What `score_frame` computes without MS-SSIM, which takes longer than all the rest."""


def color_spec(info: VideoInfo) -> ColorSpec | None:
    """How to see the colours of a video; None if its matrix is not supported.

    What the video leaves open: BT.709 from 720 rows up, else BT.601; limited range. A siting other
    than left, center and topleft is taken as left.
    """
    try:
        matrix = choose_matrix(info.matrix, info.height)
    except InputError:
        return None
    siting = _SITINGS.get(CHROMA_LOCATIONS[info.chroma_location], "left")
    return ColorSpec(matrix, info.color_range == RANGE_FULL, siting)


def at_one_depth(one: Frame, two: Frame) -> tuple[Frame, Frame]:
    """Both frames, with samples of 10 bits if either has them."""
    depth = max(one.depth, two.depth)
    return one.at_depth(depth), two.at_depth(depth)


def score_frame(
    reference: Frame, decoded: Frame, spec: ColorSpec | None, *, ms_ssim_too: bool = True
) -> FrameScores:
    """Score one decoded frame.

    Args:
        reference, decoded: frames of one size; of two depths, the one of 8 bits counts as 10.
        spec: what the samples of both mean; None = not known, and no colour difference.
        ms_ssim_too: whether MS-SSIM is computed, the slowest of the figures.

    Raises:
        InputError: the frames differ in size.
    """
    reference, decoded = at_one_depth(reference, decoded)
    planes_db = [psnr(a, b) for a, b in zip(reference.planes, decoded.planes, strict=True)]
    y, u, v = (min(value, QUALITY_CAP_DB) for value in planes_db)
    similar = ms_ssim_too and ms_ssim_possible(reference.y)
    similarity = ms_ssim(reference.y, decoded.y) if similar else None
    difference = None if spec is None else frame_delta_e(reference, decoded, spec)
    return FrameScores(
        psnr_y_db=y,
        psnr_u_db=u,
        psnr_v_db=v,
        psnr_yuv611_db=weighted_psnr(planes_db),
        ms_ssim_y=similarity,
        ms_ssim_y_db=None if similarity is None else ms_ssim_db(similarity),
        de00_mean=None if difference is None else float(difference.mean(dtype=np.float64)),
        de00_p95=None if difference is None else float(np.percentile(difference, 95)),
    )


class MeanScores:
    """Running means of `FrameScores`, for videos of any length."""

    def __init__(self) -> None:
        """Start without frames."""
        self._sums: list[float | None] = [0.0] * len(fields(FrameScores))
        self._count = 0

    def add(self, scores: FrameScores | None) -> None:
        """Count a frame; None = it was not scored."""
        if scores is None:
            return
        self._count += 1
        self._sums = [
            None if total is None or value is None else total + value
            for total, value in zip(self._sums, astuple(scores), strict=True)
        ]

    def means(self) -> FrameScores | None:
        """Means over the scored frames, None if there are none; a figure that any lacks is None."""
        if self._count == 0:
            return None
        means: list[Any] = [None if s is None else s / self._count for s in self._sums]
        return FrameScores(*means)


def mean_scores(scores: Iterable[FrameScores]) -> FrameScores:
    """Arithmetic mean of each figure; ``None`` where any of the entries has none.

    Raises:
        InputError: there is nothing to average.
    """
    running = MeanScores()
    for one in scores:
        running.add(one)
    means = running.means()
    if means is None:
        raise InputError("no frames to score; give at least one")
    return means
