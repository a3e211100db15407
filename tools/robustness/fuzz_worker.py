"""The child process of the fuzzer: feeds cases to one target and leaves traces if it dies."""

from __future__ import annotations

import mmap
import random
import resource
import struct
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import hypothesis
from hypothesis.configuration import set_hypothesis_home_dir

from colorvid.evaluation.compare.machine import peak_memory_mb
from tools.robustness.fuzz_targets import Target

HEAP_BYTES = 6 << 30
"""Most private memory of a child, whatever the target allows."""
_BOARD = struct.Struct("<qqd")
_BOARD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that broke a promise.

    Attributes:
        kind: ``error``, ``crash``, ``hang`` or ``memory``.
        case: number of the case.
        what: one line or a traceback.
        data: the input.
    """

    kind: str
    case: int
    what: str
    data: bytes


class Board:
    """What a child is at, in a file that the parent sees too and that outlives the child."""

    def __init__(self, path: Path) -> None:
        """Map the file, and make it as long as it must be."""
        with path.open("r+b") as file:
            file.truncate(_BOARD_BYTES)
            self._map = mmap.mmap(file.fileno(), _BOARD_BYTES)

    def begin(self, case: int, data: bytes) -> None:
        """Take note of a case that starts now."""
        data = data[: _BOARD_BYTES - _BOARD.size]
        self._map[_BOARD.size : _BOARD.size + len(data)] = data
        self._map[: _BOARD.size] = _BOARD.pack(case, len(data), time.time())

    def present(self) -> tuple[int, bytes, float]:
        """Number, input and start (seconds since the epoch) of the present case."""
        case, size, start = _BOARD.unpack(self._map[: _BOARD.size])
        return case, self._map[_BOARD.size : _BOARD.size + size], start


def peak_bytes() -> float:
    """Most resident memory of this process, since `forget_peak` where the system can forget."""
    return (peak_memory_mb() or 0.0) * 1e6


def forget_peak() -> None:
    """Let the peak start again from what is resident now (Linux)."""
    control = Path("/proc/self/clear_refs")
    if control.exists():
        control.write_text("5")


class Cases:
    """Feeds cases to a target and collects findings."""

    def __init__(self, target: Target, seed: int, begin: Callable[[int, bytes], None]) -> None:
        """Prepare; ``begin`` gets number and input before each case."""
        self._target, self._seed, self._begin = target, seed, begin
        for data in target.corpus:
            target.check(data)
        forget_peak()
        self._peak = peak_bytes()

    def run_one(self, case: int, data: bytes) -> Finding | None:
        """Feed one input."""
        self._begin(case, data)
        try:
            self._target.check(data)
        except BaseException as error:  # whatever it is, it is what we look for
            if isinstance(error, KeyboardInterrupt):
                raise
            return Finding("error", case, "".join(traceback.format_exception(error)), data)
        peak = peak_bytes()
        taken, self._peak = peak - self._peak, max(peak, self._peak)
        if taken > self._target.memory_bytes:
            what = f"took {taken} bytes more; {self._target.memory_bytes} are allowed"
            return Finding("memory", case, what, data)
        return None

    def mutations(self, first: int, count: int) -> Iterator[Finding]:
        """Cases ``first`` to ``count - 1``; each depends on seed and number alone."""
        for case in range(first, count):
            rng = random.Random(f"{self._target.name}/{self._seed}/{case}")
            finding = self.run_one(case, self._target.mutated(rng))
            if finding is not None:
                yield finding

    def structures(self, first: int, count: int) -> Iterator[Finding]:
        """``count`` cases of hypothesis, numbered from ``first``; the first finding ends them.

        The finding is the smallest input that hypothesis could shrink it to.
        """
        number = first
        last: Finding | None = None

        @hypothesis.seed(self._seed)
        @hypothesis.settings(
            max_examples=max(count, 1), database=None, deadline=None, derandomize=False,
            suppress_health_check=list(hypothesis.HealthCheck), print_blob=False,
        )  # fmt: skip
        @hypothesis.given(self._target.structured())
        def feed(data: bytes) -> None:
            nonlocal number, last
            number += 1
            finding = self.run_one(number - 1, data)
            if finding is not None:
                last = finding
                raise AssertionError(finding.kind)

        with tempfile.TemporaryDirectory() as home:
            set_hypothesis_home_dir(home)
            try:
                feed()
            except AssertionError:
                assert last is not None
                yield last


def work(
    kind: type[Target], seed: int, counts: tuple[int, int, int], board: str, results: Connection
) -> None:
    """The life of a child: mutations, structures, then None; findings go to ``results``.

    Args:
        kind: class of the target.
        seed: decides all inputs.
        counts: number of the first case, end of the mutations, and cases of hypothesis.
        board: path of the `Board`.
        results: where findings go.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (HEAP_BYTES, HEAP_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    first, mutations, structures = counts
    with closing(kind()) as target:
        cases = Cases(target, seed, Board(Path(board)).begin)
        for finding in cases.mutations(first, mutations):
            results.send(finding)
        if structures:
            for finding in cases.structures(max(first, mutations), structures):
                results.send(finding)
    results.send(None)
