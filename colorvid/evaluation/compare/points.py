"""One measured point: a codec at one quality on one clip, coded, decoded and scored."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.evaluation.compare.choices import Memory
from colorvid.evaluation.compare.clips import Clip, load, read_video, write_y4m
from colorvid.evaluation.compare.codecs import Codec, Encoded, FileCodec, Settings
from colorvid.evaluation.compare.machine import call_alone, machine, run_id
from colorvid.evaluation.compare.rgb import RGB_METRICS, RgbScores, score_frame_rgb
from colorvid.evaluation.score.extra import EXTRA_METRICS
from colorvid.evaluation.score.frames import ScoredFrame, columns, score_frames
from colorvid.frame import Frame, Size
from colorvid.io import open_reader
from colorvid.io.files import OutputFile, file_name, os_errors, write_output
from colorvid.quality.metrics import METRICS, bits_per_pixel, kbit_per_second
from colorvid.quality.scores import FrameScores, mean_scores

RATIOS = {"encode_ratio": "encode_fps", "decode_ratio": "decode_fps"}
"""Speeds relative to a reference, and the speeds they are made of."""
PEAKS = ("encode_peak_mb", "decode_peak_mb")
DRIFT = "psnr_y_drift_db"
"""Change of quality along a group of pictures, see `colorvid.evaluation.compare.tables`."""

Loader = Callable[[Path, "int | None"], Clip]
"""Reads a source, its first frames or all."""
_WORK = ("fps", "startup_s", "peak_mb")


@dataclass(frozen=True, slots=True)
class Work:
    """What one encoding or decoding took.

    Attributes:
        fps: frames per second, from file to file, without start-up.
        startup_s: seconds to start a process of its own; ``None`` = not measured.
        peak_mb: most resident memory of such a process, 10^6 bytes; ``None`` = not measured.
        ratio: ``fps`` relative to a reference on the same clip; ``None`` = not compared.
    """

    fps: float
    startup_s: float | None = None
    peak_mb: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A codec at one quality on one clip.

    Attributes:
        codec, clip: names.
        quality: setting of the codec.
        frames: how many were coded.
        size: of the pictures.
        size_bytes: every byte of the coded file.
        rate_bpp, rate_kbps: bits per luma sample, and kbit/s (1000 bits).
        scores: means over the frames.
        extra: means of metrics on request over the frames that have them, by column.
        rgb: against the original picture of a still, if that was asked for.
        encode, decode: speed and memory.
        drift_db: PSNR of Y late in the first group of pictures minus early; ``None`` = not known.
        machine, run: where and in which run it was measured.
        jobs: points that were measured at once; speeds are honest with 1 only.
        cached: taken from the cache.
        settings: all that defines the result besides the clip.
        per_frame: every frame.
    """

    codec: str
    clip: str
    quality: int
    frames: int
    size: Size
    size_bytes: int
    rate_bpp: float
    rate_kbps: float
    scores: FrameScores
    extra: Mapping[str, float | None] = field(default_factory=dict)
    rgb: RgbScores | None = None
    encode: Work
    decode: Work
    drift_db: float | None = None
    machine: str
    run: str
    jobs: int = 1
    cached: bool = False
    settings: Settings
    per_frame: tuple[ScoredFrame, ...] = field(default=(), repr=False)

    def figure(self, column: str) -> float | None:
        """A figure by its column; ``None`` = not measured.

        Raises:
            KeyError: no point has such a figure.
        """
        if column in METRICS:
            return self.scores.figure(column)
        if column in EXTRA_METRICS:
            return self.extra.get(column)
        if column in RGB_METRICS:
            return None if self.rgb is None else self.rgb.figure(column)
        return self._measured()[column]

    def _measured(self) -> dict[str, float | None]:
        """Figures besides scores, by column."""
        return {
            "rate_bpp": self.rate_bpp,
            "rate_kbps": self.rate_kbps,
            DRIFT: self.drift_db,
            **{f"encode_{name}": value for name, value in asdict(self.encode).items()},
            **{f"decode_{name}": value for name, value in asdict(self.decode).items()},
        }

    def as_row(self) -> dict[str, Any]:
        """Everything but the frames by column, for tables; see `COLUMNS`."""
        works = {"encode": asdict(self.encode), "decode": asdict(self.decode)}
        return {
            "codec": self.codec,
            "clip": self.clip,
            "quality": self.quality,
            "frames": self.frames,
            "width_px": self.size.width,
            "height_px": self.size.height,
            "size_bytes": self.size_bytes,
            "rate_bpp": self.rate_bpp,
            "rate_kbps": self.rate_kbps,
            **self.scores.as_dict(),
            **self.extra,
            **{f"{way}_{name}": work[name] for name in _WORK for way, work in works.items()},
            **({} if self.rgb is None else asdict(self.rgb)),
            "machine": self.machine,
            "run": self.run,
            "jobs": self.jobs,
            "cached": self.cached,
            "settings": str(self.settings),
            DRIFT: self.drift_db,
            **{f"{way}_ratio": work["ratio"] for way, work in works.items()},
        }

    def as_json(self) -> dict[str, Any]:
        """`as_row` with the frames under ``per_frame``."""
        return self.as_row() | {"per_frame": [frame.as_dict() for frame in self.per_frame]}

    @staticmethod
    def of(row: Mapping[str, Any]) -> Point:
        """The point that `as_json` gave this for.

        Raises:
            KeyError, TypeError: it is something else.
        """
        same = ("codec", "clip", "quality", "frames", "size_bytes", "rate_bpp", "rate_kbps")
        origin = ("machine", "run", "jobs", "cached")
        rgb = {name: row[name] for name in RGB_METRICS if name in row}
        encode, decode = (
            Work(*(row[f"{way}_{name}"] for name in (*_WORK, "ratio")))
            for way in ("encode", "decode")
        )
        return Point(
            **{name: row[name] for name in (*same, *origin)},
            size=Size(row["width_px"], row["height_px"]),
            scores=FrameScores(**{name: row[name] for name in METRICS}),
            extra={name: row[name] for name in EXTRA_METRICS if name in row},
            rgb=RgbScores(**rgb) if rgb else None,
            encode=encode,
            decode=decode,
            drift_db=row[DRIFT],
            settings=Settings.parse(row["settings"]),
            per_frame=tuple(ScoredFrame.of(frame) for frame in row["per_frame"]),
        )


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
    DRIFT,
    *RATIOS,
)
"""Columns of a point, without extra metrics and those in RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How points are measured and kept.

    Attributes:
        cache: folder of stored results, made if missing; ``None`` = always run.
        memory: where peak memory is measured, see `colorvid.evaluation.compare.choices.Memory`.
        extra: metrics besides ``METRICS``, see `colorvid.evaluation.score.extra`.
        rgb: also compare stills with their originals, see `colorvid.evaluation.compare.rgb`.
        jobs: points at once, in a process each; speeds are honest with 1 only.
        loader: reads a source; must be importable by its name.
        run: a name for this run; speeds are compared within one run.
        temporary: where files in between go; ``None`` = the folder of the system for them.
        keep: folder for the coded files, made if missing; ``None`` = they are removed.
        overwrite: replace files in ``keep`` that other runs left.

    Raises:
        ConfigError: a value is not allowed.
    """

    cache: Path | None = None
    memory: Memory = "none"
    extra: tuple[str, ...] = ()
    rgb: bool = False
    jobs: int = 1
    loader: Loader = load
    run: str = field(default_factory=run_id)
    temporary: Path | None = None
    keep: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse values that are not allowed."""
        if self.memory not in get_args(Memory):
            allowed = ", ".join(get_args(Memory))
            raise ConfigError(f"memory is {self.memory!r}; allowed are {allowed}")
        if self.jobs < 1:
            raise ConfigError(f"jobs is {self.jobs}; it must be 1 or more")
        columns(self.extra)


@dataclass(frozen=True, slots=True)
class _Coded:
    """One encoding and decoding; what was not measured is ``None``."""

    encoded: Encoded
    decode_seconds: float
    startups: tuple[float | None, float | None] = (None, None)  # encoding, decoding
    peaks: tuple[float | None, float | None] = (None, None)

    def works(self, frames: int) -> tuple[Work, Work]:
        """Speed and memory of encoding and of decoding."""
        seconds = (self.encoded.seconds, self.decode_seconds)
        encode, decode = (
            Work(frames / time, startup, peak)
            for time, startup, peak in zip(seconds, self.startups, self.peaks, strict=True)
        )
        return encode, decode


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


def _kept_file(codec: Codec, clip: Clip, quality: int, folder: Path) -> Path:
    """Where the coded file of a point is kept in ``folder``."""
    return folder / file_name("", clip.name, f"-{codec.name}-{quality}{codec.run.suffix}")


def is_kept(codec: Codec, clip: Clip, quality: int, how: Measuring) -> bool:
    """Whether the coded file of a point is where ``how`` wants it, if it does."""
    return how.keep is None or _kept_file(codec, clip, quality, how.keep).exists()


def _place_to_keep(codec: Codec, clip: Clip, quality: int, how: Measuring) -> Path | None:
    """Where the coded file of a point goes, if it is kept; looked at before the work begins.

    Raises:
        OutputError: it cannot be written, or is there already.
    """
    if how.keep is None:
        return None
    with os_errors(str(how.keep), OutputError):
        how.keep.mkdir(parents=True, exist_ok=True)
    path = _kept_file(codec, clip, quality, how.keep)
    OutputFile(path, overwrite=how.overwrite).discard()
    return path


@contextmanager
def temporary_folder(parent: Path | None) -> Iterator[Path]:
    """A folder that is removed at the end; ``None`` = where the system has its own."""
    with tempfile.TemporaryDirectory(prefix="colorvid-", dir=parent) as name:
        yield Path(name)


def code_frames(run: FileCodec, clip: Clip, quality: int) -> tuple[int, list[Frame]]:
    """Bytes of the file that a codec makes of a clip, and the frames that the file decodes to."""
    with temporary_folder(None) as folder:
        write_y4m(folder / "source.y4m", clip)
        _code(run, clip, quality, folder, alone=False)
        frames = read_video(folder / "decoded.y4m", len(clip.frames)).frames
        return (folder / f"coded{run.suffix}").stat().st_size, frames


def measure_point(codec: Codec, clip: Clip, quality: int, how: Measuring) -> Point:
    """Code, decode and score one clip at one quality.

    Scores are means over frames of those of decoded 8-bit planes. Seconds are those of the codec
    from file to file, reading and writing raw planes included; ``startup_s`` is the rest of the
    life of a process of its own: starting Python, loading libraries and models.

    Raises:
        InputError: the decoded frames or the bytes of the frames are not as many as they must be.
        OutputError: the coded file cannot be kept.
    """
    place = _place_to_keep(codec, clip, quality, how)
    with temporary_folder(how.temporary) as folder:
        write_y4m(folder / "source.y4m", clip)
        coded = _code(codec.run, clip, quality, folder, alone=how.memory == "all")
        sizes = coded.encoded.frame_bytes
        size_bytes = (folder / f"coded{codec.run.suffix}").stat().st_size
        if sum(sizes) != size_bytes:
            raise InputError(
                f"{codec.name}: frames have {sum(sizes)} bytes, their file {size_bytes}"
            )
        with open_reader(folder / "decoded.y4m") as reader:
            score = partial(score_frames, frame_bytes=sizes, extra=how.extra, rate=clip.info.rate)
            per_frame = tuple(score(clip.frames, reader, clip.spec))
        rgb = _score_rgb(clip, folder / "decoded.y4m") if how.rgb else None
        if place is not None:
            data = (folder / f"coded{codec.run.suffix}").read_bytes()
            write_output(place, data, overwrite=how.overwrite)
        if how.memory == "one" and quality == codec.qualities[0]:
            peaks = _code(codec.run, clip, quality, folder, alone=True).peaks
            coded = replace(coded, peaks=peaks)
    info, count = clip.info, len(clip.frames)
    encode, decode = coded.works(count)
    return Point(
        codec=codec.name,
        clip=clip.name,
        quality=quality,
        frames=count,
        size=info.size,
        size_bytes=size_bytes,
        rate_bpp=bits_per_pixel(size_bytes, count, info.height, info.width),
        rate_kbps=kbit_per_second(size_bytes, count, info.rate),
        scores=mean_scores(frame.scores for frame in per_frame),
        extra=_extra_means(per_frame),
        rgb=rgb,
        encode=encode,
        decode=decode,
        machine=machine(),
        run=how.run,
        jobs=how.jobs,
        settings=Settings.of(codec.run.settings(quality)),
        per_frame=per_frame,
    )


def _score_rgb(clip: Clip, decoded: Path) -> RgbScores:
    """Figures of ``RGB_METRICS`` of the only frame of a file."""
    if clip.original is None:
        raise InputError(f"{clip.name} is no still; only stills have an original in RGB")
    return score_frame_rgb(clip.original, read_video(decoded, 1).frames[0], clip.spec)


def _extra_means(frames: Sequence[ScoredFrame]) -> dict[str, float | None]:
    """Mean of each extra metric over the frames that have it."""
    means: dict[str, float | None] = {}
    for name in frames[0].extra:
        found = (frame.extra[name] for frame in frames)
        values = [value for value in found if value is not None]
        means[name] = statistics.fmean(values) if values else None
    return means
