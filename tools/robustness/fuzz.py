"""Feeds hostile input to everything that reads untrusted bytes.

::

    python tools/robustness/fuzz.py all --cases 100000 --seed 1 --keep findings
    python tools/robustness/fuzz.py stream --replay findings/stream-1-42.bin

Each target runs in a child process, so that crashes and hangs of native code are seen too. Nine
tenths of the cases are mutations of sound inputs, the rest is built by hypothesis. A finding is: an
exception that is no named error, a broken promise (see the targets), a death of the process, a case
that takes too long, or one that takes too much memory. The same seed gives the same cases.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import argparse
import importlib
import multiprocessing
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from colorvid.cli.tool import errors_in_one_line, tool_parser
from tools.robustness.fuzz_targets import HeaderTarget, InputTarget, PacketTarget, Target
from tools.robustness.fuzz_worker import Board, Cases, Finding, work

SHARES = {"header": 24, "packet": 30, "entropy": 20, "input": 23, "stream": 2.5, "api": 0.5}
"""Targets, and how many of 100 cases of ``all`` each gets: they differ much in speed."""
START_SECONDS = 300.0
"""Longest time until the first case, in which the model is loaded."""
_POLL_SECONDS = 0.2
_STRUCTURED = 10  # one case in ten is built by hypothesis


def target_class(name: str) -> type[Target]:
    """The target called ``name``, one of ``SHARES``; those of the codec load torch."""
    light: dict[str, type[Target]] = {t.name: t for t in (HeaderTarget, PacketTarget, InputTarget)}
    if name in light:
        return light[name]
    module = importlib.import_module("tools.robustness.fuzz_codec")
    found: type[Target] = getattr(module, f"{name.capitalize()}Target")
    return found


@dataclass
class Outcome:
    """What a run of one target gave."""

    target: str
    cases: int
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


class Supervisor:
    """Runs one target in child processes, a new one after each death."""

    def __init__(self, kind: type[Target], seed: int, limit_s: float) -> None:
        """Prepare; a case may take ``limit_s`` seconds."""
        self._kind, self._seed, self._limit_s = kind, seed, limit_s
        self._context = multiprocessing.get_context("spawn")

    def run(self, cases: int) -> Iterator[Finding]:
        """Run ``cases`` cases; yields what is found."""
        structures = cases // _STRUCTURED
        mutations, first = cases - structures, 0
        with tempfile.NamedTemporaryFile() as file:
            board = Board(Path(file.name))
            while True:
                board.begin(-1, b"")
                receiving, sending = self._context.Pipe(duplex=False)
                arguments = (self._kind, self._seed, (first, mutations, structures), file.name)
                child = self._context.Process(target=work, args=(*arguments, sending), daemon=True)
                child.start()
                sending.close()
                death = yield from self._watch(child, receiving, board)
                if death is None:
                    return
                yield death
                if death.case < 0 or death.case >= mutations:
                    return  # it cannot start, or hypothesis was at work, whose cases hang together
                first = death.case + 1

    def _watch(
        self, child: BaseProcess, results: Connection, board: Board
    ) -> Generator[Finding, None, Finding | None]:
        """Pass findings on until the child ends; returns its death if it does not end well."""
        while True:
            try:
                if results.poll(_POLL_SECONDS):
                    finding = results.recv()
                    if finding is None:
                        child.join()
                        return None
                    yield finding
                    continue
            except EOFError:
                child.join()
                case, data, _ = board.present()
                return Finding("crash", case, f"the process ended with {child.exitcode}", data)
            case, data, start = board.present()
            limit = self._limit_s if case >= 0 else START_SECONDS
            if time.time() - start > limit:
                child.kill()
                child.join()
                return Finding("hang", case, f"not done after {limit:g} s", data)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line to options."""
    parser = tool_parser(__doc__)
    parser.add_argument("target", choices=[*SHARES, "all"])
    parser.add_argument("--cases", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--seed", type=int, default=1, help="decides all cases (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for the inputs found")
    parser.add_argument(
        "--limit", type=float, default=20.0, metavar="S", help="longest case, seconds (default: 20)"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this one input instead")
    options = parser.parse_args(arguments)
    if options.replay is not None and options.target == "all":
        parser.error("--replay needs the target of the input")
    return options


def fuzz(name: str, cases: int, options: argparse.Namespace) -> Outcome:
    """Run one target; prints and keeps what is found."""
    outcome, start = Outcome(name, cases), time.perf_counter()
    for finding in Supervisor(target_class(name), options.seed, options.limit).run(cases):
        outcome.findings.append(finding)
        print(
            f"{name}: seed {options.seed}, case {finding.case}: {finding.kind}: {finding.what}",
            flush=True,
        )
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            path = options.keep / f"{name}-{options.seed}-{finding.case}.bin"
            path.write_bytes(finding.data)
            print(f"kept in {path}")
    outcome.seconds = time.perf_counter() - start
    return outcome


def replay(name: str, path: Path) -> int:
    """Run one kept input in this process; returns the exit code."""
    with closing(target_class(name)()) as target:
        finding = Cases(target, 0, lambda case, data: None).run_one(0, path.read_bytes())
    print("nothing found" if finding is None else f"{finding.kind}: {finding.what}")
    return int(finding is not None)


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 if nothing is found."""
    options = parse(arguments)
    if options.replay is not None:
        return replay(options.target, options.replay)
    shares = SHARES if options.target == "all" else {options.target: 100.0}
    outcomes = []
    for name, share in shares.items():
        outcomes.append(fuzz(name, max(1, round(options.cases * share / 100)), options))
        last = outcomes[-1]
        figures = f"{last.cases} cases, {last.seconds:.0f} s, {len(last.findings)} findings"
        print(f"{name}: {figures}", flush=True)
    found = sum(len(outcome.findings) for outcome in outcomes)
    cases, seconds = sum(o.cases for o in outcomes), sum(o.seconds for o in outcomes)
    print(f"seed {options.seed}: {cases} cases, {seconds:.0f} s, {found} findings")
    return int(found > 0)
