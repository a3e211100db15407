"""Runs a batch: surveys the inputs, cuts them, has the parts made, and puts them together.

All decisions are made here, in one thread. Engines run calls, `State` keeps what is finished; if
this process dies at any moment, the next one with the same jobs goes on from the files.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from colorvid.batch.crew import Crew
from colorvid.batch.engine import Engine, WorkerLost
from colorvid.batch.identity import is_same, made_by, model_digest
from colorvid.batch.jobs import Job
from colorvid.batch.report import Row
from colorvid.batch.split import Part, Splitter
from colorvid.batch.state import Manifest, Standing, State, keep_part
from colorvid.batch.track import Clock, Listener, Track, join
from colorvid.batch.work import Answer, Call, Place, Trouble, perform, trouble_of
from colorvid.codec.targets import FIGURES, LIMITS
from colorvid.config import DEFAULT_GOP
from colorvid.errors import ClusterError, ColorvidError, InputError, OutputError
from colorvid.io.files import os_errors

TICK_SECONDS = 0.25
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


class Batch:
    """One run of a batch."""

    def __init__(self, state: State, settings: Settings, listener: Listener | None = None) -> None:
        """Prepare; ``state`` is locked by the caller."""
        self._state, self._settings = state, settings
        self._listener = listener or Listener()
        self._place = Place(str(state.token), state.token_text())
        self._tracks: list[Track] = []
        self._ready: list[tuple[float, Key]] = []
        self._running: dict[Key, Future[Any]] = {}
        self._events: SimpleQueue[Key] = SimpleQueue()
        self._live: dict[str, int] = {}
        self._clock = Clock()

    def _tell(self, text: str, level: str) -> None:
        self._listener.tell(text, level)

    @property
    def rows(self) -> list[Row]:
        """What became of every file so far, in the order of the jobs."""
        return [track.row for track in self._tracks]

    def run(self, engine: Engine, jobs: Sequence[Job]) -> None:
        """Do all jobs; what becomes of each stands in `rows`.

        Raises:
            ClusterError: the cluster is lost, or none of its workers can do the work.
        """
        target = self._state.target
        sources = [job.source for job in jobs]
        self._engine, self._crew = engine, Crew(engine, jobs[0].options, sources, self._tell)
        self._tracks = [
            Track(j, Row(str(j.source), j.name if target(j) else "", j.task)) for j in jobs
        ]
        with ThreadPoolExecutor(1, thread_name_prefix="colorvid join") as self._joiner:
            for number, track in enumerate(self._tracks):
                self._look(number, track)
            self._clock.frames_before = sum(row.frames for row in self.rows)
            self._drain()
            self._plan()
            self._drain()

    def _look(self, number: int, track: Track) -> None:
        """Find out how far a job is."""
        try:
            with os_errors(str(track.job.source), InputError):
                size = track.job.source.stat().st_size
            standing = self._state.look(track.job, overwrite=self._settings.overwrite)
        except ColorvidError as error:
            self._fail(track, str(error), error.exit_code)
            return
        for note in standing.notes if standing.kind != "refused" else ():
            self._tell(note, "warning")
        if standing.kind == "done":
            track.row, track.closed = Row(**{**(standing.row or {}), "earlier": True}), True
            self._listener.file(track.row)
        elif standing.kind == "refused":
            self._fail(track, standing.notes[0], OutputError.exit_code)
        else:
            self._take_up((number, SURVEY), track, standing, size)

    def _take_up(self, key: Key, track: Track, standing: Standing, size: int) -> None:
        """Go on with parts that are there, or have the input looked at."""
        self._state.clean(track.job)
        if standing.manifest is None:
            self._push(key, size)
            return
        track.manifest = standing.manifest
        track.facts = self._state.parts(track.job, standing.manifest)
        for facts in track.facts.values():
            track.row.add(facts, 1)

    def _plan(self) -> None:
        """Cut the inputs that were looked at, and queue all parts."""
        going = [(n, t) for n, t in enumerate(self._tracks) if not t.closed and t.manifest]
        splitter = Splitter(max(1, self._crew.slots()), sum(t.cost() for _, t in going))
        for number, track in going:
            assert track.manifest is not None
            if not track.manifest.parts:
                track.manifest.parts = self._parts(track, splitter)
                try:
                    self._state.begin(track.job, track.manifest)
                except OutputError as error:
                    self._fail(track, str(error), error.exit_code)
                    continue
            for part in range(len(track.manifest.parts)):
                if part not in track.facts:
                    self._push((number, part), track.cost(part))
            self._finish_if_complete(number, track)

    def _parts(self, track: Track, splitter: Splitter) -> list[Part]:
        """The parts of an input; only encoding at constant quality has more than one."""
        whole = any(name in track.job.options for name in (*FIGURES, *LIMITS))
        if track.job.task != "encode" or track.manifest is None or whole:
            return [(0, None)]
        known = track.manifest.survey
        return splitter.parts(
            frames=known["frames"],
            pixels=known["pixels"],
            gop=track.job.options.get("gop", DEFAULT_GOP),
            direct=known["direct"],
        )

    def _push(self, key: Key, cost: float) -> None:
        """Queue a call; the most expensive ones go first."""
        heapq.heappush(self._ready, (-cost, key))

    # The loop.

    def _drain(self) -> None:
        """Have everything done that is queued."""
        while self._ready or self._running:
            self._crew.check()
            self._feed()
            try:
                key = self._events.get(timeout=TICK_SECONDS)
                while True:
                    self._on_event(key)
                    key = self._events.get_nowait()
            except Empty:
                pass
            running = {_name(key) for key in self._running}
            live = {**self._live, **self._engine.progress()}
            self._live = {name: frames for name, frames in live.items() if name in running}
            self._listener.status(self._clock.status(self._tracks, self._live, self._crew.slots()))

    def _feed(self) -> None:
        """Hand calls to the engine, two for each that can run: none waits for the next one."""
        most = 2 * self._crew.slots()
        while self._ready and len(self._running) < most:
            _, key = heapq.heappop(self._ready)
            track = self._tracks[key[0]]
            if track.closed:
                continue
            avoid = track.avoid.get(key[1], frozenset())
            self._watch(key, self._crew.submit(perform, self._call(key, track), avoid))

    def _watch(self, key: Key, future: Future[Any]) -> None:
        self._running[key] = future
        future.add_done_callback(lambda _: self._events.put(key))

    def _call(self, key: Key, track: Track) -> Call:
        """What a worker is asked for."""
        options, part = track.job.options, key[1]
        call = Call(
            _name(key),
            track.job.task,
            str(track.job.source),
            options,
            made_by(),
            model_digest(options.get("model")),
            self._place,
        )
        if part == SURVEY or track.manifest is None:
            return call
        first, frames = track.manifest.parts[part]
        return replace(
            call,
            fingerprint=track.manifest.source,
            target=str(self._state.part(track.job, part)),
            first=first,
            frames=frames,
            threads=self._settings.threads,
        )

    def _on_event(self, key: Key) -> None:
        """Take the result of a call."""
        future, track = self._running.pop(key), self._tracks[key[0]]
        if key[1] == JOIN:
            self._joined(track, future)
            return
        try:
            answer: Answer = future.result()
        except ClusterError:
            raise
        except WorkerLost as error:
            answer = Answer("", trouble=Trouble(str(error), retry=True))
        except Exception as error:
            answer = Answer("", trouble=Trouble(f"{type(error).__name__}: {error}", retry=True))
        if track.closed:
            return
        if answer.trouble is None:
            answer = self._taken(key, track, answer)
        if answer.trouble is not None:
            self._on_trouble(key, track, answer.worker, answer.trouble)

    def _taken(self, key: Key, track: Track, answer: Answer) -> Answer:
        """Keep what a worker has found or made; gives the answer, with trouble if that fails."""
        number, part = key
        if part == SURVEY:
            known = dict(answer.facts)
            model = model_digest(track.job.options.get("model"))
            source = known.pop("fingerprint")
            track.manifest = Manifest(source, track.job.options, model, survey=known)
            return answer
        if answer.data is not None:
            target = self._state.part(track.job, part)
            made = target.with_name(f".{target.name}")
            try:
                with os_errors(str(made), OutputError):
                    made.write_bytes(answer.data)
                keep_part(made, target, answer.facts)
            except OutputError as error:
                made.unlink(missing_ok=True)
                return Answer("", trouble=trouble_of(error, str(track.job.source)))
        track.facts[part] = answer.facts
        track.row.add(answer.facts, track.tries.get(part, 0) + 1)
        self._finish_if_complete(number, track)
        return answer

    def _on_trouble(self, key: Key, track: Track, worker: str, trouble: Trouble) -> None:
        """Try a call again, or give up its file."""
        part = key[1]
        avoid = track.avoid.get(part, frozenset())
        if trouble.unfit:
            self._crew.dismiss(worker, trouble.message)
        if not trouble.unfit or worker in avoid:  # another worker is no second try
            track.tries[part] = track.tries.get(part, 0) + 1
        tries = track.tries.get(part, 0)
        if not trouble.retry or tries > self._settings.retries:
            times = f" (tried {tries} times)" if tries > 1 else ""
            track.row.tries = max(track.row.tries, tries)
            self._fail(track, f"{trouble.message}{times}", trouble.exit_code)
            return
        if worker:
            track.avoid[part] = avoid | {worker}
        self._push(key, track.cost(part))

    # Ends of jobs.

    def _fail(self, track: Track, message: str, code: int) -> None:
        """Give up a file; its parts stay for the next run."""
        track.closed = True
        track.row.outcome, track.row.error, track.row.exit_code = "failed", message, code
        name = str(track.job.source)
        self._tell(message if name in message else f"{name}: {message}", "error")
        self._listener.file(track.row)

    def _finish_if_complete(self, number: int, track: Track) -> None:
        """Once all parts are there, make the output of them."""
        manifest = track.manifest
        if manifest is None or len(track.facts) < len(manifest.parts):
            return
        try:
            parts = track.filled_parts()
            if not is_same(track.job.source, manifest.source):
                raise InputError(f"{track.job.source}: has changed while it was worked on")
        except ColorvidError as error:
            self._state.forget_parts(track.job)
            self._fail(track, str(error), error.exit_code)
            return
        paths = [self._state.part(track.job, part) for part in parts]
        if len(paths) > 1:
            joined = paths[0].with_name(f".joined{paths[0].suffix}")
            self._watch((number, JOIN), self._joiner.submit(join, paths, joined))
            return
        self._finish(track, paths[0] if self._state.target(track.job) else None)

    def _joined(self, track: Track, future: Future[Any]) -> None:
        try:
            made, size = future.result()
        except ColorvidError as error:
            self._fail(track, str(error), error.exit_code)
            return
        track.row.size_bytes = size
        self._finish(track, made)

    def _finish(self, track: Track, made: Path | None) -> None:
        """Record a file and give its output the final name."""
        assert track.manifest is not None
        row = track.row
        row.outcome = "damaged" if row.error else "done"
        try:
            self._state.finish(track.job, track.manifest, made, asdict(row))
        except OutputError as error:
            self._fail(track, str(error), error.exit_code)
            return
        track.closed = True
        if row.error:
            self._tell(f"{row.input}: {row.error}", "error")
        for text in row.warnings:
            self._tell(text if row.input in text else f"{row.input}: {text}", "warning")
        self._listener.file(row)


def _name(key: Key) -> str:
    """Of a call, for reports of progress."""
    return f"{key[0]}:{key[1]}"
