"""The workers of an engine: which can do the work, which are told to stay away, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path

from colorvid.batch.engine import Argument, Engine, Result
from colorvid.batch.identity import made_by, model_digest
from colorvid.batch.opening import open_engine
from colorvid.batch.options import Options
from colorvid.batch.work import check_here
from colorvid.errors import ClusterError

PATIENCE_SECONDS = 20
"""After which a cluster without workers is mentioned."""
CHECKED_INPUTS = 100
"""Most inputs, one of each folder, that a worker must see before it gets work."""
Tell = Callable[[str, str], None]
"""Gets lines for the user, with ``warning``, ``error`` or nothing as their level."""


class Crew:
    """Workers that were asked whether they can do the work.

    Attributes:
        unfit: names of those that cannot, with the reason.
    """

    def __init__(
        self, engine: Engine, options: Options, sources: Iterable[Path], tell: Tell
    ) -> None:
        """Ask nobody yet.

        Args:
            engine: that has the workers.
            options: of the work; its model is what the workers must have.
            sources: inputs that they must see.
            tell: gets a line for each worker that cannot do the work.
        """
        self.unfit: dict[str, str] = {}
        self._engine, self._options, self._tell = engine, options, tell
        folders: dict[Path, str] = {}
        for source in sources:
            if len(folders) < CHECKED_INPUTS:
                folders.setdefault(source.parent, str(source))
        self._sources = tuple(folders.values())
        self._waiting_since: float | None = time.monotonic()

    def check(self) -> None:
        """Ask workers that are new.

        Raises:
            ClusterError: none of the workers there are can do the work.
        """
        model = model_digest(self._options.get("model"))
        wanted = (made_by(), model, self._options, self._sources)
        for worker, found in self._engine.everywhere(check_here, wanted).items():
            if isinstance(found, BaseException):
                self.dismiss(worker, f"has no colorvid that can run batches: {found}")
            elif found is not None:
                self.dismiss(worker, found)
        workers = self._engine.workers()
        if workers and workers.keys() <= self.unfit.keys():
            many = len(workers) > 1
            who = f"none of the {len(workers)} workers can" if many else "the only worker cannot"
            raise ClusterError(f"{who} do the work: {self.unfit[next(iter(workers))]}")
        self._mention_waiting(bool(workers))

    def dismiss(self, worker: str, reason: str) -> None:
        """Give a worker no more work."""
        if worker not in self.unfit:
            self.unfit[worker] = reason
            self._tell(f"worker {worker} {reason}; it gets no work", "warning")

    def slots(self) -> int:
        """How many calls run at once on those that can do the work."""
        workers = self._engine.workers()
        return sum(count for name, count in workers.items() if name not in self.unfit)

    def submit(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        avoid: frozenset[str] = frozenset(),
    ) -> Future[Result]:
        """Run ``function(argument)`` on a worker that can do the work; see `Engine.submit`."""
        return self._engine.submit(function, argument, avoid | frozenset(self.unfit))

    def _mention_waiting(self, any_worker: bool) -> None:
        if any_worker:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > PATIENCE_SECONDS:
            self._waiting_since = float("inf")  # once is enough
            self._tell("the cluster has no workers; waiting for some", "warning")


@contextmanager
def submitting(
    jobs: int, cluster: str | None, model: str, sources: Iterable[Path], tell: Tell
) -> Iterator[Crew | None]:
    """Workers for calls that are independent; None where one job is done in this process.

    Args:
        jobs: workers of a pool or of an embedded cluster.
        cluster: see `colorvid.batch.engine.open_engine`.
        model: name or file, which all workers must have.
        sources: inputs that they must see.
        tell: gets a line for each worker that cannot do the work.

    Raises:
        ConfigError: Dask is not installed.
        ClusterError: the scheduler cannot be reached, or no worker can do the work.
    """
    if jobs == 1 and cluster is None:
        yield None
        return
    with closing(open_engine(jobs, cluster)) as engine:
        crew = Crew(engine, {"model": model}, [s.absolute() for s in sources], tell)
        crew.check()
        yield crew
