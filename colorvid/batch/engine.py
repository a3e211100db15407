"""What runs calls: the little that a batch wants of an executor, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from colorvid.errors import ClusterError, ColorvidError, ConfigError

Argument = TypeVar("Argument")
Result = TypeVar("Result")
LOCAL = "local"
"""In place of an address: an embedded cluster."""


class WorkerLost(ColorvidError):
    """A worker died while it had this call."""


class Engine(Protocol):
    """Runs functions on workers; functions and arguments must be such that pickle takes them."""

    def workers(self) -> dict[str, int]:
        """Names of the workers at present, and how many calls each runs at once.

        Raises:
            ClusterError: there is no engine any more.
        """
        ...

    def submit(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        avoid: frozenset[str] = frozenset(),
    ) -> Future[Result]:
        """Run ``function(argument)`` on a worker.

        Args:
            function: importable by its name.
            argument: its only argument.
            avoid: names of workers that should not get it, if there are others.

        The future has what the function returns or raises; `WorkerLost` if the worker died,
        `ClusterError` if there is no engine any more.
        """
        ...

    def everywhere(
        self, function: Callable[[Argument], Result], argument: Argument
    ) -> dict[str, Result | BaseException]:
        """Run ``function(argument)`` on every worker that was not asked before.

        Returns:
            The result, or what was raised, by name of the worker. Empty where all workers are
            processes of this machine and of this very colorvid.
        """
        ...

    def progress(self) -> dict[str, int]:
        """Frames by key of the calls that reported any since the last time."""
        ...

    def close(self) -> None:
        """Give up what still runs, and end what was started."""
        ...


def open_engine(jobs: int, cluster: str | None) -> Engine:
    """A pool of processes, an embedded cluster or a running one.

    Args:
        jobs: workers of a pool or of an embedded cluster.
        cluster: address of a scheduler of Dask, as in ``tcp://host:8786``; ``local`` = an embedded
            cluster; None = a pool.

    Raises:
        ConfigError: Dask is not installed.
        ClusterError: the scheduler cannot be reached.
    """
    if cluster is None:
        from colorvid.batch.pool import Pool

        return Pool(jobs)
    try:
        from colorvid.batch.cluster import Cluster
    except ImportError as error:
        raise ConfigError(
            f"cluster={cluster} needs Dask ({error.name} is missing); install it with: "
            "pip install 'colorvid[cluster]'"
        ) from error
    return Cluster(cluster, jobs)


__all__ = ["LOCAL", "ClusterError", "Engine", "WorkerLost", "open_engine"]
