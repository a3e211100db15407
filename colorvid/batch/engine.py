"""What runs calls: the little that a batch wants of an executor, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from colorvid.errors import ColorvidError

Argument = TypeVar("Argument")
Result = TypeVar("Result")


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
        `colorvid.errors.ClusterError` if there is no engine any more.
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
