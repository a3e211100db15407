"""What a user may ask of a whole video in place of a quality: a rate, a size, a figure of quality.

Every target comes down to one figure of each frame whose mean over all frames is to be met; for
rates and sizes that is the number of bits for a luma sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colorvid.codec.logarithm import exp, log
from colorvid.config import QUALITIES, is_whole
from colorvid.errors import ConfigError
from colorvid.quality.metrics import QUALITY_CAP_DB, ms_ssim_db


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a frame, and how it goes with quality.

    On the scale of ``bend`` it is close to a straight line over quality.

    Attributes:
        metric: name in `colorvid.quality.metrics.METRICS`; None = bits for a luma sample.
        bend, unbend: to that scale, and back.
        middle: what training clips have on it at quality ``MIDDLE``.
        slope: how much more for one quality more, there.
    """

    metric: str | None
    bend: Callable[[float], float]
    unbend: Callable[[float], float]
    middle: float
    slope: float


MIDDLE = 38
_TINY = 1e-9
_FAR = 1e6


def _log(value: float) -> float:
    return log(max(value, _TINY))


def _same(value: float) -> float:
    return value


def _from_db(value: float) -> float:
    """MS-SSIM, 0..1, from its decibels."""
    return float(1 - 10 ** (-value / 10))


BITS = Figure(None, _log, exp, log(0.06), 0.05)
PSNR = Figure("psnr_yuv611_db", _same, _same, 39.5, 0.21)
DE = Figure("de00_mean", _log, exp, log(1.5), -0.022)
MS_SSIM = Figure("ms_ssim_y", ms_ssim_db, _from_db, 18.0, 0.2)
FIGURES = {
    "bitrate": BITS,
    "target_size": BITS,
    "target_psnr": PSNR,
    "target_de": DE,
    "target_ms_ssim": MS_SSIM,
}
"""Targets by the names that options have."""
LIMITS = ("one_pass", "maxrate", "bufsize")
"""Options that say how a rate is kept to."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the whole video shall have.

    Attributes:
        name: one of ``FIGURES``.
        value: bit/s, bytes (at most), dB (PSNR, 6 Y + U + V), CIEDE2000, or MS-SSIM of luma
            (0..1); more than 0.

    Raises:
        ConfigError: the value is not allowed.
    """

    name: str
    value: float

    def __post_init__(self) -> None:
        """Refuse values that no video has."""
        name, value = self.name, self.value
        if self.is_rate:
            if not is_whole(value, 1):
                unit = "bits a second" if name == "bitrate" else "bytes"
                raise ConfigError(f"{name}={value!r} is not allowed; give a number of {unit}")
            return
        top = 1.0 if name == "target_ms_ssim" else QUALITY_CAP_DB
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < top:
            raise ConfigError(
                f"{name}={value!r} is not allowed; it must be more than 0 and below {top:g}"
            )

    @property
    def figure(self) -> Figure:
        """What its frames are measured by."""
        return FIGURES[self.name]

    @property
    def is_rate(self) -> bool:
        """Whether bytes count."""
        return self.figure is BITS

    def aim(self, bits_a_sample: float) -> Aim:
        """What the mean over all frames must be.

        Args:
            bits_a_sample: what the value of a rate or a size comes to in these.
        """
        value, figure = self.value, self.figure
        if self.name == "bitrate":
            return Aim(figure, bits_a_sample, 0.015)
        if self.name == "target_size":
            return Aim(figure, bits_a_sample * 0.99, 0.01, is_limit=True)
        return Aim(figure, value, min(0.05, 0.025 / value) if figure is DE else 0.05)


@dataclass(frozen=True, slots=True)
class Aim:
    """A target in terms of its figure.

    Attributes:
        figure: what is measured.
        goal: what it should be.
        width: how far from it a search is content, on the scale of ``bend``; twice as far is
            what users are promised.
        is_limit: whether nothing above goal and width will do.
    """

    figure: Figure
    goal: float
    width: float
    is_limit: bool = False

    @property
    def start(self) -> int:
        """The quality at which a clip like those of training meets it."""
        figure = self.figure
        quality = MIDDLE + (figure.bend(self.goal) - figure.middle) / figure.slope
        return round(min(max(quality, 0), QUALITIES - 1))

    def distance(self, value: float) -> float:
        """How far a mean is from the goal; very far if it is above a limit."""
        off = self.figure.bend(value) - self.figure.bend(self.goal)
        return abs(off) + (_FAR if self.is_limit and off > self.width else 0.0)

    def is_met(self, value: float) -> bool:
        """Whether a search may end here."""
        return self.distance(value) <= self.width

    def is_near(self, value: float) -> bool:
        """Whether a mean is as near as users are promised."""
        return self.distance(value) <= 2 * self.width
