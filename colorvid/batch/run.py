"""Runs a batch: surveys the inputs, cuts them, has the parts made, and puts them together.

All decisions are made here, in one thread. Engines run calls, `State` keeps what is finished; if
this process dies at any moment, the next one with the same jobs goes on from the files.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from colorvid.batch.engine import Engine, WorkerLost
from colorvid.batch.identity import is_same, made_by, model_digest
from colorvid.batch.jobs import Job
from colorvid.batch.report import Row
from colorvid.batch.split import Splitter
from colorvid.batch.state import Json, Manifest, Standing, State, keep_part
from colorvid.batch.work import Answer, Call, Place, Trouble, check_here, perform, trouble_of
from colorvid.config import DEFAULT_GOP
from colorvid.errors import ClusterError, ColorvidError, InputError, OutputError
from colorvid.files.concat import concat_files
from colorvid.io.files import os_errors

TICK_SECONDS = 0.25
PATIENCE_SECONDS = 20
"""After which a cluster without workers is mentioned."""
CHECKED_INPUTS = 100
"""Most inputs, one of each folder, that every worker must see before it gets work."""
SURVEY, JOIN = -1, -2
"""In place of the number of a part."""
Key = tuple[int, int]
"""Number of a job, and of its part."""


@dataclass(frozen=True)
class Settings:
    """How a batch is run.

    Attributes:
        retries: times that a part is tried again after a fault that may go away.
        threads: of the codec in each worker.
        overwrite: whether outputs that are not of this batch are replaced.
    """

    retries: int = 2
    threads: int = 1
    overwrite: bool = False


@dataclass(frozen=True)
class Status:
    """Where a batch stands.

    Attributes:
        files_done, files: finished or failed, and all.
        parts_done, parts: finished, and all that are known so far.
        frames_done: finished, those of earlier runs and of parts at work included.
        frames: of all files; None = not known of every one.
        fps: frames per second of this run, all workers together.
        eta_s: seconds that are left at this speed; None = not known.
        workers: calls that run at once at present.
    """

    files_done: int
    files: int
    parts_done: int
    parts: int
    frames_done: int
    frames: int | None
    fps: float
    eta_s: float | None
    workers: int


@dataclass(frozen=True)
class Listener:
    """Who hears of a batch.

    Attributes:
        tell: gets lines for the user, with ``warning``, ``error`` or nothing as their level.
        status: gets the status, some times a second; what it raises ends the batch.
        file: gets the row of each file as soon as it is finished or has failed.
    """

    tell: Callable[[str, str], None] = lambda text, level: None
    status: Callable[[Status], None] = lambda status: None
    file: Callable[[Row], None] = lambda row: None


@dataclass
class _Work:
    """A job on its way."""

    job: Job
    row: Row
    manifest: Manifest | None = None
    facts: dict[int, Json] = field(default_factory=dict)
    """Of finished parts."""
    tries: dict[int, int] = field(default_factory=dict)
    avoid: dict[int, frozenset[str]] = field(default_factory=dict)
    closed: bool = False


class Batch:
    """One run of a batch."""

    def __init__(self, state: State, settings: Settings, listener: Listener | None = None) -> None:
        """Prepare; ``state`` is locked by the caller."""
        self._state, self._settings = state, settings
        self._listener = listener or Listener()
        self._place = Place(str(state.token), state.token_text())
        self._works: list[_Work] = []
        self._ready: list[tuple[float, Key]] = []
        self._running: dict[Key, Future[Any]] = {}
        self._events: SimpleQueue[Key] = SimpleQueue()
        self._live: dict[str, int] = {}
        self._unfit: dict[str, str] = {}
        self._start = time.monotonic()
        self._frames_before = 0
        self._waiting_since: float | None = self._start

    @property
    def rows(self) -> list[Row]:
        """What became of every file so far, in the order of the jobs."""
        return [work.row for work in self._works]

    def run(self, engine: Engine, jobs: Sequence[Job]) -> None:
        """Do all jobs; what becomes of each stands in `rows`.

        Raises:
            ClusterError: the cluster is lost, or none of its workers can do the work.
        """
        self._engine, target = engine, self._state.target
        self._works = [
            _Work(j, Row(str(j.source), j.name if target(j) else "", j.task)) for j in jobs
        ]
        with ThreadPoolExecutor(1, thread_name_prefix="colorvid join") as self._joiner:
            for number, work in enumerate(self._works):
                self._look(number, work)
            self._frames_before = sum(row.frames for row in self.rows)
            self._drain()
            self._plan()
            self._drain()

    def _look(self, number: int, work: _Work) -> None:
        """Find out how far a job is."""
        try:
            with os_errors(str(work.job.source), InputError):
                size = work.job.source.stat().st_size
            standing = self._state.look(work.job, overwrite=self._settings.overwrite)
        except ColorvidError as error:
            self._fail(work, str(error), error.exit_code)
            return
        for note in standing.notes if standing.kind != "refused" else ():
            self._listener.tell(note, "warning")
        if standing.kind == "done":
            work.row, work.closed = Row(**{**(standing.row or {}), "earlier": True}), True
            self._listener.file(work.row)
        elif standing.kind == "refused":
            self._fail(work, standing.notes[0], OutputError.exit_code)
        else:
            self._take_up((number, SURVEY), work, standing, size)

    def _take_up(self, key: Key, work: _Work, standing: Standing, size: int) -> None:
        """Go on with parts that are there, or have the input looked at."""
        self._state.clean(work.job)
        if standing.manifest is None:
            self._push(key, size)
            return
        work.manifest = standing.manifest
        work.facts = self._state.parts(work.job, standing.manifest)
        for facts in work.facts.values():
            work.row.add(facts, 1)

    def _plan(self) -> None:
        """Cut the inputs that were looked at, and queue all parts."""
        works = [(n, w) for n, w in enumerate(self._works) if not w.closed and w.manifest]
        pixels = sum(_cost(w) for _, w in works)
        slots = max(1, sum(self._engine.workers().values()))
        splitter = Splitter(slots, pixels)
        for number, work in works:
            assert work.manifest is not None
            known = work.manifest.survey
            if not work.manifest.parts:
                work.manifest.parts = (
                    splitter.parts(
                        frames=known["frames"],
                        pixels=known["pixels"],
                        gop=work.job.options.get("gop", DEFAULT_GOP),
                        direct=known["direct"],
                    )
                    if work.job.task == "encode"
                    else [(0, None)]
                )
                try:
                    self._state.begin(work.job, work.manifest)
                except OutputError as error:
                    self._fail(work, str(error), error.exit_code)
                    continue
            for part in range(len(work.manifest.parts)):
                if part not in work.facts:
                    self._push((number, part), _cost(work, part))
            self._finish_if_complete(number, work)

    def _push(self, key: Key, cost: float) -> None:
        """Queue a call; the most expensive ones go first."""
        heapq.heappush(self._ready, (-cost, key))

    # The loop.

    def _drain(self) -> None:
        """Have everything done that is queued."""
        while self._ready or self._running:
            self._check_workers()
            self._feed()
            try:
                key = self._events.get(timeout=TICK_SECONDS)
                while True:
                    self._on_event(key)
                    key = self._events.get_nowait()
            except Empty:
                pass
            self._live.update(self._engine.progress())
            self._listener.status(self.status())

    def _check_workers(self) -> None:
        """Ask workers that are new whether they can do the work, and tell which cannot."""
        sources: dict[Path, str] = {}
        for work in self._works:
            if not work.closed and len(sources) < CHECKED_INPUTS:
                sources.setdefault(work.job.source.parent, str(work.job.source))
        options = self._works[0].job.options
        wanted = (made_by(), model_digest(options.get("model")), options, tuple(sources.values()))
        for worker, reason in self._engine.everywhere(check_here, wanted).items():
            if isinstance(reason, BaseException):
                reason = f"has no colorvid that can run batches: {reason}"
            if reason is not None:
                self._dismiss(worker, reason)
        workers = self._engine.workers()
        if workers and workers.keys() <= self._unfit.keys():
            who = f"none of the {len(workers)} workers can" if len(workers) > 1 else (
                "the only worker cannot"
            )  # fmt: skip
            raise ClusterError(f"{who} do the work: {self._unfit[next(iter(workers))]}")
        self._mention_waiting(bool(workers))

    def _dismiss(self, worker: str, reason: str) -> None:
        """Give a worker no more work."""
        if worker not in self._unfit:
            self._unfit[worker] = reason
            self._listener.tell(f"worker {worker} {reason}; it gets no work", "warning")

    def _mention_waiting(self, any_worker: bool) -> None:
        if any_worker:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > PATIENCE_SECONDS:
            self._waiting_since = float("inf")  # once is enough
            self._listener.tell("the cluster has no workers; waiting for some", "warning")

    def _feed(self) -> None:
        """Hand calls to the engine, two for each that can run: none waits for the next one."""
        fit = {w: n for w, n in self._engine.workers().items() if w not in self._unfit}
        while self._ready and len(self._running) < 2 * sum(fit.values()):
            _, key = heapq.heappop(self._ready)
            work = self._works[key[0]]
            if work.closed:
                continue
            avoid = work.avoid.get(key[1], frozenset()) | frozenset(self._unfit)
            self._watch(key, self._engine.submit(perform, self._call(key, work), avoid))

    def _watch(self, key: Key, future: Future[Any]) -> None:
        self._running[key] = future
        future.add_done_callback(lambda _: self._events.put(key))

    def _call(self, key: Key, work: _Work) -> Call:
        """What a worker is asked for."""
        number, part = key
        options = work.job.options
        call = Call(
            f"{number}:{part}",
            work.job.task,
            str(work.job.source),
            options,
            made_by(),
            model_digest(options.get("model")),
            self._place,
        )
        if part == SURVEY or work.manifest is None:
            return call
        first, frames = work.manifest.parts[part]
        return replace(
            call,
            fingerprint=work.manifest.source,
            target=str(self._state.part(work.job, part)),
            first=first,
            frames=frames,
            threads=self._settings.threads,
        )

    def _on_event(self, key: Key) -> None:
        """Take the result of a call."""
        future, work = self._running.pop(key), self._works[key[0]]
        self._live.pop(f"{key[0]}:{key[1]}", None)
        if key[1] == JOIN:
            self._joined(work, future)
            return
        try:
            answer: Answer = future.result()
        except ClusterError:
            raise
        except WorkerLost as error:
            answer = Answer("", trouble=Trouble(str(error), retry=True))
        except Exception as error:
            answer = Answer("", trouble=Trouble(f"{type(error).__name__}: {error}", retry=True))
        if work.closed:
            return
        if answer.trouble is None:
            answer = self._taken(key, work, answer)
        if answer.trouble is not None:
            self._on_trouble(key, work, answer.worker, answer.trouble)

    def _taken(self, key: Key, work: _Work, answer: Answer) -> Answer:
        """Keep what a worker has found or made; gives the answer, with trouble if that fails."""
        number, part = key
        if part == SURVEY:
            known = dict(answer.facts)
            model = model_digest(work.job.options.get("model"))
            source = known.pop("fingerprint")
            work.manifest = Manifest(source, work.job.options, model, survey=known)
            return answer
        if answer.data is not None:
            target = self._state.part(work.job, part)
            made = target.with_name(f".{target.name}")
            try:
                with os_errors(str(made), OutputError):
                    made.write_bytes(answer.data)
                keep_part(made, target, answer.facts)
            except OutputError as error:
                made.unlink(missing_ok=True)
                return Answer("", trouble=trouble_of(error, str(work.job.source)))
        work.facts[part] = answer.facts
        work.row.add(answer.facts, work.tries.get(part, 0) + 1)
        self._finish_if_complete(number, work)
        return answer

    def _on_trouble(self, key: Key, work: _Work, worker: str, trouble: Trouble) -> None:
        """Try a call again, or give up its file."""
        part = key[1]
        avoid = work.avoid.get(part, frozenset())
        if trouble.unfit:
            self._dismiss(worker, trouble.message)
        if not trouble.unfit or worker in avoid:  # another worker is no second try
            work.tries[part] = work.tries.get(part, 0) + 1
        tries = work.tries.get(part, 0)
        if not trouble.retry or tries > self._settings.retries:
            times = f" (tried {tries} times)" if tries > 1 else ""
            work.row.tries = max(work.row.tries, tries)
            self._fail(work, f"{trouble.message}{times}", trouble.exit_code)
            return
        if worker:
            work.avoid[part] = avoid | {worker}
        self._push(key, _cost(work, part))

    # Ends of jobs.

    def _fail(self, work: _Work, message: str, code: int) -> None:
        """Give up a file; its parts stay for the next run."""
        work.closed = True
        work.row.outcome, work.row.error, work.row.exit_code = "failed", message, code
        name = str(work.job.source)
        self._listener.tell(message if name in message else f"{name}: {message}", "error")
        self._listener.file(work.row)

    def _finish_if_complete(self, number: int, work: _Work) -> None:
        """Once all parts are there, make the output of them."""
        manifest = work.manifest
        if manifest is None or len(work.facts) < len(manifest.parts):
            return
        try:
            parts = _in_order(manifest, work.facts)
            if not is_same(work.job.source, manifest.source):
                raise InputError(f"{work.job.source}: has changed while it was worked on")
        except ColorvidError as error:
            self._state.forget_parts(work.job)
            self._fail(work, str(error), error.exit_code)
            return
        paths = [self._state.part(work.job, part) for part in parts]
        if len(paths) > 1:
            joined = paths[0].with_name(f".joined{paths[0].suffix}")
            self._watch((number, JOIN), self._joiner.submit(_join, paths, joined))
            return
        self._finish(work, paths[0] if self._state.target(work.job) else None)

    def _joined(self, work: _Work, future: Future[Any]) -> None:
        try:
            made, size = future.result()
        except ColorvidError as error:
            self._fail(work, str(error), error.exit_code)
            return
        work.row.bytes = size
        self._finish(work, made)

    def _finish(self, work: _Work, made: Path | None) -> None:
        """Record a file and give its output the final name."""
        assert work.manifest is not None
        row = work.row
        row.outcome = "damaged" if row.error else "done"
        try:
            self._state.finish(work.job, work.manifest, made, asdict(row))
        except OutputError as error:
            self._fail(work, str(error), error.exit_code)
            return
        work.closed = True
        if row.error:
            self._listener.tell(f"{row.input}: {row.error}", "error")
        for text in row.warnings:
            self._listener.tell(text if row.input in text else f"{row.input}: {text}", "warning")
        self._listener.file(row)

    def status(self) -> Status:
        """Where the batch stands."""
        done = sum(row.frames for row in self.rows)
        live = done + sum(self._live.values())
        seconds = time.monotonic() - self._start
        fps = max(0, live - self._frames_before) / max(seconds, 1e-9)
        total = self._total()
        left = None if total is None or not fps else max(0, total - live) / fps
        return Status(
            files_done=sum(work.closed for work in self._works),
            files=len(self._works),
            parts_done=sum(row.parts for row in self.rows),
            parts=sum(len(w.manifest.parts) if w.manifest else w.row.parts for w in self._works),
            frames_done=live,
            frames=total,
            fps=round(fps, 3),
            eta_s=None if left is None else round(left, 1),
            workers=sum(self._engine.workers().values()),
        )

    def _total(self) -> int | None:
        """Frames of all files that did not fail; None while one is not known."""
        total = 0
        for work in self._works:
            if work.closed or work.manifest is None:
                if not work.closed:
                    return None
                total += work.row.frames
            elif work.manifest.survey.get("frames") is None:
                return None
            else:
                total += work.manifest.survey["frames"]
        return total


def _cost(work: _Work, part: int | None = None) -> int:
    """Luma samples of a file or of a part; for an input of unknown length, its bytes."""
    manifest = work.manifest
    if manifest is None:
        return 0
    known = manifest.survey
    frames = known["frames"]
    if not frames or not known["pixels"]:
        return int(manifest.source["bytes"])
    if part is not None and part >= 0 and manifest.parts:
        first, count = manifest.parts[part]
        frames = count or max(1, frames - first)
    return int(frames * known["pixels"])


def _in_order(manifest: Manifest, facts: dict[int, Json]) -> list[int]:
    """Numbers of the parts that have frames; those after the end of the source have none.

    Raises:
        InputError: a part in the middle is short, so the source was not the same for all.
    """
    counts = [facts[part]["frames"] for part in range(len(manifest.parts))]
    filled = [part for part, count in enumerate(counts) if count]
    for part in filled[:-1]:
        if counts[part] != manifest.parts[part][1]:
            raise InputError("has not the same frames each time that it is read")
    if filled != list(range(len(filled))):
        raise InputError("has not the same frames each time that it is read")
    return filled


def _join(paths: Sequence[Path], target: Path) -> tuple[Path, int]:
    """Put parts together; gives the new stream and its size in bytes."""
    return target, concat_files(paths, target, overwrite=True).size_bytes
