"""Simulate a large batch on paper: makespan, idle share and lost work, with failures.

Films of random length are cut by the rule of ``colorvid batch`` and given to workers, longest part
first, by one scheduler. Workers die at random and come back; what they had is done again. Times
come from a measured batch (--report batch.json of ``colorvid batch``), or from --fps.

--measure N runs N empty calls on a real cluster of Dask on this machine and prints what one costs.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import argparse
import heapq
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from colorvid.batch.opening import open_engine
from colorvid.batch.split import Splitter
from colorvid.cli.options import whole
from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.errors import InputError
from colorvid.io.files import os_errors

PIXELS = 1920 * 1080
HOUR = 3600.0


@dataclass(frozen=True)
class World:
    """What is simulated.

    Attributes:
        files, workers: how many.
        frames: median length of a file; lengths are log-normal, sigma 1.
        gop: frames of a group.
        fps: frames per second of one worker.
        skip_fps: frames per second at which those before a part are decoded; 0 = they are found
            directly.
        part_seconds: cost of a part besides its frames: loading the model, reading, writing.
        call_seconds: of the scheduler for each call; it gives out one after the other.
        mtbf_hours: mean time between failures of a worker; 0 = none fails.
        restart_seconds: until a worker that died is back.
        retries: after which a file is given up.
        seed: of all that is random.
    """

    files: int = 10_000
    workers: int = 1000
    frames: int = 1500
    gop: int = 32
    fps: float = 1.0
    skip_fps: float = 0.0
    part_seconds: float = 1.0
    call_seconds: float = 0.001
    mtbf_hours: float = 24.0
    restart_seconds: float = 120.0
    retries: int = 2
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a simulation gave; times in seconds.

    Attributes:
        parts, frames: of all files.
        makespan: from the first call to the last result.
        work: of finished parts, all workers together.
        lost: work of workers that died on it.
        scheduler: that the scheduler was busy.
        longest_wait: most that an idle worker waited for the scheduler.
        deaths: of workers at work.
        failed: files that were given up.
    """

    parts: int
    frames: int
    makespan: float
    work: float
    lost: float
    scheduler: float
    longest_wait: float
    deaths: int
    failed: int

    def idle_share(self, workers: int) -> float:
        """Share of the time of all workers in which they do nothing, restarts included."""
        return 1 - (self.work + self.lost) / (self.makespan * workers)


def simulate(world: World) -> Outcome:
    """Play a batch through, event by event."""
    chance = random.Random(world.seed)
    lengths = [
        max(1, round(chance.lognormvariate(0, 1) * world.frames)) for _ in range(world.files)
    ]
    splitter = Splitter(world.workers, sum(lengths) * PIXELS)
    waiting: list[tuple[float, int, int]] = []
    """Minus the seconds of a part, its file, its number."""
    for file, length in enumerate(lengths):
        direct = world.skip_fps == 0
        parts = splitter.parts(frames=length, pixels=PIXELS, gop=world.gop, direct=direct)
        for number, (first, count) in enumerate(parts):
            seconds = (count or length - first) / world.fps + world.part_seconds
            seconds += 0 if direct else first / world.skip_fps
            heapq.heappush(waiting, (-seconds, file, number))
    count = len(waiting)
    free = [(0.0, worker) for worker in range(world.workers)]
    running: list[tuple[float, float, int, int]] = []  # end and seconds of parts of dead workers
    tries: dict[tuple[int, int], int] = {}
    failed: set[int] = set()
    scheduler = makespan = work = lost = longest = 0.0
    calls = deaths = 0
    while waiting or running:
        now, worker = heapq.heappop(free)
        while running and (running[0][0] <= now or not waiting):
            end, seconds, file, number = heapq.heappop(running)
            now = max(now, end)
            heapq.heappush(waiting, (-seconds, file, number))
        minus, file, number = heapq.heappop(waiting)
        if file in failed:
            heapq.heappush(free, (now, worker))
            continue
        start = max(now, scheduler) + world.call_seconds
        longest = max(longest, start - now)
        scheduler, calls = start, calls + 1
        death = chance.expovariate(1 / (world.mtbf_hours * HOUR)) if world.mtbf_hours else -minus
        if death < -minus:
            deaths, lost, end = deaths + 1, lost + death, start + death
            tries[file, number] = tries.get((file, number), 0) + 1
            if tries[file, number] > world.retries:
                failed.add(file)
            else:
                heapq.heappush(running, (end, -minus, file, number))
            heapq.heappush(free, (end + world.restart_seconds, worker))
        else:
            work -= minus
            end = start - minus
            heapq.heappush(free, (end, worker))
        makespan = max(makespan, end)
    busy = calls * world.call_seconds
    return Outcome(count, sum(lengths), makespan, work, lost, busy, longest, deaths, len(failed))


def measured_fps(path: Path) -> float:
    """Frames per second of one worker, over the finished files of a report.

    Raises:
        InputError: it is no report of a batch, or none of its files is finished.
    """
    with os_errors(str(path), InputError):
        text = path.read_text(encoding="utf-8")
    try:
        rows = [row for row in json.loads(text) if row["outcome"] == "done"]
        frames, seconds = (sum(row[key] for row in rows) for key in ("frames", "seconds"))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not the batch.json of colorvid batch: {error}") from error
    if not seconds:
        raise InputError(f"{path}: no file is finished; give the report of a batch that is")
    return float(frames / seconds)


def nothing(argument: int) -> int:
    """An empty call."""
    return argument


def measure_scheduler(calls: int, workers: int) -> float:
    """Seconds of an empty call on a real cluster of Dask on this machine.

    Raises:
        ConfigError: Dask is not installed.
    """
    with closing(open_engine(workers, "local")) as engine:
        engine.submit(nothing, 0).result()
        start = time.perf_counter()
        done: SimpleQueue[Future[int]] = SimpleQueue()
        total = 0
        for number in range(calls):  # as a batch does: two calls for each worker at a time
            if number >= 2 * workers:
                total += done.get().result()
            engine.submit(nothing, number).add_done_callback(done.put)
        total += sum(done.get().result() for _ in range(min(calls, 2 * workers)))
        assert total == calls * (calls - 1) // 2
        return (time.perf_counter() - start) / calls


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line to options."""
    parser = tool_parser(__doc__)
    add = parser.add_argument
    usual = World()
    add("--files", type=whole(1), default=usual.files, metavar="N")
    add("--workers", type=whole(1), default=usual.workers, metavar="N")
    add("--frames", type=whole(1), default=usual.frames, metavar="N", help="median of a file")
    add("--gop", type=whole(1), default=usual.gop, metavar="N")
    add("--report", type=Path, metavar="FILE", help="batch.json of a measured batch")
    add("--fps", type=float, default=usual.fps, help="of one worker, without --report")
    add("--skip-fps", type=float, default=usual.skip_fps, help="decoding of what is skipped")
    add("--part-seconds", type=float, default=usual.part_seconds, metavar="S")
    add("--call-seconds", type=float, default=usual.call_seconds, metavar="S")
    add("--mtbf-hours", type=float, default=usual.mtbf_hours, metavar="H")
    add("--restart-seconds", type=float, default=usual.restart_seconds, metavar="S")
    add("--retries", type=whole(0), default=usual.retries, metavar="N")
    add("--seed", type=whole(0), default=usual.seed, metavar="N")
    add("--measure", type=whole(1), metavar="N", help="run N empty calls on a real local cluster")
    return parser.parse_args(arguments)


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives the exit code."""
    options = vars(parse(arguments))
    calls, report = options.pop("measure"), options.pop("report")
    if calls is not None:
        seconds = measure_scheduler(calls, 2)
        print(f"{calls} empty calls on 2 workers: {seconds * 1000:.2f} ms each")
        return 0
    if report is not None:
        options["fps"] = measured_fps(report)
    world = World(**options)
    for line in summary(world, simulate(world)):
        print(line)
    return 0


def summary(world: World, found: Outcome) -> list[str]:
    """What a simulation gave, in words."""
    ideal = found.work / world.workers
    return [
        f"{world.files} files, {found.frames} frames in {found.parts} parts, {world.workers} "
        f"workers of {world.fps:.2f} fps",
        f"makespan   {found.makespan / HOUR:.2f} h, {found.makespan / ideal - 1:+.1%} over work "
        f"divided by workers ({ideal / HOUR:.2f} h)",
        f"idle       {found.idle_share(world.workers):.1%} of the time of workers, with restarts",
        f"lost       {found.lost / found.work:.2%} of the work, by {found.deaths} deaths",
        f"scheduler  busy {found.scheduler / found.makespan:.1%} of the time; a worker waits "
        f"{found.longest_wait:.2f} s for it at most",
        f"given up   {found.failed} files",
    ]
