"""Measures all points of a comparison, here or elsewhere, and keeps them on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from colorvid.config import DEFAULT_BFRAMES, MEASURED_GOP, QUALITIES
from colorvid.effort import DEFAULT_PRESET
from colorvid.errors import ConfigError, OutputError
from colorvid.evaluation.compare import points
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.evaluation.compare.choices import (
    INTER_ANCHORS,
    INTER_QUALITIES,
    INTRA_ANCHORS,
    INTRA_QUALITIES,
    NO_ANCHORS,
    OWN,
)
from colorvid.evaluation.compare.clips import Clip, is_still
from colorvid.evaluation.compare.codecs import Codec, ColorvidRun
from colorvid.evaluation.compare.machine import source_digest
from colorvid.evaluation.compare.points import Measuring, Point, temporary_folder
from colorvid.io.files import os_errors, output_text
from colorvid.models.loading import check_device

_CACHE_FORMAT = 3  # raise when the columns of a cached point change
_MEASURING = (
    *(f"quality/{name}.py" for name in ("ciede2000", "color", "metrics", "scores")),
    *(f"evaluation/score/{name}.py" for name in ("ciede_vmaf", "extra", "frames")),
    *(
        f"evaluation/score/{name}.py"
        for name in ("pair_filter", "skvideo_measures", "vmaf", "xpsnr")
    ),
    *(f"evaluation/compare/{name}.py" for name in ("anchors", "points", "rgb")),
)
"""Source files that figures of a point depend on, whatever the codec."""

Progress = Callable[[int, int, str], None]
"""Gets the number of finished points, that of all points, and a name for the one just finished."""
Task = tuple[Codec, Path, int]
Wanted = tuple[Task, "int | None", Measuring]
"""A point that is wanted: codec, source and quality, first frames, way of measuring."""
Submit = Callable[[Callable[[Wanted], Point], Wanted], "Future[Point]"]
"""Calls a function with an argument, now or later, here or elsewhere."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user chooses; ``None`` = by the sources.

    Attributes:
        gop: distance of key frames; by default 1 if all sources are stills, else 32.
        scenecut: whether new scenes begin with a key frame too, for every codec.
        anchors: names of ``ANCHORS``, or ``none`` alone; by default intra ones with a ``gop`` of 1,
            else low-delay ones.
        qualities: of colorvid, 0..63.
        bframes, preset: of colorvid, see `ColorvidRun`.
        inter_quality: of colorvid's P and B frames; ``None`` = colorvid's own choice.
        model: of colorvid.
        threads: of every codec.
        device: torch device of colorvid.
    """

    gop: int | None = None
    scenecut: bool = False
    anchors: tuple[str, ...] | None = None
    qualities: tuple[int, ...] | None = None
    bframes: int = DEFAULT_BFRAMES
    preset: str = DEFAULT_PRESET
    inter_quality: int | None = None
    model: str = "default"
    threads: int = 1
    device: str = "cpu"

    def codecs(self, sources: Sequence[Path]) -> list[Codec]:
        """colorvid, then the anchors.

        Raises:
            ConfigError: an anchor is unknown, a quality is not allowed, or there is no such device.
            ModelMismatch: there is no such model.
        """

        gop = self.gop or (1 if all(is_still(path) for path in sources) else MEASURED_GOP)
        anchors = self.anchors or (INTRA_ANCHORS if gop == 1 else INTER_ANCHORS)
        if NO_ANCHORS in anchors:
            if len(anchors) > 1:
                raise ConfigError(f"anchors are {', '.join(anchors)}; {NO_ANCHORS} stands alone")
            anchors = ()
        chosen = self.qualities or (INTRA_QUALITIES if gop == 1 else INTER_QUALITIES)
        for quality in chosen:
            if not 0 <= quality < QUALITIES:
                raise ConfigError(
                    f"quality {quality} is not allowed; it must be 0..{QUALITIES - 1}"
                )
        check_device(self.device)
        own = ColorvidRun(
            gop,
            self.bframes,
            self.preset,
            self.inter_quality,
            self.model,
            self.threads,
            self.device,
            self.scenecut,
        )
        own.settings(0)  # an unknown model is reported now
        return [
            Codec(OWN, tuple(sorted(chosen, reverse=True)), own),
            *(
                AnchorRun(name, gop, self.threads, scenecut=self.scenecut).codec()
                for name in anchors
            ),
        ]


def run_point(codec: Codec, clip: Clip, quality: int, how: Measuring) -> Point:
    """Measure one point, or take the stored result, whose ``cached`` is then ``True``.

    A stored result is taken if samples, settings (with versions, model and source code), metrics,
    their source code and the way of measuring memory are the same, and the coded file is there if
    it is to be kept. It keeps the speeds, machine and run it had.
    """
    if how.cache is None:
        return points.measure_point(codec, clip, quality, how)
    path = how.cache / f"{_key(codec, clip, quality, how)}.json"
    stored = _stored(path)
    if stored is not None and points.is_kept(codec, clip, quality, how):
        return replace(stored, clip=clip.name, cached=True)
    point = points.measure_point(codec, clip, quality, how)
    with os_errors(str(how.cache), OutputError):
        how.cache.mkdir(parents=True, exist_ok=True)
    with output_text(path, overwrite=True) as file:
        json.dump(point.as_json(), file)
    return point


def _key(codec: Codec, clip: Clip, quality: int, how: Measuring) -> str:
    """Name of a stored point: a digest over everything that it depends on."""
    memory = "none" if how.memory == "one" and quality != codec.qualities[0] else how.memory
    settings, extra = codec.run.settings(quality), sorted(how.extra)
    identity = [_CACHE_FORMAT, _digest(), codec.name, settings, clip.digest(), extra, memory]
    if how.rgb and clip.original is not None:
        identity.append(hashlib.sha256(clip.original.tobytes()).hexdigest())
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def _digest() -> str:
    """Digest over what measures."""
    return source_digest(lambda name: name in _MEASURING)


def _stored(path: Path) -> Point | None:
    """A stored point; ``None`` if it is not there or not whole."""
    try:
        return Point.of(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def run_all(
    codecs: Sequence[Codec],
    sources: Iterable[Path],
    frames: int | None,
    how: Measuring,
    *,
    progress: Progress = lambda done, total, what: None,
    submit: Submit | None = None,
) -> list[Point]:
    """Every quality of every codec on every source, by clip, then by codec.

    Args:
        codecs: what to run.
        sources: clips or still images.
        frames: first frames of a clip to code; ``None`` = all.
        how: measuring and cache.
        progress: called after each point; before the first with 0. What it raises ends the run.
        submit: has points measured elsewhere, several at once, which ``how.jobs`` must say;
            ``None`` = everything is done here, save what needs a process of its own.
    """
    tasks = [(c, source, quality) for source in sources for c in codecs for quality in c.qualities]
    progress(0, len(tasks), "")
    if submit is not None:
        return _in_parallel([(task, frames, how) for task in tasks], submit, progress)
    with temporary_folder(how.temporary) as folder:  # also what an interrupted point leaves goes
        how = replace(how, temporary=folder)
        found: list[Point] = []
        for task in tasks:
            found.append(_run_task((task, frames, how)))
            progress(len(found), len(tasks), _name(task))
        return found


def _name(task: Task) -> str:
    codec, source, quality = task
    return f"{source.stem}, {codec.name} {quality}"


def _run_task(wanted: Wanted) -> Point:
    (codec, source, quality), frames, how = wanted
    return run_point(codec, how.loader(source, frames), quality, how)


def _in_parallel(wanted: Sequence[Wanted], submit: Submit, progress: Progress) -> list[Point]:
    """Points wherever ``submit`` has them measured; the first that fails ends the run."""
    futures = {submit(_run_task, one): one[0] for one in wanted}
    left, done = set(futures), 0
    while left:
        # Not for ever, so that a signal is seen where waiting does not end by itself.
        ready, left = wait(left, timeout=1, return_when=FIRST_COMPLETED)
        for future in ready:
            future.result()
            done += 1
            progress(done, len(wanted), _name(futures[future]))
    return [future.result() for future in futures]
