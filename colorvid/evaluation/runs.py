"""Run codecs over clips, score what their files decode to, and keep anchor results on disk."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import colorvid
from colorvid.evaluation.anchors import ANCHORS, Coded, anchor_settings, run_anchor
from colorvid.evaluation.clips import Clip, load, read_video, write_y4m
from colorvid.metrics import METRICS, bits_per_pixel, kbit_per_second, mean_scores, score_frame

_CACHE_FORMAT = 1  # raise when the figures of a cached point change their meaning

Row = dict[str, Any]
"""One point: names, settings and figures, keyed by column."""

COLUMNS = (
    "codec",
    "clip",
    "quality",
    "frames",
    "width_px",
    "height_px",
    "size_bytes",
    "rate_bpp",
    "rate_kbps",
    *METRICS,
    "encode_fps",
    "decode_fps",
    "settings",
)


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec under test: everything in it can be sent to another process.

    Attributes:
        name: as printed.
        qualities: quality settings of its curve, in any order.
        run: codes a clip at one quality and decodes the file.
        settings: what defines the result besides the clip, for one quality; the cache relies on
            it. ``None`` keeps results out of the cache.
    """

    name: str
    qualities: tuple[int, ...]
    run: Callable[[Clip, int], Coded]
    settings: Callable[[int], dict[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class AnchorRun:
    """Callable pair of a :class:`Codec` for an anchor."""

    name: str
    keyint: int
    threads: int = 1
    preset: str | None = None

    def settings(self, crf: int) -> dict[str, str]:
        """Settings at one constant rate factor."""
        return anchor_settings(
            self.name, crf, keyint=self.keyint, threads=self.threads, preset=self.preset
        )

    def __call__(self, clip: Clip, crf: int) -> Coded:
        """Encode and decode a clip."""
        return run_anchor(clip.frames, self.settings(crf), clip.rate)

    def codec(self) -> Codec:
        """The codec to evaluate, with the usual curve of the anchor."""
        return Codec(self.name, ANCHORS[self.name].crfs, self, self.settings)


@dataclass(frozen=True, slots=True)
class ColorvidRun:
    """Codes a clip with colorvid's own file interface, from a ``.y4m`` file to another.

    Attributes:
        gop: distance of key frames, in frames; 1 = intra only.
        inter_quality: quality of inter frames; ``None`` = colorvid's own choice.
        model: name of a released model or path of a model file.
    """

    gop: int
    inter_quality: int | None = None
    model: str = "default"

    def __call__(self, clip: Clip, quality: int) -> Coded:
        """Encode into a file, decode the file, and read the frames back."""
        with tempfile.TemporaryDirectory() as folder:
            source, coded, result = (
                Path(folder) / name for name in ("source.y4m", "coded.clv", "decoded.y4m")
            )
            write_y4m(source, clip)
            start = time.perf_counter()
            colorvid.encode_file(
                source,
                coded,
                quality=quality,
                gop=self.gop,
                frames=len(clip.frames),
                inter_quality=self.inter_quality,
                model=self.model,
                overwrite=True,
            )
            middle = time.perf_counter()
            colorvid.decode_file(coded, result, model=self.model, overwrite=True)
            end = time.perf_counter()
            frames = read_video(result, len(clip.frames)).frames
            size_bytes = coded.stat().st_size
        settings = {
            "version": str(colorvid.__version__),
            "quality": str(quality),
            "gop": str(self.gop),
            "inter_quality": str(self.inter_quality),
            "model": self.model,
        }
        return Coded(size_bytes, frames, middle - start, end - middle, settings)


def score(codec: str, clip: Clip, quality: int, coded: Coded) -> Row:
    """Figures of one coded clip: means over frames of the scores of decoded 8-bit planes."""
    count, first = len(clip.frames), clip.frames[0]
    scores = mean_scores(
        score_frame(reference, decoded, clip.spec)
        for reference, decoded in zip(clip.frames, coded.frames, strict=True)
    )
    return {
        "codec": codec,
        "clip": clip.name,
        "quality": quality,
        "frames": count,
        "width_px": first.width,
        "height_px": first.height,
        "size_bytes": coded.size_bytes,
        "rate_bpp": bits_per_pixel(coded.size_bytes, count, first.height, first.width),
        "rate_kbps": kbit_per_second(coded.size_bytes, count, clip.rate),
        **scores,
        "encode_fps": count / coded.encode_seconds,
        "decode_fps": count / coded.decode_seconds,
        "settings": " ".join(f"{key}={value}" for key, value in coded.settings.items()),
    }


def run_point(codec: Codec, clip: Clip, quality: int, cache: Path | None = None) -> Row:
    """Code, decode and score one clip at one quality, or take the stored result.

    Args:
        codec: what to run.
        clip: what to code.
        quality: a quality setting of the codec.
        cache: folder of stored results, made if missing; ``None`` = always run.
    """
    if cache is None or codec.settings is None:
        return score(codec.name, clip, quality, codec.run(clip, quality))
    identity = json.dumps(
        [_CACHE_FORMAT, codec.name, clip.name, codec.settings(quality), clip.digest()]
    )
    path = cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
    if path.exists():
        stored: Row = json.loads(path.read_text())
        return stored
    row = score(codec.name, clip, quality, codec.run(clip, quality))
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(row, indent=1))
    temporary.replace(path)
    return row


def run_clip(codec: Codec, source: Path, frames: int | None, cache: Path | None) -> list[Row]:
    """Every quality of a codec on one source."""
    clip = load(source, frames)
    return [run_point(codec, clip, quality, cache) for quality in codec.qualities]


def run_all(
    codecs: Sequence[Codec],
    sources: Sequence[Path],
    frames: int | None,
    *,
    cache: Path | None = None,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Every codec on every source, by clip and then by codec.

    Args:
        codecs: what to run.
        sources: clips or still images.
        frames: first frames of a clip to code; ``None`` = all.
        cache: folder of stored results.
        jobs: processes; with 1 everything runs in this one. Speeds are honest with 1 only.
        progress: called with one line for each finished pair of source and codec.
    """
    pairs = [(source, codec) for source in sources for codec in codecs]
    rows: list[Row] = []
    if jobs == 1:
        for source, codec in pairs:
            rows += run_clip(codec, source, frames, cache)
            progress(f"{source.stem}: {codec.name}")
        return rows
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = [pool.submit(run_clip, codec, source, frames, cache) for source, codec in pairs]
        for (source, codec), future in zip(pairs, waiting, strict=True):
            rows += future.result()
            progress(f"{source.stem}: {codec.name}")
    return rows
