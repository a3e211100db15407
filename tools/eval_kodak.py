"""The 24 Kodak images: curves of rate and quality, BD-rates, and a patch to look at.

::

    python tools/eval_kodak.py --data IMAGES --cache points

``IMAGES`` holds ``kodim01.png`` to ``kodim24.png`` (or ``.webp``); those that are missing are named
and left out. Writes to ``--out`` (``docs/results/kodak``):

- ``figure2-yuv.svg``: PSNR YUV 6:1:1, MS-SSIM of Y and CIEDE2000 of the 4:2:0 planes (BT.709,
  limited range), colorvid beside other encoders, all measured in this run;
- ``figure2-rgb.svg``: decoded files in RGB against the original picture, beside published curves,
  which were not measured here; these only with all 24 images, as they are means over them;
- ``figure3.png``: one patch as each codec shows it at one rate;
- ``tables.md``, ``points.tsv``, ``settings.tsv``, ``limit.tsv`` and ``bdrate.tsv``.

With ``--cache`` a run that was stopped goes on where it was.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.choices import ANCHORS, INTRA_QUALITIES, OWN, rising_settings
from colorvid.evaluation.compare.clips import load
from colorvid.evaluation.compare.codecs import Codec, ColorvidRun, FileCodec, model_identity
from colorvid.evaluation.compare.kodak import IMAGES, Results, write_report
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.panels import Limit, ShownPatch
from colorvid.evaluation.compare.patches import Patch, show_patch
from colorvid.evaluation.compare.points import Measuring
from colorvid.evaluation.compare.published import load_curves
from colorvid.evaluation.compare.running import run_all
from colorvid.io.files import os_errors

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "tools" / "published" / "kodak.json"
SUFFIXES = (".png", ".webp")
STILL_ANCHORS = ("jpeg", "x265-intra", "svtav1-intra", "x264-intra")
SHOWN = (OWN, "jpeg", "x265-intra")
"""Codecs of the patch."""
PATCH = Patch(300, 150, 144, 144)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line to options."""
    parser = tool_parser(__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the images")
    add("--images", type=_words, default=IMAGES, help="names, instead of all 24")
    add("--limit", type=int, help="only the first of them, this number")
    add("--qualities", type=_numbers, default=INTRA_QUALITIES, help="of colorvid")
    add("--anchors", type=_words, default=STILL_ANCHORS, help="other encoders")
    add("--model", default="default", help="released model, or path of a model file")
    add("--cache", type=Path, help="folder that keeps every point")
    add("--out", type=Path, default=ROOT / "docs" / "results" / "kodak", help="for the results")
    add("--image", default="kodim05", help="of figure 3 (default: kodim05)")
    add("--patch", type=Patch.parse, default=PATCH, metavar="X,Y,WIDTH,HEIGHT", help="of figure 3")
    add("--bpp", type=float, default=0.4, help="rate of figure 3, bits per pixel (default: 0.4)")
    return parser.parse_args(arguments)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def say(line: str) -> None:
    """Say something on standard error."""
    print(line, file=sys.stderr, flush=True)


def find_images(folder: Path, wanted: Sequence[str]) -> dict[str, Path | None]:
    """The file of each image, ``None`` where there is none; PNG before WebP."""
    result: dict[str, Path | None] = {}
    for name in wanted:
        paths = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
        result[name] = next((path for path in paths if path.is_file()), None)
    return result


def runs_of(options: argparse.Namespace) -> dict[str, FileCodec]:
    """colorvid and the anchors, by name.

    Raises:
        ConfigError: an anchor is unknown.
    """
    known = [name for name, anchor in ANCHORS.items() if anchor.intra]
    for name in options.anchors:
        if name not in known:
            raise ConfigError(f"anchor {name!r} codes no stills; use {', '.join(known)}")
    runs: dict[str, FileCodec] = {"colorvid": ColorvidRun(gop=1, model=options.model)}
    return runs | {name: AnchorRun(name, keyint=1) for name in options.anchors}


def patch_of(options: argparse.Namespace, runs: Mapping[str, FileCodec]) -> ShownPatch | None:
    """The image of figure 3 as the codecs show it; None if it is missing.

    Raises:
        ConfigError: the patch does not lie inside.
    """
    path = find_images(options.data, [options.image])[options.image]
    if path is None:
        say(f"figure 3 is left out: {options.image} is missing; choose another --image")
        return None
    clip, shown = load(path, None), []
    for name in (name for name in SHOWN if name in runs):
        settings = rising_settings(name)
        found = show_patch(name, runs[name], settings, clip, options.patch, options.bpp)
        say(f"figure 3: {name} {found.quality}, {found.rate_bpp:.3f} bpp")
        shown.append(found)
    return ShownPatch(clip, options.patch, tuple(shown))


def measure(options: argparse.Namespace) -> Results:
    """Run everything that is not in the cache.

    Raises:
        ColorvidError: no image is there, or an option is wrong.
    """
    runs = runs_of(options)
    images = find_images(options.data, options.images[: options.limit])
    missing = [name for name, path in images.items() if path is None]
    paths = [path for path in images.values() if path is not None]
    if not paths:
        raise InputError(
            f"{options.data} holds none of {', '.join(images)} as .png or .webp; "
            "give another --data"
        )
    if missing:
        say(f"missing, left out: {', '.join(missing)}")
    patch = patch_of(options, runs)
    points = run_all(
        [
            Codec(name, ANCHORS[name].qualities if name in ANCHORS else options.qualities, run)
            for name, run in runs.items()
        ],
        paths,
        None,
        Measuring(cache=options.cache, rgb=True),
        progress=lambda done, total, what: say(f"{done}/{total}: {what}") if done else None,
    )
    complete = {path.stem for path in paths} == set(IMAGES)
    return Results(
        points=points,
        missing=missing,
        limits=[Limit.of(load(path, None)) for path in paths],
        published=load_curves(PUBLISHED) if complete else [],
        patch=patch,
        origin={"commit": commit(), "model_id": model_identity(options.model)},
    )


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parse(arguments)
    with os_errors(str(options.out), OutputError):
        options.out.mkdir(parents=True, exist_ok=True)
    print(write_report(measure(options), options.out), end="")
    return 0
