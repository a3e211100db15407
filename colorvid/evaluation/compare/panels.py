"""What stands beside a comparison on request: quality in RGB, published curves, patches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.choices import OWN, PATCH_BPP, rising_settings
from colorvid.evaluation.compare.clips import Clip
from colorvid.evaluation.compare.codecs import Codec
from colorvid.evaluation.compare.patches import Patch, Shown, draw_patches, original_of, show_patch
from colorvid.evaluation.compare.points import Point
from colorvid.evaluation.compare.published import (
    RGB_DEFINITIONS,
    PublishedCurve,
    compare,
    measured_curve,
    panels,
    rates_markdown,
)
from colorvid.evaluation.compare.rgb import RgbScores, limit, mean_rgb
from colorvid.evaluation.compare.tables import (
    Curve,
    distinct,
    markdown,
    mean_curves,
    of_codec,
    write_tsv,
)
from colorvid.evaluation.plots import rate_distortion
from colorvid.io.files import file_name
from colorvid.quality.metrics import ms_ssim_db

RGB_COLUMNS = ("codec", "quality", "rate_bpp", "psnr_rgb_db", "ms_ssim_rgb")
FILES = ("limit.tsv", "published.tsv", "published.svg", "patch-*.png")
"""Files that `Beside.write` makes, besides ``rd-rgb.svg``."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What the conversion of a still to 4:2:0 and back costs in RGB, with no loss besides."""

    clip: str
    scores: RgbScores

    @staticmethod
    def of(clip: Clip) -> Limit:
        """The limit of a still.

        Raises:
            InputError: the clip is no still.
        """
        if clip.original is None:
            raise InputError(f"{clip.name} is no still; only stills have an original in RGB")
        return Limit(clip.name, limit(clip.original, clip.spec))

    def as_row(self) -> dict[str, Any]:
        """Everything by column."""
        return {"clip": self.clip, **asdict(self.scores)}


@dataclass(frozen=True, slots=True)
class ShownPatch:
    """A patch of a still as several codecs show it at one rate."""

    clip: Clip
    patch: Patch
    shown: tuple[Shown, ...]

    def as_markdown(self) -> str:
        """A table of what each codec reached."""
        return markdown(
            [
                {
                    "codec": one.codec,
                    "quality": one.quality,
                    "rate_bpp": one.rate_bpp,
                    "psnr_yuv611_db": one.psnr_yuv611_db,
                    "de00_mean": one.de00_mean,
                }
                for one in self.shown
            ]
        )


def rgb_panels(
    points: Sequence[Point], codecs: Sequence[str], curves: Sequence[PublishedCurve]
) -> dict[str, dict[str, Curve]]:
    """Mean curves in RGB by definition, then by codec; published ones stand behind.

    Args:
        points: of all codecs.
        codecs: those to show.
        curves: published ones; of other definitions, or of other clips, are left out.
    """
    clips = distinct(point.clip for point in points)
    result: dict[str, dict[str, Curve]] = {}
    for figure in RGB_DEFINITIONS:
        own = {name: measured_curve(of_codec(points, name), figure) for name in codecs}
        panel = {name: curve for name, curve in own.items() if curve}
        for curve in curves if panel else ():
            if curve.figure == figure:
                try:
                    panel[published_name(curve)] = curve.points(clips)
                except InputError:
                    continue  # the table of published curves says why
        if panel:
            result[figure] = panel
    return result


def published_name(curve: PublishedCurve) -> str:
    """Name of a published curve beside codecs that were measured, of which one may be the same."""
    return f"{curve.name} (published)"


def rgb_limits(limits: Sequence[Limit]) -> dict[str, tuple[str, float]]:
    """By definition: the line that 4:2:0 alone draws, a name and the mean over the stills."""
    mean = mean_rgb(one.scores for one in limits)
    lines = {"psnr_rgb_db": ("4:2:0 alone", mean.psnr_rgb_db)}
    if mean.ms_ssim_rgb is not None:
        lines["ms_ssim_rgb_db"] = ("4:2:0 alone", ms_ssim_db(mean.ms_ssim_rgb))
    return lines


def draw_rgb(
    path: Path,
    drawn: Mapping[str, Mapping[str, Curve]],
    limits: Sequence[Limit],
    curves: Sequence[PublishedCurve],
    title: str,
) -> None:
    """Draw panels of `rgb_panels`, published curves dashed, with the lines of 4:2:0.

    Raises:
        OutputError: the file cannot be written.
    """
    dashed = [published_name(curve) for curve in curves]
    rate_distortion(path, drawn, title=title, dashed=dashed, limits=rgb_limits(limits))


def write_published(
    folder: Path,
    own: Sequence[Point],
    curves: Sequence[PublishedCurve],
    origin: Mapping[str, str],
    refuse: str = "",
) -> None:
    """Write ``published.tsv``, and ``published.svg`` unless everything is refused.

    Args:
        folder: exists.
        own: points of colorvid.
        curves: at least one.
        origin: further columns.
        refuse: see `colorvid.evaluation.compare.published.compare`.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = [{**rate.as_row(), **origin} for rate in compare(own, curves, refuse)]
    write_tsv(folder / "published.tsv", rows)
    drawn = {} if refuse else panels(own, OWN, curves)
    if drawn:
        title = "colorvid and curves of others, which are of other frames and key frames"
        rate_distortion(folder / "published.svg", drawn, log_rate=True, title=title)


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a comparison; empty where it was not asked for.

    Attributes:
        published: curves of others.
        limits: of the stills that are compared in RGB.
        patches: shown by each codec.
    """

    published: tuple[PublishedCurve, ...] = ()
    limits: tuple[Limit, ...] = ()
    patches: tuple[ShownPatch, ...] = ()

    def as_markdown(self, points: Sequence[Point], gop: int) -> list[str]:
        """Sections of the text.

        Args:
            points: of all codecs.
            gop: distance of key frames.
        """
        parts: list[str] = []
        if self.limits:
            mean = mean_rgb(one.scores for one in self.limits)
            similar = "-" if mean.ms_ssim_rgb is None else f"{mean.ms_ssim_rgb:.4f}"
            means = [{key: row.get(key) for key in RGB_COLUMNS} for row in _rows(points)]
            parts += [
                "### RGB",
                "Decoded planes converted back to RGB, chroma upsampled bilinearly, against the "
                "original pictures. The conversion to 4:2:0 alone limits both figures: with no "
                f"loss besides they are {mean.psnr_rgb_db:.2f} dB and {similar}.",
                markdown(means),
            ]
        if self.published:
            rates = compare(of_codec(points, OWN), self.published)
            frames = max(point.frames for point in points)
            parts += [
                "### Published curves, indicative only",
                rates_markdown(rates, frames, gop),
            ]
        for shown in self.patches:
            p = shown.patch
            parts += [
                f"### A patch of {shown.clip.name}",
                f"{p.width}x{p.height} samples at {p.x}, {p.y}. Each codec at its best setting "
                "that does not exceed the rate asked for; the figures are those of the whole "
                "picture.",
                shown.as_markdown(),
            ]
        return parts

    def write(self, folder: Path, points: Sequence[Point], origin: Mapping[str, str]) -> None:
        """Write all files into a folder that exists.

        Args:
            folder: where to.
            points: of all codecs.
            origin: further columns of tables.

        Raises:
            OutputError: a file cannot be written.
        """
        codecs = distinct(point.codec for point in points)
        if self.limits:
            write_tsv(folder / "limit.tsv", [{**one.as_row(), **origin} for one in self.limits])
            drawn = rgb_panels(points, codecs, self.published)
            title = "against the RGB original"
            draw_rgb(folder / "rd-rgb.svg", drawn, self.limits, self.published, title)
        if self.published:
            write_published(folder, of_codec(points, OWN), self.published, origin)
        for one in self.patches:
            path = folder / file_name("patch-", one.clip.name, ".png")
            draw_patches(path, one.clip, one.patch, one.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a user wants beside a comparison.

    Attributes:
        published: curves of others.
        rgb: compare stills with their originals in RGB; all sources must be stills.
        patches: rectangles to show, by the name of the still or clip.
        bpp: rate of the patches, bits per pixel.
    """

    published: tuple[PublishedCurve, ...] = ()
    rgb: bool = False
    patches: Mapping[str, Patch] = field(default_factory=dict)
    bpp: float = PATCH_BPP

    def check(self, clips: Iterable[Clip]) -> None:
        """Refuse what would only fail at the end; reads every clip.

        Raises:
            InputError: a clip that must be a still is none.
            ConfigError: a patch does not lie inside, or belongs to no clip.
        """
        names = []
        for clip in clips:
            names.append(clip.name)
            if self.rgb and clip.original is None:
                raise InputError(f"{clip.name} is no still; rgb=True is for stills only")
            if clip.name in self.patches:
                self.patches[clip.name].cut(original_of(clip))
        for name in self.patches.keys() - set(names):
            raise ConfigError(f"a patch of {name} is wanted; sources are {', '.join(names)}")

    def beside(self, codecs: Sequence[Codec], clips: Iterable[Clip]) -> Beside:
        """Code the patches, and measure what 4:2:0 alone costs.

        Args:
            codecs: colorvid and anchors by their usual names.
            clips: that `check` has accepted.
        """
        limits, patches = [], []
        for clip in clips:
            if self.rgb:
                limits.append(Limit.of(clip))
            if clip.name in self.patches:
                patch = self.patches[clip.name]
                shown = [
                    show_patch(c.name, c.run, rising_settings(c.name), clip, patch, self.bpp)
                    for c in codecs
                ]
                patches.append(ShownPatch(clip, patch, tuple(shown)))
        return Beside(self.published, tuple(limits), tuple(patches))


def _rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [point.as_row() for point in mean_curves(points)]
