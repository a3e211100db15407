"""Run codecs over clips, score what their files decode to, and keep the results on disk."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.evaluation.compare.choices import Memory
from colorvid.evaluation.compare.clips import Clip, load, read_video, write_y4m
from colorvid.evaluation.compare.codecs import Codec, Encoded, FileCodec
from colorvid.evaluation.compare.machine import call_alone, machine, run_id, source_digest
from colorvid.evaluation.compare.rgb import score_frame_rgb
from colorvid.evaluation.score.frames import columns as frame_columns
from colorvid.evaluation.score.frames import score_frames
from colorvid.frame import Frame
from colorvid.io import open_reader
from colorvid.io.files import os_errors, output_text
from colorvid.quality.metrics import METRICS, bits_per_pixel, kbit_per_second
from colorvid.quality.scores import FrameScores, mean_scores

_CACHE_FORMAT = 2  # raise when the columns of a cached point change
_MEASURING = (
    *(f"quality/{name}.py" for name in ("ciede2000", "color", "metrics", "scores")),
    *(f"evaluation/score/{name}.py" for name in ("ciede_vmaf", "extra", "frames")),
    "evaluation/score/skvideo_measures.py",
    *(f"evaluation/compare/{name}.py" for name in ("anchors", "rgb")),
)
"""Source files that figures of a point depend on, whatever the codec."""

Row = dict[str, Any]
"""One point: names, settings and figures, keyed by column; ``per_frame`` holds a row per frame."""

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
    "encode_startup_s",
    "decode_startup_s",
    "encode_peak_mb",
    "decode_peak_mb",
    "machine",
    "run",
    "jobs",
    "cached",
    "settings",
)
"""Columns of a point, without extra metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How points are measured and kept.

    Attributes:
        cache: folder of stored results, made if missing; ``None`` = always run.
        memory: where peak memory is measured, see `colorvid.evaluation.compare.choices.Memory`.
        extra: metrics besides ``METRICS``, see `colorvid.evaluation.score.extra`.
        rgb: also compare stills with their originals in RGB, see `colorvid.evaluation.compare.rgb`.
        jobs: points at once, in a process each; speeds are honest with 1 only.
        run: a name for this run; speeds are compared within one run.
        temporary: where files in between go; ``None`` = the folder of the system for them.

    Raises:
        ConfigError: a value is not allowed.
    """

    cache: Path | None = None
    memory: Memory = "none"
    extra: tuple[str, ...] = ()
    rgb: bool = False
    jobs: int = 1
    run: str = field(default_factory=run_id)
    temporary: Path | None = None

    def __post_init__(self) -> None:
        """Refuse values that are not allowed."""
        if self.memory not in get_args(Memory):
            allowed = ", ".join(get_args(Memory))
            raise ConfigError(f"memory is {self.memory!r}; allowed are {allowed}")
        if self.jobs < 1:
            raise ConfigError(f"jobs is {self.jobs}; it must be 1 or more")
        frame_columns(self.extra)


@dataclass(frozen=True, slots=True)
class _Coded:
    """Figures of one encoding and decoding; what was not measured is ``None``."""

    encoded: Encoded
    decode_seconds: float
    startups: tuple[float | None, float | None] = (None, None)  # encoding, decoding
    peaks: tuple[float | None, float | None] = (None, None)


def _code(run: FileCodec, clip: Clip, quality: int, folder: Path, *, alone: bool) -> _Coded:
    """Encode ``source.y4m`` of a folder and decode it into ``decoded.y4m``."""
    source, decoded = folder / "source.y4m", folder / "decoded.y4m"
    coded = folder / f"coded{run.suffix}"
    for path in (coded, decoded):
        path.unlink(missing_ok=True)
    if not alone:
        encoded = run.encode(source, coded, quality)
        return _Coded(encoded, run.decode(coded, decoded, clip.info))
    first = call_alone(run.encode, source, coded, quality)
    second = call_alone(run.decode, coded, decoded, clip.info)
    startups = (first.seconds - first.result.seconds, second.seconds - second.result)
    return _Coded(first.result, second.result, startups, (first.peak_mb, second.peak_mb))


@contextmanager
def _temporary(parent: Path | None) -> Iterator[Path]:
    """A folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="colorvid-", dir=parent) as name:
        yield Path(name)


def code_frames(run: FileCodec, clip: Clip, quality: int) -> tuple[int, list[Frame]]:
    """Bytes of the file that a codec makes of a clip, and the frames that the file decodes to."""
    with _temporary(None) as folder:
        write_y4m(folder / "source.y4m", clip)
        _code(run, clip, quality, folder, alone=False)
        frames = read_video(folder / "decoded.y4m", len(clip.frames)).frames
        return (folder / f"coded{run.suffix}").stat().st_size, frames


def measure_point(codec: Codec, clip: Clip, quality: int, how: Measuring) -> Row:
    """Code, decode and score one clip at one quality.

    Scores are means over frames of those of decoded 8-bit planes. Seconds are those of the codec
    from file to file, reading and writing raw planes included; ``startup`` is the rest of the life
    of a process of its own: starting Python, loading libraries and models.

    Raises:
        InputError: the decoded frames or the bytes of the frames are not as many as they must be.
    """
    with _temporary(how.temporary) as folder:
        write_y4m(folder / "source.y4m", clip)
        coded = _code(codec.run, clip, quality, folder, alone=how.memory == "all")
        sizes = coded.encoded.frame_bytes
        size_bytes = (folder / f"coded{codec.run.suffix}").stat().st_size
        if sum(sizes) != size_bytes:
            raise InputError(
                f"{codec.name}: frames have {sum(sizes)} bytes, their file {size_bytes}"
            )
        with open_reader(folder / "decoded.y4m") as reader:
            scores = score_frames(
                clip.frames, reader, clip.spec, frame_bytes=sizes, extra=how.extra
            )
            per_frame = [frame.as_dict() for frame in scores]
        rgb = _score_rgb(clip, folder / "decoded.y4m") if how.rgb else {}
        if how.memory == "one" and quality == codec.qualities[0]:
            peaks = _code(codec.run, clip, quality, folder, alone=True).peaks
            coded = replace(coded, peaks=peaks)
    names = {"codec": codec.name, "clip": clip.name, "quality": quality}
    return (
        names
        | _figures(clip, per_frame, coded)
        | rgb
        | {
            "machine": machine(),
            "run": how.run,
            "jobs": how.jobs,
            "cached": False,
            "settings": " ".join(f"{k}={v}" for k, v in codec.run.settings(quality).items()),
            "per_frame": per_frame,
        }
    )


def _score_rgb(clip: Clip, decoded: Path) -> dict[str, float | None]:
    """Figures of ``RGB_METRICS`` of the only frame of a file."""
    if clip.original is None:
        raise InputError(f"{clip.name} is no still; only stills have an original in RGB")
    return score_frame_rgb(clip.original, read_video(decoded, 1).frames[0], clip.spec)


def _figures(clip: Clip, per_frame: Sequence[Row], coded: _Coded) -> Row:
    """What was measured, as columns of a point."""
    info, count, size_bytes = clip.info, len(clip.frames), sum(coded.encoded.frame_bytes)
    frames = (FrameScores(**{name: row[name] for name in METRICS}) for row in per_frame)
    scores = mean_scores(frames).as_dict()
    for name in per_frame[0].keys() - scores.keys() - {"frame", "bytes"}:  # extra metrics
        values = [row[name] for row in per_frame if row[name] is not None]
        scores[name] = statistics.fmean(values) if values else None
    return {
        "frames": count,
        "width_px": info.width,
        "height_px": info.height,
        "size_bytes": size_bytes,
        "rate_bpp": bits_per_pixel(size_bytes, count, info.height, info.width),
        "rate_kbps": kbit_per_second(size_bytes, count, info.rate),
        **scores,
        "encode_fps": count / coded.encoded.seconds,
        "decode_fps": count / coded.decode_seconds,
        "encode_startup_s": coded.startups[0],
        "decode_startup_s": coded.startups[1],
        "encode_peak_mb": coded.peaks[0],
        "decode_peak_mb": coded.peaks[1],
    }


def run_point(codec: Codec, clip: Clip, quality: int, how: Measuring) -> Row:
    """Measure one point, or take the stored result, whose ``cached`` is then ``True``.

    A stored result is taken if samples, settings (with versions, model and source code), metrics,
    their source code and the way of measuring memory are the same. It keeps the speeds, machine
    and run it had.
    """
    if how.cache is None:
        return measure_point(codec, clip, quality, how)
    memory = "none" if how.memory == "one" and quality != codec.qualities[0] else how.memory
    settings, extra = codec.run.settings(quality), sorted(how.extra)
    identity = [_CACHE_FORMAT, _digest(), codec.name, settings, clip.digest(), extra, memory]
    if how.rgb and clip.original is not None:
        identity.append(hashlib.sha256(clip.original.tobytes()).hexdigest())
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    path = how.cache / f"{key}.json"
    stored = _stored(path)
    if stored is not None:
        return stored | {"clip": clip.name, "cached": True}
    row = measure_point(codec, clip, quality, how)
    with os_errors(str(how.cache), OutputError):
        how.cache.mkdir(parents=True, exist_ok=True)
    with output_text(path, overwrite=True) as file:
        json.dump(row, file)
    return row


@lru_cache(maxsize=1)
def _digest() -> str:
    """Digest over what measures."""
    return source_digest(lambda name: name in _MEASURING)


def _stored(path: Path) -> Row | None:
    """A stored point; ``None`` if it is not there or not whole."""
    try:
        row: Row = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return row


Loader = Callable[[Path, int | None], Clip]
Task = tuple[Codec, Path, int]


def run_all(
    codecs: Sequence[Codec],
    sources: Iterable[Path],
    frames: int | None,
    how: Measuring,
    *,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
    loader: Loader = load,
) -> list[Row]:
    """Every quality of every codec on every source, by clip, then by codec.

    Args:
        codecs: what to run.
        sources: clips or still images.
        frames: first frames of a clip to code; ``None`` = all.
        how: measuring, cache and number of processes; with one job everything is done here, save
            what needs a process of its own.
        progress: called after each point with the number of finished points, that of all points,
            and a name for the one that is finished; before the first with 0. What it raises ends
            the run.
        loader: reads a source; must be importable by its name.
    """
    tasks = [(c, source, quality) for source in sources for c in codecs for quality in c.qualities]
    progress(0, len(tasks), "")
    with _temporary(how.temporary) as folder:  # also what an interrupted point leaves is removed
        how = replace(how, temporary=folder)
        if how.jobs > 1:
            return _in_parallel(tasks, frames, how, progress, loader)
        rows: list[Row] = []
        for task in tasks:
            rows.append(_run_task(task, frames, how, loader))
            progress(len(rows), len(tasks), _name(task))
        return rows


def _name(task: Task) -> str:
    codec, source, quality = task
    return f"{source.stem}, {codec.name} {quality}"


def _run_task(task: Task, frames: int | None, how: Measuring, loader: Loader) -> Row:
    codec, source, quality = task
    return run_point(codec, loader(source, frames), quality, how)


def _in_parallel(
    tasks: Sequence[Task],
    frames: int | None,
    how: Measuring,
    progress: Callable[[int, int, str], None],
    loader: Loader,
) -> list[Row]:
    """Points in several processes, which end when this function is left in any way."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(how.jobs, mp_context=context, initializer=_obey)
    try:
        futures = {pool.submit(_run_task, task, frames, how, loader): task for task in tasks}
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            progress(done, len(tasks), _name(futures[future]))
        return [future.result() for future in futures]
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _obey() -> None:
    """In a worker: Ctrl-C is for the caller, who ends the workers in a way that cleans up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
